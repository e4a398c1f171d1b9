"""Repairs of Systems Manager parameters, where the function keeps its state."""

import re
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, responses
from ministack.services import ssm

from tests.sandbox.emulator import patching

STANDARD_CHARACTERS = 4096
VERSIONS_KEPT = 100
TOO_LONG = (
    "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter"
    " value, upgrade the parameter to use the advanced-parameter tier."
)
EMPTY = (
    "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater"
    " than or equal to 1."
)
NESTED = 'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value'


def repair() -> None:
    """Apply the repairs of this module."""
    refuse_values_that_do_not_fit()
    authorize_versions_by_the_parameter()


def refuse_values_that_do_not_fit() -> None:
    """Refuse empty values, values over 4,096 characters and `{{}}`; keep the last 100 versions.

    AWS does so in the standard tier; MiniStack stores anything, and every version. State that grows with the
    number of Regions must be seen to fit.
    """

    def put(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def put(request: dict[str, Any]) -> Any:
            if problem := _problem(request):
                return responses.error_response_json("ValidationException", problem, 400)
            answer = original(request)
            history = ssm._parameter_history.get(request.get("Name"), [])
            del history[:-VERSIONS_KEPT]
            return answer

        return put

    patching.replace(ssm, "_put_parameter", put)


def _problem(request: dict[str, Any]) -> str:
    value = request.get("Value", "")
    if not value:
        return EMPTY
    if re.search(r"\{\{.*\}\}", value):
        return NESTED
    return TOO_LONG if len(value) > STANDARD_CHARACTERS and request.get("Tier", "Standard") == "Standard" else ""


def authorize_versions_by_the_parameter() -> None:
    """Authorize `name:version`, and a parameter's ARN, as the parameter that they name.

    MiniStack makes an ARN of the whole text, which no policy matches.
    """

    def resource(original: Callable[..., str]) -> Callable[..., str]:
        def resource(service: str, *request: Any) -> str:
            arn = original(service, *request)
            if service != "ssm" or ":parameter/" not in arn:
                return arn
            prefix, name = arn.split(":parameter/", 1)
            name = name.rsplit(":parameter/", 1)[-1]
            return f"{prefix}:parameter/{name.split(':', 1)[0]}"

        return resource

    patching.replace(iam_actions, "extract_resource_arn", resource)
