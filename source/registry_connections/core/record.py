"""What a stack remembers between two events, and how an event changes it.

The record is a parameter in Parameter Store that the function owns (`aws.parameter_store`). It names what the last
successful event applied, which connections the stack manages, who is at work, and the latest events.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from registry_connections.core.errors import RecordError, RegistrationError, sanitize
from registry_connections.core.model import (
    CONNECTED,
    UNSUCCESSFUL,
    Outcome,
    OutcomeKind,
    Settings,
)
from registry_connections.core.report import Report, left_out

FORMAT: Final = 2
LARGEST_RECORD: Final = 4096  # characters of a standard parameter (AWS Systems Manager quotas)
RESERVED: Final = 400  # characters for what an event adds: its reason, and the names of the versions
LONGEST_ID: Final = 36  # characters of a connection's id, a UUID as far as seen
REMEMBERED: Final = 4  # events, against those that are delivered late or twice
WORK_SECONDS: Final = 600.0  # that a stack event works at most; a repair has half of each
RECORD_SECONDS: Final = 60.0  # after which it writes nothing more
LEASE_SECONDS: Final = WORK_SECONDS + RECORD_SECONDS + 30  # after which nobody waits for it
CLOCK_SKEW_SECONDS: Final = 60.0  # between two containers, at most
FAILED_SUFFIX: Final = "-failed"  # of the physical id of a launch that did not succeed
BEGUN: Final = "?"  # outcome of an event that is at work, or that ended before it could say what came of it
FAILED: Final = "failed"  # outcome of an earlier event, whose reason is not kept
CUT_SHORT: Final = "The function ended before it could respond, and CloudFormation went on without it."
_PLAIN: Final = str.maketrans({'"': "'", "\\": "/", "{": "(", "}": ")"})
SUPERSEDED: Final = "This event was delivered after a later one, and nothing was done."


class Kind(StrEnum):
    """What is asked for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    REPAIR = "reconcile"


@dataclass(frozen=True, slots=True)
class Request:
    """One event of CloudFormation, or a repair.

    `sent` is when it was sent, in seconds since the epoch. `physical_id` is the one that CloudFormation gave.
    """

    kind: Kind
    id: str
    sent: float
    settings: Settings = field(default_factory=Settings)
    problems: tuple[str, ...] = ()
    digest: str = ""  # of all properties
    physical_id: str = ""
    logical_id: str = ""
    launched: bool = True  # CloudFormation knows the launch to have succeeded
    rollout: bool = False  # launched by a StackSet, together with other accounts

    @property
    def is_repair(self) -> bool:
        """Whether no stack event asked for it."""
        return self.kind is Kind.REPAIR

    @property
    def is_purge(self) -> bool:
        """Whether it ends a stack that was launched, after which nothing is wanted any more."""
        return self.kind is Kind.DELETE and self.launched

    @property
    def is_after_failure(self) -> bool:
        """Whether its physical id is that of a launch that was answered as failed."""
        return self.physical_id.endswith(FAILED_SUFFIX)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is at work, and until when (seconds since the epoch)."""

    holder: str
    until: float

    def holds_at(self, now: float) -> bool:
        """Whether it is to be waited for; one that ends later than any run can hold one was not written by a run."""
        return now < self.until <= now + LEASE_SECONDS + CLOCK_SKEW_SECONDS


@dataclass(frozen=True, slots=True)
class Event:
    """A stack event: its request, when it was sent, and its outcome: empty for success, else BEGUN or a reason."""

    request: str
    sent: int
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The choices of the last event that succeeded, and the digest of all its properties."""

    choices: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What the stack remembers. `dirty` tells that Falcon may differ from it."""

    applied: Applied | None = None
    connections: Mapping[str, str] = field(default_factory=dict)  # Region -> id, of what the stack left included
    dirty: bool = False
    events: tuple[Event, ...] = ()  # latest last
    lease: Lease | None = None
    cloud: str = ""  # where discovery found the tenant
    skipped: tuple[str, ...] = ()  # Regions that the last run skipped, left or disconnected
    failed: tuple[str, ...] = ()  # Regions that failed in the last run
    refused: tuple[str, ...] = ()  # Regions where Falcon refused a create and may have kept it, or set no credential
    unreadable: str = ""  # why the parameter's text was not understood
    version: int = field(default=0, compare=False)  # of the parameter; 0 before it exists

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the stack can be in Falcon."""
        return self.applied is None and not self.dirty and not self.connections


