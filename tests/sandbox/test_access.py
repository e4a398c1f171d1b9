"""Who may do what: IAM, secrets and parameters as AWS has them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import CROWDSTRIKE_ACCOUNT, FALCON_ROLE, LocalAws
from tests.sandbox.samples import (
    FUNCTION,
    ROLE,
    allowing,
    invoke,
    launch,
    role,
    statements,
    trust,
    upload,
)

EXTERNAL_ID = "e5f3b6a0-1111-2222-3333-444455556666"
SECRET_CALL = ["secretsmanager", "get_secret_value", {"SecretId": "credentials"}]
ARN, HERE = "arn:aws", ":us-east-1:111122223333"
STATE = f"{ARN}:ssm{HERE}:parameter/state"
LOG_GROUP = f"/aws/lambda/{FUNCTION}"

PARAMETER = [STATE, f"{STATE}:*"]

# Each kind of call that the product makes, and how narrowly its resource can be named.
CALLS: list[tuple[list[Any], str, Any]] = [
    (SECRET_CALL, "secretsmanager:GetSecretValue", f"{ARN}:secretsmanager{HERE}:secret:credentials-??????"),
    (["ssm", "get_parameter", {"Name": "/state"}], "ssm:GetParameter", PARAMETER),
    (["ssm", "get_parameter", {"Name": "/state:1"}], "ssm:GetParameter", PARAMETER),
    (["ssm", "delete_parameter", {"Name": "/state"}], "ssm:DeleteParameter", PARAMETER),
    (["ec2", "describe_regions", {}], "ec2:DescribeRegions", "*"),
    (["ecr", "describe_repositories", {}], "ecr:DescribeRepositories", f"{ARN}:ecr{HERE}:repository/*"),
    (
        ["logs", "put_retention_policy", {"logGroupName": LOG_GROUP, "retentionInDays": 30}],
        "logs:PutRetentionPolicy",
        f"{ARN}:logs{HERE}:log-group:{LOG_GROUP}:*",
    ),
]


@pytest.fixture(autouse=True)
def _world(aws: LocalAws) -> None:
    aws.set_policy_delay(0)
    upload(aws)
    aws.client("secretsmanager").create_secret(Name="credentials", SecretString="{}")
    aws.client("ssm").put_parameter(Name="/state", Value="1", Type="String")


def test_the_role_of_a_function_decides_each_call(aws: LocalAws) -> None:
    launch(aws)
    invoke(aws)  # makes the log group
    iam = aws.client("iam")

    for call, action, resource in CALLS:
        denied = invoke(aws, call=call)
        document = allowing(action, resource=resource)[0]["PolicyDocument"]
        iam.put_role_policy(RoleName=ROLE, PolicyName="one", PolicyDocument=json.dumps(document))
        allowed = invoke(aws, call=call)
        iam.delete_role_policy(RoleName=ROLE, PolicyName="one")

        assert "not authorized to perform" in denied["errorMessage"], call
        assert "errorMessage" not in allowed, (call, allowed)


def test_a_changed_policy_takes_a_moment_until_it_is_known(aws: LocalAws) -> None:
    launch(aws, Role=role(RoleName=ROLE, Policies=allowing("ec2:DescribeRegions")))
    call = ["ec2", "describe_regions", {}]

    aws.set_policy_delay(3600)
    early = invoke(aws, call=call)
    elsewhere = invoke(aws, call=["sts", "get_caller_identity", {}])
    recorded = [each for each in aws.api_calls() if each["action"] == "ec2:DescribeRegions"]
    aws.set_policy_delay(0)
    late = invoke(aws, call=call)

    assert "UnauthorizedOperation" in early["errorMessage"]
    assert (elsewhere["Account"], recorded) == ("111122223333", [])
    assert late["Regions"]


def test_a_test_lets_calls_fail(aws: LocalAws) -> None:
    ssm = aws.client("ssm")
    aws.refuse_calls("ssm:PutParameter", "TooManyUpdates", times=2)

    for _ in range(2):
        with pytest.raises(ssm.exceptions.TooManyUpdates):
            ssm.put_parameter(Name="/state", Value="2", Overwrite=True)

    assert ssm.put_parameter(Name="/state", Value="2", Overwrite=True)["Version"] == 2


ABSENT = "arn:aws:iam::111122223333:role/absent"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"PermissionsBoundary": "arn:aws:iam::111122223333:policy/absent"}, "does not exist or is not attachable"),
        ({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/Absent"]}, "does not exist or is not attachable"),
        ({"AssumeRolePolicyDocument": trust("ec2.amazonaws.com")}, "cannot be assumed by Lambda"),
        (
            {"AssumeRolePolicyDocument": statements({"Effect": "Allow", "Principal": {"AWS": ABSENT}})},
            f'Invalid principal in policy: "AWS":"{ABSENT}"',
        ),
    ],
)
def test_a_role_that_cannot_work_fails_the_launch(aws: LocalAws, properties: dict[str, Any], reason: str) -> None:
    stack = launch(aws, Role=role(RoleName=ROLE, **properties))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert any(reason in failure for failure in stack.failures.values()), stack.failures


def test_a_trust_in_an_account_admits_one_role_of_it_by_condition(aws: LocalAws) -> None:
    arn = f"arn:aws:iam::{CROWDSTRIKE_ACCOUNT}:role/{FALCON_ROLE}"
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}, "ArnEquals": {"aws:PrincipalArn": arn}}
    principal = {"AWS": f"arn:aws:iam::{CROWDSTRIKE_ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    by_arn = {**statement, "Principal": {"AWS": arn}, "Condition": {"StringEquals": condition["StringEquals"]}}
    for name, each in (("by-condition", statement), ("by-arn", by_arn)):
        policy = json.dumps(statements(each))
        aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)

    callers = {
        "falcon": aws.falcon_principal(),
        "another role of Falcon's account": aws.principal("another-role", CROWDSTRIKE_ACCOUNT),
        "a role of the same name elsewhere": aws.principal(FALCON_ROLE, "999988887777"),
        "a role of this account": aws.principal("insider"),
        "root": None,
    }
    able = {
        (role, name, external_id)
        for role in ("by-condition", "by-arn")
        for name, credentials in callers.items()
        for external_id in (EXTERNAL_ID, "wrong", None)
        if can_assume(aws, credentials, role, external_id)
    }

    assert able == {("by-condition", "falcon", EXTERNAL_ID), ("by-arn", "falcon", EXTERNAL_ID)}


def can_assume(aws: LocalAws, credentials: dict[str, Any] | None, name: str, external_id: str | None) -> bool:
    """Whether these credentials, else the account's root, can assume the role."""
    arguments = {"ExternalId": external_id} if external_id else {}
    arn = f"arn:aws:iam::111122223333:role/{name}"
    try:
        aws.client("sts", credentials=credentials).assume_role(RoleArn=arn, RoleSessionName="session", **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


# Parameters


def test_a_parameter_counts_its_versions_from_one_and_keeps_the_last_hundred(aws: LocalAws) -> None:
    ssm = aws.client("ssm")
    versions = [ssm.put_parameter(Name="/state", Value="x", Overwrite=True)["Version"] for _ in range(101)]

    assert versions == list(range(2, 103))
    assert ssm.get_parameter(Name="/state:3")["Parameter"]["Version"] == 3
    for gone in (2, 103):
        with pytest.raises(ssm.exceptions.ParameterVersionNotFound):
            ssm.get_parameter(Name=f"/state:{gone}")
    ssm.delete_parameter(Name="/state")
    assert ssm.put_parameter(Name="/state", Value="again", Type="String")["Version"] == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [("x" * 4097, "4096 characters"), ("", "length greater"), ("a {{b}} c", "nest another parameter")],
)
def test_a_parameter_refuses_what_does_not_fit(aws: LocalAws, value: str, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        aws.client("ssm").put_parameter(Name="/new", Value=value, Type="String")
