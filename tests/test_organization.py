"""`make deploy-org` and `make delete-org` without AWS: requests, reasons, progress, and interruptions of every kind."""

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from launcher import organization_progress
from launcher.errors import LauncherError
from launcher.organization_aws import take_environment, told
from launcher.organization_progress import console, failures, follow
from launcher.organization_request import read_delete, read_deploy
from launcher.organization_rollout import Rollout
from launcher.organization_stack_set import StackSet, reason
from tests.organization_fake import ACCOUNTS, TEMPLATE, FakeStackSets

REQUEST = {"ORG_ID": "o-exampleorgid", "OU_IDS": "ou-abcd-11111111", "REGION": "us-east-1"}
UNIT = "ou-abcd-11111111"
PARAMETERS = {"S3Bucket": "bucket", "S3Key": "falcon-ecr/1/lambda_function.zip"}
CURRENT = dict.fromkeys(ACCOUNTS, "CURRENT")


# Requests


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"ORG_ID": ""}, "ORG_ID is not set"),
        ({"ORG_ID": "111122223333"}, "An organization's id looks like o-exampleorgid"),
        ({"OU_IDS": ""}, "OU_IDS is not set"),
        ({"OU_IDS": "ou-abcd-11111111,workloads"}, "OU_IDS names 'workloads'"),
        ({"OU_IDS": ",".join(f"ou-abcd-{number:08}" for number in range(51))}, "OU_IDS names 51 units"),
        ({"CALL_AS": "ADMIN"}, "CALL_AS is 'ADMIN'. It takes SELF or DELEGATED_ADMIN."),
        ({"MAX_CONCURRENT": "101"}, "MAX_CONCURRENT is '101'. It takes a number from 1 to 100."),
        ({"MAX_CONCURRENT": "many"}, "MAX_CONCURRENT is 'many'"),
        ({"INCLUDE_MANAGEMENT": "perhaps"}, "INCLUDE_MANAGEMENT is 'perhaps'"),
        ({"STACK_SET": "1st"}, "STACK_SET is '1st'"),
        ({"S3_BUCKET": "bucket/folder"}, "which is a path"),
        ({"PARAMETERS": "FalconSecret=x"}, "export FALCON_CLIENT_SECRET"),
        ({"PARAMETERS": "S3Bucket=x"}, "set S3_BUCKET"),
        ({"FALCON_CLIENT_ID": "invented"}, "only one of FALCON_CLIENT_ID and FALCON_CLIENT_SECRET is set"),
    ],
)
def test_a_request_that_cannot_work_is_told_why(environment: dict[str, str], problem: str) -> None:
    problems = read_deploy(REQUEST | environment).problems

    assert len(problems) == 1
    assert problem in problems[0]


def test_every_problem_of_a_request_is_told_at_once() -> None:
    assert len(read_deploy({"CALL_AS": "x", "MAX_CONCURRENT": "0", "PARAMETERS": "'"}).problems) == 5


def test_a_request_is_read_with_its_defaults() -> None:
    request = read_deploy(REQUEST | {"OU_IDS": "ou-abcd-11111111, r-abcd ou-abcd-11111111", "PARAMETERS": "A='b c'"})

    assert request.problems == ()
    assert request.units == ("ou-abcd-11111111", "r-abcd")
    assert (request.stack_set, request.call_as, request.max_concurrent, request.bucket) == (
        "crowdstrike-ecr-registry-connections",
        "SELF",
        20,
        "",
    )
    assert request.parameters == {"A": "b c"}
    assert not request.include_management


def test_a_deletion_takes_three_choices_and_no_other() -> None:
    assert read_delete({"DELETE_CONNECTIONS": "Stack", "YES": "1"}).problems == ()
    assert "It takes Keep, Stack, Account." in read_delete({"DELETE_CONNECTIONS": "All"}).problems[0]


