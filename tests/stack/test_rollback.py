"""A stack gets out: what makes an update fail stays, and its rollback succeeds all the same."""

import time

import pytest

from tests.simulator import CLIENT_ID, Fault, Status
from tests.stack.customer import SECRET, Customer, reason
from tests.stack.operating import act, records, repairs, until

pytest_plugins = ["tests.stack.launching"]

TWO = "us-east-1,us-east-2"


def reset_secret(customer: Customer) -> None:
    customer.falcon.add_client(CLIENT_ID, "rotated-in-falcon")


def delete_secret(customer: Customer) -> None:
    customer.aws.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)


def allow_no_address(customer: Customer) -> None:
    customer.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))


@pytest.mark.parametrize("trouble", [reset_secret, delete_secret, allow_no_address])
def test_an_update_that_fails_is_rolled_back_although_the_trouble_stays(customer: Customer, trouble) -> None:  # type: ignore[no-untyped-def]
    customer.launched(Regions="us-east-1")
    before = customer.connections()
    trouble(customer)

    stack = customer.update(Regions=TWO)

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE", stack.failures
    assert customer.connections() == before
    assert stack.outputs["ConnectedRegions"] == "us-east-1"


def test_a_mistyped_rotation_fails_the_update_and_the_right_one_is_taken(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    reset_secret(customer)

    mistyped = customer.update(FalconSecret="mistyped", CredentialsVersion="2")

    assert mistyped.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "the client secret is wrong" in reason(mistyped)

    right = customer.update(FalconSecret="rotated-in-falcon", CredentialsVersion="3", Regions=TWO)

    assert right.status == "UPDATE_COMPLETE", right.failures
    assert set(customer.connections()) == set(TWO.split(","))


def test_a_repair_before_or_during_the_launch_ends_well(customer: Customer) -> None:
    stack = customer.launch(Regions="us-east-1", ReconcileSchedule="rate(1 day)")  # which fires when it is made
    customer.aws.settle()

    assert stack.status == "CREATE_COMPLETE", stack.failures
    (early,) = repairs(customer)
    assert early["level"] == "INFO"
    assert not records(customer, level="ERROR")


def test_an_update_that_is_delivered_after_its_rollback_changes_nothing(customer: Customer) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections="Stack")
    customer.aws.hold_events(times=1, RequestType="Update")
    operation = customer.start_update(Regions="us-east-2")
    until(customer.aws.held_events)
    time.sleep(1.1)  # signatures count whole seconds; CloudFormation would have waited for ServiceTimeout
    customer.aws.end_response_wait()
    assert operation.wait().status == "UPDATE_ROLLBACK_COMPLETE"

    customer.aws.release_events(aged=100)  # younger than what NoRetries lets pass
    customer.aws.settle()

    assert set(customer.connections()) == {"us-east-1"}
    assert [line for line in records(customer, level="ERROR") if "delivered after a later one" in line.get("text", "")]
    assert act(customer, "reconcile")["ok"]
