"""`make coverage-report` from end to end: a real stack set in the local AWS, and Falcon over TLS."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import falcon as command_patience
from cli.artifact import BUILT_PACKAGE
from cli.coverage import report as command
from cli.coverage import sources
from cli.credentials import Credentials
from cli.errors import AttentionError, CliError, UnansweredError
from cli.falcon import connections, logged_in, try_credentials
from cli.organization.members import Account
from tests.cli.coverage.sample import DENIED, sample
from tests.cli.support import MANAGEMENT, MEMBERS, Operator, screen
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator, Fault, Html, Status, missing_scope
from tests.stack.customer import PROJECT, ROLE
from tools import release

REGIONS = ("us-east-1", "eu-west-1")
ALLOWED = [
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "cloudformation:DescribeStackSet",
    "cloudformation:ListStackInstances",
    "account:ListRegions",
]
"""What the help and the README say that the report needs."""


@pytest.fixture(autouse=True)
def _elsewhere_and_trusted(tmp_path: Path, authority: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DIRECTORY", tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/of/another/tool")  # which is put back afterwards


def states(directory: Path) -> dict[str, dict[str, str]]:
    """Return the state of every registry, by account and Region."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with (directory / "coverage.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            found[line["account"].strip("'")][line["region"]] = line["state"]
    return found


