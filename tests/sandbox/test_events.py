"""Regions, the event bus and schedules, as their services have them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.known_regions import KNOWN_REGIONS, WITHOUT_OPT_IN
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import FUNCTION, allowing, invoke, launch, role, said, statements, upload, wait_for

# Regions


def test_a_new_account_has_seventeen_regions_and_knows_of_thirty_four(aws: LocalAws) -> None:
    ec2 = aws.client("ec2")

    enabled = [region["RegionName"] for region in ec2.describe_regions()["Regions"]]
    everything = {
        region["RegionName"]: region["OptInStatus"] for region in ec2.describe_regions(AllRegions=True)["Regions"]
    }
    opted_out = ec2.describe_regions(AllRegions=True, Filters=[{"Name": "opt-in-status", "Values": ["not-opted-in"]}])[
        "Regions"
    ]

    assert sorted(enabled) == sorted(WITHOUT_OPT_IN)
    assert len(everything) == 34
    assert everything["us-east-1"] == "opt-in-not-required"
    assert everything["af-south-1"] == "not-opted-in"
    assert len(opted_out) == 17


def test_a_test_chooses_the_regions_of_an_account(aws: LocalAws) -> None:
    assert len(aws.enable_regions(count=34)) == 34
    all_of_them = aws.client("ec2").describe_regions()["Regions"]
    aws.set_regions(enabled=["us-east-1", "eu-west-1"])
    two = aws.client("ec2").describe_regions()["Regions"]

    assert {region["RegionName"] for region in all_of_them} == set(KNOWN_REGIONS)
    assert {region["OptInStatus"] for region in all_of_them} == {"opt-in-not-required", "opted-in"}
    assert len(two) == 2
    assert len(aws.client("ec2", "444455556666").describe_regions()["Regions"]) == 17
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        aws.client("ecr", region="us-west-2").describe_repositories()
    aws.client("ecr", region="eu-west-1").describe_repositories()


def test_enabling_a_region_sends_the_event_that_invokes_the_function(aws: LocalAws) -> None:
    upload(aws)
    launch(aws, Rule=rule(), Permission=permission())

    aws.client("account").enable_region(RegionName="ap-east-1")

    wait_for(lambda: len(said(aws)) == 1)
    event = said(aws)[0]["event"]
    assert (event["source"], event["detail-type"]) == ("aws.account", "Region Opt-In Status Change")
    assert event["detail"] == {"accountId": "111122223333", "regionName": "ap-east-1", "status": "ENABLED"}
    assert aws.client("account").get_region_opt_status(RegionName="ap-east-1")["RegionOptStatus"] == "ENABLED"
    assert len(aws.client("ec2").describe_regions()["Regions"]) == 18


# Events and schedules


def test_a_rule_without_permission_does_not_reach_the_function(aws: LocalAws) -> None:
    upload(aws)
    launch(aws, Rule=rule())

    aws.announce("aws.account", "Region Opt-In Status Change", {"status": "ENABLED"})
    invoke(aws, mark="after")

    assert [line["event"] for line in said(aws)] == [{"mark": "after"}]


def test_a_schedule_that_fires_invokes_the_function_with_its_input(aws: LocalAws) -> None:
    upload(aws)
    launch(aws, SchedulerRole=schedule_role(), Schedule=schedule())

    aws.fire_schedule("daily")

    wait_for(lambda: len(said(aws)) == 1)
    assert said(aws)[0]["event"] == {"action": "reconcile"}


@pytest.mark.parametrize("by", ["schedule", "asynchronous invocation"])
def test_an_event_at_which_the_function_raises_comes_three_times(aws: LocalAws, by: str) -> None:
    aws.set_first_retry(0.1)
    upload(aws)
    failing = schedule()
    failing["Properties"]["Target"]["Input"] = json.dumps({"raise": "no"})
    launch(aws, SchedulerRole=schedule_role(), Schedule=failing)

    if by == "schedule":
        aws.fire_schedule("daily")
    else:
        aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=b'{"raise": "no"}')

    wait_for(lambda: len(said(aws)) == 3)
    lines = said(aws)
    assert [line["event"] for line in lines] == [{"raise": "no"}] * 3
    assert lines[2]["at"] < lines[0]["at"] + 2.5  # as soon as the test has said


def test_a_schedule_whose_role_may_not_invoke_does_not_reach_the_function(aws: LocalAws) -> None:
    upload(aws)
    powerless = role("scheduler.amazonaws.com")
    launch(aws, SchedulerRole=powerless, Schedule=schedule())

    aws.fire_schedule("daily")
    invoke(aws, mark="after")

    assert [line["event"] for line in said(aws)] == [{"mark": "after"}]


@pytest.mark.parametrize("source_account", ["999999999999", None])
def test_a_schedule_whose_role_scheduler_cannot_assume_fails_the_launch(
    aws: LocalAws, source_account: str | None
) -> None:
    upload(aws)
    stranger = schedule_role(source_account) if source_account else role("lambda.amazonaws.com")

    stack = launch(aws, SchedulerRole=stranger, Schedule=schedule())

    assert "must allow AWS EventBridge Scheduler to assume the role" in stack.failures["Schedule"]


def rule() -> dict[str, Any]:
    """Return the rule on a Region that was enabled."""
    pattern = {
        "source": ["aws.account"],
        "detail-type": ["Region Opt-In Status Change"],
        "detail": {"status": ["ENABLED"]},
    }
    target = {"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    return {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}}


def permission() -> dict[str, Any]:
    """Return the rule's permission to invoke the function."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "Function"},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
        },
    }


def schedule() -> dict[str, Any]:
    """Return a schedule with an input."""
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": "daily",
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60},
            "Target": {
                "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                "RoleArn": {"Fn::GetAtt": ["SchedulerRole", "Arn"]},
                "Input": json.dumps({"action": "reconcile"}),
            },
        },
    }


def schedule_role(source_account: str | dict[str, str] | None = None) -> dict[str, Any]:
    """Return a role that Scheduler assumes for schedules of one account only."""
    condition = {"StringEquals": {"aws:SourceAccount": source_account or {"Ref": "AWS::AccountId"}}}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    policies = allowing("lambda:InvokeFunction", resource={"Fn::GetAtt": ["Function", "Arn"]})
    return role("scheduler.amazonaws.com", AssumeRolePolicyDocument=statements(statement), Policies=policies)
