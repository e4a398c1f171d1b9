"""What the stack last applied and who is at work, as types and as the text of a parameter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from registry_connections.errors import StateError, plain

STATE_FORMAT: Final = 1
LARGEST_STATE: Final = 4096  # characters of a standard parameter (AWS Systems Manager quotas)


@dataclass(frozen=True, slots=True)
class Run:
    """A stack event or repair that is at work: nobody else writes until it ends or its time is over."""

    request: str
    until: float  # seconds since the epoch
    creating: tuple[str, ...] = ()  # Regions in which it makes a connection
    since: str = ""  # Falcon's own time at the start, RFC 3339
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What the stack last applied, and which connections it manages."""

    settings: Mapping[str, str] | None = None  # none: no event has succeeded yet
    connections: Mapping[str, str] = field(default_factory=dict)  # Region -> UUID
    unfinished: frozenset[str] = (
        frozenset()
    )  # Regions whose connection an event made that is not known to have succeeded
    unconfirmed: bool = False  # the launch succeeded, and no later event tells that CloudFormation heard of it
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
    except (ValueError, TypeError, AttributeError, KeyError) as error:
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
    return State(
        settings=None if settings is None else _texts(settings),
        connections=_texts(stored.get("connections", {})),
        unfinished=frozenset(_texts(dict.fromkeys(stored.get("unfinished", ()), ""))),
        unconfirmed=bool(stored.get("unconfirmed")),
        cloud=str(stored.get("cloud", "")),
        run=run
        and Run(
            request=str(run["request"]),
            until=float(run["until"]),
            creating=tuple(run["creating"]),
            since=str(run["since"]),
            cancelled=bool(run.get("cancelled")),
        ),
        handled=tuple((str(request), str(reason)) for request, reason in stored.get("handled", ())),
        deleted=str(stored.get("deleted", "")),
        version=version,
    )


def _texts(mapping: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(item, str) for pair in mapping.items() for item in pair):
        raise TypeError("not text")
    return dict(mapping)


def render_state(state: State) -> str:
    """Return the parameter's text for a state; raise StateError if it is too large for a standard parameter."""
    run = state.run
    stored = {
        "format": STATE_FORMAT,
        "settings": state.settings,
        "connections": dict(sorted(state.connections.items())),
        "unfinished": sorted(state.unfinished),
        "unconfirmed": state.unconfirmed,
        "cloud": state.cloud,
        "run": run
        and {
            "request": run.request,
            "until": round(run.until),
            "creating": run.creating,
            "since": run.since,
            "cancelled": run.cancelled,
        },
        "handled": state.handled,
        "deleted": state.deleted,
    }
    text = json.dumps(
        {key: value for key, value in stored.items() if value or key == "settings"}, separators=(",", ":")
    )
    if len(text) > LARGEST_STATE:
        raise StateError(f"The state would be {len(text)} characters; a parameter holds {LARGEST_STATE}.")
    return text
