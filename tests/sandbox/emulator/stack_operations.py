"""Repairs of what CloudFormation does when an operation fails, or when a test has ended before it.

1. A Create that failed. AWS: the rollback starts with its Delete. MiniStack forgets the resource.
   (`custom_resources` records it, with the id that CloudFormation would use.)
2. A Delete that failed. AWS: what the resource depends on stays. MiniStack goes on and deletes the function.
3. A reset. What is left of an operation must touch nothing of the test that comes next.
"""

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import stacks

from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.patching import replacing

Record = dict[str, Any]


@dataclass
class Operation:
    """What is being done to a stack."""

    stack: Record
    over: threading.Event = field(default_factory=lambda: state.over)  # set by a reset
    needed: set[str] = field(default_factory=set)  # what a resource that was not deleted depends on


_current: ContextVar[Operation | None] = ContextVar("operation", default=None)


@replacing(stacks, "_deploy_stack_async", "_delete_stack_async")
async def operate(original: Any, stack_name: str, *rest: Any, **named: Any) -> None:
    """Create, update or delete a stack."""
    _current.set(Operation(cloudformation._stacks[stack_name]))
    await original(stack_name, *rest, **named)


@replacing(stacks, "_roll_back_operation")
async def roll_back(original: Any, stack_name: str, stack_id: str, stack: Record, failed: Record, *rest: Any) -> None:
    """Undo an operation that failed, the resource that failed included (difference 1)."""
    operation, logical_id = _current.get(), failed.get("failed_logical_id")
    if operation and operation.over.is_set():
        return
    if stack["_resources"].get(logical_id, {}).get("ResourceStatus") == "CREATE_FAILED":
        failed["created"] = [*failed["created"], logical_id]
    await original(stack_name, stack_id, stack, failed, *rest)


@replacing(stacks, "_delete_resource")
def delete_resource(original: Any, kind: str, physical_id: str, properties: Any, *names: Any) -> None:
    """Delete a resource; if that fails, keep what it depends on (difference 2)."""
    operation, logical_id = _current.get(), names[1] if len(names) > 1 else ""
    if operation is None:
        original(kind, physical_id, properties, *names)
        return
    if operation.over.is_set():
        return
    if logical_id in operation.needed:
        raise RuntimeError("Another resource that was not deleted depends on this one")
    try:
        original(kind, physical_id, properties, *names)
    except Exception:
        definitions, resources = operation.stack["_template"]["Resources"], operation.stack["_resources"]
        operation.needed |= stacks._with_dependencies([logical_id], definitions, set(resources)) - {logical_id}
        raise
