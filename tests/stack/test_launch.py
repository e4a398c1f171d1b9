"""Launches of the real template, with the real package, in the local AWS, against simulated Falcon over TLS."""

import json

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.simulator.probe import registry
from tests.stack.customer import LOG_GROUP, STACK, Customer, mark, reason, stack_uuid
from tests.stack.operating import act

pytest_plugins = ["tests.stack.launching"]


@pytest.mark.parametrize("count", [17, 34])
def test_launch_registers_every_enabled_region_with_one_call_each(customer: Customer, count: int) -> None:
    regions = customer.aws.enable_regions(count=count)
    with customer.counting() as calls:
        stack = customer.launch(ReconcileSchedule="")  # the repair that it begins with may come late, and call as well

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert set(customer.connections()) == set(regions)
    assert calls == {"token": 1, "create": count, "list": 1}
    probe, *_ = customer.falcon.journal.records("list")
    assert probe.query == (("limit", "1"),)
    assert stack.outputs["ConnectedRegions"] == ",".join(sorted(regions))
    assert stack.outputs["ConnectedCount"] == str(count)


def test_launch_tells_falcon_its_role_the_operator_what_was_done_and_the_record_what_it_manages(
    customer: Customer,
) -> None:
    choices = {"Regions": "us-east-1,eu-west-1", "ExcludedRegions": "eu-west-1", "DeleteConnections": "Stack"}

    stack = customer.launch(**choices)
    customer.aws.settle(customer.account)  # the repair that the schedule began with

    ((region, connection),) = customer.connections().items()
    assert (region, connection.url) == ("us-east-1", registry(ACCOUNT, "us-east-1"))
    assert connection.user_defined_alias == f"ecr-{mark(stack)}-{ACCOUNT}-us-east-1"
    assert connection.details == {
        "aws_iam_role": stack.outputs["ConnectionRoleArn"],
        "aws_external_id": stack_uuid(stack),
    }
    assert connection.all_repositories_monitored is None  # a field of government clouds only
    (agent,) = {record.user_agent for record in customer.falcon.journal.records()}
    assert agent.startswith("falcon-ecr-registry-connections/")
    expected = {
        "ConnectedRegions": "us-east-1",
        "FailedRegions": "none",
        "FailedCount": "0",
        "SkippedCount": "16",
        "FalconCloud": "us-1",
        "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-{stack_uuid(stack)[:23]}",
        "FunctionName": "crowdstrike-ecr-function",
        "LogGroup": LOG_GROUP,
    }
    assert expected.items() <= stack.outputs.items()
    assert "eu-west-1" in stack.outputs["SkippedRegions"].split(",")
    record = customer.record(stack)
    assert (record["connections"], record["applied"]["choices"]) == ({"us-east-1": connection.id}, choices)
    assert not {"lease", "dirty"} & record.keys()
    (resource,) = customer.cloudformation.describe_stack_resources(
        StackName=STACK, LogicalResourceId="RegistryConnections"
    )["StackResources"]
    assert resource["PhysicalResourceId"] == f"falcon-ecr-{stack_uuid(stack)}"


def test_launch_bounds_the_life_of_its_log_and_logs_no_secret_at_any_level(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1", LogRetentionDays="30")

    (group,) = customer.aws.client("logs").describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (LOG_GROUP, 30)
    lines = customer.aws.function_logs("crowdstrike-ecr-function")
    records = [json.loads(line) for line in lines if line.startswith("{")]
    (created,) = [record for record in records if record.get("outcome") == "created"]
    assert created["region"] == "us-east-1"
    assert created["connection"] == customer.connections()["us-east-1"].id
    customer.aws.set_log_level("crowdstrike-ecr-function", "DEBUG")  # Lambda's own switch
    act(customer, "reconcile")
    log = "\n".join(customer.aws.function_logs("crowdstrike-ecr-function"))
    falcon, external_id = customer.falcon, stack_uuid(stack)
    for secret in (
        falcon.client_secret,
        falcon.client_id,
        "simulated-token",
        "cfn-response",
        "X-Amz-Signature",
        external_id,
    ):
        assert secret not in log


def test_launch_over_connections_made_elsewhere_adopts_them(customer: Customer) -> None:
    before = {region: customer.add_connection(region).id for region in ("us-east-1", "eu-west-1", "sa-east-1")}
    customer.falcon.seed(5100)  # so that the tenant does not fit on one page
    tenant = len(customer.falcon.connections())

    with customer.counting() as calls:
        stack = customer.launch(ReconcileSchedule="")  # the repair that it begins with may come late, and call as well

    assert stack.status == "CREATE_COMPLETE", stack.failures
    connections = customer.connections()
    assert len(connections) == 17
    for region, identifier in before.items():
        adopted = connections[region]
        assert adopted.id == identifier
        assert (adopted.role, adopted.external_id) == (stack.outputs["ConnectionRoleArn"], stack_uuid(stack))
        assert adopted.user_defined_alias == f"ecr-adopted-{mark(stack)}-{ACCOUNT}-{region}"
    assert calls == {"token": 1, "create": 17, "list": 1 + 2, "read": -(-tenant // 100), "update": 3}
    assert before.items() <= customer.record(stack)["connections"].items()
    assert stack.outputs["ConnectedCount"] == "17"


def test_failed_launch_rolls_back_and_leaves_nothing_behind(customer: Customer) -> None:
    theirs = customer.add_connection("sa-east-1")
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="eu-west-1"))

    stack = customer.launch()

    assert stack.status == "ROLLBACK_COMPLETE"
    said = reason(stack)
    assert "eu-west-1" in said
    assert "registry limit reached" in said
    assert len(said) <= 240
    assert customer.connections() == {"sa-east-1": theirs}
    assert (theirs.role, theirs.external_id) == (f"arn:aws:iam::{ACCOUNT}:role/by-hand", "by-hand")  # still scanning
    assert customer.resources() == {f"log group {LOG_GROUP}"}
    assert any("registry limit reached" in line for line in customer.aws.function_logs("crowdstrike-ecr-function"))
