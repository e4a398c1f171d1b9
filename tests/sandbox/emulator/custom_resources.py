"""Repairs of the custom resource protocol."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import custom_resource

from tests.sandbox.emulator import patching

ANSWER_BYTES = 4096
DEFAULT_TIMEOUT_SECONDS = 3600


def repair() -> None:
    """Apply the repairs of this module."""
    judge_answers_as_cloudformation_does()


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
    if not isinstance(answer, dict) or "Status" not in answer:
        return {"Status": "FAILED", "Reason": "Invalid response body"}
    if len(json.dumps(answer)) > ANSWER_BYTES:
        return answer | {"Status": "FAILED", "Reason": "Response object is too long.", "Data": None}
    if not answer.get("PhysicalResourceId"):
        return answer | {"Status": "FAILED", "Reason": "Invalid PhysicalResourceId"}
    if answer["Status"] == "FAILED":
        reason = (
            f"Received response status [FAILED] from custom resource. Message returned: {answer.get('Reason')}"
            f" (RequestId: {answer.get('RequestId')})"
        )
        return answer | {"Reason": reason}
    return answer
