"""Repairs of what CloudFormation does when an operation fails, is cancelled, or cleans up.

1. A launch that is cancelled. AWS: DeleteStack during CREATE_IN_PROGRESS fails the resource that is being created with
   "Resource creation cancelled", rolls nothing back, and deletes: a custom resource gets its Delete at once, with an
   id that it never returned, while its Create may still run. MiniStack deletes while it goes on creating.
2. A Create that failed. AWS: the rollback starts with its Delete. MiniStack forgets the resource.
   (`custom_resources` records it, with the id that CloudFormation would use.)
3. A Delete that failed. AWS: what the resource depends on stays. MiniStack goes on and deletes the function.
4. The cleanup of an update. AWS: a status, events, three tries, then the resource is forgotten. MiniStack: one try.
5. Unchanged resources of an update. AWS: no event. MiniStack: UPDATE_IN_PROGRESS and UPDATE_COMPLETE.
"""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from ministack.services import cloudformation
from ministack.services.cloudformation import stacks

from tests.sandbox.emulator import custom_resources
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state

CLEANUP_TRIES = 3

Record = dict[str, Any]


@dataclass
class Operation:
    """What is being done to a stack."""

    stack: Record
    phase: Literal["deploy", "rollback", "delete"]
    over: threading.Event = field(default_factory=lambda: state.over)  # a reset: what is left must touch nothing new
    done: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False
    unchanged: set[str] = field(default_factory=set)
    held: dict[str, Record] = field(default_factory=dict)  # what a resource that was not deleted depends on

    def add_event(self, logical_id: str, kind: str, status: str, reason: str = "", physical_id: str = "") -> None:
        """Add a line to the stack's history."""
        stack_id, name = self.stack["StackId"], self.stack["StackName"]
        stacks._add_event(stack_id, name, logical_id, kind, status, reason, physical_id)


_current: ContextVar[Operation | None] = ContextVar("operation", default=None)
_deploying: dict[str, Operation] = {}  # by stack id


@replacing(stacks, "_deploy_stack_async")
async def deploy(original: Any, stack_name: str, stack_id: str, template: Record, *rest: Any, **named: Any) -> None:
    """Create or update a stack."""
    operation = _deploying[stack_id] = Operation(cloudformation._stacks[stack_name], "deploy")
    _current.set(operation)
    try:
        await original(stack_name, stack_id, template, *rest, **named)
        resources = operation.stack["_resources"]
        for logical_id in resources.keys() - template["Resources"].keys():
            if operation.stack["StackStatus"] == "UPDATE_COMPLETE":
                resources.pop(logical_id)  # difference 4: forgotten
    finally:
        _deploying.pop(stack_id)
        operation.done.set()


@replacing(stacks, "_roll_back_operation")
async def roll_back(original: Any, stack_name: str, stack_id: str, stack: Record, failed: Record, *rest: Any) -> None:
    """Undo an operation that failed."""
    deploying = _deploying.get(stack_id)
    if deploying and (deploying.cancelled or deploying.over.is_set()):
        return  # difference 1, or a reset
    resources, logical_id = stack["_resources"], failed.get("failed_logical_id")
    if resources.get(logical_id, {}).get("ResourceStatus") == "CREATE_FAILED":
        failed["created"] = [*failed["created"], logical_id]  # difference 2
    before, operation = dict(resources), Operation(stack, "rollback")
    token = _current.set(operation)
    try:
        await original(stack_name, stack_id, stack, failed, *rest)
    finally:
        _current.reset(token)
    if stack["StackStatus"] == "ROLLBACK_FAILED":  # difference 3
        for kept in stack.pop("_rollback_failed"):
            resources[kept] = before[kept] | {"ResourceStatus": "DELETE_FAILED"}
        resources.update(operation.held)


@replacing(stacks, "_delete_stack_async")
async def delete(original: Any, stack_name: str, stack_id: str, *rest: Any, **named: Any) -> None:
    """Delete a stack, also one that is being created."""
    if deploying := _deploying.get(stack_id):  # difference 1
        deploying.cancelled = deploying.stack["StackStatus"] == "CREATE_IN_PROGRESS"
        if deploying.cancelled:
            custom_resources.cancel(stack_id, "Create")
        await deploying.done.wait()
    operation = Operation(cloudformation._stacks[stack_name], "delete")
    _current.set(operation)
    await original(stack_name, stack_id, *rest, **named)
    operation.stack["_resources"].update(operation.held)


