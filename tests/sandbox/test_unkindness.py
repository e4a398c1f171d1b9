"""What makes the local AWS as unkind as AWS, where no test of the product would notice if it became kinder."""

import json
import time
from typing import Any

import pytest

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import ROLE, custom, inline, invoke, launch, processes, role, said, send, template, wait_for

FAILED = {"answer": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "mine"}}

# Custom resources and stacks


@pytest.mark.parametrize(
    ("create", "reason", "physical_id"),
    [
        (FAILED, "Received response status [FAILED] from custom resource. Message returned: no (RequestId: ", "mine"),
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


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_an_operation_that_a_reset_interrupts_touches_nothing_that_comes_after_it(aws: LocalAws, kind: str) -> None:
    cloudformation, alone = aws.client("cloudformation"), role(RoleName="alone")
    launch(aws)  # puts the package into its bucket
    waiting = template(Custom=custom(Create={"silent": kind == "Create"}, Delete={"silent": True}), Alone=alone)
    update = stacks.update(cloudformation, "sample", waiting)
    if kind == "Delete":
        update.wait()
        cloudformation.delete_stack(StackName="sample")
    wait_for(lambda: kind in [each for each, _ in said(aws, "asked")])

    aws.reset()
    stack = launch(aws, Alone=alone)
    time.sleep(0.5)  # longer than the emulator takes to notice

    assert stack.status == "CREATE_COMPLETE"
    assert cloudformation.describe_stacks(StackName="sample")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    for name in (ROLE, "alone"):
        aws.client("iam").get_role(RoleName=name)


# Identity and access


def test_a_changed_policy_takes_a_moment_until_it_is_known(aws: LocalAws) -> None:
    launch(aws, Role=role(RoleName=ROLE, Policies=[inline("ec2:DescribeRegions")]))

    answers = []
    for seconds in (3600, 0):
        aws.control("write", name="policy_seconds", value=seconds)
        answers += [invoke(aws, call=["ec2", "describe_regions"]), invoke(aws, call=["sts", "get_caller_identity"])]

    early, elsewhere, late, _ = answers
    assert "UnauthorizedOperation" in early["errorMessage"]
    assert elsewhere["Account"] == "111122223333"
    assert late["Regions"]
    assert [each["allowed"] for each in aws.api_calls() if each["action"] == "ec2:DescribeRegions"] == [False, True]


# Events


def test_schedules_and_rules_reach_the_function_only_with_permission_and_rates_fire_when_they_are_made(
    aws: LocalAws,
) -> None:
    pattern = {"source": ["aws.account"], "detail": {"status": ["ENABLED"]}}
    target = {"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    launch(
        aws,
        SchedulerRole=role("scheduler.amazonaws.com", Policies=[inline("lambda:InvokeFunction")]),
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
