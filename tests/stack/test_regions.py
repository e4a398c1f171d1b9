"""Regions that cannot work, and Regions without a repository: told from those that failed, with one call a Region."""

import json
from typing import Any

from tests.simulator import Fault, Status
from tests.stack.customer import Customer, reason
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


def test_regions_that_the_organization_denies_are_skipped_and_do_not_fail_the_stack(customer: Customer) -> None:
    customer.aws.enable_regions(count=6)
    customer.aws.scp(deny=["*"], regions=["us-west-1", "ca-central-1"])
    # Falcon could not assume the role there: a launch that tried would fail.
    for region in ("us-west-1", "ca-central-1"):
        customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region=region))

    with customer.counting() as calls:
        stack = customer.launch()

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "create": 4, "list": 1}
    assert stack.outputs["SkippedRegions"] == "ca-central-1,us-west-1"
    assert (stack.outputs["ConnectedCount"], stack.outputs["FailedCount"]) == ("4", "0")
    told = {line["region"]: line["message"] for line in records(customer, outcome="skipped")}
    assert told == {"ca-central-1": DENIED, "us-west-1": DENIED}
    assert skipped(act(customer, "plan")) == told
    assert {row["region"]: row["skipped"] for row in act(customer, "status")["regions"] if row["skipped"]} == told


def test_a_region_that_the_organization_admits_later_is_registered_by_the_next_repair(customer: Customer) -> None:
    customer.aws.enable_regions(count=2)
    customer.aws.scp(deny=["ecr:*"], regions=["us-east-2"])
    customer.launched()
    assert set(customer.connections()) == {"us-east-1"}
    customer.aws.lift_scps()

    repaired = act(customer, "reconcile")

    assert outcomes(repaired) == {"us-east-2": "created"}
    assert skipped(repaired) == {}


def test_each_region_is_asked_once(customer: Customer) -> None:
    regions = customer.aws.enable_regions(count=34)

    customer.launched()

    asked = [call["region"] for call in customer.role_calls() if call["action"] == "ecr:DescribeRepositories"]
    assert sorted(asked) == sorted(regions)


def test_an_organization_that_denies_the_list_of_regions_is_named_in_the_reason(customer: Customer) -> None:
    customer.aws.scp(deny=["ec2:DescribeRegions"])

    stack = customer.launch()

    assert reason(stack).startswith("The account's Regions cannot be listed (ec2:DescribeRegions):")
    assert "by a service control policy" in reason(stack)
    assert customer.connections() == {}


def test_a_boundary_that_keeps_the_function_from_asking_costs_no_coverage(customer: Customer) -> None:
    customer.aws.enable_regions(count=3)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ecr:DescribeRepositories", "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    customer.aws.client("iam").create_policy(PolicyName="no-questions", PolicyDocument=document)

    stack = customer.launched(PermissionsBoundary="no-questions", RegionScope="WithRepositories")

    denied = [call for call in customer.role_calls() if call["action"] == "ecr:DescribeRepositories"]
    assert [call["allowed"] for call in denied] == [False] * 3
    assert len(customer.connections()) == 3
    assert stack.outputs["SkippedCount"] == "0"


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


def test_an_account_without_any_repository_succeeds_with_no_connection(customer: Customer) -> None:
    stack = customer.launched(RegionScope="WithRepositories")

    assert (stack.outputs["ConnectedRegions"], stack.outputs["ConnectedCount"]) == ("none", "0")
    assert (stack.outputs["FailedCount"], stack.outputs["SkippedCount"]) == ("0", "17")
    assert customer.connections() == {}

    with customer.counting() as calls:
        quiet = act(customer, "reconcile")

    assert quiet["ok"]
    assert calls == {"token": 1}
    assert act(customer, "status")["ok"]


def test_a_region_that_lost_its_last_repository_is_no_longer_wanted(customer: Customer) -> None:
    customer.aws.enable_regions(count=2)
    make_repository(customer, "us-east-1")
    customer.launched(RegionScope="WithRepositories", DeleteConnections="Stack")
    customer.aws.client("ecr").delete_repository(repositoryName="application")

    assert outcomes(act(customer, "reconcile")) == {"us-east-1": "removed"}
    assert customer.connections() == {}
