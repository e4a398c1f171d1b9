"""One service-managed stack set: what it is, what is done to it, and how each account fared."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from cli.aws import error_code
from cli.screen import printable
from cli.stack import CAPABILITIES, as_tags, given_and_kept

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackInstanceSummaryTypeDef

UNDER_WAY: Final = frozenset({"RUNNING", "QUEUED", "STOPPING"})
SKIPPED: Final = "SKIPPED_SUSPENDED_ACCOUNT"
LONGEST_REASON: Final = 1000  # characters

AUTO_DEPLOYMENT: Final[Mapping[str, Any]] = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
"""New accounts are covered by themselves; the stack of one that leaves is deleted, as DeleteConnections says."""

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
    auto_deployment: bool
    managed_execution: bool
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

    def __init__(self, cloudformation: "CloudFormationClient", name: str, call_as: str, max_concurrent: int) -> None:
        self.name = name
        self._cloudformation = cloudformation
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
            auto_deployment=raw.get("AutoDeployment", {}).get("Enabled", False),
            managed_execution=raw.get("ManagedExecution", {}).get("Active", False),
            units=frozenset(raw.get("OrganizationalUnitIds", ())),
            tags={each["Key"]: each["Value"] for each in raw.get("Tags", ())},
        )

    def instances(self) -> list[Instance]:
        """Return the stack set's stacks, in the order of their accounts."""
        pages = self._cloudformation.get_paginator("list_stack_instances").paginate(**self._named)
        return sorted((_instance(raw) for page in pages for raw in page["Summaries"]), key=lambda each: each.account)

    def operations_under_way(self) -> list[str]:
        """Return the ids of operations that have not ended, oldest first."""
        pages = self._cloudformation.get_paginator("list_stack_set_operations").paginate(**self._named)
        found = [raw["OperationId"] for page in pages for raw in page["Summaries"] if raw["Status"] in UNDER_WAY]
        return found[::-1]

    def operation_status(self, operation: str) -> str:
        """Return how far an operation is."""
        answer = self._cloudformation.describe_stack_set_operation(**self._named, OperationId=operation)
        return str(answer["StackSetOperation"]["Status"])

    def results(self, operation: str) -> list[str]:
        """Return how each account fares in an operation: PENDING, RUNNING, SUCCEEDED, FAILED or CANCELLED."""
        paginator = self._cloudformation.get_paginator("list_stack_set_operation_results")
        pages = paginator.paginate(**self._named, OperationId=operation)
        return [raw["Status"] for page in pages for raw in page["Summaries"]]

    # What is done to it; all but the first and the last return the id of an operation that goes on

    def create(
        self, template_url: str, parameters: Mapping[str, str], description: str, tags: Mapping[str, str]
    ) -> None:
        """Define the stack set; it deploys nothing yet."""
        self._cloudformation.create_stack_set(
            **self._definition(parameters, (), tags), Description=description, TemplateURL=template_url
        )

    def update(
        self,
        template_url: str,
        parameters: Mapping[str, str],
        kept: Collection[str],
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Change the stack set and every stack of it; no template means the previous one, no tags those that it has."""
        template: Any = {"TemplateURL": template_url} if template_url else {"UsePreviousTemplate": True}
        definition = self._definition(parameters, kept, tags or {})
        answer = self._cloudformation.update_stack_set(**definition, **template, OperationPreferences=self._preferences)
        return answer["OperationId"]

    def _definition(
        self, parameters: Mapping[str, str], kept: Collection[str], tags: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            **self._named,
            "Parameters": given_and_kept(parameters, kept),
            "Capabilities": CAPABILITIES,
            "PermissionModel": "SERVICE_MANAGED",
            "AutoDeployment": AUTO_DEPLOYMENT,
            "ManagedExecution": {"Active": True},
            **({"Tags": as_tags(tags)} if tags else {}),
        }

    def add(self, units: Sequence[str], region: str, accounts: Sequence[str] = ()) -> str:
        """Deploy to these units; to these accounts of them only, if any are named."""
        return self._operate(self._cloudformation.create_stack_instances, units, region, accounts)

    def repeat(self, units: Sequence[str], region: str, accounts: Sequence[str]) -> str:
        """Deploy again to accounts of these units that have a stack already, or failed to get one."""
        return self._operate(self._cloudformation.update_stack_instances, units, region, accounts)

    def remove(self, units: Sequence[str], region: str, accounts: Sequence[str] = (), *, retain: bool = False) -> str:
        """Delete the stacks in these units, or `retain` them, and deploy to them no more."""
        operate = self._cloudformation.delete_stack_instances
        return self._operate(operate, units, region, accounts, RetainStacks=retain)

    def delete(self) -> None:
        """Delete the stack set, which must be empty."""
        self._cloudformation.delete_stack_set(**self._named)

    def _operate(
        self, operate: Callable[..., Any], units: Sequence[str], region: str, accounts: Sequence[str], **options: Any
    ) -> str:
        targets: dict[str, Any] = {"OrganizationalUnitIds": list(units)}
        if accounts:
            targets |= {"Accounts": list(accounts), "AccountFilterType": "INTERSECTION"}
        where = {"DeploymentTargets": targets, "Regions": [region]}
        answer = operate(**self._named, **where, OperationPreferences=self._preferences, **options)
        return str(answer["OperationId"])


def _instance(raw: "StackInstanceSummaryTypeDef") -> Instance:
    return Instance(
        account=raw["Account"],
        region=raw["Region"],
        status=raw.get("Status", ""),
        detail=raw.get("StackInstanceStatus", {}).get("DetailedStatus", ""),
        unit=raw.get("OrganizationalUnitId", ""),
        reason=reason(raw.get("StatusReason", "")),
        stack=raw.get("StackId", ""),
    )


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
