"""How a template and its parameters are read before anything is done."""

from collections.abc import Mapping
from typing import Any

from ministack.core import responses
from ministack.services.cloudformation import engine, handlers, helpers

from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.query import error, nested


@replacing(handlers, "_create_stack", "_update_stack")
def refuse_unknown_parameters(original: Any, request: dict[str, Any]) -> Any:
    """Refuse parameters that the template does not have; MiniStack ignores them, and a misspelt one goes unnoticed."""
    body, _ = helpers._resolve_template(request)
    given = {each["ParameterKey"] for each in nested(request).get("Parameters") or []}
    unknown = given - engine._parse_template(body).get("Parameters", {}).keys() if body else set()
    if unknown:
        return error("ValidationError", f"Parameters: [{', '.join(sorted(unknown))}] do not exist in the template")
    return original(request)


@replacing(engine, "_evaluate_conditions")
def resolve_values_in_conditions(original: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Let a condition compare pseudo parameters, and pieces of a parameter.

    MiniStack compares the name `AWS::Partition` where AWS compares its value, and fails with an internal error on
    `!Select [0, !Split [...]]`, with which a template tells an ARN from a name.
    """
    values = {name: str(parameter["Value"]) for name, parameter in parameters.items()}
    values |= {
        "AWS::Partition": "aws",
        "AWS::Region": responses.get_region(),
        "AWS::AccountId": responses.get_account_id(),
        "AWS::URLSuffix": "amazonaws.com",
    }
    return original({**template, "Conditions": _resolved(template.get("Conditions", {}), values)}, parameters)


def _resolved(value: Any, values: Mapping[str, str]) -> Any:
    """Return a condition with the pieces of parameters in the place of the functions that cut them out."""
    if isinstance(value, list):
        return [_resolved(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    resolved = {name: _resolved(item, values) for name, item in value.items()}
    match resolved:
        case {"Ref": str(name)} if name.startswith("AWS::") and name in values:
            return values[name]
        case {"Fn::Split": [str(separator), {"Ref": str(name)}]} if name in values:
            return values[name].split(separator)
        case {"Fn::Select": [index, list(items)]}:
            return items[int(index)]
    return resolved
