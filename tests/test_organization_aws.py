"""`make deploy-org` and `make delete-org` in the local AWS: real template, real package, members of an organization."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.customer import PROJECT, ROLE
from tests.organization import MANAGEMENT, MEMBERS, NEWCOMER, OUTSIDER, SERVICE, STACK_SET, Operator
from tests.sandbox.local_aws import LocalAws

pytest_plugins = ["tests.launching", "tests.organizing"]


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def operations(aws: LocalAws) -> list[dict[str, Any]]:
    """Return the operations of the stack set, oldest first."""
    found = aws.client("cloudformation").list_stack_set_operations(StackSetName=STACK_SET)["Summaries"]
    return list(found[::-1])


def results(aws: LocalAws, operation: dict[str, Any]) -> dict[str, str]:
    found = aws.client("cloudformation").list_stack_set_operation_results(
        StackSetName=STACK_SET, OperationId=operation["OperationId"]
    )["Summaries"]
    return {each["Account"]: each["Status"] for each in found}


def test_one_account_fails_with_its_reason_and_a_second_run_goes_on_with_it_alone(
    aws: LocalAws, operator: Operator
) -> None:
    taken = MEMBERS[4]
    aws.client("iam", taken).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({}))

    first = operator.deploy(**operator.credentials)

    assert f"{taken} │ Account {taken} │ ECRExecutionRole: {ROLE} already exists" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    assert operator.connected().keys() == set(MEMBERS) - {taken}
    assert {len(found) for found in operator.connected().values()} == {2}
    (deployment,) = operations(aws)
    assert deployment["OperationPreferences"] == {
        "FailureTolerancePercentage": 100,
        "MaxConcurrentCount": 20,
        "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
        "RegionConcurrencyType": "PARALLEL",
    }

    aws.client("iam", taken).delete_role(RoleName=ROLE)
    second = operator.deploy()

    assert second.problem == ""
    assert f"the stack set {STACK_SET} is as it should be already" in second.text
    assert results(aws, operations(aws)[-1]) == {taken: "SUCCEEDED"}
    assert operator.connected().keys() == set(MEMBERS)

    third = operator.deploy()

    assert "6 accounts are covered" in third.text
    assert "lambda_function.zip (is there already)" in third.text
    assert len(operations(aws)) == 2


def test_what_the_function_said_is_the_reason(operator: Operator) -> None:
    ran = operator.deploy(OU_IDS=operator.units["security"], **operator.credentials | {"FALCON_CLIENT_SECRET": "wrong"})

    assert f"{MEMBERS[0]} │" in ran.text
    assert "RegistryConnections: Falcon login: the client secret is wrong" in ran.text
    assert "RequestId" not in ran.text
    assert ran.problem


def test_new_accounts_are_covered_by_themselves_and_an_update_reaches_all(aws: LocalAws, operator: Operator) -> None:
    assert operator.deploy(**operator.credentials).problem == ""

    aws.join_organization(NEWCOMER, operator.units["workloads"])
    until(lambda: operator.instances().get(NEWCOMER) == "CURRENT")

    assert len(operator.connected()[NEWCOMER]) == 2

    update = operator.deploy("DeleteConnections=Stack", regions="us-east-1")

    assert "changes: DeleteConnections, Regions" in update.text
    assert "Updating: 7 of 7 accounts" in update.text
    assert update.problem == ""
    assert {account: len(found) for account, found in operator.connected().items()} == dict.fromkeys(
        [*MEMBERS, NEWCOMER], 1
    )


def test_accounts_that_are_missing_are_all_that_a_second_run_deploys_to(aws: LocalAws, operator: Operator) -> None:
    assert operator.deploy(OU_IDS=operator.units["security"], **operator.credentials).problem == ""
    cloudformation = aws.client("cloudformation")
    operator.falcon.change(latency=0.7)  # so that it is still under way when the next run comes
    cloudformation.create_stack_instances(  # as if this had been interrupted
        StackSetName=STACK_SET,
        DeploymentTargets={
            "OrganizationalUnitIds": [operator.units["workloads"]],
            "Accounts": [MEMBERS[1]],
            "AccountFilterType": "INTERSECTION",
        },
        Regions=["us-east-1"],
    )

    ran = operator.deploy()

    assert ran.problem == ""
    assert "Waiting for an operation that is under way: 0 of 1 accounts" in ran.text
    assert results(aws, operations(aws)[-1]).keys() == set(MEMBERS[2:])
    assert operator.connected().keys() == set(MEMBERS)


def test_only_members_read_the_package(aws: LocalAws, operator: Operator) -> None:
    assert operator.deploy(OU_IDS=operator.units["security"], **operator.credentials).problem == ""
    (bucket,) = (each["Name"] for each in aws.client("s3").list_buckets()["Buckets"])
    keys = [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    aws.client("s3").put_object(Bucket=bucket, Key="other/thing", Body=b"private")

    member, outsider = aws.client("s3", MEMBERS[3]), aws.client("s3", OUTSIDER)

    assert sorted(key.rpartition("/")[2] for key in keys) == ["lambda_function.zip", "template.yaml"]
    for key in keys:
        assert member.get_object(Bucket=bucket, Key=key)["ContentLength"] > 0
        with pytest.raises(ClientError, match="AccessDenied"):
            outsider.get_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        member.get_object(Bucket=bucket, Key="other/thing")
    with pytest.raises(ClientError, match="AccessDenied"):
        member.put_object(Bucket=bucket, Key=keys[0], Body=b"forged")
    assert aws.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(aws.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def test_a_delegated_administrator_covers_the_organization_from_its_own_account(
    aws: LocalAws, operator: Operator
) -> None:
    operator.environment = aws.environment(MEMBERS[1])
    unit = operator.units["security"]

    refused = operator.deploy(OU_IDS=unit, **operator.credentials)
    undelegated = operator.deploy(OU_IDS=unit, CALL_AS="DELEGATED_ADMIN", **operator.credentials)
    aws.client("organizations").register_delegated_administrator(AccountId=MEMBERS[1], ServicePrincipal=SERVICE)
    ran = operator.deploy(OU_IDS=unit, CALL_AS="DELEGATED_ADMIN", **operator.credentials)

    assert f"you are signed in to {MEMBERS[1]}, and the management account is {MANAGEMENT}" in refused.problem
    assert "CALL_AS=DELEGATED_ADMIN" in undelegated.problem
    assert ran.problem == ""
    assert operator.connected().keys() == {MEMBERS[0]}
    assert operator.delete(CALL_AS="DELEGATED_ADMIN", DELETE_CONNECTIONS="Account").problem == ""
    assert operator.connected() == {}


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_made(aws: LocalAws, operator: Operator) -> None:
    aws.client("organizations").disable_aws_service_access(ServicePrincipal=SERVICE)

    ran = operator.deploy("Colour=blue", ORG_ID="o-anotherorgid", CALL_AS="DELEGATED_ADMIN", S3_BUCKET="not-there")

    assert "ORG_ID is o-anotherorgid, but the account 111122223333 belongs to" in ran.problem
    assert "is the management account. Leave CALL_AS out" in ran.problem
    assert "PARAMETERS names Colour, which the template does not have" in ran.problem
    assert "the bucket not-there cannot be used" in ran.problem
    assert "activate-organizations-access" in operator.deploy(**operator.credentials).problem
    assert "FALCON_CLIENT_ID is not set" in _trusted(aws, operator).problem
    assert aws.client("s3").list_buckets()["Buckets"] == []


def _trusted(aws: LocalAws, operator: Operator) -> Any:
    aws.client("cloudformation").activate_organizations_access()
    return operator.deploy()


def test_make_deploy_org_shows_the_secret_to_nobody(aws: LocalAws, operator: Operator) -> None:
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": os.environ["HOME"],
        **aws.environment(),
        **operator.credentials,
    }
    arguments = [f"ORG_ID={operator.organization}", f"OU_IDS={operator.units['security']}", f"STACK_SET={STACK_SET}"]
    arguments.append(f"PARAMETERS=FalconApiUrl={operator.falcon.url} Regions=us-east-1")
    with subprocess.Popen(
        ["make", "deploy-org", *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout
        seen = "".join(_watched(running))

    assert running.returncode == 0, seen
    assert "1 account is covered" in seen
    assert operator.falcon.client_secret not in seen


def _watched(running: "subprocess.Popen[str]") -> list[str]:
    """Return what the process prints, and the command lines of all processes while it prints."""
    assert running.stdout
    seen = []
    for line in running.stdout:
        listed = subprocess.run(["ps", "-Aww", "-o", "args="], capture_output=True, text=True, check=True)
        seen += [line, listed.stdout]
    return seen


def test_one_secret_serves_every_account_and_none_holds_a_copy(aws: LocalAws, operator: Operator) -> None:
    member = {"StringEquals": {"aws:PrincipalOrgID": operator.organization}}
    role = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{ROLE}"}}
    through = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    everybody = {"Effect": "Allow", "Principal": "*", "Resource": "*", "Condition": member | role}
    decrypt = everybody | {"Action": "kms:Decrypt", "Condition": member | role | through}
    key = aws.client("kms").create_key(Policy=policy(own, decrypt))["KeyMetadata"]["Arn"]
    secrets = aws.client("secretsmanager")
    content = {"FalconClientId": operator.falcon.client_id, "FalconSecret": operator.falcon.client_secret}
    secret = secrets.create_secret(Name="falcon", SecretString=json.dumps(content), KmsKeyId=key)["ARN"]
    reading = policy(everybody | {"Action": "secretsmanager:GetSecretValue"})
    secrets.put_resource_policy(SecretId=secret, ResourcePolicy=reading)
    given = f"SecretsManagerSecretName={secret} SecretKmsKeyArn={key}"

    ran = operator.deploy(given, OU_IDS=operator.units["security"])

    assert ran.problem == "", ran.text
    assert len(operator.connected()[MEMBERS[0]]) == 2
    assert aws.client("secretsmanager", MEMBERS[0]).list_secrets()["SecretList"] == []
    assert "as it should be already" in operator.deploy(given, OU_IDS=operator.units["security"]).text


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
