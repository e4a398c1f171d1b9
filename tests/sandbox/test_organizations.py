"""Organizations, and StackSets that deploy to their members."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import (
    BUCKET,
    KEY,
    custom,
    function,
    requests,
    statements,
    template,
    upload,
    wait_for,
)

MANAGEMENT, OUTSIDER = "111122223333", "999988887777"
MEMBERS = ["200000000001", "200000000002", "200000000003"]
EVERYONE = {"FailureTolerancePercentage": 100, "MaxConcurrentCount": 10, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}
SHARED = template(Function=function(Code={"S3Bucket": f"{BUCKET}-{MANAGEMENT}", "S3Key": KEY}), Custom=custom())


@pytest.fixture
def unit(aws: LocalAws) -> str:
    """Make an organization: an OU with two members, one below it with a third, and a bucket that all may read."""
    organizations = aws.client("organizations")
    organization = organizations.describe_organization()["Organization"]["Id"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    upper = organizations.create_organizational_unit(ParentId=root, Name="upper")["OrganizationalUnit"]["Id"]
    lower = organizations.create_organizational_unit(ParentId=upper, Name="lower")["OrganizationalUnit"]["Id"]
    for account, parent in zip(MEMBERS, (upper, upper, lower), strict=True):
        aws.join_organization(account, parent)
    upload(aws)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}-{MANAGEMENT}/*",
        "Condition": {
            "StringEquals": {"aws:PrincipalOrgID": organization},
            "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/stacksets-exec-*", "arn:aws:iam::*:root"]},
        },
    }
    unencrypted = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{BUCKET}-{MANAGEMENT}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps(statements(statement, unencrypted))
    aws.client("s3").put_bucket_policy(Bucket=f"{BUCKET}-{MANAGEMENT}", Policy=policy)
    aws.client("cloudformation").activate_organizations_access()
    return str(upper)


def create(aws: LocalAws, **options: Any) -> None:
    """Create the StackSet of the tests."""
    aws.client("cloudformation").create_stack_set(
        StackSetName="falcon",
        **{
            "TemplateBody": json.dumps(SHARED),
            "PermissionModel": "SERVICE_MANAGED",
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
            **options,
        },
    )


def deploy(aws: LocalAws, unit: str, **options: Any) -> dict[str, Any]:
    """Deploy the StackSet to an OU and return the operation when it has ended."""
    preferences = {"Regions": ["us-east-1"], "OperationPreferences": EVERYONE} | options
    started = aws.client("cloudformation").create_stack_instances(
        StackSetName="falcon", DeploymentTargets={"OrganizationalUnitIds": [unit]}, **preferences
    )
    return ended(aws, started["OperationId"])


def ended(aws: LocalAws, operation_id: str) -> dict[str, Any]:
    """Return the operation when it has ended."""
    cloudformation, deadline = aws.client("cloudformation"), time.monotonic() + 30
    while True:
        operation = cloudformation.describe_stack_set_operation(StackSetName="falcon", OperationId=operation_id)
        if operation["StackSetOperation"]["Status"] not in {"RUNNING", "QUEUED"}:
            return dict(operation["StackSetOperation"])
        assert time.monotonic() < deadline, operation
        time.sleep(0.05)


def instances(aws: LocalAws) -> dict[str, str]:
    """Return the detailed status of each account's instance."""
    found = aws.client("cloudformation").list_stack_instances(StackSetName="falcon")["Summaries"]
    return {each["Account"]: each["StackInstanceStatus"]["DetailedStatus"] for each in found}


