"""Updates of a launched stack: each changed parameter takes effect, and a failed update is undone."""

from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.stack.customer import BUCKET, FUNCTION, LOG_GROUP, Customer, reason

THREE = "us-east-1,eu-west-1,sa-east-1"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
METRICS = {"PublishMetrics": "Yes", "AlarmTopicArn": TOPIC}


def test_updates_run_a_new_package_publish_metrics_make_an_alarm_narrow_the_regions_and_are_undone_when_they_fail(
    customer: Customer, package: bytes
) -> None:
    customer.launched(Regions=THREE, DeleteConnections="Stack")
    by_hand, kept = customer.add_connection("us-west-2"), customer.connections()["us-east-1"]
    stacks.upload(customer.aws.client("s3"), BUCKET, "next/lambda_function.zip", package)

    with customer.counting() as calls:
        renewed = customer.update(S3Key="next/lambda_function.zip", LogRetentionDays="30", **METRICS)

    assert renewed.status == "UPDATE_COMPLETE", renewed.failures
    assert calls == {"token": 1, "read": 1}
    updated = [each["LogicalResourceId"] for each in renewed.events if each["ResourceStatus"] == "UPDATE_COMPLETE"]
    assert "RegistryConnections" in updated
    customer.aws.settle()
    (group,) = customer.aws.client("logs").describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == (LOG_GROUP, 30)
    (alarm,) = customer.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["MetricName"], alarm["AlarmActions"]) == ("Errors", [TOPIC])
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": FUNCTION}]

    with customer.counting() as calls:
        narrowed = customer.update(Regions="us-east-1")

    assert narrowed.status == "UPDATE_COMPLETE", narrowed.failures
    assert calls == {"token": 1, "read": 1, "delete": 2}
    assert customer.connections() == {"us-east-1": kept, "us-west-2": by_hand}
    assert narrowed.outputs["ConnectedRegions"] == "us-east-1"

    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached")))
    failed = customer.update(Regions=THREE)

    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert reason(failed).startswith("2 Regions failed. eu-west-1: HTTP 422 registry limit reached")
    assert customer.connections() == {"us-east-1": kept, "us-west-2": by_hand}
    record = customer.record(failed)
    assert record["connections"] == {"us-east-1": kept.id}
    assert record["applied"]["choices"]["Regions"] == "us-east-1"

    customer.delete_in_falcon("us-east-1")
    customer.act("reconcile", fails=True)
    (published,) = [line for line in customer.logged(action="reconcile") if "_aws" in line]
    assert (published["function"], published["FailedCount"]) == (FUNCTION, 1)
