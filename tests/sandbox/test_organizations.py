"""Organizations, and StackSets that deploy to their members."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import BUCKET, KEY, custom, function, requests, statements, template, upload, wait_for

MANAGEMENT, OUTSIDER, NEWCOMER = "111122223333", "999988887777", "200000000004"
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
    condition = {
        "StringEquals": {"aws:PrincipalOrgID": organization},
        "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/stacksets-exec-*", "arn:aws:iam::*:root"]},
    }
    read = {"Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}-{MANAGEMENT}/*"}
    unencrypted = {"Effect": "Deny", **read, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    policy = json.dumps(statements({"Effect": "Allow", **read, "Condition": condition}, unencrypted))
    aws.client("s3").put_bucket_policy(Bucket=f"{BUCKET}-{MANAGEMENT}", Policy=policy)
    aws.client("cloudformation").activate_organizations_access()
    return str(upper)


class Falcon:
    """The StackSet of the tests."""

    def __init__(self, aws: LocalAws, unit: str) -> None:
        self._cloudformation, self._unit = aws.client("cloudformation"), unit

    def create(self, **options: Any) -> "Falcon":
        automatic = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
        given = {"PermissionModel": "SERVICE_MANAGED", "Capabilities": ["CAPABILITY_NAMED_IAM"]} | options
        body = {"TemplateBody": json.dumps(SHARED)}
        self._cloudformation.create_stack_set(StackSetName="falcon", AutoDeployment=automatic, **(body | given))
        return self

    def operate(self, action: str, **options: Any) -> Any:
        """Run an operation for the OU, and return it when it has ended."""
        if action != "update_stack_set":
            targets = {"DeploymentTargets": {"OrganizationalUnitIds": [self._unit]}, "Regions": ["us-east-1"]}
            options = targets | options
        options = {"OperationPreferences": EVERYONE} | options
        started = getattr(self._cloudformation, action)(StackSetName="falcon", **options)["OperationId"]
        deadline = time.monotonic() + 60
        while (found := self.operation(started))["Status"] in {"RUNNING", "QUEUED"}:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def operation(self, identifier: str) -> Any:
        answer = self._cloudformation.describe_stack_set_operation(StackSetName="falcon", OperationId=identifier)
        return answer["StackSetOperation"]

    def instances(self) -> dict[str, str]:
        """Return the detailed status of each account's instance."""
        found = self._cloudformation.list_stack_instances(StackSetName="falcon")["Summaries"]
        return {each["Account"]: each["StackInstanceStatus"]["DetailedStatus"] for each in found}

    def results(self, operation: Any) -> dict[str, tuple[str, str]]:
        """Return status and reason by account."""
        found = self._cloudformation.list_stack_set_operation_results(
            StackSetName="falcon", OperationId=operation["OperationId"]
        )["Summaries"]
        return {each["Account"]: (each["Status"], each.get("StatusReason", "")) for each in found}


@pytest.fixture
def falcon(aws: LocalAws, unit: str) -> Falcon:
    return Falcon(aws, unit).create()


def test_members_know_their_organization_and_only_they_read_its_bucket(aws: LocalAws, unit: str) -> None:
    mine = aws.client("organizations").describe_organization()["Organization"]
    theirs = aws.client("organizations", MEMBERS[2]).describe_organization()["Organization"]

    member = stacks.create(aws.client("cloudformation", MEMBERS[2]), "sample", SHARED).wait()
    outsider = stacks.create(aws.client("cloudformation", OUTSIDER), "sample", SHARED).wait()

    assert unit
    assert theirs == mine
    assert member.status == "CREATE_COMPLETE"
    assert "Your access has been denied by S3" in outsider.failures["Function"]


def test_a_stack_set_deploys_real_stacks_below_an_ou_updates_and_deletes_them(aws: LocalAws, falcon: Falcon) -> None:
    cloudformation = aws.client("cloudformation")
    changed = json.dumps(template(Function=SHARED["Resources"]["Function"], Custom=custom(Update={})))

    operations = [
        falcon.operate("create_stack_instances"),
        falcon.operate("update_stack_set", TemplateBody=changed, Capabilities=["CAPABILITY_NAMED_IAM"]),
        falcon.operate("delete_stack_instances", RetainStacks=False),
    ]

    assert [each["Status"] for each in operations] == ["SUCCEEDED"] * 3
    for account in MEMBERS:
        assert [kind for kind, _ in requests(aws, account)] == ["Create", "Update", "Delete"]
    assert (falcon.instances(), requests(aws, MANAGEMENT)) == ({}, [])
    cloudformation.delete_stack_set(StackSetName="falcon")
    with pytest.raises(ClientError, match="StackSetNotFoundException"):
        cloudformation.describe_stack_set(StackSetName="falcon")


