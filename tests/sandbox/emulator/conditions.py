"""Repairs of template conditions: pseudo parameters, and Split inside Select."""

from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import responses
from ministack.services.cloudformation import engine

from tests.sandbox.emulator import patching


def repair() -> None:
    """Apply the repairs of this module."""
    resolve_values_in_conditions()


def resolve_values_in_conditions() -> None:
    """Let a condition compare pseudo parameters, and pieces of a parameter.

    MiniStack compares the name `AWS::Partition` where AWS compares its value, and fails with an internal error on
    `!Select [0, !Split [...]]`, with which a template tells an ARN from a name.
    """

    def evaluate(original: Any) -> Callable[[dict[str, Any], dict[str, Any]], Any]:
        def evaluated(template: dict[str, Any], parameters: dict[str, Any]) -> Any:
            values = {name: str(parameter["Value"]) for name, parameter in parameters.items()}
            values |= {
                "AWS::Partition": "aws",
                "AWS::Region": responses.get_region(),
                "AWS::AccountId": responses.get_account_id(),
                "AWS::URLSuffix": "amazonaws.com",
            }
            return original({**template, "Conditions": _resolved(template.get("Conditions", {}), values)}, parameters)

        return evaluated

    patching.replace(engine, "_evaluate_conditions", evaluate)


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
