"""What StackSets do: run operations on real stacks in the accounts of an organization."""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import cloudformation, organizations
from ministack.services.cloudformation import handlers

from tests.sandbox.emulator import query
from tests.sandbox.emulator.accounts import accounts_below
from tests.sandbox.emulator.stackset_model import Instance, Operation, StackSet, Target
from tests.sandbox.emulator.state import state

EXECUTION_ROLE = "stacksets-exec-0123456789abcdef0123456789abcdef"
POLL_SECONDS = 0.05
REASON_CHARACTERS = 2500
TOO_MANY_FAILED = "Cancelled since failure tolerance has exceeded"

_tasks: set[asyncio.Task[None]] = set()


class InstanceFailedError(Exception):
    """A stack of the StackSet did not reach the state that it should."""


def start(stack_set: StackSet, operation: Operation) -> str:
    """Start the operation, behind those that run already; return its id."""
    ahead = stack_set.running
    stack_set.operations.append(operation)
    task = asyncio.get_running_loop().create_task(_run(stack_set, operation, ahead))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return operation.operation_id


def deploy_to_who_joined(owner: str) -> None:
    """Create the stacks of accounts that are now below a targeted OU, delete those of accounts that no longer are."""
    for stack_set in state.stack_sets.values():
        deploys_itself = stack_set.auto_deployment.get("Enabled") == "true"
        if stack_set.owner != owner or not deploys_itself or not stack_set.units:
            continue
        now = accounts_below(owner, stack_set.units)
        wanted = {(account, region): unit for account, unit in now.items() for region in stack_set.regions}
        preferences = stack_set.operations[0].preferences
        if joined := {target: unit for target, unit in wanted.items() if target not in stack_set.instances}:
            start(stack_set, Operation("CREATE", preferences, joined))
        if left := {target: each.unit for target, each in stack_set.instances.items() if target not in wanted}:
            retain = stack_set.auto_deployment.get("RetainStacksOnAccountRemoval") == "true"
            start(stack_set, Operation("DELETE", preferences, left, retain=retain))


async def _run(stack_set: StackSet, operation: Operation, ahead: list[Operation]) -> None:
    over = state.over
    while any(each.ended is None for each in ahead) and not over.is_set():
        await asyncio.sleep(POLL_SECONDS)
    operation.status = "RUNNING"
    regions = list(dict.fromkeys(region for _, region in operation.targets))
    if operation.preferences.get("RegionConcurrencyType") == "PARALLEL":
        await asyncio.gather(*(_run_region(stack_set, operation, region) for region in regions))
    else:
        for region in regions:
            await _run_region(stack_set, operation, region)
    operation.status = "SUCCEEDED" if operation.status == "RUNNING" else "FAILED"
    operation.ended = time.time()


async def _run_region(stack_set: StackSet, operation: Operation, region: str) -> None:
    targets = [target for target in operation.targets if target[1] == region]
    tolerance = operation.tolerance(len(targets))
    places = asyncio.Semaphore(operation.concurrency(len(targets)))

    def too_many_failed() -> bool:
        return sum(operation.results.get(target, ("",))[0] == "FAILED" for target in targets) > tolerance

    async def one(target: Target) -> None:
        async with places:
            if operation.status == "FAILED" or too_many_failed():
                operation.status = "FAILED"
                operation.results[target] = ("CANCELLED", TOO_MANY_FAILED)
                if target in stack_set.instances:
                    stack_set.instances[target].detailed_status = "CANCELLED"
                return
            await _run_instance(stack_set, operation, target)

    await asyncio.gather(*(asyncio.create_task(one(target)) for target in targets))
    if too_many_failed():
        operation.status = "FAILED"


