"""Metrics and the alarm: nothing that costs money by default, and what the template makes when it is asked for."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import Fault, Status
from tests.stack.customer import FUNCTION, Customer
from tests.stack.operating import act, delete_in_falcon, failure, records, repairs, resource

pytest_plugins = ["tests.stack.launching"]

TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
FIGURES = {"ConnectedCount", "FailedCount", "SkippedCount", "Duration", "FalconCalls"}

# The CloudWatch embedded metric format as its specification has it (version 1.0, "Embedded metric format document").
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Count", "Percent", "None"}
FORTNIGHT = 14 * 24 * 3600.0


def faults_of_embedded_metrics(line: Mapping[str, Any], now: float) -> Iterator[str]:
    """Yield what CloudWatch would object to; what it objects to it drops without a word."""
    metadata = line.get("_aws")
    if not isinstance(metadata, dict):
        yield "no _aws object at the root"
        return
    timestamp = metadata.get("Timestamp")
    if not isinstance(timestamp, int) or not now - FORTNIGHT < timestamp / 1000 < now + 2 * 3600:
        yield f"Timestamp {timestamp!r} is not of the last 14 days, in milliseconds"
    directives = metadata.get("CloudWatchMetrics")
    if not isinstance(directives, list) or not directives:
        yield "CloudWatchMetrics is not a list of directives"
        return
    for directive in directives:
        yield from _faults_of_directive(directive, line)


def _faults_of_directive(directive: Mapping[str, Any], line: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(directive.get("Namespace"), str) or not 1 <= len(directive["Namespace"]) <= 255:
        yield "Namespace is not text of 1 to 255 characters"
    for dimensions in directive["Dimensions"]:
        if len(dimensions) > 30:
            yield "more than 30 dimensions"
        yield from (f"dimension {name} is not text" for name in dimensions if not isinstance(line.get(name), str))
    if not 1 <= len(directive["Metrics"]) <= 100:
        yield "not 1 to 100 metrics"
    for metric in directive["Metrics"]:
        yield from _faults_of_metric(metric, line)


def _faults_of_metric(metric: Mapping[str, Any], line: Mapping[str, Any]) -> Iterator[str]:
    if metric.keys() - {"Name", "Unit", "StorageResolution"}:
        yield f"unknown keys in {metric}"
    if metric.get("Unit", "None") not in UNITS:
        yield f"unknown unit {metric['Unit']}"
    value = line.get(metric["Name"])
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{metric['Name']} is not a number: {value!r}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"_aws": None}, "no _aws object at the root"),
        ({"ConnectedCount": "17"}, "ConnectedCount is not a number: '17'"),
        ({"function": 7}, "dimension function is not text"),
    ],
)
def test_the_checker_of_these_tests_finds_faults(change: dict[str, Any], expected: str) -> None:
    directive = {"Namespace": "FalconECR", "Dimensions": [["function"]], "Metrics": [{"Name": "ConnectedCount"}]}
    sound = {"_aws": {"Timestamp": 1000, "CloudWatchMetrics": [directive]}, "function": "f", "ConnectedCount": 17}

    assert list(faults_of_embedded_metrics(sound, 2.0)) == []
    assert list(faults_of_embedded_metrics(sound | change, 2.0)) == [expected]
    assert list(faults_of_embedded_metrics(sound, 2.0 + FORTNIGHT)) != []


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
    customer.launched(Regions="us-east-1,eu-west-1,sa-east-1", PublishMetrics="Yes", AlarmTopicArn=TOPIC)
    delete_in_falcon(customer, "eu-west-1", "sa-east-1")
    customer.falcon.arm(Fault("create", Status(422, message="registry limit reached"), region="sa-east-1"))
    failure(customer)

    published = [line for line in records(customer) if "_aws" in line and line["FalconCalls"]]
    assert [line["action"] for line in published] == ["Create", "reconcile"]
    for line in published:
        assert list(faults_of_embedded_metrics(line, time.time())) == []
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
