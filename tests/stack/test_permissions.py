"""What the stack's roles may do, and may not: least privilege, proven with IAM enforced."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT, FALCON_ROLE, REGION, LocalAws
from tests.stack.customer import BUCKET, FUNCTION, KEY, LOG_GROUP, OTHER_ACCOUNT, ROLE, SECRET, STACK, Customer
from tests.template.rendering import strings

pytest_plugins = ["tests.stack.launching"]

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What Lambda does with the role, on behalf of the function."""

WHEN_CANCELLED = {"cloudformation:DescribeStackResource"}
"""What the function asks when a launch was cancelled, and not otherwise."""
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}

Attempt = tuple[str, str, dict[str, Any]]
"""Service, operation and arguments of a call."""


class Caller:
    """Somebody with credentials; without any, an account's root."""

    def __init__(self, aws: LocalAws, credentials: Any = None, account: str = ACCOUNT) -> None:
        self._aws, self._credentials, self._account = aws, credentials, account
        self._clients: dict[tuple[str, str], Any] = {}  # to make one takes longer than a call

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a client with these credentials."""
        if (service, region) not in self._clients:
            made = self._aws.client(service, self._account, region, credentials=self._credentials)
            self._clients[service, region] = made
        return self._clients[service, region]

    def assume(self, role_arn: str, **options: str) -> "Caller":
        """Return a session of a role."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test", **options)
        return Caller(self._aws, answer["Credentials"])

    def may_assume(self, role_arn: str, **options: str) -> bool:
        try:
            self.assume(role_arn, **options)
        except ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            return False
        return True

    def not_denied(self, attempts: Iterable[Attempt], region: str = REGION) -> dict[str, str]:
        """Return those calls that were refused for another reason than permissions; fail if one succeeds."""
        codes = {
            f"{service}:{operation} {arguments}": refused(self.client(service, region), operation, **arguments)
            for service, operation, arguments in attempts
        }
        return {call: code for call, code in codes.items() if code not in DENIED}


def refused(client: Any, operation: str, **arguments: Any) -> str:
    """Return the code with which a call is refused; fail if it is not."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    return str(caught.value.response["Error"]["Code"])


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
    customer.launched(Regions="us-east-1")
    root, role_arn = Caller(customer.aws), f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert not root.may_assume(role_arn)  # nobody but Lambda may, without further ado
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    root.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(trust))
    function = root.assume(role_arn)
    assert function.client("ec2").describe_regions()  # so that what is denied below is denied by the policies
    customer.aws.client("secretsmanager").create_secret(Name=f"{SECRET}-of-somebody-else", SecretString="{}")
    customer.aws.client("ssm").put_parameter(Name="/falcon-ecr/another-stack", Value="{}", Type="String")
    connection_role = next(name[5:] for name in customer.resources() if name.startswith("role CrowdStrike"))
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


# The connection role


def test_only_the_falcon_principal_with_the_external_id_may_assume_the_role_and_read_ecr(customer: Customer) -> None:
    stack, aws, region = customer.launched(Regions="us-east-1"), customer.aws, "eu-west-1"
    role, external_id = stack.outputs["ConnectionRoleArn"], customer.connections()["us-east-1"].external_id
    assert external_id
    falcon = Caller(aws, aws.falcon_principal(), CROWDSTRIKE_ACCOUNT)
    callers = {
        "the Falcon principal": falcon,
        "another role of CrowdStrike": Caller(aws, aws.falcon_principal("AnotherRole"), CROWDSTRIKE_ACCOUNT),
        "CrowdStrike's root": Caller(aws, account=CROWDSTRIKE_ACCOUNT),
        "another account's role of that name": Caller(aws, aws.principal(FALCON_ROLE, OTHER_ACCOUNT), OTHER_ACCOUNT),
        "another account's root": Caller(aws, account=OTHER_ACCOUNT),
        "a role of this account": Caller(aws, aws.principal("administrator", allow=["*"])),
        "this account's root": Caller(aws),
    }
    options = {"right": {"ExternalId": external_id}, "wrong": {"ExternalId": "another-external-id"}, "none": {}}

    admitted = {
        (who, option)
        for who, caller in callers.items()
        for option, given in options.items()
        if caller.may_assume(role, **given)
    }

    assert admitted == {("the Falcon principal", "right")}
    aws.client("ecr", region=region).create_repository(repositoryName="app")
    session = falcon.assume(role, ExternalId=external_id)
    ecr = session.client("ecr", region)
    assert [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]] == ["app"]
    assert ecr.get_authorization_token()["authorizationData"]
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    app = {"repositoryName": "app"}
    attempts: list[Attempt] = [
        ("ecr", "create_repository", {"repositoryName": "other"}), ("ecr", "delete_repository", app),
        ("ecr", "put_image", app | {"imageManifest": "{}"}),
        ("ecr", "batch_delete_image", app | {"imageIds": [{"imageTag": "latest"}]}),
        ("ecr", "set_repository_policy", app | {"policyText": policy()}), ("iam", "list_roles", {}),
        ("secretsmanager", "get_secret_value", {"SecretId": SECRET}), ("s3", "list_buckets", {}),
        ("ec2", "describe_instances", {}), ("lambda", "list_functions", {}),
        ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "RoleSessionName": "test"}),
    ]  # fmt: skip
    assert session.not_denied(attempts, region) == {}
    attached = customer.aws.client("iam").list_attached_role_policies(RoleName=role.rsplit("/", 1)[-1])
    assert [each["PolicyArn"] for each in attached["AttachedPolicies"]] == [READ_ONLY]
