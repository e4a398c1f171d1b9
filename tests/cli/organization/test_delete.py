"""`make delete-org` in the local AWS: what each choice leaves, what it asks first, and what stands in its way."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.errors import CliError
from cli.organization import delete as command
from cli.organization import stack_set
from tests.cli.organization.fake import ACCOUNTS, FakeStackSets
from tests.cli.organization.support import MANAGEMENT, MEMBERS, STACK_SET, OrganizationOperator
from tests.cli.support import asked, screen
from tests.sandbox.local_aws import LocalAws
from tests.simulator import Fault, Status, missing_scope
from tests.stack.customer import resources

pytest_plugins = ["tests.cli.fixtures"]


REFUSED_ONCE = Fault("token", Status(403), times=1)
"""The update that tells a stack the choice fails, and its rollback does not."""


@pytest.mark.parametrize(("choice", "left"), [("Keep", 3), ("Stack", 1), ("Account", 0)])
def test_delete_leaves_in_falcon_what_the_choice_says(
    aws: LocalAws, administrator: OrganizationOperator, choice: str, left: int
) -> None:
    administrator.launch(INCLUDE_MANAGEMENT="1")
    for account in (MEMBERS[0], MANAGEMENT):
        by_hand = administrator.falcon.connections_of(account)[0]
        url = by_hand.url.replace("us-east-1", "us-west-2").replace("eu-west-1", "us-west-2")
        administrator.falcon.add_connection(type(by_hand)(url=url))
    before = set(resources(aws, MEMBERS[0]))

    ran = administrator.delete(DELETE_CONNECTIONS=choice, INCLUDE_MANAGEMENT="1")

    assert ran.problem == ""
    assert ("Setting DeleteConnections" in ran.text) == (choice != "Keep")  # the template's default
    assert {account: len(found) for account, found in administrator.connected().items()} == (
        {MEMBERS[0]: left, MANAGEMENT: left} if left else {}
    )
    assert before - set(resources(aws, MEMBERS[0]))
    assert {kind.split()[0] for kind in resources(aws, MEMBERS[0])} <= {"log"}
    with pytest.raises(ClientError, match="StackSetNotFound"):
        aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)
    assert len(aws.client("s3").list_buckets()["Buckets"]) == 1


def test_what_is_left_of_a_failed_launch_in_the_management_account_goes_without_an_update(
    administrator: OrganizationOperator,
) -> None:
    administrator.launch()
    administrator.falcon.arm(Fault("token", Status(403)))
    assert not administrator.deploy("", None, OU_IDS=administrator.units["security"], INCLUDE_MANAGEMENT="1").ok
    administrator.falcon.disarm()

    ran = administrator.delete(DELETE_CONNECTIONS="Stack", INCLUDE_MANAGEMENT="1")

    assert ran.problem == ""
    assert f"the stack {STACK_SET} of the management account is deleted" in ran.text
    assert administrator.connected() == {}


def test_delete_takes_the_bucket_too_if_asked(aws: LocalAws, administrator: OrganizationOperator) -> None:
    administrator.launch()

    ran = administrator.delete(DELETE_BUCKET="1")

    assert ran.problem == ""
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"] == []
    assert administrator.delete().problem == f"there is no stack set {STACK_SET} in us-east-1."


def test_an_account_that_cannot_be_told_the_choice_stops_the_deletion_until_it_can(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    administrator.launch()

    administrator.falcon.arm(REFUSED_ONCE)
    first = administrator.delete(DELETE_CONNECTIONS="Stack")
    administrator.falcon.arm(REFUSED_ONCE)
    second = administrator.delete(DELETE_CONNECTIONS="Stack")
    kept = administrator.instances()
    third = administrator.delete(DELETE_CONNECTIONS="Stack")

    assert MEMBERS[0] in first.text
    assert first.problem.startswith("1 account could not be updated to DeleteConnections=Stack, so nothing was deleted")
    assert "Setting DeleteConnections=Stack again" in second.text
    assert second.problem.startswith("1 account could not be updated")
    assert kept == {MEMBERS[0]: "OUTDATED"}
    assert third.ok, third.problem
    assert administrator.connected() == {}
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []  # the shared secret went last


def test_by_force_the_stacks_go_and_the_accounts_whose_connections_stay_are_named(
    administrator: OrganizationOperator,
) -> None:
    administrator.launch()
    administrator.falcon.arm(REFUSED_ONCE)

    ran = administrator.delete(DELETE_CONNECTIONS="Stack", FORCE="1")

    assert f"the stack set {STACK_SET} is deleted" in ran.text
    assert ran.problem.startswith("deleted by force without DeleteConnections")
    assert ran.problem.endswith(MEMBERS[0])
    assert len(administrator.connected()[MEMBERS[0]]) == 2


def test_a_stack_that_cannot_be_deleted_keeps_the_stack_set_and_says_why(administrator: OrganizationOperator) -> None:
    unit = administrator.units["security"]
    assert administrator.deploy("DeleteConnections=Stack", administrator.credentials, OU_IDS=unit).ok
    administrator.falcon.arm(Fault("delete", missing_scope()))

    failed = administrator.delete()

    assert MEMBERS[0] in failed.text
    assert "the API client lacks the scope Falcon Container Image: WRITE" in failed.text
    assert failed.problem.startswith("there is still a stack in 1 account")
    assert administrator.instances() == {MEMBERS[0]: "INOPERABLE"}

    administrator.falcon.disarm()

    assert administrator.delete().problem == ""
    assert administrator.connected() == {}


def test_a_deletion_asks_for_the_name_first(aws: LocalAws, administrator: OrganizationOperator) -> None:
    aws.client("cloudformation").create_stack_set(
        StackSetName=STACK_SET, TemplateBody='{"Resources": {}}', PermissionModel="SERVICE_MANAGED"
    )

    nobody = administrator.delete(YES="")
    answered = administrator.run("delete-org", typed="falcom\n", STACK_SET=STACK_SET, DELETE_CONNECTIONS="Account")
    still_there = aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)["StackSet"]["Status"]
    agreed = administrator.run("delete-org", typed=f"{STACK_SET}\n", STACK_SET=STACK_SET)

    assert nobody.problem == "this needs an answer, and there is no terminal. YES=1 agrees in advance."
    assert "EVERY ECR connection of the account is removed from Falcon" in answered.text
    assert answered.problem == "that is not its name. Nothing was changed."
    assert still_there == "ACTIVE"
    assert agreed.ok, agreed.problem


class FakeAws:
    """The management account, with a stack set that plays a part and no stack."""

    region, account = "us-east-1", MANAGEMENT

    def __init__(self, played: FakeStackSets) -> None:
        self.client = lambda _: played


def delete(monkeypatch: pytest.MonkeyPatch, played: FakeStackSets, **given: str) -> tuple[str, str]:
    """Delete without AWS; return what was printed, and the problem."""
    monkeypatch.setattr(stack_set, "POLL_SECONDS", 0)
    shown, output = screen()
    aws: Any = FakeAws(played)
    try:
        command.Deletion(aws, asked("delete-org", STACK_SET="falcon", YES="1", **given), shown).run()
    except CliError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def test_suspended_accounts_are_taken_out_with_their_stacks_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    played = FakeStackSets({"DeleteConnections": "Stack"}, ("ou-abcd-11111111",), dict.fromkeys(ACCOUNTS, "CURRENT"))
    played.suspended = {ACCOUNTS[1]}

    printed, problem = delete(monkeypatch, played)

    assert problem == ""
    assert f"taken out, their stacks and connections stay: {ACCOUNTS[1]}" in printed
    deleted, taken_out, _ = (request for _, request in played.calls)
    assert not deleted["RetainStacks"]
    assert taken_out["RetainStacks"]
    assert taken_out["DeploymentTargets"]["Accounts"] == [ACCOUNTS[1]]


def test_a_second_run_tells_those_again_that_were_missed_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = dict.fromkeys(ACCOUNTS, "CURRENT") | {ACCOUNTS[2]: "OUTDATED"}
    played = FakeStackSets({"DeleteConnections": "Account"}, ("ou-abcd-11111111",), statuses)

    printed, problem = delete(monkeypatch, played, DELETE_CONNECTIONS="Account")

    assert problem == ""
    assert "Setting DeleteConnections=Account again: 1 of 1 accounts" in printed
    assert [name for name, _ in played.calls] == [
        *("update_stack_instances", "delete_stack_instances", "delete_stack_set")
    ]
    assert played.calls[0][1]["DeploymentTargets"]["Accounts"] == [ACCOUNTS[2]]


def test_where_a_deletion_failed_the_choice_was_known_and_another_one_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def played() -> FakeStackSets:
        statuses = dict.fromkeys(ACCOUNTS, "CURRENT") | {ACCOUNTS[2]: "INOPERABLE"}
        return FakeStackSets({"DeleteConnections": "Stack"}, ("ou-abcd-11111111",), statuses)

    same, other = played(), played()
    other.failing = {ACCOUNTS[2]: "it is excluded from updates"}

    assert delete(monkeypatch, same)[1] == ""
    assert [name for name, _ in same.calls] == ["delete_stack_instances", "delete_stack_set"]
    assert "could not be updated to DeleteConnections=Keep" in delete(monkeypatch, other, DELETE_CONNECTIONS="Keep")[1]
    assert [name for name, _ in other.calls] == ["update_stack_set"]
