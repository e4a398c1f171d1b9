"""AWS's Query protocol: `A.member.1.B=c` in requests, XML in answers."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ministack.services.cloudformation import helpers

Answer = tuple[int, dict[str, str], bytes]


def nested(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as boto3 was given it, but that every leaf is text."""
    root: dict[str, Any] = {}
    for name, values in request.items():
        *path, leaf = name.replace(".member.", ".").split(".")
        place = root
        for step in path:
            place = place.setdefault(step, {})
        place[leaf] = values[0] if isinstance(values, list) else values
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    """Turn `{"1": a, "2": b}` into `[a, b]`."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(inner) for key, inner in value.items()}


def flat(value: Any, prefix: str = "") -> dict[str, list[str]]:
    """Return a request as MiniStack's handlers take it."""
    if isinstance(value, dict):
        parts = {f"{prefix}.{key}" if prefix else key: inner for key, inner in value.items()}
    elif isinstance(value, list):
        parts = {f"{prefix}.member.{number}": inner for number, inner in enumerate(value, 1)}
    else:
        return {prefix: [str(value)]}
    return {name: text for part, inner in parts.items() for name, text in flat(inner, part).items()}


def answer(action: str, **result: Any) -> Answer:
    """Return the answer to an action; what is None, or begins with an underscore, is left out."""
    inner = f"<{action}Result>{_xml(result)}</{action}Result>"
    status, headers, body = helpers._xml(200, f"{action}Response", inner)
    return status, headers, body


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        shown = {name: inner for name, inner in value.items() if inner is not None and name[0] != "_"}
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in shown.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(item)}</member>" for item in value)
    return escape(str(value))
