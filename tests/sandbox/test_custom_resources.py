"""The custom resource protocol and stack operations, as CloudFormation has them."""

import time

import pytest

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import (
    FUNCTION,
    custom,
    function,
    launch,
    package,
    requests,
    role,
    said,
    template,
    upload,
    wait_for,
)


@pytest.fixture(autouse=True)
def _package(aws: LocalAws) -> None:
    upload(aws)


def test_a_launch_asks_the_function_and_shows_its_answer(aws: LocalAws) -> None:
    stack = launch(aws, Custom=custom())

    assert stack.status == "CREATE_COMPLETE"
    assert requests(aws) == [("Create", None)]
    assert [event.status for event in stack.events if event.logical_id == "Custom"] == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]


def test_a_failed_create_shows_its_reason_and_is_deleted_by_the_id_it_returned(aws: LocalAws) -> None:
    failed = {"answer": {"Status": "FAILED", "Reason": "no luck", "PhysicalResourceId": "mine"}}

    stack = launch(aws, Custom=custom(Create=failed))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.failures["Custom"].startswith(
        "Received response status [FAILED] from custom resource. Message returned: no luck (RequestId: "
    )
    assert requests(aws) == [("Create", None), ("Delete", "mine")]
    assert [event.status for event in stack.events if event.logical_id == "Custom"][-2:] == [
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"Status": "FAILED", "Reason": "hidden", "PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"Data": {"Much": "x" * 4096}}, "Response object is too long."),
    ],
)
def test_an_answer_that_cloudformation_refuses_fails_the_create(
    aws: LocalAws, answer: dict[str, object], reason: str
) -> None:
    stack = launch(aws, Custom=custom(Create={"answer": answer}))

    assert stack.failures["Custom"] == reason
    (_, deleted), expected = requests(aws)[1], "sample-Custom-"
    assert deleted
    assert deleted.startswith(expected)


def test_a_silent_function_fails_after_the_service_timeout_and_gets_a_delete_with_an_invented_id(
    aws: LocalAws,
) -> None:
    silent = custom(Create={"silent": True})
    silent["Properties"]["ServiceTimeout"] = 1

    stack = launch(aws, Custom=silent)

    assert stack.failures["Custom"].startswith("CloudFormation did not receive a response from your Custom Resource.")
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete"]


def test_a_launch_cancelled_while_create_runs_delivers_delete_at_once(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    operation = stacks.create(cloudformation, "sample", template(Custom=custom(Create={"sleep": 1.0})))
    for event in operation:
        if event.logical_id == "Custom":
            break
    time.sleep(0.3)  # the function runs now

    stack = stacks.delete(cloudformation, "sample").wait()

    assert stack.status == "DELETE_COMPLETE"
    assert stack.failures == {"Custom": "Resource creation cancelled"}
    wait_for(lambda: any(line.get("done") == "Create" for line in said(aws)))
    told = [line.get("request") or f"{line['done']} done" for line in said(aws)]
    assert told == ["Create", "Delete", "Delete done", "Create done"]
    assert str(requests(aws)[1][1]).startswith("sample-Custom-")


def test_a_function_that_raises_runs_again_unless_its_configuration_says_otherwise(aws: LocalAws) -> None:
    aws.set_first_retry(0.2)
    no_retries = {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 0},
    }
    raising = custom(["Once"], Create={"raise": "no"}, Delete={})
    raising["Properties"]["ServiceTimeout"] = 3

    launch(aws, Custom=raising, Once=no_retries)
    once = requests(aws)
    aws.reset()
    aws.set_first_retry(0.2)
    upload(aws)
    del raising["DependsOn"]
    launch(aws, Custom=raising)

    assert [kind for kind, _ in once] == ["Create", "Delete"]
    assert [kind for kind, _ in requests(aws)] == ["Create", "Create", "Create", "Delete"]


def test_what_a_failed_delete_needs_stays_until_the_next_try(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    failing = custom(Delete={"answer": {"Status": "FAILED", "Reason": "not now"}})
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "unrelated"}}
    launch(aws, Custom=failing, Topic=topic)

    first = stacks.delete(cloudformation, "sample").wait()
    left = {
        each["LogicalResourceId"]
        for each in cloudformation.list_stack_resources(StackName="sample")["StackResourceSummaries"]
    }
    second = stacks.delete(cloudformation, "sample").wait()

    assert (first.status, second.status) == ("DELETE_FAILED", "DELETE_FAILED")
    assert left == {"Custom", "Function", "Role"}
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete", "Delete"]
    aws.client("lambda").get_function(FunctionName=FUNCTION)


