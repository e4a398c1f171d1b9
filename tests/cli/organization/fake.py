"""StackSets for tests without AWS: they play a part, and write down all that they are asked."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

TEMPLATE = "Resources: {}"
ACCOUNTS = [f"20000000000{number}" for number in range(1, 5)]

Request = dict[str, Any]


class FakeStackSets:
    """One stack set; each of its operations goes one account further each time that somebody looks."""

    def __init__(
        self,
        parameters: Mapping[str, str] | None = None,
        units: tuple[str, ...] = (),
        statuses: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare to play a stack set with these parameters, which exists if there are any."""
        self.parameters, self.units, self.statuses = dict(parameters or {}), list(units), dict(statuses or {})
        self.asked: list[Request] = []
        self.calls: list[tuple[str, Request]] = []
        """Those that change something."""
        self.running: dict[str, list[str]] = {}  # accounts still to come, by operation
        self.done: dict[str, list[str]] = {}
        self.failing: dict[str, str] = {}
        self.suspended: set[str] = set()
        self.refusals: list[str] = []
        self.creation_mends = False
        self.mending: set[str] = set()
        """Operations that nothing fails in."""
        self.tags: dict[str, str] = {}

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

    def create_stack_set(self, **request: Any) -> Any:
        self._change("create_stack_set", request)
        self.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in request["Parameters"]}

    def update_stack_set(self, **request: Any) -> Any:
        self._change("update_stack_set", request)
        return {"OperationId": self.begin(list(self.statuses))}

    def create_stack_instances(self, **request: Any) -> Any:
        self._change("create_stack_instances", request)
        targets = request["DeploymentTargets"]
        self.units = sorted({*self.units, *targets["OrganizationalUnitIds"]})
        operation = self.begin(targets.get("Accounts", ACCOUNTS))
        self.mending |= {operation} if self.creation_mends else set()
        return {"OperationId": operation}

    def update_stack_instances(self, **request: Any) -> Any:
        self._change("update_stack_instances", request)
        return {"OperationId": self.begin(request["DeploymentTargets"]["Accounts"])}

    def delete_stack_instances(self, **request: Any) -> Any:
        self._change("delete_stack_instances", request)
        named = request["DeploymentTargets"].get("Accounts", list(self.statuses))
        gone = [each for each in named if request["RetainStacks"] or each not in self.suspended | self.failing.keys()]
        for account in gone:
            del self.statuses[account]
        return {"OperationId": self.begin([])}

    def delete_stack_set(self, **request: Any) -> None:
        self._change("delete_stack_set", request)
        assert not self.statuses, "it is not empty"

    def describe_stacks(self, **_: Any) -> Any:
        raise refusal("ValidationError", "it does not exist")

    def _change(self, name: str, request: Request) -> None:
        self.asked.append(request)
        if self.refusals:
            raise refusal(self.refusals.pop())
        self.calls.append((name, request))

    def begin(self, accounts: list[str]) -> str:
        """Begin an operation on these accounts, as somebody else may have done."""
        operation = f"operation-{len(self.done)}"
        self.running[operation], self.done[operation] = list(accounts), []
        return operation

    def describe_stack_set_operation(self, **request: Any) -> Any:
        self.asked.append(request)
        operation = request["OperationId"]
        if waiting := self.running[operation]:
            account = waiting.pop(0)
            self.done[operation].append(account)
            failed = account in self.failing and not self._mends(operation)
            self.statuses[account] = "OUTDATED" if failed else "CURRENT"
        return {"StackSetOperation": {"Status": "RUNNING" if waiting else "SUCCEEDED"}}

    def _mends(self, operation: str) -> bool:
        return operation in self.mending

    def get_paginator(self, name: str) -> "Pages":
        listed: dict[str, Callable[[Request], list[Any]]] = {
            "list_stack_instances": lambda _: [self._instance(account) for account in self.statuses],
            "list_stack_set_operations": lambda _: self._operations(),
            "list_stack_set_operation_results": lambda request: self._results(request["OperationId"]),
        }
        return Pages(listed[name], self.asked)

    def _instance(self, account: str) -> Any:
        return {
            "Account": account,
            "Region": "us-east-1",
            "Status": self.statuses[account],
            "StatusReason": self.failing.get(account, ""),
            "StackInstanceStatus": {
                "DetailedStatus": "SKIPPED_SUSPENDED_ACCOUNT" if account in self.suspended else "SUCCEEDED"
            },
        }

    def _operations(self) -> list[Any]:
        """Return the operations, the latest first."""
        found = [{"OperationId": operation, "Status": "RUNNING"} for operation, left in self.running.items() if left]
        return found[::-1]

    def _results(self, operation: str) -> list[Any]:
        over = {account: "FAILED" if account in self.failing else "SUCCEEDED" for account in self.done[operation]}
        statuses = over | dict.fromkeys(self.running[operation], "PENDING")
        return [{"Account": account, "Status": status} for account, status in statuses.items()]


class Pages:
    """A paginator whose pages have one item each."""

    def __init__(self, listed: Callable[[Request], list[Any]], asked: list[Request]) -> None:
        self._listed, self._asked = listed, asked

    def paginate(self, **request: Any) -> Iterator[Any]:
        self._asked.append(request)
        yield from ({"Summaries": [each]} for each in self._listed(request))


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, "Operation")
