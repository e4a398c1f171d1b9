"""A stack set on its way to its accounts, without AWS: reasons, progress, and interruptions of every kind."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.errors import CliError
from cli.organization.failures import show_failures
from cli.organization.rollout import Rollout
from cli.organization.stack_set import StackSet, reason
from tests.cli.organization.fake import ACCOUNTS, CURRENT, TEMPLATE, UNIT, FakeStackSets
from tests.cli.support import screen

PARAMETERS = {"S3Bucket": "bucket", "S3Key": "falcon-ecr/1.2.3-0123456789abcdef/lambda_function.zip"}
ACCEPTED = frozenset([*PARAMETERS, "Regions", "DeleteConnections"])


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
        ("two\nlines and \x1b[31mred", "two lines and [31mred"),
        ("", ""),
    ],
)
def test_a_reason_is_what_the_resource_said(said: str, shown: str) -> None:
    assert reason(said) == shown


def rollout(played: FakeStackSets, call_as: str = "SELF", region: str = "us-east-1") -> tuple[Rollout, Any]:
    shown, output = screen()
    stack_set = StackSet(played, "falcon", call_as, 7, shown)
    held = stack_set.instances() if stack_set.now() else []
    return Rollout(stack_set, held, region, [UNIT], ACCOUNTS, shown), output


def run(
    played: FakeStackSets, tags: dict[str, str] | None = None, *, call_as: str = "SELF", **given: str
) -> tuple[Mapping[str, str], str]:
    """Do what `make deploy-org` does with the stack set; return who failed and what was printed."""
    way, output = rollout(played, call_as)
    way.stack_set.settle()
    way.define("https://template", TEMPLATE, PARAMETERS | given, ACCEPTED, tags or {})
    return way.reach(), output.getvalue()


def targets(request: dict[str, Any]) -> Any:
    """Return the accounts that a request names; all of the unit if it names none."""
    assert request["DeploymentTargets"]["OrganizationalUnitIds"] == [UNIT]
    return request["DeploymentTargets"].get("Accounts")


def test_a_first_run_creates_the_stack_set_and_deploys_to_the_unit() -> None:
    played = FakeStackSets()

    failed, output = run(played, call_as="DELEGATED_ADMIN")

    assert failed == {}
    (create, created), (deploy, deployed) = played.calls
    assert (create, deploy) == ("create_stack_set", "create_stack_instances")
    lasting = {
        "PermissionModel": "SERVICE_MANAGED",
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "TemplateURL": "https://template",
    }
    assert created | lasting == created
    assert deployed == {
        "StackSetName": "falcon",
        "CallAs": "DELEGATED_ADMIN",
        "Regions": ["us-east-1"],
        "DeploymentTargets": {"OrganizationalUnitIds": [UNIT]},
        "OperationPreferences": {
            "FailureTolerancePercentage": 100,
            "MaxConcurrentCount": 7,
            "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
            "RegionConcurrencyType": "PARALLEL",
        },
    }
    assert {request["CallAs"] for request in played.asked} == {"DELEGATED_ADMIN"}
    assert output.splitlines()[1:] == [f"Deploying: {number} of 4 accounts" for number in range(1, 5)]


def test_a_run_after_an_interruption_waits_for_what_is_under_way_then_does_the_rest() -> None:
    played = FakeStackSets(PARAMETERS, [UNIT], failing={ACCOUNTS[3]: "it does not work"})
    played.begin(ACCOUNTS[:2])

    failed, output = run(played)

    assert failed == played.failing  # and it is not tried twice
    assert "Waiting for an operation that is under way: 2 of 2 accounts" in output
    ((name, request),) = played.calls
    assert (name, targets(request)) == ("create_stack_instances", ACCOUNTS[2:])
    assert request["DeploymentTargets"]["AccountFilterType"] == "INTERSECTION"


@pytest.mark.parametrize("refusals", [[], ["OperationInProgressException"]])
def test_a_run_before_the_first_stack_goes_on_and_waits_for_an_operation_that_came_first(refusals: list[str]) -> None:
    played = FakeStackSets(PARAMETERS, refusals=refusals, failing={ACCOUNTS[3]: "it does not work"})

    assert run(played)[0] == played.failing
    assert played.changes == ["create_stack_instances"]


def test_any_other_refusal_ends_the_run() -> None:
    with pytest.raises(ClientError, match="LimitExceeded"):
        run(FakeStackSets(PARAMETERS, refusals=["LimitExceededException"]))


def test_a_run_after_failures_tries_those_again_and_creates_what_that_does_not_mend() -> None:
    held = CURRENT | {ACCOUNTS[1]: "OUTDATED", ACCOUNTS[3]: "INOPERABLE"}
    failing = {ACCOUNTS[3]: "its stack was deleted by hand"}
    played = FakeStackSets(PARAMETERS, [UNIT], held, failing, creation_mends=True)

    failed, output = run(played)

    assert failed == {}
    assert played.changes == ["update_stack_instances", "create_stack_instances"]
    assert [targets(request) for _, request in played.calls] == [[ACCOUNTS[1], ACCOUNTS[3]], [ACCOUNTS[3]]]
    assert "Creating again: 1 of 1 accounts" in output
    assert "ParameterOverrides" not in played.calls[0][1]  # what somebody has overridden stays


def test_a_change_reaches_all_keeps_what_is_not_given_and_tries_nobody_twice() -> None:
    older = PARAMETERS["S3Key"].replace("1.2.3", "1.2.2")
    failing = {ACCOUNTS[0]: "it does not work"}
    played = FakeStackSets(PARAMETERS | {"S3Key": older, "Regions": "us-east-1", "Gone": "x"}, [UNIT], CURRENT, failing)

    failed, output = run(played)

    assert failed == failing
    assert "the stack set falcon changes: S3Key" in output
    ((name, request),) = played.calls
    assert (name, request["TemplateURL"]) == ("update_stack_set", "https://template")
    assert request["Parameters"] == [
        {"ParameterKey": "S3Bucket", "ParameterValue": "bucket"},
        {"ParameterKey": "S3Key", "ParameterValue": PARAMETERS["S3Key"]},
        {"ParameterKey": "Regions", "UsePreviousValue": True},
    ]


TAG = {"team": "security"}


@pytest.mark.parametrize(
    ("given", "tags", "held", "news"),
    [
        ({}, {}, {}, ""),
        # Secrets cannot be compared: their version says whether they differ.
        ({"FalconSecret": "invented", "CredentialsVersion": "same"}, {}, {}, ""),
        ({"FalconSecret": "invented", "CredentialsVersion": "other"}, {}, {}, "CredentialsVersion"),
        ({}, TAG, TAG, ""),
        ({}, TAG, {}, "the tag team"),
    ],
)
def test_a_run_changes_what_is_new_and_nothing_else(
    given: dict[str, str], tags: dict[str, str], held: dict[str, str], news: str
) -> None:
    played = FakeStackSets(PARAMETERS | {"FalconSecret": "****", "CredentialsVersion": "same"}, [UNIT], CURRENT)
    played.tags = held

    failed, output = run(played, tags, **given)

    assert failed == {}
    assert output.startswith(f"the stack set falcon {f'changes: {news}' if news else 'is as it should be already'}\n")
    assert "invented" not in output
    assert played.changes == (["update_stack_set"] if news else [])
    written = [request["Tags"] for _, request in played.calls if "Tags" in request]
    assert written == ([[{"Key": "team", "Value": "security"}]] if "tag" in news else [])


def test_a_second_region_is_refused_because_it_would_register_everything_twice() -> None:
    with pytest.raises(CliError, match="deploys to us-east-1, not eu-west-1"):
        rollout(FakeStackSets(PARAMETERS, [UNIT], CURRENT), region="eu-west-1")[0].require_one_region()


def test_an_account_that_got_no_stack_is_a_failure_and_a_suspended_one_is_not() -> None:
    held = dict.fromkeys(ACCOUNTS[:2], "CURRENT") | {ACCOUNTS[2]: "OUTDATED"}
    given, _ = rollout(FakeStackSets(PARAMETERS, [UNIT], held, suspended=ACCOUNTS[2:3]))
    given._tried |= {ACCOUNTS[3]}

    assert given.reach() == {ACCOUNTS[3]: "It got no stack: see the stack set's operations."}


def test_accounts_that_failed_for_the_same_reason_are_one_line() -> None:
    many = {f"{number:012}": f"Account {number:012} lacks a role" for number in range(1, 8)}
    shown, output = screen()

    show_failures(many | {"200000000001": "[red]x \x1b[2J"}, shown, {"200000000001": "[b]one"})

    title, _, seven, one = [line.rstrip() for line in output.getvalue().splitlines() if line.strip()]
    assert title == "Failed in 8 accounts"
    assert seven.startswith("7 accounts")
    assert "Account <account> lacks a role (000000000001, 000000000002" in seven
    assert one == "200000000001 [b]one  [red]x  [2J"
