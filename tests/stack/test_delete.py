"""Deleting the stack: what leaves Falcon is what DeleteConnections says, and nothing stays in AWS but the log."""

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Connection, Fault, Reset, Status
from tests.stack.customer import LOG_GROUP, SECRET, Customer, reason, stack_uuid

pytest_plugins = ["tests.stack.launching"]

TWO = "us-east-1,eu-west-1"


def test_delete_with_keep_calls_nobody_and_leaves_every_connection(customer: Customer) -> None:
    customer.launched()
    before = customer.connections()
    calls_of_the_launch = len(customer.role_calls())

    stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.falcon.journal.count() == 0
    calls = [call["action"] for call in customer.role_calls()[calls_of_the_launch:]]
    assert calls == ["ssm:DeleteParameter"]
    assert customer.connections() == before


def test_delete_with_stack_removes_what_the_stack_manages_and_nothing_else(customer: Customer) -> None:
    adopted = customer.add_connection("eu-west-1")
    customer.launched(Regions=TWO, DeleteConnections="Stack")
    by_hand = customer.add_connection("sa-east-1")
    assert customer.connections()["eu-west-1"].id == adopted.id

    with customer.counting() as calls:
        stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert calls == {"token": 1, "delete": 2, "read": 1}
    assert customer.connections() == {"sa-east-1": by_hand}


def test_delete_with_account_removes_every_ecr_connection_of_the_account(customer: Customer) -> None:
    customer.launched(Regions=TWO)
    customer.add_connection("sa-east-1")
    by_hand = [f"https://{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", f"https://{ACCOUNT}.dkr-ecr.us-east-1.on.aws"]
    forms = {customer.falcon.add_connection(Connection(url=url)).id for url in by_hand}
    customer.falcon.seed(5100)  # so that the account's connections are not on one page
    customer.add_connection("us-west-2")
    others = len(customer.falcon.connections()) - 4 - len(forms)
    customer.update(DeleteConnections="Account")

    with customer.counting() as calls:
        stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert (calls["token"], calls["list"], calls["delete"]) == (1, 2, 6)
    assert customer.connections() == {}
    assert not forms & {connection.id for connection in customer.falcon.connections()}
    assert len(customer.falcon.connections()) == others


@pytest.mark.parametrize("choice", ["Keep", "Stack", "Account"])
def test_delete_leaves_nothing_in_aws_but_the_log(customer: Customer, choice: str) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections=choice)

    stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.resources() == {f"log group {LOG_GROUP}"}
    log = "\n".join(customer.aws.function_logs("crowdstrike-ecr-function"))
    assert '"action": "Delete"' in log  # it is read when the stack is gone


def test_delete_with_keep_takes_the_role_away_until_a_new_launch_adopts(customer: Customer) -> None:
    first = customer.launched(Regions=TWO)
    before = {region: found.id for region, found in customer.connections().items()}
    customer.delete()
    assert {found.external_id for found in customer.connections().values()} == {stack_uuid(first)}

    second = customer.launched(Regions=TWO)

    after = customer.connections()
    assert {region: found.id for region, found in after.items()} == before
    assert {found.external_id for found in after.values()} == {stack_uuid(second)}


@pytest.mark.parametrize("answer", ["empty", "not_found"])
def test_delete_of_connections_that_are_gone_already_succeeds(customer: Customer, answer: str) -> None:
    customer.launched(Regions=TWO, DeleteConnections="Stack")
    customer.falcon.change(unknown_id=answer, unknown_id_on_delete=answer)
    for connection in customer.connections().values():
        customer.falcon.tenant.remove(connection.id)

    stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.falcon.journal.count("delete") == 0  # not even one without an id


def test_delete_that_falcon_refuses_fails_with_the_way_out_and_can_be_tried_again(customer: Customer) -> None:
    customer.launched(Regions=TWO, DeleteConnections="Stack")
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))

    stack = customer.delete()

    assert stack.status == "DELETE_FAILED"
    said = reason(stack)
    assert "Falcon login: the API client may not be used from here" in said
    assert "RegistryConnections" in said
    assert len(said) <= 240
    assert len(customer.connections()) == 2

    customer.falcon.disarm()
    assert customer.delete().status == "DELETE_COMPLETE"
    assert customer.connections() == {}


def test_delete_that_falcon_refuses_can_be_ended_by_retaining_the_connections(customer: Customer) -> None:
    customer.launched(Regions=TWO, DeleteConnections="Account")
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))
    assert customer.delete().status == "DELETE_FAILED"

    stack = customer.delete(RetainResources=["RegistryConnections"])

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.resources() == {f"log group {LOG_GROUP}", f"parameter /falcon-ecr/{stack_uuid(stack)}"}
    assert len(customer.connections()) == 2


def test_delete_that_removes_some_connections_only_names_the_others(customer: Customer) -> None:
    customer.launched(Regions="us-east-1,eu-west-1,sa-east-1", DeleteConnections="Stack")
    customer.falcon.arm(Fault("delete", Status(403, message="access denied, scope not permitted"), region="eu-west-1"))

    stack = customer.delete()

    assert stack.status == "DELETE_FAILED"
    assert reason(stack).startswith("1 Region failed. eu-west-1:")
    assert "Falcon Container Image: WRITE" in reason(stack)
    assert set(customer.connections()) == {"eu-west-1"}

    customer.falcon.disarm()
    assert customer.delete().status == "DELETE_COMPLETE"
    assert customer.connections() == {}


@pytest.mark.parametrize("choice", ["Stack", "Account"])
def test_delete_with_purge_but_without_the_secret_fails_with_the_reason(customer: Customer, choice: str) -> None:
    customer.launched(Regions=TWO, DeleteConnections=choice)
    customer.aws.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    stack = customer.delete()

    assert stack.status == "DELETE_FAILED"
    assert f"The secret {SECRET}" in reason(stack)
    assert "RegistryConnections" in reason(stack)
    assert len(customer.connections()) == 2


def test_delete_with_keep_needs_nothing_that_may_be_gone(customer: Customer) -> None:
    stack = customer.launched(Regions=TWO)
    customer.aws.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    customer.aws.client("ssm").delete_parameter(Name=f"/falcon-ecr/{stack_uuid(stack)}")
    customer.falcon.arm(Fault("any", Reset()))

    deleted = customer.delete()

    assert deleted.status == "DELETE_COMPLETE", deleted.failures
    assert len(customer.connections()) == 2
