"""`make delete-org` in the local AWS: what each choice leaves, what it asks first, and what stands in its way."""

import io
import json

import pytest
from botocore.exceptions import ClientError

from tests.customer import ROLE, resources
from tests.organization import MANAGEMENT, MEMBERS, STACK_SET, Operator
from tests.sandbox.local_aws import LocalAws
from tests.simulator import Fault, missing_scope

pytest_plugins = ["tests.launching", "tests.organizing"]


@pytest.mark.parametrize(("choice", "left"), [("Keep", 3), ("Stack", 1), ("Account", 0)])
def test_delete_leaves_in_falcon_what_the_choice_says(
    aws: LocalAws, operator: Operator, choice: str, left: int
) -> None:
    unit = operator.units["security"]
    assert operator.deploy(OU_IDS=unit, INCLUDE_MANAGEMENT="1", **operator.credentials).problem == ""
    for account in (MEMBERS[0], MANAGEMENT):
        by_hand = operator.falcon.connections_of(account)[0]
        url = by_hand.url.replace("us-east-1", "us-west-2").replace("eu-west-1", "us-west-2")
        operator.falcon.add_connection(type(by_hand)(url=url))
    before = set(resources(aws, MEMBERS[0]))

    ran = operator.delete(DELETE_CONNECTIONS=choice, INCLUDE_MANAGEMENT="1")

    assert ran.problem == ""
    assert ("Setting DeleteConnections" in ran.text) == (choice != "Keep")  # the template's default
    assert {account: len(found) for account, found in operator.connected().items()} == (
        {MEMBERS[0]: left, MANAGEMENT: left} if left else {}
    )
    assert before - set(resources(aws, MEMBERS[0]))
    assert {kind.split()[0] for kind in resources(aws, MEMBERS[0])} <= {"log"}
    with pytest.raises(ClientError, match="StackSetNotFound"):
        aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)
    assert len(aws.client("s3").list_buckets()["Buckets"]) == 1


def test_delete_takes_the_bucket_too_if_asked(aws: LocalAws, operator: Operator) -> None:
    assert operator.deploy(OU_IDS=operator.units["security"], **operator.credentials).problem == ""

    ran = operator.delete(DELETE_BUCKET="1")

    assert ran.problem == ""
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"] == []
    assert operator.delete().problem == f"there is no stack set {STACK_SET} in us-east-1."


def test_accounts_that_cannot_be_told_the_choice_stop_a_deletion_once(aws: LocalAws, operator: Operator) -> None:
    (stuck,) = MEMBERS[:1]
    aws.client("iam", stuck).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({}))
    assert operator.deploy(OU_IDS=operator.units["security"], **operator.credentials).problem

    first = operator.delete(DELETE_CONNECTIONS="Stack")
    kept = operator.instances()
    second = operator.delete(DELETE_CONNECTIONS="Stack")

    assert f"{stuck} │" in first.text
    assert first.problem.startswith(
        "1 of the accounts could not be told DeleteConnections=Stack, so nothing was deleted"
    )
    assert kept == {stuck: "OUTDATED"}
    assert f"These accounts are not up to date and may do otherwise: {stuck}" in second.text
    assert second.problem == ""


def test_a_stack_that_cannot_be_deleted_keeps_the_stack_set_and_says_why(operator: Operator) -> None:
    unit = operator.units["security"]
    assert operator.deploy("DeleteConnections=Stack", OU_IDS=unit, **operator.credentials).problem == ""
    operator.falcon.arm(Fault("delete", missing_scope()))

    failed = operator.delete()

    assert f"{MEMBERS[0]} │" in failed.text
    assert "the API client lacks the scope Falcon Container Image: WRITE" in failed.text
    assert failed.problem.startswith("1 of the accounts still have their stacks")
    assert operator.instances() == {MEMBERS[0]: "INOPERABLE"}

    operator.falcon.disarm()

    assert operator.delete().problem == ""
    assert operator.connected() == {}


def test_a_deletion_asks_for_the_name_first(aws: LocalAws, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.client("cloudformation").create_stack_set(
        StackSetName=STACK_SET, TemplateBody='{"Resources": {}}', PermissionModel="SERVICE_MANAGED"
    )

    nobody = operator.delete(YES="")
    monkeypatch.setattr("sys.stdin", Terminal("falcom"))
    answered = operator.delete(YES="", DELETE_CONNECTIONS="Account")
    still_there = aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)["StackSet"]["Status"]
    monkeypatch.setattr("sys.stdin", Terminal(STACK_SET))
    agreed = operator.delete(YES="")

    assert nobody.problem == "this needs an answer, and there is no terminal. YES=1 agrees in advance."
    assert "EVERY ECR connection of these accounts is removed from Falcon" in answered.text
    assert answered.problem == "that is not its name. Nothing was changed."
    assert still_there == "ACTIVE"
    assert agreed.problem == ""


class Terminal(io.StringIO):
    """Somebody who types one line."""

    def __init__(self, line: str) -> None:
        super().__init__(f"{line}\n")

    def isatty(self) -> bool:
        return True
