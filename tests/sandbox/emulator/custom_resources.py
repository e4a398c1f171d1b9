"""The custom resource protocol, and what CloudFormation does when an operation fails, or a test ends before it does.

1. A Create that failed. AWS: the rollback starts with its Delete. MiniStack forgets the resource.
2. A Delete that failed. AWS: what the resource depends on stays. MiniStack goes on and deletes the function.
3. A reset. What is left of an operation must touch nothing of the test that comes next.
"""

import threading
import time
import uuid
from contextvars import ContextVar
from typing import Any

from ministack.core import responses
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource, stacks

from tests.sandbox.emulator import invocations
from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.patching import replacing

Record = dict[str, Any]

LONGEST_TIMEOUT_SECONDS = 3600
POLL_SECONDS = 0.1  # how soon a reset is noticed; a response is noticed at once
NO_RESPONSE = "CloudFormation did not receive a response from your Custom Resource."


@replacing(custom_resource, "_response_url")
def sign_response_urls(original: Any, token: str) -> str:
    """Say in the URL when it was signed, as AWS does."""
    signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{original(token)}?X-Amz-Date={signed}&X-Amz-Expires=7200&X-Amz-Signature={uuid.uuid4().hex}"


@replacing(custom_resource, "deliver_response")
def word_failures_as_cloudformation_does(original: Any, token: str, response: Any) -> Any:
    """Put around the reason of a failure what CloudFormation does; MiniStack shows it bare."""
    if response["Status"] == "FAILED":
        said, request = response.get("Reason"), response.get("RequestId")
        before = "Received response status [FAILED] from custom resource. Message returned:"
        response |= {"Reason": f"{before} {said} (RequestId: {request})"}
    return original(token, response)


@replacing(custom_resource, "invoke_custom_resource")
def ask_asynchronously(  # noqa: PLR0917 - MiniStack's signature
    _original: Any,
    kind: str,
    logical_id: str,
    properties: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Invoke the function in the background, wait for its response alone, and delete what a failed Create left.

    CloudFormation sends Delete after a Create that failed or got no response: with the id that the function returned,
    else with one that it makes up. MiniStack waits for the function itself, invokes it once, and never sends that
    Delete. The function must clean up after a failed Create. (Who sends the Delete: see `roll_back`.)
    """
    token = str(uuid.uuid4())
    event = {
        "RequestType": kind,
        "RequestId": str(uuid.uuid4()),
        "StackId": stack_id,
        "ServiceToken": properties["ServiceToken"],
        "ResponseURL": custom_resource._response_url(token),
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": custom_resource._normalise_resource_properties(properties),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = custom_resource._normalise_resource_properties(old_props)
    response = _response(token, event)
    if response["Status"] == "SUCCESS":
        return response["PhysicalResourceId"], response.get("Data") or {}
    if kind == "Create":
        invented = f"{stack_name}-{logical_id}-{uuid.uuid4().hex[:12].upper()}"
        cloudformation._stacks[stack_name]["_resources"][logical_id] = {
            "PhysicalResourceId": response.get("PhysicalResourceId") or invented,
            "ResourceType": resource_type,
            "ResourceStatus": "CREATE_FAILED",
            "LogicalResourceId": logical_id,
            "Properties": properties,
            "Attributes": {},
            "Timestamp": responses.now_iso(),
        }
    raise RuntimeError(response["Reason"])


def _response(token: str, event: dict[str, Any]) -> dict[str, Any]:
    """Send the event and wait until it is answered, its time is up, or a reset takes all away."""
    function, config, _ = lambda_svc._get_func_record_for_ref(event["ServiceToken"])
    if not function or not config:
        raise ValueError(f"Function not found: {event['ServiceToken']}")
    answered, over = custom_resource.register_token(token), state.over
    deadline = time.monotonic() + int(event["ResourceProperties"].get("ServiceTimeout", LONGEST_TIMEOUT_SECONDS))
    invocations.send(lambda_svc._execution_record_for_config(function, config), event)
    while not answered.wait(POLL_SECONDS) and time.monotonic() < deadline and not over.is_set():
        pass
    with custom_resource._lock:
        response: dict[str, Any] | None = (custom_resource._pending.pop(token, None) or {}).get("result")
    return response or {"Status": "FAILED", "Reason": NO_RESPONSE}


# Operations

_over: ContextVar[threading.Event | None] = ContextVar("over", default=None)
"""Set by the reset that comes after the operation."""


@replacing(stacks, "_deploy_stack_async", "_delete_stack_async")
async def operate(original: Any, *stack: Any, **named: Any) -> None:
    """Create, update or delete a stack."""
    _over.set(state.over)
    await original(*stack, **named)


def _is_over() -> bool:
    """Whether a reset has ended the operation that is under way (difference 3)."""
    over = _over.get()
    return over is not None and over.is_set()


@replacing(stacks, "_roll_back_operation")
async def roll_back(original: Any, stack_name: str, stack_id: str, stack: Record, failed: Record, *rest: Any) -> None:
    """Undo an operation that failed, the resource that failed included (difference 1)."""
    if _is_over():
        return
    logical_id = failed.get("failed_logical_id")
    if stack["_resources"].get(logical_id, {}).get("ResourceStatus") == "CREATE_FAILED":
        failed["created"] = [*failed["created"], logical_id]
    await original(stack_name, stack_id, stack, failed, *rest)


@replacing(stacks, "_delete_resource")
def delete_resource(original: Any, kind: str, physical_id: str, properties: Any, *names: str) -> None:
    """Delete a resource, unless another one that depends on it could not be deleted (difference 2)."""
    if _is_over():
        return
    stack_name, logical_id = names
    stack = cloudformation._stacks[stack_name]
    resources = stack["_resources"]
    failed = [name for name, each in resources.items() if each.get("ResourceStatus") == "DELETE_FAILED"]
    others = [name for name in failed if name != logical_id]
    if logical_id in stacks._with_dependencies(others, stack["_template"]["Resources"], set(resources)):
        raise RuntimeError("Another resource that was not deleted depends on this one")
    original(kind, physical_id, properties, stack_name, logical_id)
