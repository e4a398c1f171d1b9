"""Launches of the real template, with the real package, in the local AWS, against simulated Falcon over TLS."""

import json

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.simulator.probe import registry
from tests.stack.customer import LOG_GROUP, STACK, Customer, mark, reason, stack_uuid

pytest_plugins = ["tests.stack.launching"]


@pytest.mark.parametrize("count", [17, 34])
def test_launch_registers_every_enabled_region_with_one_call_each(customer: Customer, count: int) -> None:
    regions = customer.aws.enable_regions(count=count)
    with customer.counting() as calls:
        stack = customer.launch()

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert set(customer.connections()) == set(regions)
    assert calls == {"token": 1, "create": count, "list": 1}
    probe, *_ = customer.falcon.journal.records("list")
    assert probe.query == (("limit", "1"),)
    assert stack.outputs["ConnectedRegions"] == ",".join(sorted(regions))
    assert stack.outputs["ConnectedCount"] == str(count)


def test_launch_tells_falcon_role_external_id_and_a_readable_alias(customer: Customer) -> None:
    stack = customer.launch(Regions="us-east-1,eu-west-1")

    for region, connection in customer.connections().items():
        assert connection.url == registry(ACCOUNT, region)
        assert connection.user_defined_alias == f"ecr-{mark(stack)}-{ACCOUNT}-{region}"
        assert connection.credential_type == "ecr"
        assert connection.details == {
            "aws_iam_role": stack.outputs["ConnectionRoleArn"],
            "aws_external_id": stack_uuid(stack),
        }
        assert connection.all_repositories_monitored is None  # a field of government clouds only
    agents = {record.user_agent for record in customer.falcon.journal.records()}
    assert len(agents) == 1
    assert agents.pop().startswith("falcon-ecr-registry-connections/")


def test_launch_has_outputs_that_tell_what_was_done_and_where_to_look(customer: Customer) -> None:
    stack = customer.launch(Regions="us-east-1, eu-west-1", ExcludedRegions="eu-west-1")

    expected = {
        "ConnectedRegions": "us-east-1",
        "ConnectedCount": "1",
        "FailedRegions": "none",
        "FailedCount": "0",
        "SkippedCount": "16",
        "FalconCloud": "us-1",
        "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-{stack_uuid(stack)[:23]}",
        "FunctionName": "crowdstrike-ecr-function",
        "LogGroup": LOG_GROUP,
    }
    assert expected.items() <= stack.outputs.items()
    skipped = stack.outputs["SkippedRegions"].split(",")
    assert len(skipped) == 16
    assert "eu-west-1" in skipped
    customer.aws.client("iam").get_role(RoleName=expected["ConnectionRoleArn"].rsplit("/", 1)[-1])
    customer.aws.client("lambda").get_function(FunctionName=expected["FunctionName"])


def test_launch_remembers_what_it_applied_and_which_connections_it_manages(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1,us-west-2", DeleteConnections="Stack")

    record = customer.record(stack)
    assert record["connections"] == {region: found.id for region, found in customer.connections().items()}
    assert record["applied"]["choices"] == {"Regions": "us-east-1,us-west-2", "DeleteConnections": "Stack"}
    assert record["cloud"] == "us-1"
    assert not {"lease", "dirty"} & record.keys()
    (resource,) = customer.cloudformation.describe_stack_resources(
        StackName=STACK, LogicalResourceId="RegistryConnections"
    )["StackResources"]
    assert resource["PhysicalResourceId"] == f"falcon-ecr-{stack_uuid(stack)}"


def test_launch_bounds_the_life_of_its_log_and_logs_no_secret(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1", LogRetentionDays="30")
    customer.wait_for_call("logs:PutRetentionPolicy")

    (group,) = customer.aws.client("logs").describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (LOG_GROUP, 30)
    lines = customer.aws.function_logs("crowdstrike-ecr-function")
    records = [json.loads(line) for line in lines if line.startswith("{")]
    (created,) = [record for record in records if record.get("region") == "us-east-1"]
    assert created["outcome"] == "created"
    assert created["connection"] == customer.connections()["us-east-1"].id
    log = "\n".join(lines)
    falcon, external_id = customer.falcon, stack_uuid(stack)
    for secret in (falcon.client_secret, falcon.client_id, "simulated-token", "cfn-response", external_id):
        assert secret not in log


def test_launch_over_connections_made_elsewhere_adopts_them(customer: Customer) -> None:
    before = {region: customer.add_connection(region).id for region in ("us-east-1", "eu-west-1", "sa-east-1")}
    customer.falcon.seed(5100)  # so that the tenant does not fit on one page
    tenant = len(customer.falcon.connections())

    with customer.counting() as calls:
        stack = customer.launch()

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


def test_launch_waits_until_falcon_can_assume_the_fresh_role(customer: Customer) -> None:
    customer.falcon.change(iam_ready_after=1.5)

    stack = customer.launch(Regions="us-east-1,us-west-2")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert 400 in customer.falcon.journal.statuses("create")
    assert len(customer.connections()) == 2


def test_launch_with_report_succeeds_and_names_the_region_that_failed(customer: Customer) -> None:
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="eu-west-1"))

    stack = customer.launch(Regions="us-east-1,eu-west-1,us-west-2", OnRegionFailure="Report")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert stack.outputs["FailedRegions"] == "eu-west-1"
    assert stack.outputs["FailedCount"] == "1"
    assert stack.outputs["ConnectedRegions"] == "us-east-1,us-west-2"
    assert set(customer.connections()) == {"us-east-1", "us-west-2"}


def test_launch_with_report_fails_if_no_region_could_be_registered(customer: Customer) -> None:
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached")))

    stack = customer.launch(Regions="us-east-1,eu-west-1", OnRegionFailure="Report")

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason(stack) == "2 Regions failed. eu-west-1: HTTP 422 registry limit reached. Also: us-east-1."


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


def test_failed_launch_is_deleted_and_launched_again(customer: Customer) -> None:
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), times=1))
    assert customer.launch(Regions="us-east-1").status == "ROLLBACK_COMPLETE"
    assert customer.delete().status == "DELETE_COMPLETE"

    again = customer.launch(Regions="us-east-1")

    assert again.status == "CREATE_COMPLETE", again.failures
    assert set(customer.connections()) == {"us-east-1"}