def physical_id(stack_id: str) -> str:
    """Return the physical id of a stack's connections once they were launched."""
    return f"falcon-ecr-{stack_id.rsplit('/', 1)[-1]}"


def may_give_up_regions(record: Record, request: Request) -> bool:
    """Whether a request may no longer want a Region that the stack wanted.

    All others create there again, and Falcon says then that a connection exists.
    """
    same = record.applied is not None and record.applied.choices == request.settings.choices
    return not (request.is_repair or (request.kind is Kind.UPDATE and same))


def digest(properties: Mapping[str, object]) -> str:
    """Return the SHA-256 of all properties of an event, the package and CredentialsVersion included."""
    return hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()


# How an event changes it


def begin(record: Record, request: Request, now: float, seconds: float) -> Record:
    """Return the record with the lease of a request for so many seconds, and with its event.

    A Delete may end half done: no repair may then make again what it removed.
    """
    applied = None if request.is_purge else record.applied
    begun = replace(record, applied=applied, lease=Lease(request.id, now + seconds), dirty=True)
    return begun if request.is_repair else _with_event(begun, request, BEGUN)


def end(record: Record, request: Request, reason: str = "") -> Record:
    """Return the record without the lease of a request, and with the outcome of its event."""
    ended = replace(record, lease=None)
    return ended if request.is_repair else _with_event(ended, request, reason)


def _with_event(record: Record, request: Request, outcome: str) -> Record:
    earlier = [
        replace(event, outcome=FAILED) if event.outcome not in {"", BEGUN} else event
        for event in record.events
        if event.request != request.id
    ]
    event = Event(request.id, int(request.sent), _plain(outcome))
    return replace(record, events=(*earlier[1 - REMEMBERED :], event))


def _plain(text: str) -> str:
    """Return a reason without what JSON or Parameter Store would make longer."""
    return sanitize(text, limit=240).translate(_PLAIN).encode("ascii", "replace").decode()


def is_duplicate(record: Record, request: Request, now: float) -> bool:
    """Whether a Create or Update was answered already, and succeeded.

    Raise RegistrationError with its reason if it failed, and if a later event was delivered before it. A duplicate
    of an event that is at work is not answered yet.
    """
    known = next((event for event in record.events if event.request == request.id), None)
    if known is None:
        # Signatures count whole seconds, and a Create is the first of all: what came in the same one came later.
        latest = int(request.sent) - (request.kind is Kind.CREATE)
        # One sent later than now was not written by a run, and would refuse every event for ever.
        if any(latest < event.sent <= now + CLOCK_SKEW_SECONDS for event in record.events):
            raise RegistrationError(SUPERSEDED)
        return False
    if request.kind is Kind.DELETE or (known.outcome == BEGUN and record.lease and record.lease.holds_at(now)):
        return False  # to delete twice is harmless
    if known.outcome:
        raise RegistrationError(CUT_SHORT if known.outcome == BEGUN else known.outcome)
    return True


def is_applied(record: Record, request: Request) -> bool:
    """Whether an update changes nothing, as the rollback of one that failed: it must succeed, come what may."""
    return request.kind is Kind.UPDATE and record.applied is not None and record.applied.digest == request.digest


def after_run(
    record: Record,
    request: Request,
    report: Report,
    found: Mapping[str, str],
    *,
    unknown: Iterable[str] = (),
    refused: Iterable[str] = (),
) -> Record:
    """Return what the stack remembers after a Create, an Update or a repair, whether it succeeded or not.

    `found` are the connections of the record that Falcon has, by Region. In the Regions of `unknown` Falcon may hold
    something that this stack made and that the record does not name: whoever comes next finds it by its alias. In
    those of `refused`, where Falcon refused a create, the next event that may give up a Region does. What a failed
    event adopted belonged to somebody else before, and is not recorded: it must outlive the rollback.
    """
    removed = {outcome.region for outcome in report.of({OutcomeKind.REMOVED})} & record.connections.keys()
    if report.failure and not request.is_repair:
        left = {region: name for region, name in record.connections.items() if region not in removed}
        return replace(record, connections=left, dirty=bool(removed or {*unknown, *refused}), cloud=report.cloud)
    connected = {outcome.region: outcome.connection_id for outcome in report.of(CONNECTED)}
    kept = {region: name for region, name in found.items() if region not in removed}
    return replace(
        record,
        applied=record.applied if request.is_repair else Applied(request.settings.choices, request.digest),
        connections={**kept, **connected},
        dirty=bool(set(unknown)),
        cloud=report.cloud,
        skipped=tuple(outcome.region for outcome in left_out(report)),
        failed=tuple(outcome.region for outcome in report.of(UNSUCCESSFUL)),
        refused=tuple(sorted(set(refused) - connected.keys())),
    )


