"""What the stack's roles may do, and may not: least privilege, proven with IAM enforced."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT, FALCON_ROLE
from tests.stack.customer import LOG_GROUP, OTHER_ACCOUNT, ROLE, SECRET, Customer
from tests.template.rendering import strings

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What Lambda does with the role, on behalf of the function."""

WHEN_CANCELLED = {"cloudformation:DescribeStackResource"}
"""What the function asks when a launch was cancelled, and not otherwise."""
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}


def assume(sts: Any, role_arn: str, **options: str) -> Any:
    """Return the credentials of a session of a role, or None if that is denied."""
    try:
        return sts.assume_role(RoleArn=role_arn, RoleSessionName="test", **options)["Credentials"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
    return None


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


# The execution role


def test_the_function_uses_every_permission_it_has_and_asks_for_no_other(customer: Customer) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections="Stack", RegionScope="WithRepositories")
    customer.update(Regions="us-east-1,eu-west-1")
    customer.aws.settle()  # what comes after the answer to CloudFormation needs the role, too
    iam = customer.aws.client("iam")
    assert iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"] == []
    (name,) = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    document = iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]
    allowed = {action for statement in document["Statement"] for action in strings(statement["Action"])}
    customer.delete()

    calls = customer.role_calls()

    # A policy takes a moment until it is known: what is denied until then is tried again.
    denied = {call["action"] for call in calls if not call["allowed"]}
    assert denied <= {call["action"] for call in calls if call["allowed"]}
    assert {call["action"] for call in calls} | OF_LAMBDA | WHEN_CANCELLED == allowed


def test_the_execution_role_may_do_nothing_else(customer: Customer) -> None:
    connection_role = customer.launched(Regions="us-east-1").outputs["ConnectionRoleArn"]
    aws, role_arn = customer.aws, f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert not assume(aws.client("sts"), role_arn)  # nobody but Lambda may, without further ado
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    aws.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(trust))
    function = assume(aws.client("sts"), role_arn)
    # So that what is denied below is denied by the policies.
    assert aws.client("ec2", credentials=function).describe_regions()
    aws.client("secretsmanager").create_secret(Name=f"{SECRET}-of-somebody-else", SecretString="{}")
    aws.client("ssm").put_parameter(Name="/falcon-ecr/another-stack", Value="{}", Type="String")
    name, logs = {"Name": "/falcon-ecr/another-stack"}, {"logGroupName": f"{LOG_GROUP}-2"}
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        # What it may do to what is its own, done to what is another's; other actions it has none, as shown above.
        ("secretsmanager", "get_secret_value", {"SecretId": f"{SECRET}-of-somebody-else"}),
        ("ssm", "get_parameter", name),
        ("ssm", "put_parameter", name | {"Value": "{}", "Overwrite": True}),
        ("ssm", "delete_parameter", name),
        ("logs", "create_log_group", logs),
        ("logs", "put_retention_policy", logs | {"retentionInDays": 1}),
        ("logs", "create_log_stream", logs | {"logStreamName": "one"}),
        ("cloudformation", "describe_stack_resource", {"StackName": "another", "LogicalResourceId": "Any"}),
        ("sts", "assume_role", {"RoleArn": connection_role, "RoleSessionName": "test"}),
        ("iam", "attach_role_policy", {"RoleName": ROLE, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ]

    for service, operation, arguments in attempts:
        with pytest.raises(ClientError) as caught:
            getattr(aws.client(service, credentials=function), operation)(**arguments)
        assert caught.value.response["Error"]["Code"] in DENIED, (service, operation)


# The connection role


def test_only_the_falcon_principal_with_the_external_id_may_assume_the_role_and_read_ecr(customer: Customer) -> None:
    stack, aws, region = customer.launched(Regions="us-east-1"), customer.aws, "eu-west-1"
    role, external_id = stack.outputs["ConnectionRoleArn"], customer.connections()["us-east-1"].external_id
    assert external_id
    callers = {
        "the Falcon principal": (aws.falcon_principal(), CROWDSTRIKE_ACCOUNT),
        "another role of CrowdStrike": (aws.falcon_principal("AnotherRole"), CROWDSTRIKE_ACCOUNT),
        "CrowdStrike's root": (None, CROWDSTRIKE_ACCOUNT),
        "another account's role of that name": (aws.principal(FALCON_ROLE, OTHER_ACCOUNT), OTHER_ACCOUNT),
        "another account's root": (None, OTHER_ACCOUNT),
        "a role of this account": (aws.principal("administrator", allow=["*"]), ACCOUNT),
        "this account's root": (None, ACCOUNT),
    }
    options = {"right": {"ExternalId": external_id}, "wrong": {"ExternalId": "another-external-id"}, "none": {}}

    sessions = {
        (who, option): assume(aws.client("sts", account, credentials=credentials), role, **given)
        for who, (credentials, account) in callers.items()
        for option, given in options.items()
    }

    assert [who for who, session in sessions.items() if session] == [("the Falcon principal", "right")]
    aws.client("ecr", region=region).create_repository(repositoryName="app")
    ecr = aws.client("ecr", region=region, credentials=sessions["the Falcon principal", "right"])
    assert [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]] == ["app"]
    assert ecr.get_authorization_token()["authorizationData"]
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    name = {"RoleName": role.rsplit("/", 1)[-1]}
    attached = aws.client("iam").list_attached_role_policies(**name)["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [READ_ONLY]
    assert aws.client("iam").list_role_policies(**name)["PolicyNames"] == []
