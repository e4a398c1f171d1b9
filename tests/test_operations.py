"""`make plan`, `make status`, `make reconcile`, and the commands in the stack's outputs, with the real AWS CLI."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from launcher.operate import show_reconcile
from launcher.screen import Screen
from tests.customer import FUNCTION, LOG_GROUP, PROJECT, STACK, Customer
from tests.operating import act, delete_in_falcon, outcomes, record_version, wrote
from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status

pytest_plugins = ["tests.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"

# The keys of the JSON, by where they are: a contract, which the README documents.
KEYS = {
    "plan": {"action", "ok", "account", "preflight", "changes", "unchanged", "left", "skipped", "problems"},
    "plan.preflight": {"credentials", "cloud", "read", "write", "regions"},
    "plan.changes[]": {"region", "change", "connection", "why"},
    "plan.left[]": {"region", "connection", "why"},
    "plan.skipped[]": {"region", "why"},
    "status": {"action", "ok", "account", "cloud", "regions", "problems"},
    "status.regions[]": {
        *("region", "wanted", "skipped", "connection", "alias", "state", "credential_expired"),
        *("credential_expires_at", "last_refresh", "next_refresh", "problem"),
    },
    "reconcile": {"action", "ok", "cloud", "regions"},
    "reconcile.regions[]": {"region", "outcome", "connection", "message", "status", "trace_id", "milliseconds"},
}


class Operator:
    """Somebody at a shell in the project's directory, with the AWS CLI and an account, and nothing else."""

    def __init__(self, customer: Customer) -> None:
        self.environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": os.environ["HOME"],
            **customer.aws.environment(customer.account),
        }

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(["make", *arguments, f"STACK={STACK}"], **environment)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return self.run(["sh", "-c", command])

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def operator(customer: Customer) -> Operator:
    return Operator(customer)


def keys(answer: Any, at: str = "") -> dict[str, set[str]]:
    """Return the keys of every object in an answer, by where it is; all objects of one list must have the same."""
    at = at or answer["action"]
    if isinstance(answer, Mapping):
        found = {at: set(answer)}
        for name, value in answer.items():
            found |= keys(value, f"{at}.{name}")
        return found
    if isinstance(answer, list):
        listed = [keys(item, f"{at}[]") for item in answer]
        assert all(one == listed[0] for one in listed)
        return listed[0] if listed else {}
    return {}


def test_the_make_commands_show_and_repair_what_drifted(customer: Customer, operator: Operator) -> None:
    customer.aws.set_regions(enabled=THREE.split(","))
    stack = customer.launched(DeleteConnections="Stack", ExcludedRegions="sa-east-1")
    before = customer.connections()["us-east-1"]
    delete_in_falcon(customer, "eu-west-1")
    customer.aws.set_regions(enabled=[*THREE.split(","), "af-south-1"])
    version = record_version(customer, stack)

    with customer.counting() as looking:
        plan, status = operator.make("plan"), operator.make("status")

    assert (plan.returncode, plan.stderr) == (0, "")
    assert plan.stdout.splitlines() == [
        f"plan of {STACK}, account {ACCOUNT}, us-east-1",
        "Falcon cloud us-1: credentials accepted, reading allowed",
        "",
        "REGION      CHANGE  CONNECTION  WHY",
        "af-south-1  create  -           wanted, and not in Falcon",
        "eu-west-1   create  -           wanted, and not in Falcon",
        "",
        "1 unchanged: us-east-1",
        "1 skipped (in ExcludedRegions): sa-east-1",
        "2 changes to make: make reconcile",
    ]
    assert status.returncode != 0
    lines = status.stdout.splitlines()
    head = ["REGION", "CONNECTION", "STATE", "CREDENTIAL", "LAST REFRESH", "NEXT REFRESH", "WHAT IS WRONG"]
    assert re.split(r"  +", lines[3]) == head
    assert re.split(r"  +", lines[4]) == ["af-south-1", "-", "-", "-", "-", "-", "not connected"]
    assert re.split(r"  +", lines[5])[-1] == "its connection is gone from Falcon"
    assert re.fullmatch(rf"us-east-1 +{before.id}  (pending|active) +valid +(-|20\S+ \S+) +20\S+ \S+  -", lines[6])
    assert lines[8:] == ["1 skipped (in ExcludedRegions): sa-east-1", "2 Regions to repair: make reconcile"]
    assert not wrote(looking)
    assert record_version(customer, stack) == version

    reconcile = operator.make("reconcile")

    made = customer.connections()
    assert (reconcile.returncode, reconcile.stderr) == (0, "")
    assert reconcile.stdout.splitlines() == [
        f"reconcile of {STACK}, account {ACCOUNT}, us-east-1",
        "Falcon cloud us-1",
        "",
        f"{'REGION':<10}  OUTCOME  {'CONNECTION':<36}  WHY",
        f"af-south-1  created  {made['af-south-1'].id}  -",
        f"eu-west-1   created  {made['eu-west-1'].id}  -",
        "",
        "1 unchanged: us-east-1",
        "1 skipped (in ExcludedRegions): sa-east-1",
        "2 Regions repaired.",
    ]


