"""A stack gets out: what makes an update fail stays, and its rollback succeeds all the same."""

from tests.simulator import CLIENT_ID
from tests.stack.customer import Customer, reason
from tests.stack.operating import records, repairs

pytest_plugins = ["tests.stack.launching"]

TWO = "us-east-1,us-east-2"


def test_a_mistyped_rotation_fails_the_update_and_the_right_one_is_taken(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    customer.falcon.add_client(CLIENT_ID, "rotated-in-falcon")

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
