"""Metrics and the alarm: nothing that costs money by default, and what the template makes when it is asked for."""

import time

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.stack.customer import FUNCTION, Customer
from tests.stack.operating import act, delete_in_falcon, failure, records, repairs, resource

pytest_plugins = ["tests.stack.launching"]

THREE = "us-east-1,eu-west-1,sa-east-1"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
FIGURES = {"ConnectedCount", "FailedCount", "SkippedCount", "Duration", "FalconCalls"}


def test_by_default_the_log_has_the_figures_and_cloudwatch_takes_no_metric_from_it(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    act(customer, "reconcile")

    last = repairs(customer)[-1]
    assert {name: last[name] for name in FIGURES - {"Duration"}} == {
        "ConnectedCount": 1,
        "FailedCount": 0,
        "SkippedCount": 16,
        "FalconCalls": 2,
    }
    assert 0 < last["Duration"] < 60_000
    assert not any("_aws" in line for line in records(customer))
    logical_ids = {event.logical_id for event in stack.events}
    assert "RepairFailed" not in logical_ids
    assert customer.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_metrics_and_the_alarm_are_of_the_form_that_cloudwatch_takes(customer: Customer) -> None:
    customer.launched(Regions=THREE, PublishMetrics="Yes", AlarmTopicArn=TOPIC, ReconcileSchedule="")
    delete_in_falcon(customer, "eu-west-1", "sa-east-1")
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="sa-east-1"))
    failure(customer)

    published = [line for line in records(customer) if "_aws" in line and line["FalconCalls"]]
    assert [line["action"] for line in published] == ["Create", "reconcile"]
    for line in published:
        assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 3600
        assert all(isinstance(line[name], int) for name in FIGURES)
        assert line["function"] == FUNCTION
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "FalconECR"
        assert directive["Dimensions"] == [["function"]]
        assert {metric["Name"] for metric in directive["Metrics"]} == FIGURES
    launched, repaired = published
    assert (launched["ConnectedCount"], launched["FailedCount"], launched["FalconCalls"]) == (3, 0, 5)
    assert (repaired["ConnectedCount"], repaired["FailedCount"], repaired["FalconCalls"]) == (2, 1, 4)

    (alarm,) = customer.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["AlarmName"] == resource(customer, "RepairFailed")
    shape = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": FUNCTION}],
        "Statistic": "Sum",
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        "AlarmActions": [TOPIC],
    }
    assert shape.items() <= alarm.items()