def test_the_json_has_the_documented_keys_and_make_prints_it_alone_for_jq(
    customer: Customer, operator: Operator
) -> None:
    customer.launched(Regions=THREE)
    customer.update(Regions="us-east-1,eu-west-1")
    delete_in_falcon(customer, "eu-west-1")

    status = operator.make("status", "JSON=1")
    answers = [act(customer, "plan"), json.loads(status.stdout), act(customer, "reconcile")]

    assert status.returncode != 0  # something is wrong
    assert [answer["action"] for answer in answers] == ["plan", "status", "reconcile"]
    found: dict[str, set[str]] = {}
    for answer in answers:
        found |= keys(answer)
    assert found == KEYS


def test_the_commands_in_the_outputs_print_json_alone_with_the_aws_cli(customer: Customer, operator: Operator) -> None:
    stack = customer.launched(Regions="us-east-1")
    delete_in_falcon(customer, "us-east-1")

    query = "Stacks[0].Outputs[?OutputKey=='PlanCommand'].OutputValue"  # as the README finds it
    plan = operator.shell(
        f'sh -c "$(aws cloudformation describe-stacks --stack-name {STACK} --output text --query "{query}")"'
    )
    reconcile = operator.shell(f"{stack.outputs['ReconcileCommand']} | cat")
    status = operator.shell(f"({stack.outputs['StatusCommand']}) > /dev/fd/1")

    assert [ran.stderr for ran in (plan, reconcile, status)] == ["", "", ""]
    assert json.loads(plan.stdout)["changes"][0]["change"] == "create"
    assert outcomes(json.loads(reconcile.stdout)) == {"us-east-1": "created"}
    (connected,) = [row for row in json.loads(status.stdout)["regions"] if row["wanted"]]
    assert connected["connection"] == customer.connections()["us-east-1"].id
    assert all("--cli-read-timeout 0" in command for name, command in stack.outputs.items() if name.endswith("Command"))


def test_a_repair_that_fails_shows_why_and_not_where_in_the_code(customer: Customer, operator: Operator) -> None:
    customer.launched(Regions=THREE)
    delete_in_falcon(customer, "sa-east-1")
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached")))

    ran = operator.make("reconcile")

    assert ran.returncode != 0
    assert "error: 1 Region failed: sa-east-1. First cause (sa-east-1): HTTP 400 registry limit reached" in ran.stderr
    assert f"Each Region: make status. Every line: the log group {LOG_GROUP}" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert FUNCTION not in ran.stdout


def test_the_json_has_the_same_keys_when_falcon_cannot_be_asked(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    customer.falcon.change(ip_allowed=False)

    for action in ("plan", "status"):
        answer = act(customer, action)

        assert answer["ok"] is False
        assert answer["account"] == ACCOUNT
        assert keys(answer).items() <= KEYS.items()
        assert [row["region"] for row in answer.get("regions", [])] == (["us-east-1"] if action == "status" else [])


def test_a_stack_that_is_not_there_and_a_region_that_is_not_said_are_told(operator: Operator) -> None:
    nowhere = operator.make("status", AWS_REGION="", AWS_DEFAULT_REGION="")
    absent = operator.make("status")

    assert nowhere.returncode != 0
    assert "error: no Region is set. Name the stack's: REGION=us-east-1" in nowhere.stderr
    assert absent.returncode != 0
    assert f"error: there is no stack {STACK} in us-east-1. Name it: STACK=... REGION=..." in absent.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    stream: io.StringIO, environment: dict[str, str], coloured: bool
) -> None:
    screen = Screen(stream, environment)

    screen.table(("REGION", "CHANGE"), [("yellow", ("us-east-1", None))])

    lines = ["", "\033[1mREGION     CHANGE\033[0m", "\033[33mus-east-1  -\033[0m"]
    assert stream.getvalue().splitlines() == (lines if coloured else ["", "REGION     CHANGE", "us-east-1  -"])


def test_what_is_left_is_shown_and_does_not_count_as_repaired() -> None:
    left = dict.fromkeys(KEYS["reconcile.regions[]"]) | {"region": "sa-east-1", "outcome": "left", "message": "why"}
    stream = io.StringIO()

    show_reconcile({"action": "reconcile", "ok": True, "cloud": "us-1", "regions": [left]}, Screen(stream, {}))

    assert stream.getvalue().splitlines()[-3:] == [
        "sa-east-1  left     -           why",
        "",
        "Nothing was to be repaired.",
    ]


def test_the_readme_documents_every_key() -> None:
    section = (PROJECT / "README.md").read_text().partition("## Operations")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `((?:plan|status|reconcile)[a-z.\[\]]*)` \| (.*?) \|", section, re.MULTILINE)

    documented = {at: set(re.findall(r"`(\w+)`", names)) for at, names in rows}
    assert documented in ({}, KEYS)