def results(aws: LocalAws, operation: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return status and reason by account."""
    found = aws.client("cloudformation").list_stack_set_operation_results(
        StackSetName="falcon", OperationId=operation["OperationId"]
    )["Summaries"]
    return {each["Account"]: (each["Status"], each.get("StatusReason", "")) for each in found}


def test_members_know_their_organization_and_only_they_read_its_bucket(aws: LocalAws, unit: str) -> None:
    cloudformation = aws.client("cloudformation", OUTSIDER)
    mine = aws.client("organizations").describe_organization()["Organization"]
    theirs = aws.client("organizations", MEMBERS[2]).describe_organization()["Organization"]

    member = stacks.create(aws.client("cloudformation", MEMBERS[2]), "sample", SHARED).wait()
    outsider = stacks.create(cloudformation, "sample", SHARED).wait()

    assert unit
    assert theirs == mine
    assert member.status == "CREATE_COMPLETE"
    assert "Your access has been denied by S3" in outsider.failures["Function"]


def test_a_stack_set_deploys_real_stacks_below_an_ou_updates_and_deletes_them(aws: LocalAws, unit: str) -> None:
    cloudformation = aws.client("cloudformation")
    create(aws)

    created = deploy(aws, unit)
    first = {account: requests(aws, account) for account in MEMBERS}
    changed = template(Function=SHARED["Resources"]["Function"], Custom=custom(Update={}))
    update = cloudformation.update_stack_set(
        StackSetName="falcon",
        TemplateBody=json.dumps(changed),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        OperationPreferences=EVERYONE,
    )
    updated = ended(aws, update["OperationId"])
    targets = {"OrganizationalUnitIds": [unit]}
    removal = cloudformation.delete_stack_instances(
        StackSetName="falcon",
        DeploymentTargets=targets,
        Regions=["us-east-1"],
        RetainStacks=False,
        OperationPreferences=EVERYONE,
    )
    deleted = ended(aws, removal["OperationId"])

    assert [each["Status"] for each in (created, updated, deleted)] == ["SUCCEEDED"] * 3
    assert first == {account: [("Create", None)] for account in MEMBERS}
    for account in MEMBERS:
        assert [kind for kind, _ in requests(aws, account)] == ["Create", "Update", "Delete"]
    assert instances(aws) == {}
    assert requests(aws, MANAGEMENT) == []
    cloudformation.delete_stack_set(StackSetName="falcon")
    with pytest.raises(ClientError, match="StackSetNotFoundException"):
        cloudformation.describe_stack_set(StackSetName="falcon")


def test_failures_are_reported_by_account_and_within_the_tolerance(aws: LocalAws, unit: str) -> None:
    stacks.create(
        aws.client("cloudformation", MEMBERS[1]), "in-the-way", {"Resources": {"Role": SHARED["Resources"]["Role"]}}
    ).wait()
    create(aws)

    strict = deploy(aws, unit, OperationPreferences={})
    reasons = results(aws, strict)
    tolerant = deploy(aws, unit)

    assert (strict["Status"], tolerant["Status"]) == ("FAILED", "SUCCEEDED")
    assert tolerant["StatusDetails"]["FailedStackInstancesCount"] == 1
    assert reasons[MEMBERS[0]] == ("SUCCEEDED", "")
    assert reasons[MEMBERS[1]] == (
        "FAILED",
        "ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:sample-role already exists.",
    )
    assert reasons[MEMBERS[2]] == ("CANCELLED", "Cancelled since failure tolerance has exceeded")
    assert instances(aws) == {MEMBERS[0]: "SUCCEEDED", MEMBERS[1]: "FAILED", MEMBERS[2]: "SUCCEEDED"}
    failed = aws.client("cloudformation").list_stack_instances(
        StackSetName="falcon", Filters=[{"Name": "DETAILED_STATUS", "Values": "FAILED"}]
    )["Summaries"]
    assert [each["Account"] for each in failed] == [MEMBERS[1]]


def test_an_account_that_joins_is_deployed_to_and_one_that_leaves_is_cleaned(aws: LocalAws, unit: str) -> None:
    create(aws)
    deploy(aws, unit)

    aws.join_organization("200000000004", unit)
    wait_for(lambda: instances(aws).get("200000000004") == "SUCCEEDED")
    organizations = aws.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.move_account(AccountId=MEMBERS[0], SourceParentId=unit, DestinationParentId=root)
    wait_for(lambda: MEMBERS[0] not in instances(aws))

    assert [kind for kind, _ in requests(aws, "200000000004")] == ["Create"]
    assert [kind for kind, _ in requests(aws, MEMBERS[0])] == ["Create", "Delete"]


def test_accounts_can_be_picked_and_operations_do_not_overlap(aws: LocalAws, unit: str) -> None:
    cloudformation = aws.client("cloudformation")
    create(aws)
    options: dict[str, Any] = {"StackSetName": "falcon", "Regions": ["us-east-1"]}
    picked = {"OrganizationalUnitIds": [unit], "Accounts": [MEMBERS[2]], "AccountFilterType": "INTERSECTION"}

    started = cloudformation.create_stack_instances(DeploymentTargets=picked, **options)
    with pytest.raises(ClientError, match="OperationInProgressException"):
        cloudformation.create_stack_instances(DeploymentTargets=picked, **options)
    ended(aws, started["OperationId"])

    assert instances(aws) == {MEMBERS[2]: "SUCCEEDED"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"TemplateBody": json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {}})}, "macros"),
        ({"TemplateBody": " " * 51201}, "too large"),
    ],
)
def test_what_a_service_managed_stack_set_cannot_have_is_refused(
    aws: LocalAws, unit: str, options: dict[str, Any], reason: str
) -> None:
    assert unit
    with pytest.raises(ClientError, match=reason):
        create(aws, **options)


def test_only_the_management_account_and_its_delegate_operate_stack_sets(aws: LocalAws, unit: str) -> None:
    create(aws)
    delegate = aws.client("cloudformation", MEMBERS[0])

    with pytest.raises(ClientError, match="management account"):
        delegate.describe_stack_set(StackSetName="falcon", CallAs="DELEGATED_ADMIN")
    aws.client("organizations").register_delegated_administrator(
        AccountId=MEMBERS[0], ServicePrincipal="member.org.stacksets.cloudformation.amazonaws.com"
    )
    found = delegate.describe_stack_set(StackSetName="falcon", CallAs="DELEGATED_ADMIN")["StackSet"]

    assert unit
    assert found["PermissionModel"] == "SERVICE_MANAGED"
