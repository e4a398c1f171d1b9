"""Coverage that repairs itself: the schedule, the Region event, and a person, after the world has changed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.stack.customer import Customer, mark, stack_uuid
from tests.stack.operating import (
    act,
    changes,
    delete_in_falcon,
    failure,
    fire_schedule,
    outcomes,
    record_version,
    records,
    repairs,
    resource,
    until,
    wrote,
)

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"
REFUSED = Status(422, message="registry limit reached")


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


def test_a_repair_does_what_the_plan_says_and_a_second_one_nothing(customer: Customer) -> None:
    customer.aws.enable_regions(count=4)  # us-east-1, us-east-2, us-west-1, us-west-2
    refusal = customer.falcon.arm(Fault("create", REFUSED, region="us-west-1"))
    stack = customer.launched(OnRegionFailure="Report")
    before = customer.connections()
    assert stack.outputs["FailedRegions"] == "us-west-1"
    customer.falcon.disarm()
    delete_in_falcon(customer, "us-west-2")
    customer.falcon.tenant.expire_credential(before["us-east-2"].id)
    customer.aws.enable_regions(count=5)  # ca-central-1 too, of which no event told
    version = record_version(customer, stack)

    with customer.counting() as planning:
        planned = act(customer, "plan")

    assert refusal.struck > 0
    assert planning == {"token": 1, "read": 1, "list": 1}
    assert record_version(customer, stack) == version
    assert changes(planned) == {
        "ca-central-1": "create",  # new
        "us-east-2": "refresh",  # expired
        "us-west-1": "create",  # failed when the stack was launched
        "us-west-2": "create",  # deleted
    }
    assert planned["unchanged"] == ["us-east-1"]

    with customer.counting() as repairing:
        repaired = act(customer, "reconcile")

    assert repairing == {"token": 1, "read": 1, "create": 3, "update": 1}
    assert outcomes(repaired) == {
        region: {"create": "created", "refresh": "refreshed"}[change] for region, change in changes(planned).items()
    }
    after = customer.connections()
    assert set(after) == {"us-east-1", *changes(planned)}
    assert not after["us-east-2"].expired
    assert after["us-east-2"].id == before["us-east-2"].id

    with customer.counting() as quiet:
        again = act(customer, "reconcile")

    assert quiet == {"token": 1, "read": 1}
    assert outcomes(again) == {}
    assert changes(act(customer, "plan")) == {}


@pytest.mark.parametrize(("policy", "outcome"), [("Keep", "left"), ("Stack", "removed")])
def test_the_connection_of_a_region_that_was_disabled_is_treated_as_the_stack_says(
    customer: Customer, policy: str, outcome: str
) -> None:
    customer.aws.set_regions(enabled=["us-east-1", "ap-east-1"])
    customer.launched(DeleteConnections=policy)
    disabled = customer.connections()["ap-east-1"]
    customer.aws.client("account").disable_region(RegionName="ap-east-1")

    planned = act(customer, "plan")
    repaired = act(customer, "reconcile")

    assert [row["region"] for row in planned["left" if policy == "Keep" else "changes"]] == ["ap-east-1"]
    assert outcomes(repaired) == {"ap-east-1": outcome}
    assert customer.connections().get("ap-east-1") == (disabled if policy == "Keep" else None)
    assert repairs(customer)[-1]["level"] == "INFO"


def test_a_named_region_that_was_disabled_does_not_stop_the_repair_of_the_others(customer: Customer) -> None:
    customer.aws.set_regions(enabled=["us-east-1", "ap-east-1"])
    customer.launched(Regions="us-east-1,ap-east-1")
    customer.aws.client("account").disable_region(RegionName="ap-east-1")
    delete_in_falcon(customer, "us-east-1")

    repaired = act(customer, "reconcile")

    assert outcomes(repaired) == {"ap-east-1": "left", "us-east-1": "created"}


def test_a_repair_after_a_failed_update_restores_what_the_stack_last_applied(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1,eu-west-1")
    customer.falcon.arm(Fault("create", REFUSED, region="sa-east-1"))
    assert customer.update(Regions=THREE, DeleteConnections="Stack").status == "UPDATE_ROLLBACK_COMPLETE"
    customer.falcon.disarm()
    delete_in_falcon(customer, "eu-west-1")

    repaired = act(customer, "reconcile")

    assert outcomes(repaired) == {"eu-west-1": "created"}
    assert set(customer.connections()) == {"us-east-1", "eu-west-1"}
    assert "DeleteConnections" not in customer.record(stack)["applied"]["choices"]


def test_a_repair_that_waited_for_an_update_acts_on_the_update(customer: Customer) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections="Stack")
    customer.falcon.change(latency=0.7)

    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(customer.update, Regions="us-east-1,eu-west-1")
        until(lambda: customer.falcon.journal.count("create"))  # so that the update is at work
        repaired = act(customer, "reconcile")

    assert update.result().status == "UPDATE_COMPLETE"
    assert outcomes(repaired) == {}
    assert set(customer.connections()) == {"us-east-1", "eu-west-1"}


# When a repair fails


def test_a_repair_that_fails_ends_in_a_function_error_and_the_next_one_heals(customer: Customer) -> None:
    customer.launched(Regions=THREE, OnRegionFailure="Report")
    delete_in_falcon(customer, "eu-west-1", "sa-east-1")
    customer.falcon.arm(Fault("create", REFUSED, region="sa-east-1"))

    said = failure(customer)

    assert said == "1 Region failed. sa-east-1: HTTP 422 registry limit reached"
    assert set(customer.connections()) == {"us-east-1", "eu-west-1"}  # what could be repaired is
    last = repairs(customer)[-1]
    assert (last["level"], last["text"], last["FailedRegions"]) == ("ERROR", said, "sa-east-1")

    customer.falcon.disarm()

    assert outcomes(act(customer, "reconcile")) == {"sa-east-1": "created"}


def test_an_event_that_is_not_known_is_refused_with_what_is(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")

    with customer.counting() as calls:
        said = failure(customer, "delete")

    assert said.startswith('Unknown event. Accepted: {"action": "plan"}, {"action": "status"}, {"action": "reconcile"}')
    assert not wrote(calls)
