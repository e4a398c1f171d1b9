"""`make deploy-org` in the local AWS: real template, real package, members of an organization."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.credentials import Credentials
from tests.cli.organization.support import (
    MANAGEMENT,
    MEMBERS,
    OUTSIDER,
    SERVICE,
    STACK_SET,
    OrganizationOperator,
)
from tests.sandbox.local_aws import LocalAws
from tests.stack.customer import ROLE

pytest_plugins = ["tests.cli.fixtures"]


def operations(aws: LocalAws) -> list[dict[str, Any]]:
    """Return the operations of the stack set, oldest first."""
    found = aws.client("cloudformation").list_stack_set_operations(StackSetName=STACK_SET)["Summaries"]
    return list(found[::-1])


def results(aws: LocalAws, operation: dict[str, Any]) -> dict[str, str]:
    named = {"StackSetName": STACK_SET, "OperationId": operation["OperationId"]}
    found = aws.client("cloudformation").list_stack_set_operation_results(**named)["Summaries"]
    return {each["Account"]: each["Status"] for each in found}


def test_one_account_fails_with_its_reason_and_a_second_run_goes_on_with_it_alone(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    taken, covered = MEMBERS[4], administrator.connected
    aws.client("iam", taken).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({}))

    first = administrator.deploy(given=administrator.credentials)

    assert f"{taken} Account {taken}  ECRExecutionRole: {ROLE} already exists" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    assert {account: len(found) for account, found in covered().items()} == dict.fromkeys({*MEMBERS} - {taken}, 2)

    aws.client("iam", taken).delete_role(RoleName=ROLE)
    second = administrator.deploy()

    assert second.problem == ""
    assert f"the stack set {STACK_SET} is as it should be already" in second.text
    assert results(aws, operations(aws)[-1]) == {taken: "SUCCEEDED"}
    assert covered().keys() == set(MEMBERS)

    third = administrator.deploy()

    assert "6 accounts are covered" in third.text
    assert "lambda_function.zip (is there already)" in third.text
    assert len(operations(aws)) == 2


def test_only_members_read_the_package(aws: LocalAws, administrator: OrganizationOperator) -> None:
    administrator.launch()
    (bucket,) = (each["Name"] for each in aws.client("s3").list_buckets()["Buckets"])
    # As the original guide says.
    aws.client("s3").put_object(Bucket=bucket, Key="lambda_function.zip", Body=b"a package that is put there by hand")
    keys = [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    member, outsider = aws.client("s3", MEMBERS[3]), aws.client("s3", OUTSIDER)

    assert sorted(key.rpartition("/")[2] for key in keys) == [*["lambda_function.zip"] * 2, "template.yaml"]
    for key in keys:
        assert member.get_object(Bucket=bucket, Key=key)["ContentLength"] > 0
        with pytest.raises(ClientError, match="AccessDenied"):
            outsider.get_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        member.put_object(Bucket=bucket, Key=keys[0], Body=b"forged")
    assert aws.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(aws.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def test_a_delegated_administrator_covers_the_organization_from_its_own_account(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    administrator.environment = aws.environment(MEMBERS[1])
    refused = administrator.deploy()
    undelegated = administrator.deploy(CALL_AS="DELEGATED_ADMIN")
    aws.client("organizations").register_delegated_administrator(AccountId=MEMBERS[1], ServicePrincipal=SERVICE)
    administrator.launch(CALL_AS="DELEGATED_ADMIN")

    assert f"you are signed in to {MEMBERS[1]}, and the management account is {MANAGEMENT}" in refused.problem
    assert "StackSets does not take CALL_AS=DELEGATED_ADMIN" in undelegated.problem
    assert administrator.connected().keys() == {MEMBERS[0]}
    assert administrator.delete(CALL_AS="DELEGATED_ADMIN", DELETE_CONNECTIONS="Account").problem == ""
    assert administrator.connected() == {}


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_made(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    aws.client("organizations").disable_aws_service_access(ServicePrincipal=SERVICE)

    paths = "o-anotherorgid/r-abcd/*"
    ran = administrator.deploy("Colour=blue", ORG_ID="o-anotherorgid", ORG_PATHS=paths, CALL_AS="DELEGATED_ADMIN")

    assert "ORG_PATHS names o-anotherorgid, but the account 111122223333 belongs to" in ran.problem
    assert "ORG_ID is o-anotherorgid, but the account 111122223333 belongs to" in ran.problem
    assert "is the management account. Leave CALL_AS out" in ran.problem
    assert "PARAMETERS names Colour, which the template does not have" in ran.problem
    assert "activate-organizations-access" in administrator.deploy(given=administrator.credentials).problem
    assert aws.client("s3").list_buckets()["Buckets"] == []

    aws.client("cloudformation").activate_organizations_access()

    assert "FALCON_CLIENT_ID is not set" in administrator.deploy().problem


# The shared secret


def test_one_secret_serves_every_account_and_a_rotation_updates_no_account(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    administrator.launch(TAGS="team=security")

    assert aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"] == []
    assert len(administrator.connected()[MEMBERS[0]]) == 2
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    (held,) = administrator.parameters(MEMBERS[0])
    assert held["SecretsManagerSecretName"] == secret["ARN"]
    described = aws.client("secretsmanager").describe_secret(SecretId=secret["ARN"])
    assert held["SecretKmsKeyArn"] == described["KmsKeyId"]

    unit = administrator.units["security"]
    administrator.falcon.tenant.add_client("another-client", "rotated-secret")
    mistyped = administrator.deploy(given=Credentials("another-client", "mistyped-secret"), OU_IDS=unit)
    rotated = administrator.deploy(given=Credentials("another-client", "rotated-secret"), OU_IDS=unit)

    assert "Falcon login: the client secret is wrong" in mistyped.problem
    assert "the shared secret is stored" not in mistyped.text

    assert rotated.ok, rotated.problem
    assert "the shared secret is stored" in rotated.text
    assert f"the stack set {STACK_SET} is as it should be already" in rotated.text
    assert len(operations(aws)) == 1
    content = json.loads(aws.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"])
    assert content["FalconSecret"] == "rotated-secret"


def test_the_shared_secret_is_read_by_the_execution_role_of_members_and_by_nobody_else(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    administrator.launch()
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    allowed = ("secretsmanager:GetSecretValue", "kms:Decrypt", "sts:AssumeRole")

    def read(account: str, role: str) -> Any:
        credentials = aws.principal(role, account, allow=allowed)
        client = aws.client("secretsmanager", account, credentials=credentials)
        return client.get_secret_value(SecretId=secret["ARN"])

    assert read(MEMBERS[3], ROLE)["SecretString"]  # as whoever administers that account can: the README says so
    for account, role in ((MEMBERS[3], "another-role"), (OUTSIDER, ROLE)):
        with pytest.raises(ClientError):
            read(account, role)


def test_copies_are_kept_in_each_account_if_asked_and_given_up_again(
    aws: LocalAws, administrator: OrganizationOperator
) -> None:
    administrator.launch(SECRET_COPIES="1")

    assert len(aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"]) == 1
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    again = administrator.launch(SECRET_COPIES="1")
    assert f"the stack set {STACK_SET} is as it should be already" in again.text

    administrator.launch()

    assert aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"] == []


# Units, and the management account


def test_units_are_resolved_before_anything_is_written(aws: LocalAws, administrator: OrganizationOperator) -> None:
    parent = administrator.units["security"]
    created = aws.client("organizations").create_organizational_unit(ParentId=parent, Name="empty")
    empty = created["OrganizationalUnit"]["Id"]

    nobody = administrator.deploy(given=administrator.credentials, OU_IDS=empty)
    absent = administrator.deploy(given=administrator.credentials, OU_IDS="ou-abcd-99999999")

    assert f"there is no active account in {empty} that a stack set reaches" in nobody.problem
    assert "ou-abcd-99999999" in absent.problem
    assert aws.client("s3").list_buckets()["Buckets"] == []
    with pytest.raises(ClientError, match="StackSetNotFound"):
        aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)


def test_the_management_account_gets_what_the_stack_set_has(administrator: OrganizationOperator) -> None:
    administrator.launch()

    unit = administrator.units["security"]
    ran = administrator.run("deploy-org", STACK_SET=STACK_SET, OU_IDS=unit, INCLUDE_MANAGEMENT="1")

    assert ran.ok, ran.problem
    assert "2 accounts are covered" in ran.text
    assert len(administrator.connected()[MANAGEMENT]) == 2  # the Regions of the stack set, which this run does not name
