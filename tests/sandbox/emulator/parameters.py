"""Systems Manager parameters, where the function keeps what it remembers."""

import re
from typing import Any

from ministack.core import iam_actions, responses
from ministack.services import ssm

from tests.sandbox.emulator.patching import replacing

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


@replacing(ssm, "_put_parameter")
def refuse_values_that_do_not_fit(original: Any, request: dict[str, Any]) -> Any:
    """Refuse empty values, values over 4,096 characters and `{{}}`; keep the last 100 versions.

    AWS does so in the standard tier; MiniStack stores anything, and every version. What grows with the number of
    Regions must be seen to fit.
    """
    if problem := _problem(request):
        return responses.error_response_json("ValidationException", problem, 400)
    answer = original(request)
    del ssm._parameter_history.get(request.get("Name"), [])[:-VERSIONS_KEPT]
    return answer


def _problem(request: dict[str, Any]) -> str:
    value = request.get("Value", "")
    if not value:
        return EMPTY
    if re.search(r"\{\{.*\}\}", value):
        return NESTED
    return TOO_LONG if len(value) > STANDARD_CHARACTERS and request.get("Tier", "Standard") == "Standard" else ""


@replacing(iam_actions, "extract_resource_arn")
def authorize_versions_by_the_parameter(original: Any, service: str, *request: Any) -> Any:
    """Authorize `name:version`, and a parameter's ARN, as the parameter that they name.

    MiniStack makes an ARN of the whole text. What AWS does is documented nowhere, so a policy should name both.
    """
    arn = original(service, *request)
    if service != "ssm" or ":parameter/" not in arn:
        return arn
    prefix, name = arn.split(":parameter/", 1)
    name = name.rsplit(":parameter/", 1)[-1]
    return f"{prefix}:parameter/{name.split(':', 1)[0]}"
