"""One service-managed stack set: what it is, what is done to it, and how each account fared."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.aws import error_code
from cli.screen import Screen, printable

POLL_SECONDS: Final = 5.0
SHARE_OF_TIME: Final = 4.0
"""A large organization's results take many calls to read: rest this many times as long as reading took."""

UNDER_WAY: Final = frozenset({"RUNNING", "QUEUED", "STOPPING"})
SKIPPED: Final = "SKIPPED_SUSPENDED_ACCOUNT"
LONGEST_REASON: Final = 1000  # characters

_LASTING: Final[Any] = {
    "PermissionModel": "SERVICE_MANAGED",
    # New accounts are covered by themselves; the stack of one that leaves is deleted, as DeleteConnections says.
    "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
    "ManagedExecution": {"Active": True},
}

_VERSION: Final = re.compile(r"^falcon-ecr/(.+)-[0-9a-f]{16}/")
_OF_RESOURCE: Final = re.compile(
    r"ResourceLogicalId:(?P<resource>[^,]+), ResourceType:[^,]+, ResourceStatusReason:(?P<reason>.*?)\.?$", re.DOTALL
)
_OF_FUNCTION: Final = re.compile(
    r"Received response status \[FAILED\] from custom resource\. Message returned: (?P<reason>.*?)"
    r"(?: \(RequestId: [0-9a-f-]+\))?$",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a stack set deploys. Values of secret parameters are shown as asterisks."""

    template: str
    parameters: Mapping[str, str]
    lasting: bool
    """Whether new accounts are covered by themselves, and operations wait for each other."""
    units: frozenset[str]
    """The units that it deploys to."""
    tags: Mapping[str, str]

    @property
    def version(self) -> str:
        """The version of the package, as its key says."""
        found = _VERSION.search(self.parameters.get("S3Key", ""))
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One account's stack, or the place where one should be."""

    account: str
    region: str
    status: str
    detail: str
    unit: str
    reason: str
    stack: str = ""
    """Id of the stack, empty if there never was one."""

    @property
    def is_suspended(self) -> bool:
        """Whether StackSets passed it over, because the account is closed."""
        return self.detail == SKIPPED

    @property
    def is_current(self) -> bool:
        """Whether it is as the stack set says; a suspended account is nobody's failure."""
        return self.status == "CURRENT" or self.is_suspended


class StackSet:
    """A stack set by name, whether or not it exists."""

    def __init__(self, cloudformation: Any, name: str, call_as: str, max_concurrent: int, screen: Screen) -> None:
        self.name = name
        self._cloudformation, self._screen = cloudformation, screen
        self._named: Any = {"StackSetName": name, "CallAs": call_as}
        # Each account is on its own: one that fails must not keep the others from being covered.
        self._preferences: Any = {
            "RegionConcurrencyType": "PARALLEL",
            "FailureTolerancePercentage": 100,
            "MaxConcurrentCount": max_concurrent,
            "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
        }

    # What it is

    def now(self) -> Definition | None:
        """Return the stack set as it is, None if there is none."""
        try:
            raw = self._cloudformation.describe_stack_set(**self._named)["StackSet"]
        except ClientError as error:
            if error_code(error) == "StackSetNotFoundException":
                return None
            raise
        return Definition(
            template=raw.get("TemplateBody", ""),
            parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in raw.get("Parameters", ())},
            lasting=raw.get("AutoDeployment", {}).get("Enabled", False)
            and raw.get("ManagedExecution", {}).get("Active", False),
            units=frozenset(raw.get("OrganizationalUnitIds", ())),
            tags={each["Key"]: each["Value"] for each in raw.get("Tags", ())},
        )

    def instances(self) -> list[Instance]:
        """Return the stack set's stacks, in the order of their accounts."""
        pages = self._cloudformation.get_paginator("list_stack_instances").paginate(**self._named)
        found = [
            Instance(
                account=raw["Account"],
                region=raw["Region"],
                status=raw.get("Status", ""),
                detail=raw.get("StackInstanceStatus", {}).get("DetailedStatus", ""),
                unit=raw.get("OrganizationalUnitId", ""),
                reason=reason(raw.get("StatusReason", "")),
                stack=raw.get("StackId", ""),
            )
            for page in pages
            for raw in page["Summaries"]
        ]
        return sorted(found, key=lambda each: each.account)

    def settle(self) -> None:
        """Wait for what somebody, perhaps an earlier run of this, has begun."""
        if self.now() is None:
            return
        pages = self._cloudformation.get_paginator("list_stack_set_operations").paginate(**self._named)
        operations = [raw["OperationId"] for page in pages for raw in page["Summaries"] if raw["Status"] in UNDER_WAY]
        for operation in reversed(operations):
            self._follow(operation, "Waiting for an operation that is under way", 0)

    # What is done to it: `create` and `delete` at once, all else as an operation that is seen through to its end

    def create(self, definition: Mapping[str, Any]) -> None:
        """Define the stack set; it deploys nothing yet."""
        self._cloudformation.create_stack_set(**self._named, **_LASTING, **definition)

    def update(self, title: str, definition: Mapping[str, Any], count: int) -> None:
        """Change the stack set and its stacks, which are in `count` accounts; tags that are not given stay."""
        self._run(title, count, self._cloudformation.update_stack_set, {**_LASTING, **definition})

    def change(
        self,
        title: str,
        verb: str,
        units: Sequence[str],
        region: str,
        accounts: Sequence[str] = (),
        *,
        count: int = 0,
        **options: bool,
    ) -> None:
        """Create, update or delete the stacks in these units; of these accounts only, if any are named.

        `count` is how many accounts that are if none are named. An update repeats also what was never created.
        """
        only = {"Accounts": list(accounts), "AccountFilterType": "INTERSECTION"} if accounts else {}
        where = {"DeploymentTargets": {"OrganizationalUnitIds": list(units), **only}, "Regions": [region], **options}
        self._run(title, count or len(accounts), getattr(self._cloudformation, f"{verb}_stack_instances"), where)

    def delete(self) -> None:
        """Delete the stack set, which must be empty."""
        self._cloudformation.delete_stack_set(**self._named)

    def _run(self, title: str, count: int, begin: Callable[..., Any], request: Mapping[str, Any]) -> None:
        """Begin an operation on so many accounts and see it through; where another one came first, wait for that."""
        while True:
            try:
                begun = begin(**self._named, **request, OperationPreferences=self._preferences)
            except ClientError as error:
                if error_code(error) != "OperationInProgressException":
                    raise
                self.settle()
            else:
                self._follow(begun["OperationId"], title, count)
                return

    def _follow(self, operation: str, title: str, count: int) -> None:
        """Show how the accounts fare in an operation until it ends."""
        named = {**self._named, "OperationId": operation}
        results = self._cloudformation.get_paginator("list_stack_set_operation_results")
        with self._screen.progress(title, count) as show:
            while True:
                begun = time.monotonic()
                # Asked first, so that no result is missed.
                status = self._cloudformation.describe_stack_set_operation(**named)["StackSetOperation"]["Status"]
                found = [raw["Status"] for page in results.paginate(**named) for raw in page["Summaries"]]
                over = [each for each in found if each not in {"PENDING", "RUNNING"}]
                show(len(over), len(found), len([each for each in over if each in {"FAILED", "CANCELLED"}]))
                if status not in UNDER_WAY:
                    return
                time.sleep(max(POLL_SECONDS, (time.monotonic() - begun) * SHARE_OF_TIME))


def reason(text: str) -> str:
    """Return why a stack failed in the words of the resource that did, without what is wrapped around them.

    StackSets quotes the stack event of the member account, which quotes the function.
    """
    resource = ""
    if found := _OF_RESOURCE.search(text):
        resource, text = f"{found['resource']}: ", found["reason"]
    if found := _OF_FUNCTION.search(text):
        text = found["reason"]
    return " ".join(printable(f"{resource}{text}").split())[:LONGEST_REASON]
