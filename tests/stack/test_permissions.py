"""What the stack's roles may do, and may not: least privilege, proven with IAM enforced."""

from typing import Any

from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT, FALCON_ROLE
from tests.stack.customer import OTHER_ACCOUNT, ROLE, Customer
from tests.template.rendering import strings

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What Lambda does with the role, on behalf of the function."""

WHEN_CANCELLED = {"cloudformation:DescribeStackResource"}
"""What the function asks when a launch was cancelled, and not otherwise."""


def assume(sts: Any, role_arn: str, **options: str) -> Any:
    """Return the credentials of a session of a role, or None if that is denied."""
    try:
        return sts.assume_role(RoleArn=role_arn, RoleSessionName="test", **options)["Credentials"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
    return None


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


# The connection role


def test_only_the_falcon_principal_with_the_external_id_may_assume_the_role_and_read_ecr(customer: Customer) -> None:
    stack, aws, region = customer.launched(Regions="us-east-1"), customer.aws, "eu-west-1"
    role, external_id = stack.outputs["ConnectionRoleArn"], customer.connections()["us-east-1"].external_id
    assert external_id
    callers = {
        "the Falcon principal": (aws.principal(FALCON_ROLE, CROWDSTRIKE_ACCOUNT), CROWDSTRIKE_ACCOUNT),
        "another role of CrowdStrike": (aws.principal("AnotherRole", CROWDSTRIKE_ACCOUNT), CROWDSTRIKE_ACCOUNT),
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