@replacing(stacks, "_delete_resource")
def delete_resource(original: Any, kind: str, physical_id: str, properties: Any, *names: Any) -> None:
    """Delete a resource, as the operation that does it asks for."""
    operation, logical_id = _current.get(), names[1] if len(names) > 1 else ""

    def delete() -> None:
        original(kind, physical_id, properties, *names)

    if operation is None:
        delete()
    elif operation.over.is_set():
        pass
    elif operation.phase == "deploy":
        _clean_up(operation, logical_id, kind, physical_id, delete)
    else:
        _delete_or_hold(operation, logical_id, delete)


def _clean_up(operation: Operation, logical_id: str, kind: str, physical_id: str, delete: Callable[[], None]) -> None:
    """Delete what an update left over, with events (difference 4); the caller records the last failure."""
    status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    if operation.stack["StackStatus"] != status:
        operation.stack["StackStatus"] = status
        name, stack_id = operation.stack["StackName"], operation.stack["StackId"]
        operation.add_event(name, "AWS::CloudFormation::Stack", status, physical_id=stack_id)
    for attempt in range(1, CLEANUP_TRIES + 1):
        operation.add_event(logical_id, kind, "DELETE_IN_PROGRESS", physical_id=physical_id)
        try:
            delete()
        except Exception as error:
            if attempt == CLEANUP_TRIES:
                raise
            operation.add_event(logical_id, kind, "DELETE_FAILED", str(error), physical_id)
        else:
            operation.add_event(logical_id, kind, "DELETE_COMPLETE", physical_id=physical_id)
            return


def _delete_or_hold(operation: Operation, logical_id: str, delete: Callable[[], None]) -> None:
    """Delete the resource; if that fails, hold what it depends on (difference 3)."""
    if logical_id in operation.held:
        raise RuntimeError("Another resource that was not deleted depends on this one")
    resources = operation.stack["_resources"]
    if logical_id in resources:  # as DescribeStackResource shows it meanwhile
        resources[logical_id] = resources[logical_id] | {"ResourceStatus": "DELETE_IN_PROGRESS"}
    try:
        delete()
    except Exception:
        if operation.stack["StackStatus"] in {"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}:
            _hold_what_is_needed_by(logical_id, operation)
        raise


def _hold_what_is_needed_by(logical_id: str, operation: Operation) -> None:
    definitions, resources = operation.stack["_template"]["Resources"], operation.stack["_resources"]
    for needed in stacks._with_dependencies([logical_id], definitions, set(resources)) - {logical_id}:
        operation.held[needed] = resources[needed]
        if operation.phase == "delete":
            del resources[needed]  # so that the deletion passes it by; it is put back in the end


@replacing(stacks, "_update_resource")
def update_resource(original: Any, kind: str, physical_id: str, old: Any, new: Any, *rest: Any) -> Any:
    """Update a resource, without a trace if nothing of it changes (difference 5)."""
    operation, logical_id = _current.get(), rest[1] if len(rest) > 1 else ""
    if operation and operation.phase == "deploy" and old == new:
        operation.unchanged.add(logical_id)
        events = cloudformation._stack_events[operation.stack["StackId"]]
        last = (events[-1]["LogicalResourceId"], events[-1]["ResourceStatus"]) if events else ()
        if last == (logical_id, "UPDATE_IN_PROGRESS"):
            events.pop()
    return original(kind, physical_id, old, new, *rest)


@replacing(stacks, "_add_event")
def add_event(original: Any, *event: Any, **named: Any) -> None:
    """Add a line to the history, unless AWS would have none."""
    operation, (logical_id, _, status) = _current.get(), event[2:5]
    unchanged = operation and logical_id in operation.unchanged and status == "UPDATE_COMPLETE"
    if not (unchanged or (operation and logical_id in operation.held)):
        original(*event, **named)


@replacing(stacks, "_rollback_failure_reason")
def say_why_a_rollback_failed(original: Any, failed: Record) -> Any:
    """Name what could not be deleted, and not what is held for it."""
    operation = _current.get()
    for held in operation.held if operation else ():
        failed.pop(held, None)
    return original(failed)
