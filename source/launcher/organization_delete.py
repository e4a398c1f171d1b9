"""Takes the stack set out of an organization again, and its connections out of Falcon if asked: `make delete-org`."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from launcher import organization_bucket, organization_members
from launcher.errors import LauncherError, exit_status
from launcher.organization_aws import Aws, connect, take_environment, told
from launcher.organization_progress import console, failures, follow
from launcher.organization_request import DELETE_VARIABLES, OrganizationRequest, read_delete
from launcher.organization_stack import Snapshot, Stack
from launcher.organization_stack_set import Definition, Instance, StackSet

if TYPE_CHECKING:
    from rich.console import Console

PARAMETER = "DeleteConnections"
DEFAULT = "Keep"
"""The template's, which a stack set that was never told otherwise need not show."""

_MEANING = {
    "Keep": "All connections stay in Falcon, but Falcon can no longer read the registries: the role goes.",
    "Stack": "The connections that the stacks manage are removed from Falcon.",
    "Account": "EVERY ECR connection of these accounts is removed from Falcon, whoever made it.",
}


def delete(environment: Mapping[str, str], shown: "Console") -> None:
    """Delete what `environment` names, after the operator agreed.

    Raises LauncherError if the request cannot be fulfilled, or accounts failed.
    """
    request = read_delete(environment)
    with told():
        if request.problems:
            raise LauncherError(*request.problems)
        aws = connect(request.region)
        organization = organization_members.find(aws)
        if problems := list(organization_members.problems_of(aws, organization, request)):
            raise LauncherError(*problems)
        deletion = Deletion(aws, request, shown)
        deletion.confirm()
        deletion.run()


class Deletion:
    """What there is to delete, and deleting it. Each step leaves what a second run needs to go on."""

    def __init__(self, aws: Aws, request: OrganizationRequest, shown: "Console") -> None:
        self._aws, self._request, self._shown = aws, request, shown
        cloudformation = aws.client("cloudformation")
        self._set = StackSet(cloudformation, request.stack_set, request.call_as, request.max_concurrent)
        self._definition = self._set.now()
        if self._definition:
            for operation in self._set.operations_under_way():
                follow(self._set, operation, "Waiting for an operation that is under way", shown)
        self._instances: Sequence[Instance] = self._set.instances() if self._definition else ()
        self._stack = Stack(cloudformation, request.stack_set, shown)
        self._management = self._stack.now() if request.include_management else None

    def confirm(self) -> None:
        """Say what will happen, and let the operator type the name. Raises LauncherError if they do not."""
        if not (self._definition or self._management or self._request.delete_bucket):
            raise LauncherError(f"there is no stack set {self._request.stack_set} in {self._aws.region}.")
        for line in self._announcement():
            self._shown.print(line)
        if self._request.unasked:
            return
        if not sys.stdin.isatty():
            raise LauncherError("this needs an answer, and there is no terminal. YES=1 agrees in advance.")
        if self._shown.input(f"Type {self._request.stack_set} to go on: ").strip() != self._request.stack_set:
            raise LauncherError("that is not its name. Nothing was changed.")

    def _announcement(self) -> list[str]:
        lines = []
        if self._definition:
            lines.append(
                f"The stack set {self._set.name} and its stacks in {len(self._instances)} accounts are deleted."
            )
            lines.append(f"{PARAMETER}={self._policy(self._definition)}: {_MEANING[self._policy(self._definition)]}")
            if not self._differs(self._definition) and (behind := self._behind()):
                lines.append(f"These accounts are not up to date and may do otherwise: {', '.join(behind)}")
        if self._management:
            lines.append(f"The stack {self._stack.name} of the management account {self._aws.account} is deleted too.")
        lines.append(
            "The bucket with the packages is deleted." if self._request.delete_bucket else "The bucket is kept."
        )
        return lines

    def run(self) -> None:
        """Delete. Raises LauncherError with the accounts that failed."""
        if self._definition:
            if self._differs(self._definition):
                self._set_policy(self._definition)
            self._delete_instances(self._definition)
            self._set.delete()
            self._shown.print(f"the stack set {self._set.name} is deleted")
        if self._management:
            self._delete_management(self._management)
        if self._request.delete_bucket and organization_bucket.delete(self._aws, self._shown):
            self._shown.print("the bucket is deleted")

    def _policy(self, held: Definition | Snapshot) -> str:
        return self._request.delete_connections or held.parameters.get(PARAMETER, DEFAULT)

    def _differs(self, held: Definition | Snapshot) -> bool:
        return self._policy(held) != held.parameters.get(PARAMETER, DEFAULT)

    def _behind(self) -> list[str]:
        return [each.account for each in self._instances if not each.is_current]

    def _set_policy(self, definition: Definition) -> None:
        """Tell every stack first: a stack deletes as it was told last."""
        kept = sorted(definition.parameters.keys() - {PARAMETER})
        operation = self._set.update("", {PARAMETER: self._policy(definition)}, kept)
        follow(self._set, operation, f"Setting {PARAMETER}", self._shown, len(self._instances))
        self._require_none(
            {each.account: each.reason for each in self._set.instances() if not each.is_current},
            f"could not be told {PARAMETER}={self._policy(definition)}, so nothing was deleted yet. Correct the cause, "
            "or run this again: then their stacks are deleted as they are.",
        )

    def _delete_instances(self, definition: Definition) -> None:
        if units := sorted(definition.units or {each.unit for each in self._instances}):
            for region in sorted({each.region for each in self._instances} or {self._aws.region}):
                operation = self._set.remove(units, region)
                follow(self._set, operation, "Deleting", self._shown, len(self._instances))
        self._require_none(
            {each.account: each.reason for each in self._set.instances()},
            "still have their stacks. Correct the cause and run this again; where StackSets calls a stack INOPERABLE, "
            "delete that stack in its account, then take it out of the stack set with delete-stack-instances "
            "--retain-stacks.",
        )

    def _require_none(self, failed: Mapping[str, str], consequence: str) -> None:
        if failed:
            self._shown.print()
            self._shown.print(failures(failed, {}))
            raise LauncherError(f"{len(failed)} of the accounts {consequence}")

    def _delete_management(self, before: Snapshot) -> None:
        if self._differs(before):
            accepted = sorted(before.parameters)
            self._stack.deploy({"UsePreviousTemplate": True}, {PARAMETER: self._policy(before)}, accepted)
        self._stack.delete()
        self._shown.print(f"the stack {self._stack.name} of the management account is deleted")


def main() -> None:
    """Delete what the environment describes."""
    argparse.ArgumentParser(
        prog="make delete-org",
        usage="make delete-org [DELETE_CONNECTIONS=Keep|Stack|Account] [STACK_SET=...] [REGION=...] [CALL_AS=...]",
        description=__doc__,
        epilog=DELETE_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    delete(take_environment(os.environ), console())


if __name__ == "__main__":
    sys.exit(exit_status(main))
