"""What the actions answer as JSON, and the commands in the stack's outputs, with the real AWS CLI."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stack.customer import PROJECT, STACK, Customer
from tests.stack.operating import act, delete_in_falcon, outcomes

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"

# The keys of the JSON, by where they are: a contract, which tests/docs holds the function's README to.
KEYS = {
    "plan": {"action", "version", "ok", "account", "preflight", "changes", "unchanged", "left", "skipped", "problems"},
    "plan.preflight": {"credentials", "cloud", "read", "write", "regions"},
    "plan.changes[]": {"region", "change", "connection", "why"},
    "plan.left[]": {"region", "connection", "why"},
    "plan.skipped[]": {"region", "why"},
    "status": {"action", "version", "ok", "account", "cloud", "regions", "problems", "attention"},
    "status.regions[]": {
        *("region", "wanted", "skipped", "connection", "alias", "state", "credential_expired"),
        *("credential_expires_at", "last_refresh", "next_refresh", "problem"),
    },
    "reconcile": {"action", "version", "ok", "cloud", "regions", "message"},
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


def test_the_json_has_the_documented_keys(customer: Customer) -> None:
    customer.launched(Regions=THREE)
    customer.update(Regions="us-east-1,eu-west-1")
    delete_in_falcon(customer, "eu-west-1")

    answers = [act(customer, action) for action in ("plan", "status", "reconcile")]

    assert not answers[1]["ok"]
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
    assert all(
        "--cli-read-timeout 910" in command for name, command in stack.outputs.items() if name.endswith("Command")
    )
