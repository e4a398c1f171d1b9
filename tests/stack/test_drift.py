"""Coverage that repairs itself: by the schedule, and by the event of a Region that is enabled."""

from tests.sandbox.local_aws import ACCOUNT
from tests.stack.customer import Customer, stack_uuid

TWO = {"us-east-1", "us-east-2"}


def test_the_schedule_and_a_region_that_is_enabled_start_a_repair(customer: Customer) -> None:
    customer.aws.set_regions(enabled=TWO)
    stack = customer.launched(ReconcileSchedule="rate(6 hours)")
    scheduler = customer.aws.client("scheduler")
    schedule = scheduler.get_schedule(Name=customer.physical_ids()["Schedule"])

    (first,) = customer.repairs()  # it fires when it is made, before or during the launch
    assert first["level"] == "INFO"
    assert not customer.logged(level="ERROR")
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(6 hours)", "ENABLED")
    # The accounts of an organization do not act in the same second.
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}

    customer.delete_in_falcon("us-east-2")
    with customer.counting() as calls:
        customer.aws.fire_schedule(schedule["Name"])
        customer.aws.settle()

    assert calls == {"token": 1, "read": 1, "create": 1}
    (created,) = customer.logged(action="reconcile", outcome="created")
    assert (created["region"], created["connection"]) == ("us-east-2", customer.connections()["us-east-2"].id)

    customer.aws.client("account").enable_region(RegionName="ap-east-1")
    customer.aws.settle()

    assert customer.connections().keys() == TWO | {"ap-east-1"}
    added = customer.connections()["ap-east-1"]
    assert added.user_defined_alias == f"ecr-{stack_uuid(stack)[:8]}-{ACCOUNT}-ap-east-1"
    assert (added.role, added.external_id) == (stack.outputs["ConnectionRoleArn"], stack_uuid(stack))
    assert len(customer.repairs()) == 3  # not one more for the event that says that enabling has begun

    customer.update(ReconcileSchedule="")

    assert scheduler.get_schedule(Name=schedule["Name"])["State"] == "DISABLED"
