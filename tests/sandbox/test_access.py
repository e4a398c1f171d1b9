"""Who may do what: IAM as AWS enforces it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import stacks
from tests.sandbox.local_aws import CROWDSTRIKE_ACCOUNT, LocalAws
from tests.sandbox.samples import (
    FUNCTION,
    ROLE,
    allowing,
    function,
    invoke,
    launch,
    role,
    said,
    statements,
    trust,
    upload,
    wait_for,
)

EXTERNAL_ID = "e5f3b6a0-1111-2222-3333-444455556666"
SECRET_CALL = ["secretsmanager", "get_secret_value", {"SecretId": "credentials"}]

# Each call that the product makes, the action that allows it, and how narrowly the resource can be named.
CALLS: list[tuple[list[Any], str, str]] = [
    (
        SECRET_CALL,
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:credentials-??????",
    ),
    (
        ["ssm", "get_parameter", {"Name": "/state"}],
        "ssm:GetParameter",
        "arn:aws:ssm:us-east-1:111122223333:parameter/state",
    ),
    (
        ["ssm", "get_parameter", {"Name": "/state:1"}],
        "ssm:GetParameter",
        "arn:aws:ssm:us-east-1:111122223333:parameter/state",
    ),
    (
        ["ssm", "put_parameter", {"Name": "/state", "Value": "2", "Overwrite": True}],
        "ssm:PutParameter",
        "arn:aws:ssm:us-east-1:111122223333:parameter/state",
    ),
    (["ec2", "describe_regions", {}], "ec2:DescribeRegions", "*"),
    (["ecr", "describe_repositories", {}], "ecr:DescribeRepositories", "*"),
    (
        ["logs", "put_retention_policy", {"logGroupName": f"/aws/lambda/{FUNCTION}", "retentionInDays": 30}],
        "logs:PutRetentionPolicy",
        f"arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/{FUNCTION}:*",
    ),
    (["iam", "list_roles", {}], "iam:ListRoles", "*"),
    (["cloudformation", "describe_stacks", {"StackName": "sample"}], "cloudformation:DescribeStacks", "*"),
]


@pytest.fixture(autouse=True)
def _world(aws: LocalAws) -> None:
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

        assert (
            "is not authorized to perform" in denied["errorMessage"]
            or "UnauthorizedOperation" in denied["errorMessage"]
        ), call
        assert "errorMessage" not in allowed, (call, allowed)


def test_the_journal_says_who_called_what_and_whether_that_was_allowed(aws: LocalAws) -> None:
    launch(aws, Role=role(RoleName=ROLE, Policies=allowing("ec2:DescribeRegions")))
    invoke(aws, call=["ec2", "describe_regions", {}])
    invoke(aws, call=SECRET_CALL)

    mine = [call for call in aws.api_calls() if f":assumed-role/{ROLE}/" in call["principal"]]

    assert [(call["action"], call["allowed"], call["status"]) for call in mine] == [
        ("ec2:DescribeRegions", True, 200),
        ("secretsmanager:GetSecretValue", False, 403),
    ]
    assert {call["region"] for call in mine} == {"us-east-1"}


def test_a_service_control_policy_denies_its_regions_to_everybody(aws: LocalAws) -> None:
    aws.scp(deny=["ecr:*"], regions=["us-west-1"])
    launch(aws, Role=role(RoleName=ROLE, Policies=allowing("ecr:*")))
    call = ["ecr", "describe_repositories", {}]

    denied, allowed = invoke(aws, call=call, region="us-west-1"), invoke(aws, call=call, region="us-west-2")

    assert "AccessDeniedException" in denied["errorMessage"]
    assert denied["errorMessage"].endswith("with an explicit deny in a service control policy")
    assert allowed["repositories"] == []
    with pytest.raises(ClientError, match="service control policy"):
        aws.client("ecr", region="us-west-1").describe_repositories()
    aws.client("ecr", "444455556666", "us-west-1").describe_repositories()


def test_a_permissions_boundary_limits_the_role(aws: LocalAws) -> None:
    document = allowing("ec2:*", "logs:*")[0]["PolicyDocument"]
    boundary = aws.client("iam").create_policy(PolicyName="limit", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    policies = allowing("ec2:DescribeRegions", "secretsmanager:GetSecretValue")
    launch(aws, Role=role(RoleName=ROLE, PermissionsBoundary=boundary, Policies=policies))

    assert "Regions" in invoke(aws, call=["ec2", "describe_regions", {}])
    assert "AccessDenied" in invoke(aws, call=SECRET_CALL)["errorMessage"]


def test_the_managed_policy_that_reads_ecr_allows_that_and_nothing_else(aws: LocalAws) -> None:
    launch(
        aws, Role=role(RoleName=ROLE, ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"])
    )

    assert invoke(aws, call=["ecr", "describe_repositories", {}])["repositories"] == []
    denied = invoke(aws, call=["ecr", "create_repository", {"repositoryName": "mine"}])
    assert "AccessDenied" in denied["errorMessage"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"PermissionsBoundary": "arn:aws:iam::111122223333:policy/absent"}, "does not exist or is not attachable"),
        ({"ManagedPolicyArns": ["arn:aws:iam::aws:policy/Absent"]}, "does not exist or is not attachable"),
        ({"AssumeRolePolicyDocument": trust("ec2.amazonaws.com")}, "cannot be assumed by Lambda"),
    ],
)
def test_a_role_that_cannot_work_fails_the_launch(aws: LocalAws, properties: dict[str, Any], reason: str) -> None:
    stack = launch(aws, Role=role(RoleName=ROLE, **properties))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert any(reason in failure for failure in stack.failures.values()), stack.failures


def test_an_update_obeys_the_same_rules(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    document = json.dumps(allowing("logs:*")[0]["PolicyDocument"])
    boundary = aws.client("iam").create_policy(PolicyName="limit", PolicyDocument=document)["Policy"]["Arn"]
    resources = {"Role": role(RoleName=ROLE, Policies=allowing("ec2:DescribeRegions")), "Function": function()}
    stacks.create(cloudformation, "sample", {"Resources": resources}).wait()

    resources["Role"]["Properties"]["PermissionsBoundary"] = boundary
    bounded = stacks.update(cloudformation, "sample", {"Resources": resources}).wait()
    denied = invoke(aws, call=["ec2", "describe_regions", {}])
    stranger = {"Fn::GetAtt": ["Stranger", "Arn"]}
    resources |= {"Stranger": role("ec2.amazonaws.com"), "Function": function(Role=stranger)}
    refused = stacks.update(cloudformation, "sample", {"Resources": resources}).wait()

    assert bounded.status == "UPDATE_COMPLETE"
    assert "UnauthorizedOperation" in denied["errorMessage"]
    assert refused.failures["Function"] == "The role defined for the function cannot be assumed by Lambda."


def test_names_that_are_taken_fail_the_launch(aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation")
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "credentials", "SecretString": "{}"}}
    launch(aws)

    failures = [
        stacks.create(cloudformation, f"second-{number}", {"Resources": resources}).wait().failures
        for number, resources in enumerate(
            [
                {"Role": role(RoleName=ROLE)},
                {"Role": role(), "Function": function()},
                {"Secret": secret},
            ]
        )
    ]

    assert [list(each.values()) for each in failures] == [
        [f"{ROLE} already exists"],
        [f"{FUNCTION} already exists"],
        ["The operation failed because the secret credentials already exists."],
    ]
    assert aws.client("secretsmanager").get_secret_value(SecretId="credentials")["SecretString"] == "{}"


def test_ref_of_a_secret_is_its_arn(aws: LocalAws) -> None:
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "own", "SecretString": "mine"}}
    policies = allowing("secretsmanager:GetSecretValue", resource={"Ref": "Secret"})
    cloudformation = aws.client("cloudformation")
    resources = {"Secret": secret, "Role": role(RoleName=ROLE, Policies=policies), "Function": function()}
    outputs = {"Secret": {"Value": {"Ref": "Secret"}}}

    stack = stacks.create(cloudformation, "sample", {"Resources": resources, "Outputs": outputs}).wait()
    read = invoke(aws, call=["secretsmanager", "get_secret_value", {"SecretId": "own"}])
    secret["Properties"]["SecretString"] = "changed"  # type: ignore[index]
    stacks.update(cloudformation, "sample", {"Resources": resources, "Outputs": outputs}).wait()
    changed = invoke(aws, call=["secretsmanager", "get_secret_value", {"SecretId": "own"}])
    stacks.delete(cloudformation, "sample").wait()

    assert stack.outputs["Secret"].startswith("arn:aws:secretsmanager:us-east-1:111122223333:secret:own-")
    assert (read["SecretString"], changed["SecretString"]) == ("mine", "changed")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("secretsmanager").describe_secret(SecretId="own")


def test_only_the_falcon_principal_with_the_external_id_assumes_a_connection_role(aws: LocalAws) -> None:
    principal = {"AWS": f"arn:aws:iam::{CROWDSTRIKE_ACCOUNT}:role/CrowdStrikeCustomerRegistryAssessmentRole"}
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    falcon = aws.falcon_principal()
    launch(aws, Connection=role(RoleName="connection", AssumeRolePolicyDocument=statements(statement)))

    callers = {
        "falcon": falcon,
        "another role of Falcon's account": aws.principal("another-role", CROWDSTRIKE_ACCOUNT),
        "a role of the same name elsewhere": aws.principal("CrowdStrikeCustomerRegistryAssessmentRole", "999988887777"),
        "a role of this account": aws.principal("insider"),
    }
    able = {
        (name, external_id)
        for name, credentials in callers.items()
        for external_id in (EXTERNAL_ID, "wrong", None)
        if can_assume(aws, credentials, "connection", external_id)
    }

    assert able == {("falcon", EXTERNAL_ID)}


def test_nobody_but_lambda_assumes_the_role_of_a_function(aws: LocalAws) -> None:
    launch(aws)

    assert not can_assume(aws, None, ROLE, None)
    assert not can_assume(aws, aws.principal("insider"), ROLE, None)


def test_a_function_logs_only_what_its_role_may_log(aws: LocalAws) -> None:
    group = "arn:aws:logs:us-east-1:111122223333:log-group"
    launch(aws, Role=role(RoleName=ROLE, ManagedPolicyArns=[]))
    invoke(aws)
    before = aws.function_logs(FUNCTION)
    streams = allowing(
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", resource=f"{group}:/aws/lambda/{FUNCTION}:*"
    )
    aws.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="log", PolicyDocument=json.dumps(streams[0]["PolicyDocument"])
    )
    invoke(aws, mark="logged")

    assert before == []
    assert [line["event"] for line in said(aws)] == [{"mark": "logged"}]


def test_the_log_can_be_read_while_the_function_runs(aws: LocalAws) -> None:
    launch(aws)
    aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps({"sleep": 5}))

    wait_for(lambda: said(aws) != [])

    assert [line["event"] for line in said(aws)] == [{"sleep": 5}]
    assert not any(line.startswith("END") for line in aws.function_logs(FUNCTION))


def can_assume(aws: LocalAws, credentials: dict[str, Any] | None, name: str, external_id: str | None) -> bool:
    """Whether these credentials, else the account's root, can assume the role."""
    arguments = {"ExternalId": external_id} if external_id else {}
    try:
        aws.client("sts", credentials=credentials).assume_role(
            RoleArn=f"arn:aws:iam::111122223333:role/{name}", RoleSessionName="session", **arguments
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True