def remembered_report(record: Record) -> Report:
    """Return the report of the last run that succeeded, as far as the record tells."""
    kinds = dict.fromkeys(record.connections, OutcomeKind.UNCHANGED)
    kinds |= dict.fromkeys(record.skipped, OutcomeKind.SKIPPED) | dict.fromkeys(record.failed, OutcomeKind.FAILED)
    outcomes = [Outcome(region, kind, record.connections.get(region, "")) for region, kind in kinds.items()]
    return Report(tuple(sorted(outcomes)), cloud=record.cloud)


# Its text


def as_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON. Regions with a connection are named once, and by their place elsewhere."""
    regions = sorted(record.connections)
    stored: dict[str, Any] = {
        "format": FORMAT,
        "applied": record.applied and {"choices": record.applied.choices, "digest": record.applied.digest},
        "connections": {region: record.connections[region] for region in regions},
        "dirty": record.dirty,
        "events": [[event.request, event.sent, event.outcome] for event in record.events],
        "lease": record.lease and [record.lease.holder, round(record.lease.until)],
        "cloud": record.cloud,
        "last": [_places(record.skipped, regions), _places(record.failed, regions)],
        "refused": _places(record.refused, regions),
    }
    return {key: value for key, value in stored.items() if value}


def from_json(stored: Any, version: int) -> Record:
    """Return the record in JSON. What this package did not write is `unreadable`, and Falcon may hold anything."""
    try:
        if stored.get("format") == FORMAT:
            return _record(stored, version)
        problem = f"it is of format {sanitize(stored.get('format'), limit=20)}, not {FORMAT}"
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        problem = f"this package did not write it ({type(error).__name__})"
    return Record(dirty=True, unreadable=f"The stack's record cannot be used: {problem}.", version=version)


def _record(stored: Any, version: int) -> Record:
    connections = _texts(stored.get("connections", {}))
    regions = list(connections)
    applied, lease = stored.get("applied"), stored.get("lease")
    skipped, failed = stored.get("last", ((), ()))
    return Record(
        applied=None if applied is None else Applied(_texts(applied["choices"]), str(applied["digest"])),
        connections=connections,
        dirty=bool(stored.get("dirty")),
        events=tuple(Event(str(name), int(sent), str(outcome)) for name, sent, outcome in stored.get("events", ())),
        lease=None if lease is None else Lease(str(lease[0]), float(round(lease[1]))),
        cloud=str(stored.get("cloud", "")),
        skipped=_names(skipped, regions),
        failed=_names(failed, regions),
        refused=_names(stored.get("refused", ()), regions),
        version=version,
    )


def _places(names: Iterable[str], regions: Sequence[str]) -> list[str | int]:
    """Return names with their place among `regions` for those that are there: a parameter is small."""
    return [regions.index(name) if name in regions else name for name in names]


def _names(stored: Iterable[Any], regions: Sequence[str]) -> tuple[str, ...]:
    """Return the names of which `_places` were written."""
    return tuple(_texts({regions[each] if isinstance(each, int) else each: "" for each in stored}))


def _texts(mapping: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(item, str) for pair in mapping.items() for item in pair):
        raise TypeError("not text")
    return dict(mapping)


def check_room(record: Record, wanted: Iterable[str], choices: Mapping[str, str]) -> None:
    """Raise RecordError unless the record can hold a connection in every wanted Region."""
    unknown = "x" * LONGEST_ID
    full = {**dict.fromkeys(wanted, unknown), **record.connections}
    applied, all_failed = Applied(choices, "x" * 64), tuple(full)
    largest = replace(record, connections=full, applied=applied, skipped=(), failed=all_failed, refused=all_failed)
    size = len(json.dumps(as_json(largest))) + RESERVED
    if size > LARGEST_RECORD:
        raise RecordError(
            f"The stack's record would be {size} characters, and a parameter holds {LARGEST_RECORD}: "
            "name fewer Regions in Regions and ExcludedRegions."
        )
