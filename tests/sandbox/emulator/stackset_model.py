"""StackSets as the emulator remembers them: sets, instances and operations."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ministack.services.cloudformation import engine

Target = tuple[str, str]  # account, Region


@dataclass
class Instance:
    """A StackSet's stack in one account and Region."""

    account: str
    region: str
    unit: str
    stack_id: str = ""
    status: str = "OUTDATED"  # CURRENT, OUTDATED, INOPERABLE
    detailed_status: str = "PENDING"
    reason: str = ""
    operation_id: str = ""
    overrides: dict[str, str] = field(default_factory=dict)

    def describe(self, stack_set_id: str) -> dict[str, Any]:
        """Return the instance as the API shows it."""
        return {
            "StackSetId": stack_set_id,
            "Account": self.account,
            "Region": self.region,
            "StackId": self.stack_id,
            "Status": self.status,
            "StatusReason": self.reason or None,
            "StackInstanceStatus": {"DetailedStatus": self.detailed_status},
            "OrganizationalUnitId": self.unit,
            "DriftStatus": "NOT_CHECKED",
            "LastOperationId": self.operation_id,
        }


@dataclass
class Operation:
    """An operation on the instances of a StackSet."""

    action: str  # CREATE, UPDATE, DELETE
    preferences: dict[str, Any]
    targets: dict[Target, str]  # each with its OU
    retain: bool = False
    operation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "QUEUED"
    results: dict[Target, tuple[str, str]] = field(default_factory=dict)  # status and reason
    created: float = field(default_factory=time.time)
    ended: float | None = None

    def tolerance(self, accounts: int) -> int:
        """Return how many failures a Region may have before the operation stops."""
        if percentage := self.preferences.get("FailureTolerancePercentage"):
            return accounts * int(percentage) // 100
        return int(self.preferences.get("FailureToleranceCount", 0))

    def concurrency(self, accounts: int) -> int:
        """Return how many accounts are deployed to at once; STRICT never has more at stake than may fail."""
        if percentage := self.preferences.get("MaxConcurrentPercentage"):
            wanted = accounts * int(percentage) // 100
        else:
            wanted = int(self.preferences.get("MaxConcurrentCount", 1))
        if self.preferences.get("ConcurrencyMode") != "SOFT_FAILURE_TOLERANCE":
            wanted = min(wanted, self.tolerance(accounts) + 1)
        return max(wanted, 1)

    def describe(self) -> dict[str, Any]:
        """Return the operation as the API shows it."""
        failed = sum(status == "FAILED" for status, _ in self.results.values())
        return {
            "OperationId": self.operation_id,
            "Action": self.action,
            "Status": self.status,
            "OperationPreferences": self.preferences or None,
            "CreationTimestamp": _time(self.created),
            "EndTimestamp": _time(self.ended) if self.ended else None,
            "StatusDetails": {"FailedStackInstancesCount": failed},
        }


@dataclass
class StackSet:
    """A service-managed StackSet."""

    name: str
    owner: str
    region: str
    template: str
    parameters: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    description: str = ""
    tags: list[dict[str, str]] = field(default_factory=list)
    auto_deployment: dict[str, str] = field(default_factory=lambda: {"Enabled": "false"})
    managed_execution: bool = False
    units: set[str] = field(default_factory=set)
    regions: list[str] = field(default_factory=list)
    instances: dict[Target, Instance] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    unique: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def stack_set_id(self) -> str:
        """Return the id, which is the name and something unique."""
        return f"{self.name}:{self.unique}"

    @property
    def running(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first."""
        return [operation for operation in self.operations if operation.ended is None]

    def describe(self) -> dict[str, Any]:
        """Return the StackSet as DescribeStackSet shows it: without the values of parameters that are never shown."""
        defined = engine._parse_template(self.template).get("Parameters", {})
        hidden = {name for name, each in defined.items() if str(each.get("NoEcho")).lower() == "true"}
        return {
            "StackSetName": self.name,
            "StackSetId": self.stack_set_id,
            "Description": self.description,
            "Status": "ACTIVE",
            "AutoDeployment": self.auto_deployment,
            "PermissionModel": "SERVICE_MANAGED",
            "ManagedExecution": {"Active": self.managed_execution},
            "TemplateBody": self.template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": "****" if key in hidden else value}
                for key, value in self.parameters.items()
            ],
            "Capabilities": self.capabilities,
            "Tags": self.tags,
            "StackSetARN": f"arn:aws:cloudformation:{self.region}:{self.owner}:stackset/{self.stack_set_id}",
            "OrganizationalUnitIds": sorted(self.units),
            "Regions": self.regions,
        }


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
