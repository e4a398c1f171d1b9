"""Repairs of how a template and its parameters are checked before anything is done."""

from collections.abc import Callable
from typing import Any

from ministack.services.cloudformation import engine, handlers, helpers

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.query import error, nested

Handler = Callable[[dict[str, Any]], Any]


def repair() -> None:
    """Apply the repairs of this module."""
    refuse_unknown_parameters()


def refuse_unknown_parameters() -> None:
    """Refuse parameters that the template does not have; MiniStack ignores them, and a misspelt one goes unnoticed."""

    def checking(original: Handler) -> Handler:
        def check(request: dict[str, Any]) -> Any:
            body, _ = helpers._resolve_template(request)
            given = {each["ParameterKey"] for each in nested(request).get("Parameters") or []}
            unknown = given - engine._parse_template(body).get("Parameters", {}).keys() if body else set()
            if unknown:
                message = f"Parameters: [{', '.join(sorted(unknown))}] do not exist in the template"
                return error("ValidationError", message)
            return original(request)

        return check

    patching.replace(handlers, "_create_stack", checking)
    patching.replace(handlers, "_update_stack", checking)
