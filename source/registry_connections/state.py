"""What the stack last applied and who is at work, as types and as the text of a parameter."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from registry_connections.errors import StateError, plain

STATE_FORMAT: Final = 1
REPAIR: Final = "reconcile"  # the kind of a run that no event of the stack asked for
LARGEST_STATE: Final = 4096  # characters of a standard parameter (AWS Systems Manager quotas)


@dataclass(frozen=True, slots=True)
class Run:
    """A stack event or repair that is at work: nobody else writes until it ends or its time is over."""

    request: str
    until: float  # seconds since the epoch
    creating: tuple[str, ...] = ()  # Regions in which it makes a connection
    since: str = ""  # Falcon's own time at the start, RFC 3339
    cancelled: bool = False

    @property
    def kind(self) -> str:
        """What was asked for."""
        return self.request.partition(":")[0]

    @property
    def event(self) -> str:
        """The id of the request."""
        return self.request.partition(":")[2]


@dataclass(frozen=True, slots=True)
class State:
    """What the stack last applied, and which connections it manages."""

    settings: Mapping[str, str] | None = None  # none: no event has succeeded yet
    connections: Mapping[str, str] = field(default_factory=dict)  # Region -> UUID
    unfinished: frozenset[str] = frozenset()  # Regions in which an event made one that is not known to have succeeded
    unconfirmed: bool = False  # the launch succeeded, and it is not known that CloudFormation took the answer
    doubtful: frozenset[str] = frozenset()  # Regions whose connection may have another role than the settings name
    cloud: str = ""  # the cloud that discovery found
    run: Run | None = None
    handled: tuple[tuple[str, str], ...] = ()  # (request id, reason of its failure), latest last
    deleted: str = ""  # the request that last deleted the resource
    version: int = field(default=0, compare=False)  # of the parameter, for compare and swap


def applied(state: State) -> Mapping[str, str]:
    """Return what the stack last applied; raise StateError if that is nothing."""
    if state.settings is None:
        raise StateError("The stack has not applied anything yet: create or update it first.")
    return state.settings


def parse_state(text: str, version: int) -> State:
    """Return the state in the parameter's text; raise StateError if it was not written by this package."""
    try:
        return _state(json.loads(text), version)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise StateError(
            f"The state parameter holds what this package did not write ({type(error).__name__}): "
            "set its value to {} and update the stack."
        ) from None


def _state(stored: Mapping[str, Any], version: int) -> State:
    written_by = stored.get("format", STATE_FORMAT)
    if written_by != STATE_FORMAT:
        raise StateError(
            f"The state is of format {plain(written_by, limit=20)}, written by a newer package: set S3Key to that one."
        )
    run = stored.get("run")
    settings = stored.get("settings")
    connections = _texts(stored.get("connections", {}))
    regions = list(connections)
    return State(
        settings=None if settings is None else _texts(settings),
        connections=connections,
        unfinished=frozenset(_long(stored.get("unfinished", ()), regions)),
        unconfirmed=bool(stored.get("unconfirmed")),
        doubtful=frozenset(_long(stored.get("doubtful", ()), regions)),
        cloud=str(stored.get("cloud", "")),
        run=None
        if run is None
        else Run(
            request=str(run["request"]),
            until=float(round(run["until"])),
            creating=_long(run["creating"], regions),
            since=str(run["since"]),
            cancelled=bool(run.get("cancelled")),
        ),
        handled=tuple((str(request), str(reason)) for request, reason in stored.get("handled", ())),
        deleted=str(stored.get("deleted", "")),
        version=version,
    )


def _short(names: Iterable[str], regions: Sequence[str]) -> list[str | int]:
    """Return names with the place among `regions` instead of those that are there: a parameter is small."""
    return [regions.index(name) if name in regions else name for name in names]


def _long(stored: Iterable[Any], regions: Sequence[str]) -> tuple[str, ...]:
    """Return what was written as `_short`, or as names alone."""
    return tuple(_texts({regions[each] if isinstance(each, int) else each: "" for each in stored}))


def _texts(mapping: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(item, str) for pair in mapping.items() for item in pair):
        raise TypeError("not text")
    return dict(mapping)


def standing(text: str, version: int, text_at: Callable[[int], str]) -> tuple[str, int]:
    """Return the text that stands, given the parameter's latest and the means to read earlier versions.

    Every text names the version that its writer had read. Of several that were written over the same one, only the
    first stands; the others are void, and stay behind unheeded. So nobody ever takes back what somebody else wrote.
    """
    written = [(text, version)]
    while _written_over(*written[-1]) != written[-1][1] - 1:
        version -= 1
        written.append((text_at(version), version))
    stands = written.pop()
    for later in reversed(written):
        if _written_over(*later) == stands[1]:
            stands = later
    return stands


def _written_over(text: str, version: int) -> int:
    """Return the version that the writer of this one had read; one who does not say, as a person, had read the last."""
    try:
        over = json.loads(text)["over"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return version - 1
    return over if isinstance(over, int) and 0 <= over < version else version - 1


def render_state(state: State, by: str = "") -> str:
    """Return the parameter's text for a state; raise StateError if it is too large for a standard parameter.

    `by` tells who writes it, so that no two texts are the same.
    """
    run, regions = state.run, sorted(state.connections)
    stored = {
        "format": STATE_FORMAT,
        "settings": state.settings,
        "connections": {region: state.connections[region] for region in regions},
        "unfinished": _short(sorted(state.unfinished), regions),
        "unconfirmed": state.unconfirmed,
        "doubtful": _short(sorted(state.doubtful), regions),
        "cloud": state.cloud,
        "run": run
        and {
            "request": run.request,
            "until": round(run.until),
            "creating": _short(run.creating, regions),
            "since": run.since,
            "cancelled": run.cancelled,
        },
        "handled": state.handled,
        "deleted": state.deleted,
        "over": state.version,
        "by": by,
    }
    text = json.dumps(
        {key: value for key, value in stored.items() if value or key in {"settings", "over"}}, separators=(",", ":")
    )
    text = text.replace("{{", "{\\u007b")  # only inside strings, where Parameter Store would see a reference
    if len(text) > LARGEST_STATE:
        raise StateError(f"The state would be {len(text)} characters; a parameter holds {LARGEST_STATE}.")
    return text
