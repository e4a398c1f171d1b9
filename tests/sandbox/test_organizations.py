"""Organizations and StackSets, as far as the end-to-end tests of an organization do not show them."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import wait_for

MEMBERS = ["200000000001", "200000000002", "200000000003"]
TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "topic"}}}})


class Falcon:
    """A StackSet for an OU with three members."""

    def __init__(self, aws: LocalAws) -> None:
        organizations, self._cloudformation = aws.client("organizations"), aws.client("cloudformation")
        organizations.describe_organization()
        self.root = organizations.list_roots()["Roots"][0]["Id"]
        made = organizations.create_organizational_unit(ParentId=self.root, Name="unit")
        self.unit = made["OrganizationalUnit"]["Id"]
        for account in MEMBERS:
            aws.join_organization(account, self.unit)
        self._cloudformation.activate_organizations_access()
        self._cloudformation.create_stack_set(
            StackSetName="falcon", TemplateBody=TEMPLATE, PermissionModel="SERVICE_MANAGED"
        )

    def start(self, action: str, **options: Any) -> str:
        """Start an operation for the OU and return its id."""
        options["DeploymentTargets"] = {"OrganizationalUnitIds": [self.unit]}
        started = getattr(self._cloudformation, action)(StackSetName="falcon", Regions=["us-east-1"], **options)
        return str(started["OperationId"])

    def operate(self, action: str, **options: Any) -> str:
        """Run an operation and return the status that it ends in."""
        operation, deadline = self.start(action, **options), time.monotonic() + 60
        while True:
            found = self._cloudformation.describe_stack_set_operation(StackSetName="falcon", OperationId=operation)
            status = str(found["StackSetOperation"]["Status"])
            if status not in {"RUNNING", "QUEUED"}:
                return status
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def instances(self) -> dict[str, str]:
        """Return the detailed status of each account's instance."""
        found = self._cloudformation.list_stack_instances(StackSetName="falcon")["Summaries"]
        return {each["Account"]: each["StackInstanceStatus"]["DetailedStatus"] for each in found}


def test_a_suspended_account_is_skipped_and_leaves_only_with_its_stack_retained(aws: LocalAws) -> None:
    falcon = Falcon(aws)
    falcon.operate("create_stack_instances")
    aws.suspend_account(MEMBERS[1])

    deleted = falcon.operate("delete_stack_instances", RetainStacks=False)
    left = falcon.instances()
    falcon.operate("delete_stack_instances", RetainStacks=True)

    assert (deleted, left) == ("SUCCEEDED", {MEMBERS[1]: "SKIPPED_SUSPENDED_ACCOUNT"})
    assert falcon.instances() == {}
    assert aws.client("cloudformation", MEMBERS[1]).list_stacks()["StackSummaries"]


def test_operations_do_not_overlap_without_managed_execution(aws: LocalAws) -> None:
    falcon = Falcon(aws)
    falcon.start("create_stack_instances")

    with pytest.raises(ClientError, match="OperationInProgressException"):
        falcon.start("update_stack_instances")

    wait_for(lambda: falcon.instances() == dict.fromkeys(MEMBERS, "SUCCEEDED"))