def test_the_report_shows_what_became_of_every_account_and_changes_nothing(
    aws: LocalAws, administrator: Operator, tmp_path: Path
) -> None:
    falcon, (fine, failed, missing, closed, *others) = administrator.falcon, MEMBERS
    for account in (MANAGEMENT, *MEMBERS):
        aws.set_regions(account, enabled=REGIONS)
    aws.client("iam", failed).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({}))
    release.write_release(tmp_path / "release", BUILT_PACKAGE)
    deployed = administrator.deploy_org(given=administrator.credentials, RELEASE=str(tmp_path / "release"))
    falcon.tenant.remove(falcon.connections_of(missing)[0].id)
    aws.client("organizations").close_account(AccountId=closed)
    falcon.journal.clear()
    reader = aws.principal("reader", allow=ALLOWED)
    administrator.environment = {
        "AWS_ACCESS_KEY_ID": reader["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": reader["SecretAccessKey"],
        "AWS_SESSION_TOKEN": reader["SessionToken"],
    }

    absent = administrator.report(STACK_SET="another")
    written = list(tmp_path.glob("coverage.*"))
    ran = administrator.report()

    assert f" for 6 accounts, release in {tmp_path / 'release'}" in deployed.text
    assert f"{failed} Account {failed}  ECRExecutionRole: {ROLE} already exists" in deployed.text
    assert deployed.problem.startswith("1 of 6 accounts failed")
    assert absent.problem == "there is no stack set another in us-east-1. Name it: STACK_SET=... REGION=..."
    assert written == []
    assert not ran.ok  # a timer sees that something is missing
    assert ran.problem == ""
    assert "Falcon has a connection to 7 of 12 registries. 3 accounts need attention." in ran.text
    assert states(tmp_path) == {
        **{account: dict.fromkeys(REGIONS, "connected") for account in (fine, *others)},
        **{account: dict.fromkeys(REGIONS, state) for account, state in ((failed, "failed"), (closed, "orphan"))},
        missing: {"us-east-1": "connected", "eu-west-1": "missing"},
        MANAGEMENT: dict.fromkeys(REGIONS, "missing"),
    }
    assert f"ECRExecutionRole: {ROLE} already exists" in (tmp_path / "coverage.html").read_text()
    files = [each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()]
    assert not any(falcon.client_secret.encode() in each for each in files)
    assert {call["action"] for call in aws.api_calls() if "/reader/" in call["principal"]} <= {
        *ALLOWED,
        "sts:GetCallerIdentity",
    }
    assert falcon.journal.operations() == {"token": 1, "list": 1, "read": 1}


def test_on_a_terminal_no_reason_is_cut() -> None:
    shown, output = screen(terminal=True, width=80)
    with pytest.raises(AttentionError):
        command._summarize(sample(100), shown)

    assert {"ACCOUNTS", "expired", *DENIED.split()} <= set(output.getvalue().split())


ACCOUNTS = [Account(each, "", "ACTIVE") for each in (MANAGEMENT, *MEMBERS[:2])] + [
    Account("277777777777", "", "SUSPENDED")
]
FIRST, SECOND = MEMBERS[:2]


@pytest.mark.parametrize(
    ("refused", "known", "unread", "asked"),
    [
        # The own account is not named, and the first of the others shows whether it is allowed at all.
        (set(), [MANAGEMENT, FIRST, SECOND], "", [FIRST, FIRST, SECOND, "own"]),
        ({SECOND}, [MANAGEMENT, FIRST], "AccessDeniedException", [FIRST, FIRST, SECOND, "own"]),
        (set(MEMBERS), [], "AccessDeniedException", [FIRST]),
    ],
)
def test_regions_are_read_account_by_account(
    refused: set[str], known: list[str], unread: str, asked: list[str]
) -> None:
    found: list[str] = []

    def paginate(**request: Any) -> Any:
        found.append(request.get("AccountId", "own"))
        if found[-1] in refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListRegions")
        return [{"Regions": [{"RegionName": "us-east-1"}]}, {"Regions": [{"RegionName": "af-south-1"}]}]

    client = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    aws: Any = SimpleNamespace(account=MANAGEMENT, client=lambda _: client)

    assert sources.regions_of(aws, ACCOUNTS) == (dict.fromkeys(known, frozenset({"us-east-1", "af-south-1"})), unread)
    assert sorted(found) == asked


# Falcon


def test_what_falcon_refuses_is_told_at_once_and_without_the_secret(falcon: FalconSimulator) -> None:
    falcon.arm(Fault("list", missing_scope()))
    given = Credentials(falcon.client_id, falcon.client_secret)

    with (
        pytest.raises(CliError, match=r"^Falcon cannot be read: .*lacks the scope Falcon Container Image") as refused,
        logged_in(given, "us-1", falcon.url, BUILT_PACKAGE, screen()[0]) as tenant,
    ):
        connections(tenant)

    assert falcon.client_secret not in str(refused.value)
    assert not isinstance(refused.value, UnansweredError)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Status(503), "Falcon does not answer yet, trying until "),
        (Status(403, message="access denied, authorization failed"), "the API client may not be used from here"),
        (Html(403), "HTTP 403"),
    ],
)
def test_who_cannot_or_may_not_ask_from_here_learns_nothing_of_the_credentials(
    falcon: FalconSimulator, monkeypatch: pytest.MonkeyPatch, effect: Html | Status, said: str
) -> None:
    assert command_patience.RETRY_SECONDS == 30
    monkeypatch.setattr(command_patience, "RETRY_SECONDS", 0.3)
    monkeypatch.setattr("cli.screen.QUIET_SECONDS", 0.0)
    falcon.arm(Fault("token", effect))
    shown, output = screen()

    given = Credentials(falcon.client_id, falcon.client_secret)
    try_credentials(given, {"FalconApiUrl": falcon.url}, BUILT_PACKAGE, shown)

    assert "warning: the credentials are not tried before they are stored. Falcon cannot" in output.getvalue()
    assert said in output.getvalue()


def test_requests_comes_from_the_package_where_it_is_not_installed(package: bytes, tmp_path: Path) -> None:
    assert package  # is built
    script = "import sys; from cli.falcon import _find_requests as find; find(sys.argv[1]); "
    script += "import requests; print(requests.__file__)"
    environment = {"PYTHONPATH": str(PROJECT / "source"), "PATH": os.environ["PATH"]}
    # Without site-packages, as in the commands' own environment, but for what stands in for boto3, click and rich.
    for name in ("boto3", "botocore", "click", "rich"):
        shutil.copytree(Path(str(find_spec(name).origin)).parent, tmp_path / name)  # type: ignore[union-attr]
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    command = [sys.executable, "-S", "-c", script, str(BUILT_PACKAGE)]

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "lambda_function.zip/requests" in ran.stdout, ran.stderr
