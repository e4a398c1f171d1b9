"""ResourceProperties to Settings: strings to types, with every problem reported at once."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from registry_connections.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    DeletePolicy,
    RegionFailurePolicy,
    RegionScope,
    Settings,
    mismatch,
)

DEFAULTS: Final[Mapping[str, str]] = {
    "AccountId": "",
    "Partition": "",
    "UrlSuffix": "",
    "ConnectionRoleArn": "",
    "ExternalId": "",
    "FalconCloud": AUTODISCOVER,
    "FalconPrincipalArn": "",
    "Regions": "",
    "ExcludedRegions": "",
    "RegionScope": RegionScope.ENABLED,
    "OnRegionFailure": RegionFailurePolicy.FAIL,
    "DeleteConnections": DeletePolicy.KEEP,
}
"""Every property that decides something, with the value it has when it is absent or empty."""

REQUIRED: Final = ("AccountId", "Partition", "UrlSuffix", "ConnectionRoleArn", "ExternalId")

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")

Choice = TypeVar("Choice", bound=StrEnum)


def parse(properties: Mapping[str, object]) -> tuple[Settings, list[str]]:
    """Return the settings and one sentence for each problem.

    Where a property cannot be used, the settings hold its default, so that what depends on the others can be
    checked as well before all problems are reported together.
    """
    problems: list[str] = []
    texts = {name: _text(properties.get(name), name, problems) or default for name, default in DEFAULTS.items()}
    problems += [f"{name} is missing." for name in REQUIRED if not texts[name]]
    settings = Settings(
        account=texts["AccountId"],
        partition=texts["Partition"],
        url_suffix=texts["UrlSuffix"],
        role_arn=texts["ConnectionRoleArn"],
        external_id=texts["ExternalId"],
        falcon_cloud=_cloud(texts["FalconCloud"], problems),
        principal_arn=texts["FalconPrincipalArn"],
        regions=_regions(texts["Regions"], "Regions", problems),
        excluded=_regions(texts["ExcludedRegions"], "ExcludedRegions", problems),
        region_scope=_choice(texts["RegionScope"], RegionScope.ENABLED, "RegionScope", problems),
        on_region_failure=_choice(texts["OnRegionFailure"], RegionFailurePolicy.FAIL, "OnRegionFailure", problems),
        delete_connections=_choice(texts["DeleteConnections"], DeletePolicy.KEEP, "DeleteConnections", problems),
        properties={name: text for name, text in texts.items() if text != DEFAULTS[name]},
    )
    if settings.falcon_cloud != AUTODISCOVER and (reason := trust_problem(settings, settings.falcon_cloud)):
        problems.append(reason)
    return settings, problems


def trust_problem(settings: Settings, cloud: str) -> str:
    """Return why Falcon in that cloud could not assume this stack's connection role, or nothing."""
    return mismatch(settings.partition, cloud, settings.principal_arn)


def _text(value: object, name: str, problems: list[str]) -> str:
    """Return a property as text without surrounding space; CloudFormation sends numbers and booleans as text."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    problems.append(f"{name} must be text.")
    return ""


def _cloud(text: str, problems: list[str]) -> str:
    if text == AUTODISCOVER or text in FALCON_CLOUDS:
        return text
    problems.append(f"FalconCloud {text!r} is unknown: use {AUTODISCOVER}, {', '.join(FALCON_CLOUDS)}.")
    return AUTODISCOVER


def _choice(text: str, default: Choice, name: str, problems: list[str]) -> Choice:
    kind = type(default)
    try:
        return kind(text)
    except ValueError:
        problems.append(f"{name} {text!r} is unknown: use {_either([str(choice) for choice in kind])}.")
        return default


def _regions(text: str, name: str, problems: list[str]) -> tuple[str, ...]:
    names = region_names(text)
    problems += [
        f"{name}: {region!r} is not the name of a Region." for region in names if not _REGION.fullmatch(region)
    ]
    return tuple(region for region in names if _REGION.fullmatch(region))


def region_names(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list, sorted and once each; stray commas and spaces do no harm."""
    return tuple(sorted({part.strip().lower() for part in text.split(",")} - {""}))


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
