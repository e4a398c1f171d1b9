"""StackSets for tests without AWS: they play a part, and write down all that they are asked."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.cli.support import refusal

TEMPLATE = "Resources: {}"
UNIT = "ou-abcd-11111111"
ACCOUNTS = [f"20000000000{number}" for number in range(1, 5)]
CURRENT = dict.fromkeys(ACCOUNTS, "CURRENT")

Request = dict[str, Any]


@dataclass
class FakeStackSets:
    """One stack set, which exists if it has parameters.

    Each of its operations goes one account further each time that somebody looks.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    failing: Mapping[str, str] = field(default_factory=dict)
    """Why these accounts' stacks cannot be created or updated."""
    creation_mends: bool = False
    suspended: Collection[str] = ()
    stuck: Collection[str] = ()
    refusals: list[str] = field(default_factory=list)
    stacks: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    calls: list[tuple[str, Request]] = field(default_factory=list)
    """Those that change something."""
    operations: list[dict[str, str]] = field(default_factory=list)
    """The result of each account, by the number of the operation."""

    def __post_init__(self) -> None:
        self.parameters, self.statuses = dict(self.parameters), dict(self.statuses)

    @property
    def changes(self) -> list[str]:
        """What was changed, in order."""
        return [name for name, _ in self.calls]

    def describe_stack_set(self, **request: Any) -> Any:
        self.asked.append(request)
        if not self.parameters:
            raise refusal("StackSetNotFoundException")
        return {
            "StackSet": {
                "TemplateBody": TEMPLATE,
                "Parameters": [{"ParameterKey": key, "ParameterValue": held} for key, held in self.parameters.items()],
                "OrganizationalUnitIds": self.units,
                "AutoDeployment": {"Enabled": True},
                "ManagedExecution": {"Active": True},
                "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
            }
        }

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        if StackName not in self.stacks:
            raise refusal("ValidationError", "it does not exist")
        return {"Stacks": [self.stacks[StackName]]}

    def create_stack_set(self, **request: Any) -> Any:
        self._change("create_stack_set", request)
        self.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in request["Parameters"]}

    def update_stack_set(self, **request: Any) -> Any:
        self._change("update_stack_set", request)
        self.parameters |= {each["ParameterKey"]: each.get("ParameterValue", "") for each in request["Parameters"]}
        return self.begin(self.statuses)

    def create_stack_instances(self, **request: Any) -> Any:
        self._change("create_stack_instances", request)
        targets = request["DeploymentTargets"]
        self.units = sorted({*self.units, *targets["OrganizationalUnitIds"]})
        self.failing = {} if self.creation_mends else self.failing
        return self.begin(targets.get("Accounts", ACCOUNTS))

    def update_stack_instances(self, **request: Any) -> Any:
        self._change("update_stack_instances", request)
        return self.begin(request["DeploymentTargets"]["Accounts"])

    def delete_stack_instances(self, **request: Any) -> Any:
        self._change("delete_stack_instances", request)
        for account in request["DeploymentTargets"].get("Accounts", list(self.statuses)):
            if request["RetainStacks"] or account not in {*self.suspended, *self.stuck}:
                del self.statuses[account]
        return self.begin(())

    def delete_stack_set(self, **request: Any) -> None:
        self._change("delete_stack_set", request)
        assert not self.statuses, "it is not empty"

    def _change(self, name: str, request: Request) -> None:
        self.asked.append(request)
        if self.refusals:
            raise refusal(self.refusals.pop())
        self.calls.append((name, request))

    def begin(self, accounts: Iterable[str]) -> Any:
        """Begin an operation on these accounts, as somebody else may have done."""
        self.operations.append(dict.fromkeys(accounts, "PENDING"))
        return {"OperationId": str(len(self.operations) - 1)}

    def describe_stack_set_operation(self, **request: Any) -> Any:
        self.asked.append(request)
        results = self.operations[int(request["OperationId"])]
        if waiting := [account for account, status in results.items() if status == "PENDING"]:
            account = waiting[0]
            results[account] = "FAILED" if account in self.failing else "SUCCEEDED"
            self.statuses[account] = "OUTDATED" if account in self.failing else "CURRENT"
        return {"StackSetOperation": {"Status": "RUNNING" if waiting[1:] else "SUCCEEDED"}}

    def get_paginator(self, name: str) -> Any:
        """Return a paginator whose pages have one item each."""

        def paginate(**request: Any) -> Any:
            self.asked.append(request)
            return [{"Summaries": [each]} for each in getattr(self, f"_{name}")(request)]

        return SimpleNamespace(paginate=paginate)

    def _list_stack_instances(self, _: Request) -> list[Any]:
        skipped = {"DetailedStatus": "SKIPPED_SUSPENDED_ACCOUNT"}
        return [
            {
                "Account": account,
                "Region": "us-east-1",
                "Status": status,
                "StatusReason": self.failing.get(account, ""),
                "StackInstanceStatus": skipped if account in self.suspended else {},
            }
            for account, status in self.statuses.items()
        ]

    def _list_stack_set_operations(self, _: Request) -> list[Any]:
        running = [str(number) for number, results in enumerate(self.operations) if "PENDING" in results.values()]
        return [{"OperationId": operation, "Status": "RUNNING"} for operation in reversed(running)]

    def _list_stack_set_operation_results(self, request: Request) -> list[Any]:
        results = self.operations[int(request["OperationId"])]
        return [{"Account": account, "Status": status} for account, status in results.items()]
