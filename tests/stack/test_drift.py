"""Coverage that repairs itself: the schedule, the Region event, and a person, after the world has changed."""

from tests.sandbox.local_aws import ACCOUNT
from tests.stack.customer import Customer, mark, stack_uuid
from tests.stack.operating import (
    delete_in_falcon,
    fire_schedule,
    records,
    repairs,
    resource,
    until,
)

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"
# What starts a repair


def test_the_schedule_brings_back_a_connection_that_was_deleted_in_falcon(customer: Customer) -> None:
    customer.launched(Regions=THREE, ReconcileSchedule="rate(6 hours)")
    earlier = len(repairs(customer))  # a rate schedule fires when it is made, too
    scheduler = customer.aws.client("scheduler")
    schedule = scheduler.get_schedule(Name=resource(customer, "Schedule"))
    delete_in_falcon(customer, "eu-west-1")

    with customer.counting() as calls:
        fire_schedule(customer)
        until(lambda: len(repairs(customer)) > earlier)

    assert calls == {"token": 1, "read": 1, "create": 1}
    assert set(customer.connections()) == set(THREE.split(","))
    (created,) = records(customer, action="reconcile", outcome="created")
    assert (created["region"], created["connection"]) == ("eu-west-1", customer.connections()["eu-west-1"].id)
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(6 hours)", "ENABLED")
    # The accounts of an organization do not act in the same second.
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}

    customer.update(ReconcileSchedule="")

    assert scheduler.get_schedule(Name=schedule["Name"])["State"] == "DISABLED"


def test_enabling_a_region_registers_it_at_once(customer: Customer) -> None:
    stack = customer.launched()
    earlier = len(repairs(customer))

    customer.aws.client("account").enable_region(RegionName="ap-east-1")
    until(lambda: "ap-east-1" in customer.connections() and len(repairs(customer)) > earlier)

    added = customer.connections()["ap-east-1"]
    assert added.user_defined_alias == f"ecr-{mark(stack)}-{ACCOUNT}-ap-east-1"
    assert (added.role, added.external_id) == (stack.outputs["ConnectionRoleArn"], stack_uuid(stack))
    assert len(repairs(customer)) == earlier + 1  # not one more for the event that says that enabling has begun


# What a repair does


# When a repair fails