def test_the_credentials_are_taken_out_of_the_environment_that_other_programs_inherit() -> None:
    environ = {"FALCON_CLIENT_SECRET": "invented", "PATH": "/bin"}

    taken = take_environment(environ)

    assert taken["FALCON_CLIENT_SECRET"] == "invented"
    assert environ == {"PATH": "/bin"}
    assert "invented" not in repr(read_deploy(REQUEST | dict(taken) | {"FALCON_CLIENT_ID": "somebody"}))


def test_an_error_of_aws_is_told_without_the_secret_in_it() -> None:
    refusal: Any = {"Error": {"Code": "ValidationError", "Message": "Value 'invented' does not fit"}}

    with pytest.raises(LauncherError) as told_error, told(("invented",)):
        raise ClientError(refusal, "CreateStackSet")

    assert str(told_error.value) == "CreateStackSet failed. ValidationError: Value '****' does not fit"
    assert told_error.value.__cause__ is None


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
    monkeypatch.setattr(organization_progress, "POLL_SECONDS", 0)
    monkeypatch.setattr(organization_progress, "SHARE_OF_TIME", 0)


def rollout(played: FakeStackSets, call_as: str = "SELF") -> tuple[Rollout, io.StringIO]:
    output = io.StringIO()
    shown = console()
    shown.file = output
    stack_set: Any = StackSet(played, "falcon", call_as, 7)  # type: ignore[arg-type]
    return Rollout(stack_set, "us-east-1", [UNIT], ACCOUNTS, shown), output


def run(played: FakeStackSets, **parameters: str) -> tuple[dict[str, str], str]:
    """Do what `make deploy-org` does with the stack set; return who failed and what was printed."""
    given, output = rollout(played)
    given.define("https://template", TEMPLATE, PARAMETERS | parameters, [*PARAMETERS, "Regions", "DeleteConnections"])
    return given.reach(), output.getvalue()


