"""Regions that cannot work, and Regions without a repository: told from those that failed, with one call a Region."""

from typing import Any

from tests.simulator import Fault, Status
from tests.stack.customer import Customer
from tests.stack.operating import act, changes, outcomes, records

pytest_plugins = ["tests.stack.launching"]

DENIED = "denied by a service control policy"
EMPTY = "holds no repository"


def make_repository(customer: Customer, region: str) -> None:
    customer.aws.client("ecr", region=region).create_repository(repositoryName="application")


def skipped(answer: Any) -> dict[str, str]:
    """Return why each Region is left out, of a plan's answer or a repair's."""
    if answer["action"] == "plan":
        return {row["region"]: row["why"] for row in answer["skipped"]}
    return {row["region"]: row["message"] for row in answer["regions"] if row["outcome"] == "skipped"}


# Denied by the organization


def test_regions_that_the_organization_denies_are_skipped_until_it_admits_them(customer: Customer) -> None:
    customer.aws.enable_regions(count=6)
    customer.aws.scp(deny=["*"], regions=["us-west-1", "ca-central-1"])
    # Falcon could not assume the role there: a launch that tried would fail.
    for region in ("us-west-1", "ca-central-1"):
        customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region=region))

    with customer.counting() as calls:
        stack = customer.launch(ReconcileSchedule="")  # the repair that it begins with may come late, and call as well

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "create": 4, "list": 1}
    assert stack.outputs["SkippedRegions"] == "ca-central-1,us-west-1"
    assert (stack.outputs["ConnectedCount"], stack.outputs["FailedCount"]) == ("4", "0")
    told = {line["region"]: line["message"] for line in records(customer, outcome="skipped")}
    assert told == {"ca-central-1": DENIED, "us-west-1": DENIED}
    assert skipped(act(customer, "plan")) == told
    assert {row["region"]: row["skipped"] for row in act(customer, "status")["regions"] if row["skipped"]} == told

    customer.falcon.disarm()
    customer.aws.lift_scps()

    assert outcomes(act(customer, "reconcile")) == {"ca-central-1": "created", "us-west-1": "created"}


# Only Regions with a repository


def test_with_repositories_registers_those_regions_alone_and_picks_up_the_first_repository_later(
    customer: Customer,
) -> None:
    customer.aws.enable_regions(count=4)
    make_repository(customer, "us-east-2")

    stack = customer.launched(RegionScope="WithRepositories")

    assert set(customer.connections()) == {"us-east-2"}
    assert stack.outputs["ConnectedRegions"] == "us-east-2"
    assert stack.outputs["SkippedRegions"] == "us-east-1,us-west-1,us-west-2"
    assert skipped(act(customer, "plan")) == dict.fromkeys(("us-east-1", "us-west-1", "us-west-2"), EMPTY)

    make_repository(customer, "us-west-2")

    assert changes(act(customer, "plan")) == {"us-west-2": "create"}
    assert outcomes(act(customer, "reconcile")) == {"us-west-2": "created"}

    widened = customer.update(RegionScope="Enabled")

    assert widened.outputs["ConnectedCount"] == "4"