def test_failures_are_reported_by_account_and_within_the_tolerance(aws: LocalAws, falcon: Falcon) -> None:
    in_the_way = {"Resources": {"Role": SHARED["Resources"]["Role"]}}
    stacks.create(aws.client("cloudformation", MEMBERS[1]), "in-the-way", in_the_way).wait()

    strict = falcon.operate("create_stack_instances", OperationPreferences={})
    reasons = falcon.results(strict)
    tolerant = falcon.operate("create_stack_instances")

    assert (strict["Status"], tolerant["Status"]) == ("FAILED", "SUCCEEDED")
    assert tolerant["StatusDetails"]["FailedStackInstancesCount"] == 1
    assert reasons == {
        MEMBERS[0]: ("SUCCEEDED", ""),
        MEMBERS[1]: (
            "FAILED",
            "ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:sample-role already exists.",
        ),
        MEMBERS[2]: ("CANCELLED", "Cancelled since failure tolerance has exceeded"),
    }
    assert falcon.instances() == {MEMBERS[0]: "SUCCEEDED", MEMBERS[1]: "FAILED", MEMBERS[2]: "SUCCEEDED"}


def test_an_account_that_joins_is_deployed_to_and_one_that_leaves_is_cleaned(
    aws: LocalAws, unit: str, falcon: Falcon
) -> None:
    falcon.operate("create_stack_instances")

    aws.join_organization(NEWCOMER, unit)
    wait_for(lambda: falcon.instances().get(NEWCOMER) == "SUCCEEDED")
    organizations = aws.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.move_account(AccountId=MEMBERS[0], SourceParentId=unit, DestinationParentId=root)
    wait_for(lambda: MEMBERS[0] not in falcon.instances())

    assert [kind for kind, _ in requests(aws, NEWCOMER)] == ["Create"]
    assert [kind for kind, _ in requests(aws, MEMBERS[0])] == ["Create", "Delete"]


def test_a_suspended_account_is_skipped_and_leaves_only_with_its_stack_retained(aws: LocalAws, falcon: Falcon) -> None:
    falcon.operate("create_stack_instances")
    aws.suspend_account(MEMBERS[1])

    deleted = falcon.operate("delete_stack_instances", RetainStacks=False)
    left = falcon.instances()
    falcon.operate("delete_stack_instances", RetainStacks=True)

    assert (deleted["Status"], left) == ("SUCCEEDED", {MEMBERS[1]: "SKIPPED_SUSPENDED_ACCOUNT"})
    assert falcon.instances() == {}
    assert [kind for kind, _ in requests(aws, MEMBERS[1])] == ["Create"]


def test_accounts_can_be_picked_and_operations_do_not_overlap(aws: LocalAws, unit: str, falcon: Falcon) -> None:
    options: dict[str, Any] = {"StackSetName": "falcon", "Regions": ["us-east-1"]}
    picked = {"OrganizationalUnitIds": [unit], "Accounts": [MEMBERS[2]], "AccountFilterType": "INTERSECTION"}

    aws.client("cloudformation").create_stack_instances(DeploymentTargets=picked, **options)
    with pytest.raises(ClientError, match="OperationInProgressException"):
        aws.client("cloudformation").create_stack_instances(DeploymentTargets=picked, **options)

    wait_for(lambda: falcon.instances() == {MEMBERS[2]: "SUCCEEDED"})


def test_a_template_with_macros_is_refused(aws: LocalAws, unit: str) -> None:
    with pytest.raises(ClientError, match="macros"):
        Falcon(aws, unit).create(TemplateBody=json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {}}))


def test_only_the_management_account_and_its_delegate_operate_stack_sets(aws: LocalAws, falcon: Falcon) -> None:
    delegate = aws.client("cloudformation", MEMBERS[0])

    with pytest.raises(ClientError, match="management account"):
        delegate.describe_stack_set(StackSetName="falcon", CallAs="DELEGATED_ADMIN")
    aws.client("organizations").register_delegated_administrator(
        AccountId=MEMBERS[0], ServicePrincipal="member.org.stacksets.cloudformation.amazonaws.com"
    )

    assert falcon.instances() == {}
    assert delegate.describe_stack_set(StackSetName="falcon", CallAs="DELEGATED_ADMIN")["StackSet"]
