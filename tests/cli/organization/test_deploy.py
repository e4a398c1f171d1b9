"""`make deploy-org` in the local AWS: real template, real package, members of an organization."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import artifact
from cli.credentials import Credentials
from tests.cli.support import MANAGEMENT, MEMBERS, STACK_SET, Operator
from tests.sandbox.local_aws import LocalAws
from tests.stack.customer import ROLE

OUTSIDER = "999988887777"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"


def test_a_delegated_administrator_covers_the_organization_from_its_own_account(
    aws: LocalAws, administrator: Operator
) -> None:
    administrator.environment = aws.environment(MEMBERS[1])
    refused = administrator.deploy_org()
    undelegated = administrator.deploy_org(CALL_AS="DELEGATED_ADMIN")
    aws.client("organizations").register_delegated_administrator(AccountId=MEMBERS[1], ServicePrincipal=SERVICE)
    administrator.launch_org(CALL_AS="DELEGATED_ADMIN")

    assert f"you are signed in to {MEMBERS[1]}, and the management account is {MANAGEMENT}" in refused.problem
    assert "StackSets does not take CALL_AS=DELEGATED_ADMIN" in undelegated.problem
    assert administrator.connected().keys() == {MEMBERS[0]}
    assert administrator.delete_org(CALL_AS="DELEGATED_ADMIN", DELETE_CONNECTIONS="Account").problem == ""
    assert administrator.connected() == {}
    assert len(aws.client("s3", MEMBERS[1]).list_buckets()["Buckets"]) == 1  # for DELETE_BUCKET was not given


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_made(aws: LocalAws, administrator: Operator) -> None:
    organizations, given = aws.client("organizations"), administrator.credentials
    created = organizations.create_organizational_unit(ParentId=administrator.units["security"], Name="empty")
    empty, paths = created["OrganizationalUnit"]["Id"], "o-anotherorgid/r-abcd/*"

    without = administrator.deploy_org()
    nobody = administrator.deploy_org(given=given, OU_IDS=empty)
    absent = administrator.deploy_org(given=given, OU_IDS="ou-abcd-99999999")
    organizations.disable_aws_service_access(ServicePrincipal=SERVICE)
    untrusted = administrator.deploy_org(given=given)
    ran = administrator.deploy_org("Colour=blue", ORG_ID="o-anotherorgid", ORG_PATHS=paths, CALL_AS="DELEGATED_ADMIN")

    assert "FALCON_CLIENT_ID is not set" in without.problem
    assert f"there is no active account in {empty} that a stack set reaches" in nobody.problem
    assert "ou-abcd-99999999" in absent.problem
    assert "activate-organizations-access" in untrusted.problem
    assert "ORG_PATHS names o-anotherorgid, but the account 111122223333 belongs to" in ran.problem
    assert "ORG_ID is o-anotherorgid, but the account 111122223333 belongs to" in ran.problem
    assert "is the management account. Leave CALL_AS out" in ran.problem
    assert "PARAMETERS names Colour, which the template does not have" in ran.problem
    assert aws.client("s3").list_buckets()["Buckets"] == []
    with pytest.raises(ClientError, match="StackSetNotFound"):
        aws.client("cloudformation").describe_stack_set(StackSetName=STACK_SET)


def test_one_secret_serves_every_account_and_a_rotation_updates_no_account(
    aws: LocalAws, administrator: Operator
) -> None:
    administrator.launch_org(TAGS="team=security")

    assert aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"] == []
    assert len(administrator.connected()[MEMBERS[0]]) == 2
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    described = aws.client("secretsmanager").describe_secret(SecretId=secret["ARN"])
    (stack,) = aws.client("cloudformation", MEMBERS[0]).describe_stacks()["Stacks"]
    held = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (held["SecretsManagerSecretName"], held["SecretKmsKeyArn"]) == (secret["ARN"], described["KmsKeyId"])

    unit = administrator.units["security"]
    administrator.falcon.tenant.add_client("another-client", "rotated-secret")
    mistyped = administrator.deploy_org(given=Credentials("another-client", "mistyped-secret"), OU_IDS=unit)
    rotated = administrator.deploy_org(given=Credentials("another-client", "rotated-secret"), OU_IDS=unit)

    assert "Falcon login: the client secret is wrong" in mistyped.problem
    assert "the shared secret is stored" not in mistyped.text
    assert rotated.ok, rotated.problem
    assert "the shared secret is stored" in rotated.text
    assert f"the stack set {STACK_SET} is as it should be already" in rotated.text
    assert len(aws.client("cloudformation").list_stack_set_operations(StackSetName=STACK_SET)["Summaries"]) == 1
    content = json.loads(aws.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"])
    assert content["FalconSecret"] == "rotated-secret"


def test_members_alone_read_the_package_and_their_execution_roles_alone_the_secret(
    aws: LocalAws, administrator: Operator
) -> None:
    administrator.launch_org()
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    (bucket,) = (each["Name"] for each in aws.client("s3").list_buckets()["Buckets"])
    # As the original guide says.
    aws.client("s3").put_object(Bucket=bucket, Key="lambda_function.zip", Body=b"a package that is put there by hand")
    keys = [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    allowed = ("secretsmanager:GetSecretValue", "kms:Decrypt", "sts:AssumeRole")
    member, outsider = aws.client("s3", MEMBERS[3]), aws.client("s3", OUTSIDER)

    def read(account: str, role: str) -> Any:
        credentials = aws.principal(role, account, allow=allowed)
        client = aws.client("secretsmanager", account, credentials=credentials)
        return client.get_secret_value(SecretId=secret["ARN"])

    assert sorted(key.rpartition("/")[2] for key in keys) == [*["lambda_function.zip"] * 2, "template.yaml"]
    for key in keys:
        assert member.get_object(Bucket=bucket, Key=key)["ContentLength"] > 0
        with pytest.raises(ClientError, match="AccessDenied"):
            outsider.get_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        member.put_object(Bucket=bucket, Key=keys[0], Body=b"forged")
    assert all(aws.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert read(MEMBERS[3], ROLE)["SecretString"]  # as whoever administers that account can: the README says so
    for account, role in ((MEMBERS[3], "another-role"), (OUTSIDER, ROLE)):
        with pytest.raises(ClientError):
            read(account, role)


def test_copies_are_kept_in_each_account_if_asked_and_given_up_again(aws: LocalAws, administrator: Operator) -> None:
    administrator.launch_org(SECRET_COPIES="1")
    again = administrator.launch_org(SECRET_COPIES="1")

    assert f"the stack set {STACK_SET} is as it should be already" in again.text
    assert len(aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"]) == 1
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []

    administrator.launch_org()

    assert aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"] == []


def test_an_update_goes_to_who_is_active_and_a_closed_account_is_taken_out_with_its_stack_and_connections(
    aws: LocalAws, administrator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    active, closed, *_ = MEMBERS
    aws.join_organization(closed, administrator.units["security"])
    administrator.launch_org()
    aws.client("organizations").close_account(AccountId=closed)
    monkeypatch.setattr(artifact, "project_version", lambda _: "9.9.9")

    updated = administrator.deploy_org(OU_IDS=administrator.units["security"])
    (stack,) = aws.client("cloudformation", active).describe_stacks()["Stacks"]
    gone = administrator.delete_org(DELETE_CONNECTIONS="Stack")

    assert "1 account is covered" in updated.text, updated.problem
    assert [each for each in stack["Parameters"] if each["ParameterValue"].startswith("falcon-ecr/9.9.9-")]
    assert f"taken out, their stacks and connections stay: {closed}" in gone.text, gone.problem
    assert administrator.connected().keys() == {closed}
