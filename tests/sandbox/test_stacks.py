"""CloudFormation: templates, stack operations, and the custom resource protocol."""

import time
from typing import Any

import pytest

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import (
    allowing,
    custom,
    launch,
    requests,
    role,
    said,
    template,
    upload,
    wait_for,
)

TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic"}}
FAILED = {"answer": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "mine"}}


@pytest.fixture(autouse=True)
def _package(aws: LocalAws) -> None:
    upload(aws)


# Responses


def test_a_failed_create_shows_its_reason_and_is_deleted_by_the_id_it_returned(aws: LocalAws) -> None:
    stack = launch(aws, Custom=custom(Create=FAILED))

    assert stack.status == "ROLLBACK_COMPLETE"
    expected = "Received response status [FAILED] from custom resource. Message returned: no (RequestId: "
    assert stack.failures["Custom"].startswith(expected)
    assert requests(aws) == [("Create", None), ("Delete", "mine")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"Status": "FAILED", "Reason": "hidden", "PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"Data": {"Much": "x" * 4096}}, "Response object is too long."),
    ],
)
def test_a_response_that_cloudformation_refuses_fails_the_create(
    aws: LocalAws, answer: dict[str, object], reason: str
) -> None:
    stack = launch(aws, Custom=custom(Create={"answer": answer}))

    assert stack.failures["Custom"] == reason
    assert str(requests(aws)[1][1]).startswith("sample-Custom-")


def test_a_silent_function_fails_when_the_service_timeout_ends(aws: LocalAws) -> None:
    operation = stacks.create(aws.client("cloudformation"), "sample", template(Custom=custom(Create={"silent": True})))
    wait_for(lambda: requests(aws) != [])

    aws.end_response_wait()
    stack = operation.wait()

    assert stack.failures["Custom"].startswith("CloudFormation did not receive a response from your Custom Resource.")
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete"]


def test_a_launch_cancelled_while_create_runs_delivers_delete_at_once(aws: LocalAws) -> None:
    """With an id that CloudFormation made up, and holds for the resource: so a function can know it."""
    cloudformation = aws.client("cloudformation")
    describing = custom(Create={"sleep": 1.0}, Delete={"describe": True})
    allowed = role(
        RoleName="sample-role",
        Policies=allowing("cloudformation:DescribeStackResource", resource={"Ref": "AWS::StackId"}),
    )
    operation = stacks.create(cloudformation, "sample", template(Custom=describing, Role=allowed))
    for event in operation:
        if event.logical_id == "Custom":
            break
    wait_for(lambda: requests(aws) != [])

    stack = stacks.delete(cloudformation, "sample").wait()

    assert (stack.status, stack.failures) == ("DELETE_COMPLETE", {"Custom": "Resource creation cancelled"})
    wait_for(lambda: any(line.get("done") == "Create" for line in said(aws)))
    invented = requests(aws)[1][1]
    assert str(invented).startswith("sample-Custom-")
    assert [line["described"] for line in said(aws) if "described" in line] == [[invented, "DELETE_IN_PROGRESS"]]


# Deletions


def test_what_a_failed_delete_needs_stays_until_the_next_try(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    launch(aws, Custom=custom(Delete=FAILED), Topic=TOPIC)

    statuses = [stacks.delete(cloudformation, "sample").wait().status for _ in range(2)]
    left = cloudformation.list_stack_resources(StackName="sample")["StackResourceSummaries"]

    assert statuses == ["DELETE_FAILED", "DELETE_FAILED"]
    assert {each["LogicalResourceId"] for each in left} == {"Custom", "Function", "Role"}
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete", "Delete"]


# Updates


def test_an_update_asks_only_about_what_changed_and_sends_back_what_failed(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    launch(aws, Custom=custom())

    good = stacks.update(cloudformation, "sample", template(Custom=custom(Update={}))).wait()
    bad = stacks.update(cloudformation, "sample", template(Custom=custom(Update=FAILED))).wait()

    assert (good.status, bad.status) == ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
    assert {event.logical_id for event in good.events} == {"sample", "Custom"}
    assert [kind for kind, _ in requests(aws)] == ["Create", "Update", "Update", "Update"]


def test_a_deletion_in_the_cleanup_of_an_update_is_tried_three_times_and_then_forgotten(aws: LocalAws) -> None:
    launch(aws, Trigger=custom(Delete=FAILED))

    stack = stacks.update(aws.client("cloudformation"), "sample", template()).wait()
    gone = stacks.delete(aws.client("cloudformation"), "sample").wait()

    assert (stack.status, gone.status) == ("UPDATE_COMPLETE", "DELETE_COMPLETE")
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete", "Delete", "Delete"]


def test_an_update_writes_the_value_of_a_parameter_again_whatever_changed_of_it(aws: LocalAws) -> None:
    ssm, cloudformation = aws.client("ssm"), aws.client("cloudformation")

    def parameter(**tags: str) -> dict[str, Any]:
        properties = {"Name": "/state", "Type": "String", "Value": "from the template", "Tags": tags}
        return {"Resources": {"State": {"Type": "AWS::SSM::Parameter", "Properties": properties}}}

    stacks.create(cloudformation, "sample", parameter(team="one")).wait()
    ssm.put_parameter(Name="/state", Value="by somebody", Overwrite=True)
    stacks.update(cloudformation, "sample", parameter(team="two")).wait()

    assert ssm.get_parameter(Name="/state")["Parameter"]["Value"] == "from the template"


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_an_operation_that_a_reset_interrupts_touches_nothing_that_comes_after_it(aws: LocalAws, kind: str) -> None:
    cloudformation, alone = aws.client("cloudformation"), role(RoleName="alone")
    silent = custom(Create={"silent": kind == "Create"}, Delete={"silent": True})
    creation = stacks.create(cloudformation, "sample", template(Custom=silent, Alone=alone))
    if kind == "Delete":
        creation.wait()
        cloudformation.delete_stack(StackName="sample")
    wait_for(lambda: kind in [each for each, _ in requests(aws)])

    aws.reset()
    upload(aws)
    stack = launch(aws, Alone=alone)
    time.sleep(0.5)  # longer than the emulator takes to notice

    assert stack.status == "CREATE_COMPLETE"
    assert cloudformation.describe_stacks(StackName="sample")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    for name in ("sample-role", "alone"):
        aws.client("iam").get_role(RoleName=name)
