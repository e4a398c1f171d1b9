"""What the operator asks for, read from a command's variables: every problem is found, and none is raised."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from cli.credentials import PARAMETERS, Credentials
from registry_connections.core.model import AUTODISCOVER, FALCON_CLOUDS, DeletePolicy

DEFAULT_STACK: Final = "crowdstrike-ecr-registry-connections"
UNITS_AT_ONCE: Final = 50  # documented limit of one CreateStackInstances
DEFAULT_CONCURRENCY: Final = "20"
"""Accounts at a time. All share one Falcon tenant and its 6,000 requests a minute; StackSets takes 100 at most."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "S3Bucket": "set S3_BUCKET",
    "S3Key": "it follows from the package",
    "S3ObjectVersion": "it follows from the package",
    **{name: f"export {variable}, which no list of processes shows" for variable, name in PARAMETERS.items()},
}
"""Parameters that are not given in PARAMETERS, and where their values come from instead."""

OF_MAKE: Final = ("HELP", "PYTHON")
"""Variables that the Makefile itself understands, with every command."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asks for; what is empty was not asked for, and means what the variable's help says.

    `problems` holds a text for each reason why it cannot be done.
    """

    name: str
    """Of the stack or the stack set."""
    region: str
    release: str
    bucket: str
    bucket_owner: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    organization: str
    units: tuple[str, ...]
    paths: tuple[str, ...]
    call_as: str
    max_concurrent: int
    policy: str
    """Of DELETE_CONNECTIONS."""
    regions: frozenset[str]
    cloud: str
    api_url: str
    flags: frozenset[str]
    """Variables such as YES that are on."""
    credentials: Credentials = field(repr=False)
    problems: tuple[str, ...]


def read(values: Mapping[str, str], credentials: Credentials) -> Request:
    """Return the request that the variables of a command describe; those that are not set are empty."""
    texts = defaultdict(str, values)
    concurrency = texts["MAX_CONCURRENT"] or DEFAULT_CONCURRENCY
    parameters, misquoted_parameters = _words("PARAMETERS", texts["PARAMETERS"])
    tags, misquoted_tags = _words("TAGS", texts["TAGS"])
    wrong_words = *misquoted_parameters, *_wrong_parameters(parameters), *misquoted_tags, *_wrong_tags(tags)
    return Request(
        name=texts["STACK_SET"] or texts["STACK"] or DEFAULT_STACK,
        region=texts["REGION"],
        release=texts["RELEASE"],
        bucket=_bucket(texts["S3_BUCKET"]),
        bucket_owner=texts["S3_BUCKET_OWNER"],
        parameters=parameters,
        tags=tags,
        organization=texts["ORG_ID"],
        units=listed(texts["OU_IDS"]),
        paths=listed(texts["ORG_PATHS"]),
        call_as=texts["CALL_AS"] or "SELF",
        max_concurrent=int(concurrency) if concurrency.isdecimal() else 0,
        policy=texts["DELETE_CONNECTIONS"],
        regions=frozenset(listed(texts["REGIONS"].lower())),
        cloud=texts["FALCON_CLOUD"] or AUTODISCOVER,
        api_url=texts["FALCON_API_URL"].rstrip("/"),
        flags=frozenset(name for name in FLAGS if texts[name].lower() in {"1", "yes", "true"}),
        credentials=credentials,
        problems=(*_wrong_variables(values), *wrong_words, *credentials.problems),
    )


def listed(text: str) -> tuple[str, ...]:
    """Return the names in a text that commas or spaces part, each once."""
    return tuple(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name))


def unknown_parameters(given: Mapping[str, str], accepted: frozenset[str]) -> Iterator[str]:
    """Yield a problem for each parameter that the template does not have."""
    for name in sorted(given.keys() - accepted):
        meant = _meant(name, accepted, f"It has {', '.join(sorted(accepted))}.")
        yield f"PARAMETERS names {name}, which the template does not have. {meant}"


def unknown_variables(command: str, given: Iterable[str], accepted: Iterable[str]) -> Iterator[str]:
    """Yield a problem for each name on the command line of make that the command does not have.

    A misspelt STACK would otherwise leave the command with the stack of the default name.
    """
    accepted = [*accepted, *OF_MAKE]
    for name in sorted(set(given).difference(accepted)):
        if name.isupper() or name.islower():
            meant = _meant(name.upper(), accepted, f"make {command} HELP=1 lists them.")
        else:
            meant = f"Parameters of the template go into one variable: PARAMETERS='{name}=...'."
        yield f"make {command} has no variable {name}. {meant}"


