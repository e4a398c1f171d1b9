"""What the stack's roles may do, and may not: least privilege, proven with IAM enforced."""

import pytest

from tests.sandbox.local_aws import ACCOUNT
from tests.stack.access import Attempt, Caller, policy
from tests.stack.customer import BUCKET, FUNCTION, KEY, LOG_GROUP, ROLE, SECRET, STACK, Customer

pytest_plugins = ["tests.stack.launching"]

OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What Lambda does with the role, on behalf of the function."""


WHEN_CANCELLED = {"cloudformation:DescribeStackResource"}
"""What the function asks when a launch was cancelled, and not otherwise."""


def roles_of(customer: Customer) -> list[str]:
    """Return the names of the stack's roles."""
    found = customer.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    return [each["PhysicalResourceId"] for each in found if each["ResourceType"] == "AWS::IAM::Role"]


def allowed_actions(customer: Customer, role: str) -> set[str]:
    """Return every action that the role's own policies allow."""
    iam = customer.aws.client("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    actions = [statement["Action"] for document in documents for statement in document["Statement"]]
    return {name for each in actions for name in ([each] if isinstance(each, str) else each)}


# The execution role


def test_the_function_uses_every_permission_it_has_and_asks_for_no_other(customer: Customer) -> None:
    customer.launched(Regions="us-east-1", DeleteConnections="Stack", RegionScope="WithRepositories")
    customer.update(Regions="us-east-1,eu-west-1")
    customer.aws.settle()  # what comes after the answer to CloudFormation needs the role, too
    allowed = allowed_actions(customer, ROLE)
    customer.delete()

    calls = customer.role_calls()

    # A policy takes a moment until it is known: what is denied until then is tried again.
    denied = {call["action"] for call in calls if not call["allowed"]}
    assert denied <= {call["action"] for call in calls if call["allowed"]}
    assert {call["action"] for call in calls} | OF_LAMBDA | WHEN_CANCELLED == allowed
    assert not {action for action in allowed if action.startswith("iam:") or "*" in action}


@pytest.fixture
def function(customer: Customer) -> Caller:
    """Return a session of a launched function's role, which nobody but Lambda may assume without further ado."""
    customer.launched(Regions="us-east-1")
    root, role_arn = Caller(customer.aws), f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert not root.may_assume(role_arn)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    root.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(trust))
    assumed = root.assume(role_arn)
    assert assumed.client("ec2").describe_regions()  # so that what is denied below is denied by the policies
    return assumed


def test_the_execution_role_may_do_nothing_else(customer: Customer, function: Caller) -> None:
    customer.aws.client("secretsmanager").create_secret(Name=f"{SECRET}-of-somebody-else", SecretString="{}")
    customer.aws.client("ssm").put_parameter(Name="/falcon-ecr/another-stack", Value="{}", Type="String")
    connection_role = next(role for role in roles_of(customer) if role.startswith("CrowdStrikeECRConnectionRole-"))
    own, admin = {"RoleName": ROLE}, "arn:aws:iam::aws:policy/AdministratorAccess"
    attempts: list[Attempt] = [
        ("iam", "create_role", {"RoleName": "CrowdStrikeECRConnectionRole-x", "AssumeRolePolicyDocument": policy()}),
        ("iam", "attach_role_policy", own | {"PolicyArn": admin}),
        ("iam", "put_role_policy", own | {"PolicyName": "more", "PolicyDocument": policy()}),
        ("iam", "update_assume_role_policy", own | {"PolicyDocument": policy()}),
        ("iam", "attach_role_policy", {"RoleName": connection_role, "PolicyArn": admin}),
        ("iam", "delete_role_permissions_boundary", own), ("iam", "create_user", {"UserName": "intruder"}),
        ("iam", "list_roles", {}), ("iam", "get_role", own), ("sts",
        "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{connection_role}", "RoleSessionName": "test"}),
        ("secretsmanager", "get_secret_value", {"SecretId": f"{SECRET}-of-somebody-else"}),
        ("secretsmanager", "list_secrets", {}),
        ("secretsmanager", "put_secret_value", {"SecretId": SECRET, "SecretString": "{}"}),
        ("secretsmanager", "delete_secret", {"SecretId": SECRET}),
        ("ssm", "get_parameter", {"Name": "/falcon-ecr/another-stack"}),
        ("ssm", "put_parameter", {"Name": "/falcon-ecr/another-stack", "Value": "{}", "Overwrite": True}),
        ("ssm", "get_parameters_by_path", {"Path": "/falcon-ecr"}),
        ("ssm", "delete_parameter", {"Name": "/falcon-ecr/another-stack"}), ("s3", "list_buckets", {}),
        ("s3", "get_object", {"Bucket": BUCKET, "Key": KEY}),
        ("s3", "put_object", {"Bucket": BUCKET, "Key": KEY, "Body": b""}),
        ("ecr", "create_repository", {"repositoryName": "app"}), ("ecr", "get_authorization_token", {}),
        ("ecr", "list_images", {"repositoryName": "app"}),
        ("ecr", "batch_get_image", {"repositoryName": "app", "imageIds": [{"imageTag": "latest"}]}),
        ("ec2", "describe_instances", {}), ("ec2", "describe_vpcs", {}), ("lambda", "list_functions", {}),
        ("lambda", "invoke", {"FunctionName": FUNCTION}),
        ("lambda", "update_function_code", {"FunctionName": FUNCTION, "S3Bucket": BUCKET, "S3Key": KEY}),
        ("lambda", "update_function_configuration", {"FunctionName": FUNCTION, "Handler": "other.handler"}),
        ("logs", "filter_log_events", {"logGroupName": LOG_GROUP}),
        ("logs", "delete_log_group", {"logGroupName": LOG_GROUP}),
        ("logs", "create_log_group", {"logGroupName": "/aws/lambda/another"}),
        ("logs", "put_retention_policy", {"logGroupName": f"{LOG_GROUP}-2", "retentionInDays": 1}),
        ("cloudformation", "describe_stacks", {}), ("cloudformation", "delete_stack", {"StackName": STACK}),
        ("scheduler", "list_schedules", {}), ("kms", "list_keys", {}),
    ]  # fmt: skip

    assert function.not_denied(attempts) == {}


# The permissions boundary


def test_update_sets_and_takes_away_the_permissions_boundary(customer: Customer) -> None:
    iam = customer.aws.client("iam")
    iam.create_policy(PolicyName="anything", PolicyDocument=policy({"Effect": "Allow", "Action": "*", "Resource": "*"}))
    customer.launched(Regions="us-east-1")
    assert len(roles_of(customer)) == 3

    def boundaries() -> set[str]:
        found = [iam.get_role(RoleName=role)["Role"].get("PermissionsBoundary", {}) for role in roles_of(customer)]
        return {each.get("PermissionsBoundaryArn", "none") for each in found}

    assert boundaries() == {"none"}
    assert customer.update(PermissionsBoundary="anything").status == "UPDATE_COMPLETE"
    assert boundaries() == {f"arn:aws:iam::{ACCOUNT}:policy/anything"}
    assert customer.update(PermissionsBoundary="").status == "UPDATE_COMPLETE"
    assert boundaries() == {"none"}


# The schedule's role


def test_the_schedule_role_may_invoke_the_function_and_nothing_else(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    (role,) = [name for name in roles_of(customer) if "ScheduleRole" in name]

    assert allowed_actions(customer, role) == {"lambda:InvokeFunction"}
    iam = customer.aws.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    (statement,) = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
    assert statement["Resource"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}"
