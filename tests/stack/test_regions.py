"""Regions that cannot work are told from those that failed."""

from tests.simulator import Fault, Status
from tests.stack.customer import Customer
from tests.stack.operating import act, outcomes, records

pytest_plugins = ["tests.stack.launching"]

DENIED = "denied by a service control policy"


def test_regions_that_the_organization_denies_are_skipped_until_it_admits_them(customer: Customer) -> None:
    customer.aws.enable_regions(count=6)
    customer.aws.scp("us-west-1", "ca-central-1")
    # Falcon could not assume the role there: a launch that tried would fail.
    for region in ("us-west-1", "ca-central-1"):
        customer.falcon.arm(Fault("create", Status(422), region=region))

    with customer.counting() as calls:
        stack = customer.launch(ReconcileSchedule="")  # the repair that it begins with may come late, and call as well

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "create": 4, "list": 1}
    assert stack.outputs["SkippedRegions"] == "ca-central-1,us-west-1"
    told = {line["region"]: line["message"] for line in records(customer, outcome="skipped")}
    assert told == {"ca-central-1": DENIED, "us-west-1": DENIED}
    assert {row["region"]: row["why"] for row in act(customer, "plan")["skipped"]} == told
    assert {row["region"]: row["skipped"] for row in act(customer, "status")["regions"] if row["skipped"]} == told

    customer.falcon.disarm()
    customer.aws.scp()

    assert outcomes(act(customer, "reconcile")) == {"ca-central-1": "created", "us-west-1": "created"}