def _meant(name: str, accepted: Collection[str], otherwise: str) -> str:
    """Return which accepted name is the nearest to a wrong one, or what to say if none is near."""
    near = get_close_matches(name, accepted, n=1)
    return f"Did you mean {near[0]}?" if near else otherwise


def _bucket(text: str) -> str:
    return text.removeprefix("s3://").rstrip("/")


def _words(variable: str, text: str) -> tuple[dict[str, str], list[str]]:
    """Return the words Name=value of a text in the shell's quoting, and what is wrong with it."""
    try:
        words = [(word, *word.partition("=")) for word in shlex.split(text)]
    except ValueError as error:
        return {}, [f"{variable} has an open quotation ({error}). Quote a value with spaces like Name='a value'."]
    pairs = [(name, value) for _, name, equals, value in words if name and equals]
    problems = [
        f"{variable} holds {word!r}, which is not Name=value. Quote spaces like Name='a value'."
        for word, name, equals, _ in words
        if not (name and equals)
    ]
    times = Counter(name for name, _ in pairs)
    problems += [f"{variable} names {name} twice. Give it once." for name in times if times[name] > 1]
    return dict(pairs), problems


def _wrong_parameters(parameters: Mapping[str, str]) -> Iterator[str]:
    for name, value in parameters.items():
        emptied = not value and name in PARAMETERS.values()  # for an existing secret
        if name in ELSEWHERE and not emptied:
            yield f"PARAMETERS names {name}, which is not given there: {ELSEWHERE[name]}."


def _wrong_tags(tags: Mapping[str, str]) -> Iterator[str]:
    for name, value in tags.items():
        if name.lower().startswith("aws:"):
            yield f"TAGS names {name}: AWS keeps names that begin with aws: to itself."
        if len(name) > 128 or len(value) > 256:  # noqa: PLR2004 - documented limits of a tag
            yield f"TAGS names {name[:20]}..., which is too long: a name has at most 128 characters, a value 256."


def _wrong_variables(values: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a variable by itself; one that may be empty is checked if it is not."""
    for name, (pattern, remedy) in PATTERNS.items():
        given = values.get(name, "")
        for text in listed(given) if name in LISTS else [given]:
            if text and not re.fullmatch(pattern, text):
                yield f"{name} {'names' if name in LISTS else 'is'} {text!r}. {remedy}"
    if "/" in (bucket := _bucket(values.get("S3_BUCKET", ""))):
        yield f"S3_BUCKET is {bucket!r}, which is a path. Give the bucket's name alone; the key is chosen for you."
    units = listed(values.get("OU_IDS", ""))
    if "OU_IDS" in values and not units:
        yield "OU_IDS is not set. Name organizational units, or the root: OU_IDS=ou-abcd-11111111,ou-abcd-22222222"
    if len(units) > UNITS_AT_ONCE:
        yield f"OU_IDS names {len(units)} units; StackSets takes {UNITS_AT_ONCE} at a time. Name their parent instead."


def _one_of(*choices: str) -> tuple[str, str]:
    return "|".join(choices), f"It takes {', '.join(choices)}."


FLAGS: Final = ("YES", "FORCE", "JSON", "WIDE", "INCLUDE_MANAGEMENT", "SECRET_COPIES", "DELETE_BUCKET")
LISTS: Final = frozenset({"OU_IDS", "ORG_PATHS"})
"""Variables of which each item has the pattern."""
_NAME: Final = r"[A-Za-z][A-Za-z0-9-]{0,127}", "A name is a letter, then up to 127 letters, digits and hyphens."
PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "STACK": _NAME,
    "STACK_SET": _NAME,
    "S3_BUCKET_OWNER": (r"\d{12}", "It takes the 12 digits of an AWS account."),
    "ORG_ID": (r"o-[a-z0-9]{10,32}", "An organization's id looks like o-exampleorgid."),
    "OU_IDS": (
        r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}",
        "A unit's id looks like ou-abcd-11111111, the root's like r-abcd.",
    ),
    "ORG_PATHS": (
        r"o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/(ou-[a-z0-9-]+/)*\*?",
        "A path looks like o-exampleorgid/r-abcd/ou-abcd-11111111/*",
    ),
    "CALL_AS": _one_of("SELF", "DELEGATED_ADMIN"),
    "MAX_CONCURRENT": (r"[1-9]\d?|100", "It takes a number from 1 to 100."),
    "DELETE_CONNECTIONS": _one_of(*DeletePolicy),
    "FALCON_CLOUD": _one_of(AUTODISCOVER, *FALCON_CLOUDS),
    "FALCON_API_URL": ("https://.+", "It must begin with https://"),
    **dict.fromkeys(FLAGS, ("(?i:1|yes|true|0|no|false)", "It takes 1, or nothing.")),
}
"""What each variable matches, and what to say if it does not."""
