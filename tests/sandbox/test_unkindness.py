"""What makes the local AWS as unkind as AWS, where no test of the product would notice if it became kinder."""

import json
import time
from typing import Any

import pytest

from tests.sandbox import stacks
from tests.sandbox.__main__ import MEMBERS, organize
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import (
    FUNCTION,
    ROLE,
    allowing,
    custom,
    invoke,
    launch,
    processes,
    role,
    said,
    send,
    statements,
    template,
    wait_for,
)

FAILED = {"answer": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "mine"}}
ABSENT = "arn:aws:iam::111122223333:role/absent"

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


def test_an_update_writes_the_value_of_a_parameter_again_whatever_changed_of_it(aws: LocalAws) -> None:
    ssm, cloudformation = aws.client("ssm"), aws.client("cloudformation")

    def parameter(**tags: str) -> dict[str, Any]:
        properties = {"Name": "/state", "Type": "String", "Value": "from the template", "Tags": tags}
        return {"Resources": {"State": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}

    stacks.create(cloudformation, "sample", parameter(team="one"), {}).wait()
    ssm.put_parameter(Name="/state", Value="by somebody", Overwrite=True)
    stacks.update(cloudformation, "sample", parameter(team="two")).wait()

    assert ssm.get_parameter(Name="/state")["Parameter"]["Value"] == "from the template"


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
    launch(aws, Role=role(RoleName=ROLE, Policies=allowing("ec2:DescribeRegions")))

    answers = []
    for seconds in (3600, 0):
        aws.control("write", name="policy_seconds", value=seconds)
        answers += [invoke(aws, call=["ec2", "describe_regions"]), invoke(aws, call=["sts", "get_caller_identity"])]

    early, elsewhere, late, _ = answers
    assert "UnauthorizedOperation" in early["errorMessage"]
    assert elsewhere["Account"] == "111122223333"
    assert late["Regions"]
    assert [each["allowed"] for each in aws.api_calls() if each["action"] == "ec2:DescribeRegions"] == [False, True]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (role("ec2.amazonaws.com")["Properties"], "cannot be assumed by Lambda"),
        (
            {"AssumeRolePolicyDocument": statements({"Effect": "Allow", "Principal": {"AWS": ABSENT}})},
            f'Invalid principal in policy: "AWS":"{ABSENT}"',
        ),
    ],
    ids=["service", "principal"],
)
def test_a_role_that_cannot_work_fails_the_launch(aws: LocalAws, properties: dict[str, Any], reason: str) -> None:
    stack = launch(aws, Role=role(RoleName=ROLE, **properties))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert any(reason in failure for failure in stack.failures.values()), stack.failures


# Events


def test_schedules_and_rules_reach_the_function_only_with_permission_and_rates_fire_when_they_are_made(
    aws: LocalAws,
) -> None:
    pattern = {"source": ["aws.account"], "detail": {"status": ["ENABLED"]}}
    target = {"Id": "function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    launch(
        aws,
        SchedulerRole=role("scheduler.amazonaws.com", Policies=allowing("lambda:InvokeFunction")),
        Powerless=role("scheduler.amazonaws.com"),
        Rate=schedule("rate", "rate(1 day)"),
        Cron=schedule("cron", "cron(0 6 * * ? *)"),
        Silent=schedule("silent", "rate(1 day)", role="Powerless"),
        Rule={"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}},
    )
    aws.client("account").enable_region(RegionName="ap-east-1")
    first = said(aws)
    aws.fire_schedule("cron")

    assert first == [{"action": "rate"}]
    assert said(aws) == [{"action": "rate"}, {"action": "cron"}]


def schedule(name: str, expression: str, role: str = "SchedulerRole") -> dict[str, Any]:
    """Return a schedule with an input."""
    arns = {"Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "RoleArn": {"Fn::GetAtt": [role, "Arn"]}}
    properties = {"Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"}}
    target = {**arns, "Input": json.dumps({"action": name})}
    return {"Type": "AWS::Scheduler::Schedule", "Properties": {**properties, "Target": target}}


def test_asynchronous_events_are_tried_again_as_the_configuration_says_and_outlive_the_function(aws: LocalAws) -> None:
    launch(aws)
    send(aws, **{"raise": "by default"})
    aws.settle()
    aws.client("lambda").put_function_event_invoke_config(FunctionName=FUNCTION, MaximumRetryAttempts=0)
    send(aws, **{"raise": "once"})
    aws.settle()
    send(aws, sleep=1)
    wait_for(lambda: len(processes(aws.directory)) == 2)

    stacks.delete(aws.client("cloudformation"), "sample").wait()

    assert said(aws) == [{"raise": "by default"}] * 3 + [{"raise": "once"}, {"sleep": 1}]
    wait_for(lambda: len(processes(aws.directory)) == 1)


# StackSets


def test_a_suspended_account_is_skipped_and_leaves_only_with_its_stack_retained(aws: LocalAws) -> None:
    cloudformation, unit = aws.client("cloudformation"), organize(aws)
    topic = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {}}}})
    cloudformation.create_stack_set(StackSetName="set", TemplateBody=topic, PermissionModel="SERVICE_MANAGED")

    def operate(action: str, **options: Any) -> dict[str, str]:
        targets = {"DeploymentTargets": {"OrganizationalUnitIds": [unit]}, "Regions": ["us-east-1"]}
        started = getattr(cloudformation, action)(StackSetName="set", **targets, **options)

        def ended() -> bool:
            found = cloudformation.describe_stack_set_operation(StackSetName="set", OperationId=started["OperationId"])
            return bool(found["StackSetOperation"]["Status"] == "SUCCEEDED")

        wait_for(ended)
        found = cloudformation.list_stack_instances(StackSetName="set")["Summaries"]
        return {each["Account"]: each["StackInstanceStatus"]["DetailedStatus"] for each in found}

    assert operate("create_stack_instances") == dict.fromkeys(MEMBERS, "SUCCEEDED")
    aws.client("organizations").close_account(AccountId=MEMBERS[1])
    assert operate("delete_stack_instances", RetainStacks=False) == {MEMBERS[1]: "SKIPPED_SUSPENDED_ACCOUNT"}
    assert operate("delete_stack_instances", RetainStacks=True) == {}
    assert aws.client("cloudformation", MEMBERS[1]).list_stacks()["StackSummaries"]
