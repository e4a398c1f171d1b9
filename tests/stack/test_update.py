"""Updates of a launched stack: each changed parameter takes effect, and a failed update is undone."""

import pytest

from tests.sandbox import stacks
from tests.simulator import Fault, Status
from tests.stack.customer import BUCKET, FUNCTION, LOG_GROUP, STACK, Customer, reason

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"


def test_update_that_changes_nothing_in_falcon_costs_one_token_and_one_read(customer: Customer) -> None:
    customer.launched()
    before = customer.connections()

    with customer.counting() as calls:
        stack = customer.update(DeleteConnections="Stack")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1}
    assert customer.connections() == before
    assert customer.record(stack)["applied"]["choices"]["DeleteConnections"] == "Stack"
    assert stack.outputs["ConnectedCount"] == "17"


def test_update_that_narrows_the_regions_with_keep_leaves_the_others(customer: Customer) -> None:
    customer.launched(Regions=THREE)
    before = customer.connections()

    with customer.counting() as calls:
        stack = customer.update(Regions="us-east-1")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1}
    assert customer.connections() == before
    assert stack.outputs["ConnectedRegions"] == "us-east-1"
    assert {"eu-west-1", "sa-east-1"} <= set(stack.outputs["SkippedRegions"].split(","))


def test_update_that_narrows_the_regions_with_stack_removes_the_others(customer: Customer) -> None:
    customer.launched(Regions=THREE, DeleteConnections="Stack")
    by_hand = customer.add_connection("us-west-2")
    kept = customer.connections()["us-east-1"]

    with customer.counting() as calls:
        stack = customer.update(Regions="us-east-1")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1, "delete": 2}
    assert customer.connections() == {"us-east-1": kept, "us-west-2": by_hand}
    assert customer.record(stack)["connections"] == {"us-east-1": kept.id}
    assert stack.outputs["ConnectedRegions"] == "us-east-1"


def test_update_that_excludes_a_region_removes_its_connection(customer: Customer) -> None:
    customer.launched(DeleteConnections="Stack")

    stack = customer.update(ExcludedRegions="eu-west-1, sa-east-1")

    assert len(customer.connections()) == 15
    assert stack.outputs["SkippedRegions"] == "eu-west-1,sa-east-1"


def test_update_that_widens_the_regions_creates_the_missing_ones_only(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    before = customer.connections()

    with customer.counting() as calls:
        stack = customer.update(Regions=THREE)

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1, "create": 2}
    assert set(customer.connections()) == set(THREE.split(","))
    assert before.items() <= customer.connections().items()
    assert stack.outputs["ConnectedRegions"] == "eu-west-1,sa-east-1,us-east-1"


def test_update_that_widens_again_finds_what_keep_had_left(customer: Customer) -> None:
    customer.launched(Regions=THREE)
    before = customer.connections()
    customer.update(Regions="us-east-1")

    with customer.counting() as calls:
        stack = customer.update(Regions=THREE)

    assert calls == {"token": 1, "read": 1}
    assert customer.connections() == before
    assert stack.outputs["ConnectedCount"] == "3"


def test_update_recreates_a_connection_that_somebody_deleted_in_falcon(customer: Customer) -> None:
    customer.launched(Regions=THREE)
    customer.falcon.tenant.remove(customer.connections()["eu-west-1"].id)

    with customer.counting() as calls:
        customer.update(DeleteConnections="Stack")

    assert calls == {"token": 1, "read": 1, "create": 1}
    assert set(customer.connections()) == set(THREE.split(","))


def test_update_with_a_new_package_runs_the_new_package(customer: Customer, package: bytes) -> None:
    customer.launched(Regions="us-east-1")
    stacks.upload(customer.aws.client("s3"), BUCKET, "next/lambda_function.zip", package)

    with customer.counting() as calls:
        stack = customer.update(S3Key="next/lambda_function.zip")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1}
    assert ("RegistryConnections", "UPDATE_COMPLETE") in [(event.logical_id, event.status) for event in stack.events]


def test_update_of_the_log_retention_takes_effect_at_once(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    customer.wait_for_call("logs:PutRetentionPolicy")

    customer.update(LogRetentionDays="30")
    customer.wait_for_call("logs:PutRetentionPolicy", times=2)

    (group,) = customer.aws.client("logs").describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (LOG_GROUP, 30)


def test_failed_update_is_rolled_back_and_takes_back_what_it_made(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    before = customer.connections()
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="sa-east-1"))

    stack = customer.update(Regions=THREE)

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert reason(stack) == "1 Region failed. sa-east-1: HTTP 422 registry limit reached"
    assert customer.connections() == before
    record = customer.record(stack)
    assert record["connections"] == {"us-east-1": before["us-east-1"].id}
    assert record["applied"]["choices"]["Regions"] == "us-east-1"


def test_update_that_renames_the_function_is_refused_and_loses_no_connection(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    before = customer.connections()

    stack = customer.update(ECRLambdaName="another-function")

    assert stack.status.startswith("UPDATE_ROLLBACK_")  # the local AWS refuses the rollback's token as well
    assert "Modifying service token is not allowed." in stack.failures["RegistryConnections"]
    assert customer.connections() == before
    assert f"function {FUNCTION}" in customer.resources()
    assert "function another-function" not in customer.resources()


@pytest.mark.parametrize("retained", ["Keep", "Stack", "Account"])
def test_update_without_a_change_is_none(customer: Customer, retained: str) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections=retained)

    with pytest.raises(customer.cloudformation.exceptions.ClientError, match="No updates are to be performed"):
        stacks.update(customer.cloudformation, STACK)

    assert not customer.falcon.journal.count()
