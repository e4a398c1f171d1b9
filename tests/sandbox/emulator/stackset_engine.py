"""StackSets: what they remember, and what they do: operations on real stacks in the accounts of an organization."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import cloudformation, organizations
from ministack.services.cloudformation import engine, handlers

from tests.sandbox.emulator import query
from tests.sandbox.emulator.state import state

Target = tuple[str, str]  # account, Region

EXECUTION_ROLE = "stacksets-exec-0123456789abcdef0123456789abcdef"
POLL_SECONDS = 0.05

_tasks: set[asyncio.Task[None]] = set()


class InstanceFailedError(Exception):
    """A stack of the StackSet did not reach the state that it should."""


@dataclass
class Instance:
    """A StackSet's stack in one account and Region."""

    account: str
    region: str
    organizational_unit_id: str
    stack_id: str = ""
    status: str = "OUTDATED"  # CURRENT, OUTDATED, INOPERABLE
    status_reason: str = ""
    detailed_status: str = "PENDING"

    def describe(self) -> dict[str, Any]:
        """Return the instance as the API shows it."""
        names = ("account", "region", "organizational_unit_id", "stack_id", "status", "status_reason")
        return query.shown(self, *names) | {"StackInstanceStatus": {"DetailedStatus": self.detailed_status}}


@dataclass
class Operation:
    """An operation on the instances of a StackSet."""

    action: str  # CREATE, UPDATE, DELETE
    operation_preferences: dict[str, Any]
    targets: dict[Target, str]  # each with its OU
    retain_stacks: bool = False
    operation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "QUEUED"
    results: dict[Target, tuple[str, str]] = field(default_factory=dict)  # status and reason

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status not in {"QUEUED", "RUNNING"}

    def describe(self) -> dict[str, Any]:
        """Return the operation as the API shows it."""
        return query.shown(self, "action", "operation_id", "operation_preferences", "status")


@dataclass
class StackSet:
    """A service-managed StackSet."""

    stack_set_name: str
    owner: str
    template_body: str
    parameters: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    auto_deployment: dict[str, str] = field(default_factory=dict)
    managed_execution: dict[str, str] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)
    regions: list[str] = field(default_factory=list)
    instances: dict[Target, Instance] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    status: str = "ACTIVE"

    def describe(self) -> dict[str, Any]:
        """Return the StackSet as the API shows it: without the values of parameters that are never shown."""
        defined = engine._parse_template(self.template_body).get("Parameters", {})
        hidden = {name for name, each in defined.items() if str(each.get("NoEcho")).lower() == "true"}
        shown = {key: "****" if key in hidden else value for key, value in self.parameters.items()}
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in shown.items()]
        names = ("stack_set_name", "template_body", "capabilities", "auto_deployment", "regions", "managed_execution")
        return query.shown(self, *names, "status") | {"Parameters": listed, "OrganizationalUnitIds": sorted(self.units)}


def start(stack_set: StackSet, operation: Operation) -> str:
    """Start the operation, behind those that run already, as managed execution does; return its id."""
    ahead = [each for each in stack_set.operations if not each.ended]
    stack_set.operations.append(operation)
    task = asyncio.get_running_loop().create_task(_run(stack_set, operation, ahead))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return operation.operation_id


async def _run(stack_set: StackSet, operation: Operation, ahead: list[Operation]) -> None:
    over = state.over
    while not all(each.ended for each in ahead) and not over.is_set():
        await asyncio.sleep(POLL_SECONDS)
    operation.status = "RUNNING"
    places = asyncio.Semaphore(int(operation.operation_preferences.get("MaxConcurrentCount", 1)))

    async def one(target: Target) -> None:
        async with places:
            await _run_instance(stack_set, operation, target)

    await asyncio.gather(*(asyncio.create_task(one(target)) for target in operation.targets))
    operation.status = "SUCCEEDED"  # any number of failures is tolerated, the only choice that is known here


