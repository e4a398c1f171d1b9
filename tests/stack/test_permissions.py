"""What the stack's roles may do, and may not: least privilege, proven with IAM enforced."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT, FALCON_ROLE, REGION, LocalAws
from tests.stack.customer import LOG_GROUP, OTHER_ACCOUNT, ROLE, SECRET, Customer
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
    connection_role = customer.launched(Regions="us-east-1").outputs["ConnectionRoleArn"]
    root, role_arn = Caller(customer.aws), f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert not root.may_assume(role_arn)  # nobody but Lambda may, without further ado
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    root.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(trust))
    function = root.assume(role_arn)
    assert function.client("ec2").describe_regions()  # so that what is denied below is denied by the policies
    customer.aws.client("secretsmanager").create_secret(Name=f"{SECRET}-of-somebody-else", SecretString="{}")
    customer.aws.client("ssm").put_parameter(Name="/falcon-ecr/another-stack", Value="{}", Type="String")
    name, logs = {"Name": "/falcon-ecr/another-stack"}, {"logGroupName": f"{LOG_GROUP}-2"}
    attempts: list[Attempt] = [
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

    answers = [(*each[:2], refused(function.client(each[0]), each[1], **each[2])) for each in attempts]
    assert [each for each in answers if each[2] not in DENIED] == []


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
    name = {"RoleName": role.rsplit("/", 1)[-1]}
    attached = aws.client("iam").list_attached_role_policies(**name)["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [READ_ONLY]
    assert aws.client("iam").list_role_policies(**name)["PolicyNames"] == []
