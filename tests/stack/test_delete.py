"""Deleting the stack: what leaves Falcon is what DeleteConnections says, and nothing stays in AWS but the log."""

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Connection, Fault, Status
from tests.stack.customer import LOG_GROUP, Customer, reason, stack_uuid

pytest_plugins = ["tests.stack.launching"]

TWO = "us-east-1,eu-west-1"


@pytest.mark.parametrize(
    ("choice", "left", "calls"),
    [
        ("Keep", {"us-east-1", "eu-west-1", "sa-east-1"}, {}),
        ("Stack", {"sa-east-1"}, {"token": 1, "delete": 2, "read": 1}),
        ("Account", set(), {"token": 1, "delete": 4, "read": 1, "list": 1}),
    ],
)
def test_delete_removes_what_the_choice_says_and_leaves_nothing_in_aws_but_the_log(
    customer: Customer, choice: str, left: set[str], calls: dict[str, int]
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
    assert counted.keys() == calls.keys()
    assert {name: counted[name] for name in calls if name != "read"} == {
        name: count for name, count in calls.items() if name != "read"
    }
    if choice == "Keep":  # needs nothing that may be gone
        assert [call["action"] for call in customer.role_calls()[before:]] == ["ssm:DeleteParameter"]
    assert customer.resources() == {f"log group {LOG_GROUP}"}
    log = "\n".join(customer.aws.function_logs("crowdstrike-ecr-function"))
    assert '"action": "Delete"' in log  # it is read when the stack is gone


def test_delete_that_falcon_refuses_names_the_way_out_which_is_to_retain_the_connections(customer: Customer) -> None:
    customer.launched(Regions=TWO, DeleteConnections="Account")
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))

    refused = customer.delete()

    assert refused.status == "DELETE_FAILED"
    assert "Falcon login: the API client may not be used from here" in reason(refused)
    assert "RegistryConnections" in reason(refused)
    assert len(reason(refused)) <= 240

    stack = customer.delete(RetainResources=["RegistryConnections"])

    assert stack.status == "DELETE_COMPLETE", stack.failures
    assert customer.resources() == {f"log group {LOG_GROUP}", f"parameter /falcon-ecr/{stack_uuid(stack)}"}
    assert len(customer.connections()) == 2
