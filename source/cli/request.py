"""What every command reads from its variables: names, flags, parameters, tags. Every problem is found, none raised."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from cli.credentials import VARIABLES

DEFAULT_STACK: Final = "crowdstrike-ecr-registry-connections"
DELETE_POLICIES: Final = ("Keep", "Stack", "Account")

ELSEWHERE: Final[Mapping[str, str]] = {
    "S3Bucket": "set S3_BUCKET",
    "S3Key": "it follows from the package",
    "S3ObjectVersion": "it follows from the package",
    "CredentialsVersion": "it follows from the credentials",
    **{parameter: f"export {variable}, which no list of processes shows" for variable, parameter in VARIABLES.items()},
}
"""Parameters that are not given in PARAMETERS, and where their values come from instead."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_YES: Final = frozenset({"1", "yes", "true"})
_NO: Final = frozenset({"", "0", "no", "false"})

Values = Mapping[str, str]
"""The variables of a command by name; those that are not set are empty."""


def stack_name(values: Values, variable: str = "STACK") -> str:
    """Return the name of the stack or stack set."""
    return values[variable] or DEFAULT_STACK


def region(values: Values) -> str:
    """Return the Region, empty if only the AWS profile can tell."""
    return values["REGION"] or values["AWS_REGION"] or values["AWS_DEFAULT_REGION"]


def flag(values: Values, name: str) -> bool:
    """Tell whether a variable such as YES=1 is on."""
    return values[name].lower() in _YES


def bucket_name(values: Values) -> str:
    """Return the operator's own bucket, empty if none is named."""
    return values["S3_BUCKET"].removeprefix("s3://").rstrip("/")


def problems_of_name(values: Values, variable: str = "STACK") -> Iterator[str]:
    """Yield what is wrong with the name of the stack or stack set."""
    if not _NAME.fullmatch(stack_name(values, variable)):
        yield (
            f"{variable} is {values[variable]!r}. A name is a letter followed by up to 127 letters, digits and hyphens."
        )


def problems_of_flags(values: Values, *names: str) -> Iterator[str]:
    """Yield what is wrong with variables that are on or off."""
    for name in names:
        if values[name].lower() not in _YES | _NO:
            yield f"{name} is {values[name]!r}. It takes 1, or nothing."


def problems_of_bucket_name(values: Values) -> Iterator[str]:
    """Yield what is wrong with the operator's own bucket and its owner."""
    if "/" in (name := bucket_name(values)):
        yield f"S3_BUCKET is {name!r}, which is a path. Give the bucket's name alone; the key is chosen for you."
    if values["S3_BUCKET_OWNER"] and not re.fullmatch(r"\d{12}", values["S3_BUCKET_OWNER"]):
        yield f"S3_BUCKET_OWNER is {values['S3_BUCKET_OWNER']!r}. It takes the 12 digits of an AWS account."


def problems_of_policy(values: Values) -> Iterator[str]:
    """Yield what is wrong with DELETE_CONNECTIONS."""
    if (policy := values["DELETE_CONNECTIONS"]) and policy not in DELETE_POLICIES:
        yield f"DELETE_CONNECTIONS is {policy!r}. It takes {', '.join(DELETE_POLICIES)}."


def parameters(values: Values) -> tuple[dict[str, str], list[str]]:
    """Return the parameters that PARAMETERS gives, and what is wrong with it."""
    return _words(values, "PARAMETERS", _problems_of_parameter)


def tags(values: Values) -> tuple[dict[str, str], list[str]]:
    """Return the tags that TAGS gives, and what is wrong with it."""
    return _words(values, "TAGS", _problems_of_tag)


def unknown_parameters(given: Mapping[str, str], accepted: frozenset[str]) -> Iterator[str]:
    """Yield a problem for each parameter that the template does not have."""
    for name in sorted(given.keys() - accepted):
        near = get_close_matches(name, accepted, n=1)
        meant = f"Did you mean {near[0]}?" if near else f"It has {', '.join(sorted(accepted))}."
        yield f"PARAMETERS names {name}, which the template does not have. {meant}"


def _words(
    values: Values, variable: str, check: Callable[[str, str], Iterator[str]]
) -> tuple[dict[str, str], list[str]]:
    try:
        words = shlex.split(values[variable])
    except ValueError as error:
        return {}, [f"{variable} has an open quotation ({error}). Quote a value with spaces like Name='a value'."]
    found: dict[str, str] = {}
    problems: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            problems.append(f"{variable} holds {word!r}, which is not Name=value. Quote spaces like Name='a value'.")
        elif name in found:
            problems.append(f"{variable} names {name} twice. Give it once.")
        else:
            problems += check(name, value)
        found[name] = value
    return found, problems


def _problems_of_parameter(name: str, value: str) -> Iterator[str]:
    emptied = not value and name in VARIABLES.values()  # for an existing secret
    if name in ELSEWHERE and not emptied:
        yield f"PARAMETERS names {name}, which is not given there: {ELSEWHERE[name]}."


def _problems_of_tag(name: str, value: str) -> Iterator[str]:
    if name.lower().startswith("aws:"):
        yield f"TAGS names {name}: AWS keeps names that begin with aws: to itself."
    if len(name) > 128 or len(value) > 256:  # noqa: PLR2004 - documented limits of a tag
        yield f"TAGS names {name[:20]}..., which is too long: a name has at most 128 characters, a value 256."
