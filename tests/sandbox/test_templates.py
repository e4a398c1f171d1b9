"""Templates and parameters, as CloudFormation checks and resolves them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT, LocalAws

TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic"}}


def test_a_parameter_that_the_template_does_not_have_is_refused(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    template = {"Parameters": {"Known": {"Type": "String"}}, "Resources": {"Topic": TOPIC}}

    with pytest.raises(ClientError, match=r"Parameters: \[Unknown\] do not exist in the template"):
        stacks.create(cloudformation, "sample", template, {"Known": "1", "Unknown": "2"})

    stacks.create(cloudformation, "sample", template, {"Known": "1"}).wait()
    with pytest.raises(ClientError, match=r"Parameters: \[Unknown\] do not exist in the template"):
        stacks.update(cloudformation, "sample", template, {"Known": "2", "Unknown": "2"})


@pytest.mark.parametrize("host", ["templates.s3.amazonaws.com", "templates.s3.us-east-1.amazonaws.com"])
def test_a_template_is_read_from_its_bucket(aws: LocalAws, host: str) -> None:
    body = json.dumps({"Resources": {"Topic": TOPIC}}).encode()
    stacks.upload(aws.client("s3"), "templates", "falcon/template.json", body)

    aws.client("cloudformation").create_stack(StackName="sample", TemplateURL=f"https://{host}/falcon/template.json")

    assert aws.client("cloudformation").describe_stacks(StackName="sample")


def test_conditions_compare_values_and_pieces_of_parameters(aws: LocalAws) -> None:
    first_piece = {"Fn::Select": [0, {"Fn::Split": [":", {"Ref": "Name"}]}]}
    conditions: dict[str, Any] = {
        "IsArn": {"Fn::Equals": [first_piece, "arn"]},
        "IsHere": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, ACCOUNT]},
        "IsCommercial": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]},
    }
    template = {
        "Parameters": {"Name": {"Type": "String"}},
        "Conditions": conditions,
        "Resources": {"Topic": TOPIC},
        "Outputs": {name: {"Value": {"Fn::If": [name, "yes", "no"]}} for name in conditions},
    }
    cloudformation = aws.client("cloudformation")

    named = stacks.create(cloudformation, "sample", template, {"Name": "just-a-name"}).wait()
    by_arn = stacks.update(cloudformation, "sample", template, {"Name": "arn:aws:iam::1:policy/x"}).wait()

    assert named.outputs == {"IsArn": "no", "IsHere": "yes", "IsCommercial": "yes"}
    assert by_arn.outputs["IsArn"] == "yes"