def test_a_first_run_creates_the_stack_set_and_deploys_to_the_unit() -> None:
    played = FakeStackSets()

    failed, output = run(played)

    assert failed == {}
    assert [name for name, _ in played.calls] == ["create_stack_set", "create_stack_instances"]
    created, deployed = (request for _, request in played.calls)
    assert created["PermissionModel"] == "SERVICE_MANAGED"
    assert created["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert created["ManagedExecution"] == {"Active": True}
    assert created["Capabilities"] == ("CAPABILITY_NAMED_IAM",)
    assert created["TemplateURL"] == "https://template"
    assert deployed["DeploymentTargets"] == {"OrganizationalUnitIds": [UNIT]}
    assert deployed["Regions"] == ["us-east-1"]
    assert deployed["OperationPreferences"]["MaxConcurrentCount"] == 7
    assert output.splitlines()[1:] == [f"Deploying: {number} of 4 accounts" for number in range(1, 5)]


def test_a_run_with_nothing_to_do_does_nothing() -> None:
    played = FakeStackSets(PARAMETERS, (UNIT,), CURRENT)

    failed, output = run(played)

    assert failed == {}
    assert played.calls == []
    assert "the stack set falcon is as it should be already" in output


def test_a_run_after_an_interruption_waits_for_what_is_under_way_then_does_the_rest() -> None:
    played = FakeStackSets(PARAMETERS, (UNIT,))
    played.begin(ACCOUNTS[:2])

    failed, output = run(played)

    assert failed == {}
    assert "Waiting for an operation that is under way: 2 of 2 accounts" in output
    ((name, request),) = played.calls
    assert name == "create_stack_instances"
    assert request["DeploymentTargets"] == {
        "OrganizationalUnitIds": [UNIT],
        "Accounts": ACCOUNTS[2:],
        "AccountFilterType": "INTERSECTION",
    }


def test_a_run_between_the_stack_set_and_its_first_stack_goes_on() -> None:
    played = FakeStackSets(PARAMETERS)

    assert run(played)[0] == {}
    assert [name for name, _ in played.calls] == ["create_stack_instances"]


def test_a_run_after_failures_tries_those_again_and_nobody_else() -> None:
    statuses = CURRENT | {ACCOUNTS[1]: "OUTDATED", ACCOUNTS[3]: "INOPERABLE"}
    played = FakeStackSets(PARAMETERS, (UNIT,), statuses)
    played.failing = {ACCOUNTS[3]: "it does not work"}

    failed, _ = run(played)

    assert failed == {ACCOUNTS[3]: "it does not work"}
    ((name, request),) = played.calls
    assert name == "update_stack_instances"
    assert request["DeploymentTargets"]["Accounts"] == [ACCOUNTS[1], ACCOUNTS[3]]
    assert "ParameterOverrides" not in request  # what somebody has overridden stays


def test_a_change_reaches_all_keeps_what_is_not_given_and_tries_nobody_twice() -> None:
    held = {"S3Bucket": "bucket", "S3Key": "older", "Regions": "us-east-1", "Gone": "x"}
    played = FakeStackSets(held, (UNIT,), CURRENT)
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


def test_credentials_that_are_given_count_as_new_because_nobody_can_compare_them() -> None:
    held = PARAMETERS | {"FalconSecret": "****"}
    played = FakeStackSets(held, (UNIT,), CURRENT)

    _, output = run(played, FalconSecret="invented")

    assert [name for name, _ in played.calls] == ["update_stack_set"]
    assert "the credentials, which are never shown" in output
    assert "invented" not in output


def test_another_operation_that_came_first_is_waited_for() -> None:
    played = FakeStackSets(PARAMETERS)
    played.refusals = ["OperationInProgressException"]

    assert run(played)[0] == {}
    assert [name for name, _ in played.calls] == ["create_stack_instances"]


def test_any_other_refusal_ends_the_run() -> None:
    played = FakeStackSets(PARAMETERS)
    played.refusals = ["LimitExceededException"]

    with pytest.raises(ClientError, match="LimitExceeded"):
        run(played)


def test_a_second_region_is_refused_because_it_would_register_everything_twice() -> None:
    played = FakeStackSets(PARAMETERS, (UNIT,), CURRENT)
    given, _ = rollout(played)
    given.region = "eu-west-1"

    with pytest.raises(LauncherError, match="deploys to us-east-1, not eu-west-1"):
        given.define("https://template", TEMPLATE, PARAMETERS, list(PARAMETERS))
    assert played.calls == []


def test_an_account_that_got_no_stack_is_a_failure_and_a_suspended_one_is_not() -> None:
    statuses = dict.fromkeys(ACCOUNTS[:2], "CURRENT") | {ACCOUNTS[2]: "OUTDATED"}
    played = FakeStackSets(PARAMETERS, (UNIT,), statuses)
    played.suspended = {ACCOUNTS[2]}
    given, _ = rollout(played)
    given._tried |= {ACCOUNTS[3]}

    assert given.reach() == {ACCOUNTS[3]: "It got no stack: see the stack set's operations."}
    assert played.calls == []


def test_call_as_is_part_of_every_call() -> None:
    played = FakeStackSets()
    given, _ = rollout(played, call_as="DELEGATED_ADMIN")
    given.define("https://template", TEMPLATE, PARAMETERS, list(PARAMETERS))
    given.reach()

    assert len(played.asked) > 10
    assert {request["CallAs"] for request in played.asked} == {"DELEGATED_ADMIN"}


def test_progress_on_a_terminal_is_a_bar_and_hostile_text_is_shown_as_it_is() -> None:
    output = io.StringIO()
    terminal = Console(file=output, force_terminal=True, width=100, highlight=False, markup=False, emoji=False)
    played = FakeStackSets(PARAMETERS)
    played.failing = {ACCOUNTS[2]: "[red]:boom: \x1b[2Jfailure"}
    stack_set: Any = StackSet(played, "falcon", "SELF", 7)  # type: ignore[arg-type]

    results = follow(stack_set, played.begin(ACCOUNTS), "Deploying", terminal, 4)
    terminal.print(failures({each.account: "[red]:boom:" for each in results if each.failed}, {ACCOUNTS[2]: "[b]x"}))

    shown = output.getvalue()
    assert "Deploying" in shown
    assert "4/4" in shown
    assert "1 failed" in shown
    assert "[red]:boom:" in shown
    assert "[b]x" in shown
