"""Repairs of the custom resource protocol: how a function is asked, and which of its answers count."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource, provisioners

from tests.sandbox.emulator import invocations, patching
from tests.sandbox.emulator.state import state

ANSWER_BYTES = 4096
LONGEST_TIMEOUT_SECONDS = 3600
POLL_SECONDS = 0.1  # how soon a reset is noticed; an answer is noticed at once
NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId"
    " [{request_id}]. If you are using the Python cfn-response module, you may need to update your Lambda function"
    " code so that CloudFormation can attach the updated version."
)


@dataclass
class Waiting:
    """CloudFormation, waiting for the answer to one request."""

    stack_id: str
    kind: str
    answered: threading.Event
    cancelled: bool = False

    def cancel(self) -> None:
        """Stop to wait; the function may go on, but its answer no longer counts."""
        self.cancelled = True
        self.answered.set()


_waiting: list[Waiting] = []


def repair() -> None:
    """Apply the repairs of this module."""
    judge_answers_as_cloudformation_does()
    ask_asynchronously()
    refuse_another_service_token()


def cancel(stack_id: str, kind: str) -> None:
    """Stop waiting for answers to requests of this kind for the stack."""
    for waiting in [each for each in _waiting if (each.stack_id, each.kind) == (stack_id, kind)]:
        waiting.cancel()


def judge_answers_as_cloudformation_does() -> None:
    """Refuse what CloudFormation refuses, and word failures as it does.

    CloudFormation refuses an answer of more than 4,096 bytes and a success without PhysicalResourceId, and quotes
    the reason of a failure in a sentence of its own.
    MiniStack accepts any answer, makes up a physical id, and shows the bare reason. A function whose answer is too
    long, or whose id is missing, must fail here as it would on AWS.
    """

    def deliver(original: Callable[[str, Any], bool]) -> Callable[[str, Any], bool]:
        def deliver(token: str, answer: Any) -> bool:
            return original(token, _judged(answer))

        return deliver

    patching.replace(custom_resource, "deliver_response", deliver)


def _judged(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or answer.get("Status") not in {"SUCCESS", "FAILED"}:
        return {"Status": "FAILED", "Reason": "Invalid response body"}
    if len(json.dumps(answer)) > ANSWER_BYTES:
        return {"Status": "FAILED", "Reason": "Response object is too long."}
    if not answer.get("PhysicalResourceId"):
        return answer | {"Status": "FAILED", "Reason": "Invalid PhysicalResourceId"}
    if answer["Status"] == "FAILED":
        reason = (
            f"Received response status [FAILED] from custom resource. Message returned: {answer.get('Reason')}"
            f" (RequestId: {answer.get('RequestId')})"
        )
        return answer | {"Reason": reason}
    return answer


def ask_asynchronously() -> None:
    """Invoke the function in the background, wait for its answer alone, and delete what a failed Create may have made.

    CloudFormation sends Delete after a Create that failed, was not answered or was cancelled: with the id that the
    function returned, else with one that it makes up. MiniStack waits for the function itself, invokes it once, and
    never sends that Delete. The function must clean up after a failed Create, and must bear a Delete that comes
    while Create still runs. (Who sends the Delete: see `stack_operations`.)
    """
    patching.replace(custom_resource, "invoke_custom_resource", lambda _original: _request)


def _request(  # noqa: PLR0917 - MiniStack's signature
    kind: str,
    logical_id: str,
    properties: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    event = {
        "RequestType": kind,
        "RequestId": str(uuid.uuid4()),
        "StackId": stack_id,
        "ServiceToken": properties.get("ServiceToken"),
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": custom_resource._normalise_resource_properties(properties),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = custom_resource._normalise_resource_properties(old_props)
    answer = _answer(_function(str(event["ServiceToken"])), event)
    if answer["Status"] == "SUCCESS":
        return answer["PhysicalResourceId"], answer.get("Data") or {}
    if kind == "Create":
        invented = f"{stack_name}-{logical_id}-{uuid.uuid4().hex[:12].upper()}"
        cloudformation._stacks[stack_name]["_resources"][logical_id] = {
            "PhysicalResourceId": answer.get("PhysicalResourceId") or invented,
            "ResourceType": resource_type,
            "ResourceStatus": "CREATE_FAILED",
            "LogicalResourceId": logical_id,
            "Properties": properties,
            "Attributes": {},
            "Timestamp": responses.now_iso(),
        }
    raise RuntimeError(answer["Reason"])


def _answer(function: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Invoke the function and wait until it has answered, its time is up, or nobody wants the answer any more."""
    seconds = _timeout_seconds(event["ResourceProperties"])
    token = str(uuid.uuid4())
    event["ResponseURL"] = custom_resource._response_url(token)
    waiting = Waiting(event["StackId"], event["RequestType"], custom_resource.register_token(token))
    _waiting.append(waiting)
    over, deadline = state.over, time.monotonic() + seconds
    try:
        invocations.invoke(function, event)
        while not waiting.answered.wait(POLL_SECONDS) and time.monotonic() < deadline and not over.is_set():
            pass
    finally:
        _waiting.remove(waiting)
        with custom_resource._lock:
            answer = (custom_resource._pending.pop(token, None) or {}).get("result")
    if waiting.cancelled:
        return {"Status": "FAILED", "Reason": "Resource creation cancelled"}
    return answer or {"Status": "FAILED", "Reason": NO_ANSWER.format(request_id=event["RequestId"])}


def _function(service_token: str) -> dict[str, Any]:
    function, config, _ = lambda_svc._get_func_record_for_ref(service_token)
    if not function or not config:
        raise ValueError(f"Function not found: {service_token}")
    if f":{responses.get_region()}:" not in service_token:
        raise ValueError(f"Invalid Service Token {service_token}: it must be in the Region of the stack")
    return dict(lambda_svc._execution_record_for_config(function, config))


def _timeout_seconds(properties: dict[str, Any]) -> int:
    seconds = int(properties.get("ServiceTimeout", LONGEST_TIMEOUT_SECONDS))
    if not 1 <= seconds <= LONGEST_TIMEOUT_SECONDS:
        raise ValueError("Invalid value for ServiceTimeout: it must be between 1 and 3600")
    return seconds


def refuse_another_service_token() -> None:
    """CloudFormation refuses to change the function of a custom resource; MiniStack asks the new one.

    The template's function name is a parameter: changing it on an existing stack must fail here as on AWS.
    """

    def update(original: Callable[..., Any]) -> Callable[..., Any]:
        def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any, **named: Any) -> Any:
            if old.get("ServiceToken") != new.get("ServiceToken"):
                raise ValueError("Modifying service token is not allowed.")
            return original(physical_id, old, new, *rest, **named)

        return update

    patching.replace(provisioners, "_custom_resource_update", update)