def test_a_rollback_whose_delete_failed_can_be_deleted_later(aws: LocalAws) -> None:
    failed = {"answer": {"Status": "FAILED", "Reason": "no"}}

    stack = launch(aws, Custom=custom(Create=failed, Delete=failed))
    again = stacks.delete(aws.client("cloudformation"), "sample").wait()

    assert (stack.status, again.status) == ("ROLLBACK_FAILED", "DELETE_FAILED")
    assert stack.failures["sample"] == "The following resource(s) failed to delete: [Custom]."
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete", "Delete"]


def test_an_update_asks_only_about_what_changed(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    launch(aws, Custom=custom())

    stack = stacks.update(cloudformation, "sample", template(Custom=custom(Update={}))).wait()

    assert stack.status == "UPDATE_COMPLETE"
    assert requests(aws) == [("Create", None), ("Update", "physical-1")]
    assert {event.logical_id for event in stack.events} == {"sample", "Custom"}


def test_a_failed_update_is_sent_back(aws: LocalAws) -> None:
    launch(aws, Custom=custom())
    refusing = custom(Update={"answer": {"Status": "FAILED", "Reason": "no"}})

    stack = stacks.update(aws.client("cloudformation"), "sample", template(Custom=refusing)).wait()

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert [kind for kind, _ in requests(aws)] == ["Create", "Update", "Update"]


def test_an_update_to_new_code_runs_it_for_the_resource_that_comes_and_the_one_that_goes(aws: LocalAws) -> None:
    launch(aws, Trigger=custom())
    upload(aws, key="v2.zip", content=package("2"))
    after = template(
        Connections=custom(),
        Role2=role(RoleName="second-role"),
        Function=function(
            Code={"S3Bucket": "packages-111122223333", "S3Key": "v2.zip"},
            Runtime="python3.14",
            Role={"Fn::GetAtt": ["Role2", "Arn"]},
        ),
    )

    stack = stacks.update(aws.client("cloudformation"), "sample", after).wait()

    assert stack.status == "UPDATE_COMPLETE"
    told = [(line["request"], line["resource"], line["version"]) for line in said(aws) if "request" in line]
    assert told == [("Create", "Trigger", "1"), ("Create", "Connections", "2"), ("Delete", "Trigger", "2")]
    history = [(event.logical_id, event.status) for event in stack.events]
    assert history[-4:] == [
        ("sample", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Trigger", "DELETE_IN_PROGRESS"),
        ("Trigger", "DELETE_COMPLETE"),
        ("sample", "UPDATE_COMPLETE"),
    ]
    sessions = {call["principal"].split("/")[1] for call in aws.api_calls() if "assumed-role" in call["principal"]}
    assert sessions <= {"second-role"}


def test_a_deletion_in_the_cleanup_of_an_update_is_tried_three_times_and_then_forgotten(aws: LocalAws) -> None:
    launch(aws, Trigger=custom(Delete={"answer": {"Status": "FAILED", "Reason": "no"}}))

    stack = stacks.update(aws.client("cloudformation"), "sample", template()).wait()
    gone = stacks.delete(aws.client("cloudformation"), "sample").wait()

    assert (stack.status, gone.status) == ("UPDATE_COMPLETE", "DELETE_COMPLETE")
    assert [kind for kind, _ in requests(aws)] == ["Create", "Delete", "Delete", "Delete"]


def test_the_function_of_a_custom_resource_cannot_be_exchanged(aws: LocalAws) -> None:
    launch(aws, Custom=custom())
    renamed = template(Custom=custom(), Function=function(FunctionName="another-name"))

    stack = stacks.update(aws.client("cloudformation"), "sample", renamed).wait()

    assert stack.failures["Custom"] == "Modifying service token is not allowed."


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_an_operation_that_a_reset_interrupts_touches_nothing_that_comes_after_it(aws: LocalAws, kind: str) -> None:
    cloudformation, alone = aws.client("cloudformation"), role(RoleName="alone")
    silent = custom(Create={"silent": kind == "Create"}, Delete={"silent": True})
    silent["Properties"]["ServiceTimeout"] = 60
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
    aws.client("lambda").get_function(FunctionName=FUNCTION)
    for name in ("sample-role", "alone"):
        aws.client("iam").get_role(RoleName=name)
