"""A stack set on its way to its accounts, without AWS: reasons, progress, and interruptions of every kind."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.errors import CliError
from cli.organization import stack_set
from cli.organization.failures import show_failures
from cli.organization.rollout import Rollout
from cli.organization.stack_set import StackSet, reason
from tests.cli.organization.fake import ACCOUNTS, CURRENT, TEMPLATE, UNIT, FakeStackSets
from tests.cli.support import screen

PARAMETERS = {"S3Bucket": "bucket", "S3Key": "falcon-ecr/1.2.3-0123456789abcdef/lambda_function.zip"}
ACCEPTED = frozenset([*PARAMETERS, "Regions", "DeleteConnections"])


# Reasons


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "ResourceLogicalId:RegistryConnections, ResourceType:Custom::FalconRegistryConnections, "
            "ResourceStatusReason:Received response status [FAILED] from custom resource. Message returned: "
            "eu-west-1: HTTP 403, access denied (RequestId: 8b1e1a4e-0000-4000-8000-000000000000).",
            "RegistryConnections: eu-west-1: HTTP 403, access denied",
        ),
        (
            "ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:role already exists.",
            "Role: role already exists",
        ),
        ("Account 200000000001 should have a role", "Account 200000000001 should have a role"),
        ("Cancelled since failure tolerance has exceeded", "Cancelled since failure tolerance has exceeded"),
        ("two\nlines and \x1b[31mred", "two lines and [31mred"),
        ("", ""),
    ],
)
def test_a_reason_is_what_the_resource_said(said: str, shown: str) -> None:
    assert reason(said) == shown


# Progress


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_set, "POLL_SECONDS", 0)
    monkeypatch.setattr(stack_set, "SHARE_OF_TIME", 0)


def rollout(played: FakeStackSets, call_as: str = "SELF", region: str = "us-east-1") -> tuple[Rollout, Any]:
    shown, output = screen()
    stack_set = StackSet(played, "falcon", call_as, 7, shown)
    held = stack_set.instances() if stack_set.now() else []
    return Rollout(stack_set, held, region, [UNIT], ACCOUNTS, shown), output


def run(
    played: FakeStackSets, tags: dict[str, str] | None = None, *, where: dict[str, str] | None = None, **given: str
) -> tuple[dict[str, str], str]:
    """Do what `make deploy-org` does with the stack set; return who failed and what was printed."""
    way, output = rollout(played, **where or {})
    way.stack_set.settle()
    way.define("https://template", TEMPLATE, PARAMETERS | given, ACCEPTED, tags or {})
    return way.reach(), output.getvalue()


def test_a_first_run_creates_the_stack_set_and_deploys_to_the_unit() -> None:
    played = FakeStackSets()

    failed, output = run(played, where={"call_as": "DELEGATED_ADMIN"})

    assert failed == {}
    assert played.changes == ["create_stack_set", "create_stack_instances"]
    created, deployed = (request for _, request in played.calls)
    assert created["PermissionModel"] == "SERVICE_MANAGED"
    assert created["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert created["ManagedExecution"] == {"Active": True}
    assert created["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    assert created["TemplateURL"] == "https://template"
    assert deployed["DeploymentTargets"] == {"OrganizationalUnitIds": [UNIT]}
    assert deployed["Regions"] == ["us-east-1"]
    assert deployed["OperationPreferences"] == {
        "FailureTolerancePercentage": 100,
        "MaxConcurrentCount": 7,
        "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
        "RegionConcurrencyType": "PARALLEL",
    }
    assert {request["CallAs"] for request in played.asked} == {"DELEGATED_ADMIN"}
    assert output.splitlines()[1:] == [f"Deploying: {number} of 4 accounts" for number in range(1, 5)]


def test_a_run_with_nothing_to_do_does_nothing() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], CURRENT)

    failed, output = run(played)

    assert (failed, played.changes) == ({}, [])
    assert "the stack set falcon is as it should be already" in output


def test_a_run_after_an_interruption_waits_for_what_is_under_way_then_does_the_rest() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT])
    played.begin(ACCOUNTS[:2])
    played.failing = {ACCOUNTS[3]: "it does not work"}

    failed, output = run(played)

    assert failed == played.failing  # and it is not tried twice
    assert "Waiting for an operation that is under way: 2 of 2 accounts" in output
    ((name, request),) = played.calls
    assert name == "create_stack_instances"
    only = {"Accounts": ACCOUNTS[2:], "AccountFilterType": "INTERSECTION"}
    assert request["DeploymentTargets"] == {"OrganizationalUnitIds": [UNIT]} | only


@pytest.mark.parametrize("refusals", [[], ["OperationInProgressException"]])
def test_a_run_before_the_first_stack_goes_on_and_waits_for_an_operation_that_came_first(refusals: list[str]) -> None:
    played = FakeStackSets(PARAMETERS)
    played.refusals = refusals
    played.failing = {ACCOUNTS[3]: "it does not work"}

    assert run(played)[0] == played.failing
    assert played.changes == ["create_stack_instances"]


def test_any_other_refusal_ends_the_run() -> None:
    played = FakeStackSets(PARAMETERS)
    played.refusals = ["LimitExceededException"]

    with pytest.raises(ClientError, match="LimitExceeded"):
        run(played)


def test_a_run_after_failures_tries_those_again_and_creates_what_that_does_not_mend() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], CURRENT | {ACCOUNTS[1]: "OUTDATED", ACCOUNTS[3]: "INOPERABLE"})
    played.failing = {ACCOUNTS[3]: "its stack was deleted by hand"}
    played.creation_mends = True

    failed, output = run(played)

    assert failed == {}
    assert played.changes == ["update_stack_instances", "create_stack_instances"]
    repeated, created = (request for _, request in played.calls)
    assert repeated["DeploymentTargets"]["Accounts"] == [ACCOUNTS[1], ACCOUNTS[3]]
    assert created["DeploymentTargets"]["Accounts"] == [ACCOUNTS[3]]
    assert "Creating again: 1 of 1 accounts" in output
    assert "ParameterOverrides" not in repeated  # what somebody has overridden stays


def test_a_change_reaches_all_keeps_what_is_not_given_and_tries_nobody_twice() -> None:
    older = PARAMETERS["S3Key"].replace("1.2.3", "1.2.2")
    played = FakeStackSets(PARAMETERS | {"S3Key": older, "Regions": "us-east-1", "Gone": "x"}, [UNIT], CURRENT)
    played.failing = {ACCOUNTS[0]: "it does not work"}

    failed, output = run(played)

    assert failed == {ACCOUNTS[0]: "it does not work"}
    assert "the stack set falcon changes: S3Key" in output
    ((name, request),) = played.calls
    assert name == "update_stack_set"
    assert request["Parameters"] == [
        {"ParameterKey": "S3Bucket", "ParameterValue": "bucket"},
        {"ParameterKey": "S3Key", "ParameterValue": PARAMETERS["S3Key"]},
        {"ParameterKey": "Regions", "UsePreviousValue": True},
    ]


@pytest.mark.parametrize(("version", "changes"), [("same", []), ("other", ["update_stack_set"])])
def test_credentials_count_as_new_only_if_their_version_does(version: str, changes: list[str]) -> None:
    held = PARAMETERS | {"FalconSecret": "****", "CredentialsVersion": "same"}
    played = FakeStackSets(held, [UNIT], CURRENT)

    _, output = run(played, FalconSecret="invented", CredentialsVersion=version)

    assert played.changes == changes
    assert ("changes: CredentialsVersion" in output) is bool(changes)
    assert "invented" not in output


def test_a_tag_is_news_once() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], CURRENT)

    _, output = run(played, {"team": "security"})
    played.tags = {"team": "security"}
    run(played, {"team": "security"})

    assert "changes: the tag team" in output
    ((_, request),) = played.calls
    assert request["Tags"] == [{"Key": "team", "Value": "security"}]


def test_a_second_region_is_refused_because_it_would_register_everything_twice() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], CURRENT)

    with pytest.raises(CliError, match="deploys to us-east-1, not eu-west-1"):
        rollout(played, region="eu-west-1")[0].require_one_region()


def test_an_account_that_got_no_stack_is_a_failure_and_a_suspended_one_is_not() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], dict.fromkeys(ACCOUNTS[:2], "CURRENT") | {ACCOUNTS[2]: "OUTDATED"})
    played.suspended = {ACCOUNTS[2]}
    given, _ = rollout(played)
    given._tried |= {ACCOUNTS[3]}

    assert given.reach() == {ACCOUNTS[3]: "It got no stack: see the stack set's operations."}
    assert played.changes == []


def test_accounts_that_failed_for_the_same_reason_are_one_line() -> None:
    many = {f"{number:012}": f"Account {number:012} lacks a role" for number in range(1, 8)}
    shown, output = screen()

    show_failures(many | {"200000000001": "[red]x \x1b[2J"}, shown, {"200000000001": "[b]one"})

    lines = [line.rstrip() for line in output.getvalue().splitlines() if line.strip()]
    assert lines[0] == "Failed in 8 accounts"
    assert "7 accounts" in lines[2]
    assert "Account <account> lacks a role (000000000001, 000000000002" in lines[2]
    assert lines[3] == "200000000001 [b]one  [red]x  [2J"
    assert len(lines) == 4
