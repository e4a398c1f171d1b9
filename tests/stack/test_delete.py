"""Deleting the stack: what leaves Falcon is what DeleteConnections says, and nothing stays in AWS but the log."""

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Connection, Fault, Status
from tests.stack.customer import FUNCTION, LOG_GROUP, Customer, reason, stack_uuid

TWO = "us-east-1,eu-west-1"


@pytest.mark.parametrize(
    ("choice", "left", "calls"),
    [
        ("Keep", {"us-east-1", "eu-west-1", "sa-east-1"}, set()),
        ("Stack", {"sa-east-1"}, {"token", "delete", "read"}),
        ("Account", set(), {"token", "delete", "read", "list"}),
    ],
)
def test_delete_removes_what_the_choice_says_and_leaves_nothing_in_aws_but_the_log(
    customer: Customer, choice: str, left: set[str], calls: set[str]
) -> None:
    adopted = customer.add_connection("eu-west-1")
    customer.launched(Regions=TWO, DeleteConnections=choice)
    assert customer.connections()["eu-west-1"].id == adopted.id
    by_hand = customer.add_connection("sa-east-1")
    fips = customer.falcon.add_connection(Connection(url=f"https://{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"))
    before = len(customer.role_calls())

    with customer.counting() as counted:
        stack = customer.delete()

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.connections().keys() == left
    assert customer.connections().get("sa-east-1", by_hand) == by_hand
    assert (fips in customer.falcon.connections()) is (choice != "Account")
    assert counted.keys() == calls
    if choice == "Keep":  # needs nothing that may be gone
        assert [call["action"] for call in customer.role_calls()[before:]] == ["ssm:DeleteParameter"]
    assert customer.resources() == {f"log group {LOG_GROUP}"}
    assert '"action": "Delete"' in "\n".join(customer.aws.function_logs(FUNCTION))  # read when the stack is gone


def test_delete_that_falcon_refuses_names_the_way_out_which_is_to_retain_the_connections(customer: Customer) -> None:
    customer.launched(Regions=TWO, DeleteConnections="Account")
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))

    refused = customer.delete()
    assert f"function {FUNCTION}" in customer.resources()  # for what needs it is still there
    gone = customer.delete(RetainResources=["RegistryConnections"])

    assert (refused.status, gone.status) == ("DELETE_FAILED", "DELETE_COMPLETE")
    assert "Falcon login: the API client may not be used from here" in reason(refused)
    assert "RegistryConnections" in reason(refused)
    assert len(reason(refused)) <= 240
    assert customer.resources() == {f"log group {LOG_GROUP}", f"parameter /falcon-ecr/{stack_uuid(gone)}"}
    assert len(customer.connections()) == 2
