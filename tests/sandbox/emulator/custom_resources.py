"""The custom resource protocol: how a function is asked, and which of its responses count."""

import json
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource, provisioners

from tests.sandbox.emulator import invocations
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state

RESPONSE_BYTES = 4096
LONGEST_TIMEOUT_SECONDS = 3600
POLL_SECONDS = 0.1  # how soon a reset is noticed; a response is noticed at once
NO_RESPONSE = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId"
    " [{request_id}]. If you are using the Python cfn-response module, you may need to update your Lambda function"
    " code so that CloudFormation can attach the updated version."
)


@dataclass
class Waiting:
    """CloudFormation, waiting for the response to one request."""

    stack_id: str
    kind: str
    answered: threading.Event
    cancelled: bool = False


_waiting: list[Waiting] = []


def cancel(stack_id: str, kind: str) -> None:
    """Stop waiting for responses to requests of this kind for the stack; the functions may go on."""
    for waiting in [each for each in _waiting if (each.stack_id, each.kind) == (stack_id, kind)]:
        waiting.cancelled = True
        waiting.answered.set()


@verb
def end_response_wait(account: str) -> None:
    """Let every ServiceTimeout that runs in the account end now."""
    for waiting in [each for each in _waiting if each.stack_id.split(":")[4] == account]:
        waiting.answered.set()


@replacing(custom_resource, "_response_url")
def sign_response_urls(original: Any, token: str) -> str:
    """Say in the URL when it was signed, as AWS does."""
    signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{original(token)}?X-Amz-Date={signed}&X-Amz-Expires=7200&X-Amz-Signature={uuid.uuid4().hex}"


@replacing(custom_resource, "deliver_response")
def judge_responses_as_cloudformation_does(original: Any, token: str, response: Any) -> Any:
    """Refuse what CloudFormation refuses, and word failures as it does.

    MiniStack accepts a response of any size, makes up a missing physical id, and shows the bare reason.
    """
    if not isinstance(response, dict) or response.get("Status") not in {"SUCCESS", "FAILED"}:
        response = {"Status": "FAILED", "Reason": "Invalid response body"}
    elif len(json.dumps(response)) > RESPONSE_BYTES:
        response = {"Status": "FAILED", "Reason": "Response object is too long."}
    elif not response.get("PhysicalResourceId"):
        response = response | {"Status": "FAILED", "Reason": "Invalid PhysicalResourceId"}
    elif response["Status"] == "FAILED":
        said, request = response.get("Reason"), response.get("RequestId")
        before = "Received response status [FAILED] from custom resource. Message returned:"
        response = response | {"Reason": f"{before} {said} (RequestId: {request})"}
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

    CloudFormation sends Delete after a Create that failed, got no response or was cancelled: with the id that the
    function returned, else with one that it makes up. MiniStack waits for the function itself, invokes it once, and
    never sends that Delete. The function must clean up after a failed Create, and must bear a Delete that comes while
    Create still runs. (Who sends the Delete: see `stack_operations`.)
    """
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
    response = _response(_function(str(event["ServiceToken"])), event)
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


def _response(function: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Send the event and wait until it is answered, its time is up, or nobody wants the response any more."""
    seconds = int(event["ResourceProperties"].get("ServiceTimeout", LONGEST_TIMEOUT_SECONDS))
    if not 1 <= seconds <= LONGEST_TIMEOUT_SECONDS:
        raise ValueError("Invalid value for ServiceTimeout: it must be between 1 and 3600")
    token = str(uuid.uuid4())
    event["ResponseURL"] = custom_resource._response_url(token)
    waiting = Waiting(event["StackId"], event["RequestType"], custom_resource.register_token(token))
    _waiting.append(waiting)
    over, deadline = state.over, time.monotonic() + seconds
    try:
        invocations.send(function, event)
        while not waiting.answered.wait(POLL_SECONDS) and time.monotonic() < deadline and not over.is_set():
            pass
    finally:
        _waiting.remove(waiting)
        with custom_resource._lock:
            response = (custom_resource._pending.pop(token, None) or {}).get("result")
    if waiting.cancelled:
        return {"Status": "FAILED", "Reason": "Resource creation cancelled"}
    return response or {"Status": "FAILED", "Reason": NO_RESPONSE.format(request_id=event["RequestId"])}


def _function(service_token: str) -> dict[str, Any]:
    function, config, _ = lambda_svc._get_func_record_for_ref(service_token)
    if not function or not config:
        raise ValueError(f"Function not found: {service_token}")
    if f":{responses.get_region()}:" not in service_token:
        raise ValueError(f"Invalid Service Token {service_token}: it must be in the Region of the stack")
    return dict(lambda_svc._execution_record_for_config(function, config))


@replacing(provisioners, "_custom_resource_update")
def refuse_another_service_token(
    original: Any, physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any, **named: Any
) -> Any:
    """CloudFormation refuses to change the function of a custom resource; MiniStack asks the new one.

    The template's function name is a parameter: changing it on an existing stack must fail here as on AWS.
    """
    if old.get("ServiceToken") != new.get("ServiceToken"):
        raise ValueError("Modifying service token is not allowed.")
    return original(physical_id, old, new, *rest, **named)
