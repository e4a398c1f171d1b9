"""Regions, the event bus, schedules, and asynchronous events."""

import json
from typing import Any

import pytest

from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import FUNCTION, allowing, launch, role, said, statements, upload, wait_for

PERMISSION = {
    "Type": "AWS::Lambda::Permission",
    "Properties": {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": "Function"},
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
    },
}


@pytest.fixture(autouse=True)
def _package(aws: LocalAws) -> None:
    upload(aws)


# Regions


def test_a_new_account_has_seventeen_regions_and_knows_of_thirty_four(aws: LocalAws) -> None:
    ec2 = aws.client("ec2")
    opted_out = [{"Name": "opt-in-status", "Values": ["not-opted-in"]}]

    enabled = [region["RegionName"] for region in ec2.describe_regions()["Regions"]]
    everything = {each["RegionName"]: each["OptInStatus"] for each in ec2.describe_regions(AllRegions=True)["Regions"]}

    assert sorted(enabled) == sorted(WITHOUT_OPT_IN)
    assert everything.keys() == set(KNOWN_REGIONS)
    assert (everything["us-east-1"], everything["af-south-1"]) == ("opt-in-not-required", "not-opted-in")
    assert len(ec2.describe_regions(AllRegions=True, Filters=opted_out)["Regions"]) == 17


def test_enabling_a_region_sends_the_event_that_invokes_the_function(aws: LocalAws) -> None:
    launch(aws, Rule=rule(), Permission=PERMISSION)

    aws.client("account").enable_region(RegionName="ap-east-1")

    wait_for(lambda: len(said(aws)) == 1)
    event = said(aws)[0]["event"]
    assert (event["source"], event["detail-type"]) == ("aws.account", "Region Opt-In Status Change")
    assert event["detail"] == {"accountId": "111122223333", "regionName": "ap-east-1", "status": "ENABLED"}
    assert len(aws.client("ec2").describe_regions()["Regions"]) == 18


def test_a_rule_without_permission_does_not_reach_the_function(aws: LocalAws) -> None:
    launch(aws, Rule=rule())

    aws.announce("aws.account", "Region Opt-In Status Change", {"status": "ENABLED"})
    aws.settle()

    assert said(aws) == []


# Schedules


def test_a_schedule_with_a_rate_fires_when_it_is_made_and_one_with_a_cron_expression_does_not(aws: LocalAws) -> None:
    launch(aws, SchedulerRole=schedule_role(), Rate=schedule("rate", "rate(1 day)"), Cron=schedule("cron"))
    aws.settle()
    first = [line["event"] for line in said(aws)]

    aws.fire_schedule("cron")
    aws.settle()

    assert first == [{"action": "rate"}]
    assert [line["event"] for line in said(aws)] == [{"action": "rate"}, {"action": "cron"}]


def test_a_schedule_whose_role_may_not_invoke_does_not_reach_the_function(aws: LocalAws) -> None:
    launch(aws, SchedulerRole=role("scheduler.amazonaws.com"), Schedule=schedule("daily", "rate(1 day)"))
    aws.settle()

    assert said(aws) == []


# Asynchronous events


def test_the_configuration_of_asynchronous_events_says_how_often_and_how_long(aws: LocalAws) -> None:
    aws.set_first_retry(0.1)
    launch(aws)
    configure = aws.client("lambda").put_function_event_invoke_config

    send(aws, **{"raise": "by default"})
    aws.settle()
    configure(FunctionName=FUNCTION, MaximumRetryAttempts=0)
    send(aws, **{"raise": "once"})
    aws.settle()
    configure(FunctionName=FUNCTION, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=100)  # AWS waits 60 s and 120 s
    send(aws, **{"raise": "twice"})
    aws.settle()

    assert [line["event"]["raise"] for line in said(aws)] == ["by default"] * 3 + ["once", "twice", "twice"]


def test_events_can_be_held_and_delivered_late(aws: LocalAws) -> None:
    launch(aws)
    aws.client("lambda").put_function_event_invoke_config(FunctionName=FUNCTION, MaximumEventAgeInSeconds=180)

    aws.hold_events(mark="late", times=1)
    for mark in ("late", "other", "late"):
        send(aws, mark=mark)
    aws.settle()
    before, held = [line["event"]["mark"] for line in said(aws)], aws.held_events()
    delivered = aws.release_events(aged=170)
    aws.settle()
    aws.hold_events()
    send(aws, mark="too late")
    dropped = aws.release_events(aged=181)
    aws.settle()

    assert (sorted(before), held) == (["late", "other"], [{"mark": "late"}])
    assert (delivered, dropped) == (1, 0)
    assert [line["event"]["mark"] for line in said(aws)][2:] == ["late"]


def send(aws: LocalAws, **event: Any) -> None:
    aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(event))


def rule() -> dict[str, Any]:
    """Return the rule on a Region that was enabled."""
    pattern = {
        "source": ["aws.account"],
        "detail-type": ["Region Opt-In Status Change"],
        "detail": {"status": ["ENABLED"]},
    }
    target = {"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    return {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}}


def schedule(name: str, expression: str = "cron(0 6 * * ? *)") -> dict[str, Any]:
    """Return a schedule with an input."""
    arns = {"Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "RoleArn": {"Fn::GetAtt": ["SchedulerRole", "Arn"]}}
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": name,
            "ScheduleExpression": expression,
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60},
            "Target": {**arns, "Input": json.dumps({"action": name})},
        },
    }


def schedule_role() -> dict[str, Any]:
    """Return a role that Scheduler assumes for schedules of this account only."""
    condition = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    principal = {"Service": "scheduler.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    policies = allowing("lambda:InvokeFunction", resource={"Fn::GetAtt": ["Function", "Arn"]})
    return role("scheduler.amazonaws.com", AssumeRolePolicyDocument=statements(statement), Policies=policies)
