"""What makes the local AWS as unkind as AWS, where no test of the product would notice if it became kinder."""

import json
from typing import Any

import pytest

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import custom, launch, policy, processes, role, said, send, wait_for

FAILED = {"answer": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "mine"}}

# Custom resources and stacks


@pytest.mark.parametrize(
    ("create", "reason", "physical_id"),
    [
        (FAILED, "no", "mine"),
        ({"silent": True}, "CloudFormation did not receive a response from your Custom Resource.", "sample-Custom-"),
    ],
    ids=["failed", "silent"],
)
def test_a_create_that_fails_shows_its_reason_and_is_deleted(
    aws: LocalAws, create: dict[str, Any], reason: str, physical_id: str
) -> None:
    stack = launch(aws, Custom=custom(timeout=2, Create=create))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.failures["Custom"].startswith(reason)
    (first, _), (second, deleted) = said(aws, "asked")
    assert (first, second) == ("Create", "Delete")
    assert deleted.startswith(physical_id)


# Events


def test_schedules_and_rules_reach_the_function_only_with_permission_and_rates_fire_when_they_are_made(
    aws: LocalAws,
) -> None:
    pattern = {"source": ["aws.account"], "detail": {"status": ["ENABLED"]}}
    invoking = policy(Action="lambda:InvokeFunction", Resource="*")
    target = {"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    launch(
        aws,
        SchedulerRole=role("scheduler.amazonaws.com", Policies=[{"PolicyName": "sample", "PolicyDocument": invoking}]),
        Powerless=role("scheduler.amazonaws.com"),
        Rate=schedule("rate", "SchedulerRole"),
        Silent=schedule("silent", "Powerless"),
        Rule={"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}},
    )
    aws.client("account").enable_region(RegionName="ap-east-1")

    assert said(aws) == [{"action": "rate"}]


def schedule(name: str, role: str) -> dict[str, Any]:
    """Return a schedule with an input."""
    arns = {"Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "RoleArn": {"Fn::GetAtt": [role, "Arn"]}}
    properties = {"Name": name, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    target = {**arns, "Input": json.dumps({"action": name})}
    return {"Type": "AWS::Scheduler::Schedule", "Properties": {**properties, "Target": target}}


def test_an_invocation_outlives_its_function_and_then_its_process_ends(aws: LocalAws) -> None:
    launch(aws)
    send(aws, sleep=1)
    wait_for(lambda: len(processes(aws.directory)) == 2)

    stacks.delete(aws.client("cloudformation"), "sample").wait()

    assert said(aws) == [{"sleep": 1}]
    wait_for(lambda: len(processes(aws.directory)) == 1)