async def _run_instance(stack_set: StackSet, operation: Operation, target: Target) -> None:
    """Do the operation's work in one account and Region; this task acts for that account from here on."""
    account, region = target
    if operation.action == "CREATE":
        stack_set.instances.setdefault(target, Instance(account, region, operation.targets[target]))
    instance = stack_set.instances.get(target)
    operation.results[target] = ("RUNNING" if instance else "SUCCEEDED", "")
    if not instance:
        return
    instance.detailed_status = "RUNNING"
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    iam_evaluator._request_caller_arn.set(f"arn:aws:sts::{account}:assumed-role/{EXECUTION_ROLE}/stackset")
    member = organizations._accounts.get_scoped(stack_set.owner, None, account) or {}
    if member.get("Status") == "SUSPENDED" and not operation.retain_stacks:  # nothing is done, and nobody's failure
        instance.detailed_status, operation.results[target] = "SKIPPED_SUSPENDED_ACCOUNT", ("SUCCEEDED", "")
        return
    work: Callable[[StackSet, Operation, Instance], Awaitable[None]] = _delete if operation.action == "DELETE" else _put
    try:
        await work(stack_set, operation, instance)
    except InstanceFailedError as failure:
        instance.status = "INOPERABLE" if operation.action == "DELETE" else "OUTDATED"
        instance.detailed_status, instance.status_reason = "FAILED", str(failure)
    else:
        instance.status, instance.detailed_status, instance.status_reason = "CURRENT", "SUCCEEDED", ""
    operation.results[target] = (instance.detailed_status, instance.status_reason)


async def _put(stack_set: StackSet, _: Operation, instance: Instance) -> None:
    """Create the instance's stack, or update it; a stack that never came to be is replaced."""
    status = _status(instance)
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
        _call(handlers._delete_stack, {"StackName": instance.stack_id})
        status = await _ended(instance)
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack_set.parameters.items()]
    template, capabilities = stack_set.template_body, stack_set.capabilities
    request = {"TemplateBody": template, "Parameters": parameters, "Capabilities": capabilities}
    if status in {"", "DELETE_COMPLETE"}:
        name = f"StackSet-{stack_set.stack_set_name}-{uuid.uuid4()}"
        answer = _call(handlers._create_stack, {"StackName": name, **request})
        (instance.stack_id,) = re.findall(r"<StackId>(.+?)</StackId>", answer)
    else:
        try:
            _call(handlers._update_stack, {"StackName": instance.stack_id, **request})
        except InstanceFailedError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
    await _require_end(instance, "CREATE_COMPLETE", "UPDATE_COMPLETE")


async def _delete(stack_set: StackSet, operation: Operation, instance: Instance) -> None:
    """Delete the instance, and its stack unless it is retained."""
    if not operation.retain_stacks and _status(instance):
        _call(handlers._delete_stack, {"StackName": instance.stack_id})
        await _require_end(instance, "DELETE_COMPLETE")
    del stack_set.instances[instance.account, instance.region]


def _call(handler: Callable[[dict[str, list[str]]], Any], request: dict[str, Any]) -> str:
    status, _, body = handler(query.flat(request))
    text = str(body.decode())
    if status >= 400:
        raise InstanceFailedError(*re.findall(r"<Message>(.+?)</Message>", text, re.DOTALL))
    return text


def _status(instance: Instance) -> str:
    stack = handlers._resolve_stack(instance.stack_id) if instance.stack_id else None
    return str(stack["StackStatus"]) if stack else ""


async def _require_end(instance: Instance, *statuses: str) -> None:
    if (status := await _ended(instance)) not in statuses:
        raise InstanceFailedError(_first_failure(instance) or f"The stack is {status}")


async def _ended(instance: Instance) -> str:
    over = state.over
    await asyncio.sleep(0)  # the stack's own task starts
    while _status(instance).endswith("_IN_PROGRESS") and not over.is_set():
        await asyncio.sleep(POLL_SECONDS)
    return _status(instance)


def _first_failure(instance: Instance) -> str:
    """Return the first failure of the stack's last operation, as StackSets words it."""
    events: list[dict[str, Any]] = cloudformation._stack_events.get(instance.stack_id, [])
    begins = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    own = [each["ResourceStatus"] if each["PhysicalResourceId"] == instance.stack_id else "" for each in events]
    last = max(number for number, status in enumerate(own) if status in begins)
    for each in events[last:]:
        if each["ResourceStatus"].endswith("_FAILED"):
            said = f"ResourceType:{each['ResourceType']}, ResourceStatusReason:{each['ResourceStatusReason']}."
            return f"ResourceLogicalId:{each['LogicalResourceId']}, {said}"
    return ""