async def _run_instance(stack_set: StackSet, operation: Operation, target: Target) -> None:
    """Do the operation's work in one account and Region; this task acts for that account from here on."""
    account, region = target
    if operation.action == "CREATE":
        stack_set.instances.setdefault(target, Instance(account, region, operation.targets[target]))
    instance = stack_set.instances.get(target)
    if instance is None:
        operation.results[target] = ("SUCCEEDED", "")
        return
    instance.operation_id, instance.detailed_status = operation.operation_id, "RUNNING"
    operation.results[target] = ("RUNNING", "")
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    iam_evaluator._request_caller_arn.set(f"arn:aws:sts::{account}:assumed-role/{EXECUTION_ROLE}/stackset")
    work: Callable[[StackSet, Operation, Instance], Awaitable[None]] = _delete if operation.action == "DELETE" else _put
    suspended = (organizations._accounts.get_scoped(stack_set.owner, None, account) or {}).get("Status") == "SUSPENDED"
    if suspended and not operation.retain:  # nothing is done, and nobody's failure
        instance.detailed_status, operation.results[target] = "SKIPPED_SUSPENDED_ACCOUNT", ("SUCCEEDED", "")
        return
    try:
        await work(stack_set, operation, instance)
    except InstanceFailedError as failure:
        reason = str(failure)[:REASON_CHARACTERS]
        instance.status = "INOPERABLE" if operation.action == "DELETE" else "OUTDATED"
        instance.detailed_status, instance.reason = "FAILED", reason
        operation.results[target] = ("FAILED", reason)
    else:
        instance.status, instance.detailed_status, instance.reason = "CURRENT", "SUCCEEDED", ""
        operation.results[target] = ("SUCCEEDED", "")


async def _put(stack_set: StackSet, _operation: Operation, instance: Instance) -> None:
    """Create the instance's stack, or update it; a stack that never came to be is replaced."""
    status = _status(instance)
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
        _call(handlers._delete_stack, {"StackName": instance.stack_id})
        status = await _ended(instance)
    parameters = stack_set.parameters | instance.overrides
    request = {
        "TemplateBody": stack_set.template,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": stack_set.capabilities,
        "Tags": stack_set.tags,
    }
    if status in {"", "DELETE_COMPLETE"}:
        name = f"StackSet-{stack_set.name}-{uuid.uuid4()}"
        answer = _call(handlers._create_stack, {"StackName": name, **request})
        found = re.search(r"<StackId>(.+?)</StackId>", answer)
        instance.stack_id = found[1] if found else ""
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
    if not operation.retain and _status(instance):
        _call(handlers._delete_stack, {"StackName": instance.stack_id})
        await _require_end(instance, "DELETE_COMPLETE")
    stack_set.instances.pop((instance.account, instance.region), None)


async def _require_end(instance: Instance, *statuses: str) -> None:
    if (status := await _ended(instance)) not in statuses:
        raise InstanceFailedError(_first_failure(instance) or f"The stack is {status}")


def _call(handler: Callable[[dict[str, list[str]]], Any], request: dict[str, Any]) -> str:
    status, _, body = handler(query.flat(request))
    text = str(body.decode())
    if status >= 400:
        found = re.search(r"<Message>(.+?)</Message>", text, re.DOTALL)
        raise InstanceFailedError(found[1] if found else text)
    return text


def _status(instance: Instance) -> str:
    stack = handlers._resolve_stack(instance.stack_id) if instance.stack_id else None
    return str(stack["StackStatus"]) if stack else ""


async def _ended(instance: Instance) -> str:
    over = state.over
    await asyncio.sleep(0)  # the stack's own task starts
    while _status(instance).endswith("_IN_PROGRESS") and not over.is_set():
        await asyncio.sleep(POLL_SECONDS)
    return _status(instance)


def _first_failure(instance: Instance) -> str:
    """Return the first failure of the stack's last operation, as StackSets words it."""
    events: list[dict[str, Any]] = cloudformation._stack_events.get(instance.stack_id, [])
    begins = [number for number, event in enumerate(events) if event["PhysicalResourceId"] == instance.stack_id]
    begun = [number for number in begins if events[number]["ResourceStatus"] in _BEGINNINGS]
    for event in events[begun[-1] if begun else 0 :]:
        if event["ResourceStatus"].endswith("_FAILED"):
            return (
                f"ResourceLogicalId:{event['LogicalResourceId']}, ResourceType:{event['ResourceType']},"
                f" ResourceStatusReason:{event['ResourceStatusReason']}."
            )
    return ""


_BEGINNINGS = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}
