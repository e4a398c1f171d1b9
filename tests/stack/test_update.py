"""Updates of a launched stack: each changed parameter takes effect, and a failed update is undone."""

from tests.sandbox import stacks
from tests.simulator import Fault, Status
from tests.stack.customer import BUCKET, LOG_GROUP, Customer, reason
from tests.stack.operating import until

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"


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


def test_update_with_a_new_package_runs_it_and_bounds_the_log_anew(customer: Customer, package: bytes) -> None:
    customer.launched(Regions="us-east-1")
    stacks.upload(customer.aws.client("s3"), BUCKET, "next/lambda_function.zip", package)

    with customer.counting() as calls:
        stack = customer.update(S3Key="next/lambda_function.zip", LogRetentionDays="30")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1}
    assert ("RegistryConnections", "UPDATE_COMPLETE") in [(event.logical_id, event.status) for event in stack.events]
    logs = customer.aws.client("logs")
    until(
        lambda: (
            [(it["logGroupName"], it["retentionInDays"]) for it in logs.describe_log_groups()["logGroups"]]
            == [(LOG_GROUP, 30)]
        )
    )


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
