"""Properties of the custom resource to Settings: strings to types, with every problem reported at once."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from registry_connections.core.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    DeletePolicy,
    RegionFailurePolicy,
    RegionScope,
    Settings,
    mismatch,
)

DEFAULTS: Final[Mapping[str, str]] = {
    "FalconCloud": AUTODISCOVER,
    "FalconPrincipalArn": "",
    "Regions": "",
    "ExcludedRegions": "",
    "RegionScope": RegionScope.ENABLED,
    "OnRegionFailure": RegionFailurePolicy.FAIL,
    "DeleteConnections": DeletePolicy.KEEP,
}
"""Every property that is a choice, with the value it has when it is absent or empty."""

LONGEST_SHOWN: Final = 40  # characters of a value that is repeated in a message

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ZONE: Final = re.compile(r"(?P<region>[a-z]{2,}(-[a-z]+)+-\d+)[a-z]")
_EVERYWHERE: Final = frozenset({"all", "any", "*", "global", "none", "every"})

Choice = TypeVar("Choice", bound=StrEnum)


def parse(properties: Mapping[str, object], partition: str) -> tuple[Settings, list[str]]:
    """Return the settings, and one sentence for each problem.

    Where a property cannot be used, the settings hold its default, so that what depends on the others can be
    checked as well before all problems are reported together.
    """
    problems: list[str] = []
    texts = {name: _text(properties.get(name), name, problems) or default for name, default in DEFAULTS.items()}
    settings = Settings(
        falcon_cloud=_cloud(texts["FalconCloud"], problems),
        principal_arn=texts["FalconPrincipalArn"],
        regions=_regions(texts["Regions"], "Regions", problems),
        excluded=_regions(texts["ExcludedRegions"], "ExcludedRegions", problems),
        region_scope=_choice(texts["RegionScope"], RegionScope.ENABLED, "RegionScope", problems),
        on_region_failure=_choice(texts["OnRegionFailure"], RegionFailurePolicy.FAIL, "OnRegionFailure", problems),
        delete_connections=_choice(texts["DeleteConnections"], DeletePolicy.KEEP, "DeleteConnections", problems),
        choices={name: text for name, text in texts.items() if text != DEFAULTS[name]},
    )
    if settings.falcon_cloud != AUTODISCOVER:
        problems += filter(None, [mismatch(partition, settings.falcon_cloud, settings.principal_arn)])
    return settings, problems


def _text(value: object, name: str, problems: list[str]) -> str:
    """Return a property as text without surrounding space; CloudFormation sends numbers and booleans as text."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    problems.append(f"{name} must be text.")
    return ""


def _cloud(text: str, problems: list[str]) -> str:
    if text == AUTODISCOVER or text in FALCON_CLOUDS:
        return text
    problems.append(f"FalconCloud {_shown(text)} is unknown: use {AUTODISCOVER}, {', '.join(FALCON_CLOUDS)}.")
    return AUTODISCOVER


def _choice(text: str, default: Choice, name: str, problems: list[str]) -> Choice:
    kind = type(default)
    try:
        return kind(text)
    except ValueError:
        problems.append(f"{name} {_shown(text)} is unknown: use {_either([str(choice) for choice in kind])}.")
        return default


def _regions(text: str, name: str, problems: list[str]) -> tuple[str, ...]:
    names = region_names(text)
    problems += [f"{name}: {_advice(region, name)}" for region in names if not _REGION.fullmatch(region)]
    return tuple(region for region in names if _REGION.fullmatch(region))


def region_names(text: str) -> tuple[str, ...]:
    """Return the parts of a list that is separated by commas or spaces, sorted and once each."""
    return tuple(sorted(set(text.lower().replace(",", " ").split())))


def _advice(text: str, name: str) -> str:
    """Return what to write instead of something that is not the name of a Region."""
    if zone := _ZONE.fullmatch(text):
        return f"{_shown(text)} is an Availability Zone: write {zone['region']}."
    if text in _EVERYWHERE:
        meaning = "every enabled Region" if name == "Regions" else "none"
        return f"{_shown(text)} is not the name of a Region: leave {name} empty for {meaning}."
    return f"{_shown(text)} is not the name of a Region: write names such as us-east-1,eu-west-1."


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "...")


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
