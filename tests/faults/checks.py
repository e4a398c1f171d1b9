"""What must hold for every row: the contract with CloudFormation, the row's own words, that the next attempt heals."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry_connections.core.record import Record
from tests.faults.harness import Delivery
from tests.faults.protocol import wrong_in_answer, wrong_in_logs, wrong_in_silence
from tests.faults.rows import OURS, A, B, Event, Have, Row
from tests.faults.runner import Run, Snapshot
from tests.simulator import Connection


def problems(run: Run) -> list[str]:
    """Return a sentence for each thing that is not as it must be."""
    sent = [f"sent to another host: {request}" for request in run.elsewhere]
    return [*sent, *_event(run), *_falcon(run), *_record(run), *_logs(run), *_next(run)]


# The event that the fault struck


def _event(run: Run) -> Iterator[str]:
    for delivery in run.deliveries:
        if run.row.status == "none":
            yield from wrong_in_silence(delivery)
        else:
            yield from wrong_in_answer(delivery)
            yield from _said(delivery, run.row)
    if run.background:
        yield from wrong_in_answer(run.background)


def _said(delivery: Delivery, row: Row) -> Iterator[str]:
    answer = delivery.answer
    if answer.get("Status") != row.status:
        yield f"status is {answer.get('Status')}: {answer.get('Reason')}"
    if not re.search(row.reason, str(answer.get("Reason"))):
        yield f"reason is {answer.get('Reason')!r}"
    if row.status == "SUCCESS" and row.event is not Event.DELETE:
        said = str(answer.get("Data", {}).get("ConnectedRegions"))
        if set(said.split(",")) != row.wanted & row.falcon.keys():
            yield f"the response says that {said} are connected"


def _logs(run: Run) -> Iterator[str]:
    yield from wrong_in_logs(run.logs)
    if not re.search(run.row.says, "\n".join(run.logs)):
        yield f"the log does not say {run.row.says!r}"


# What Falcon holds


def _falcon(run: Run) -> Iterator[str]:
    yield from _holds(run.after, run.row.falcon, run, "afterwards")
    yield from _untouched(run, run.after, "afterwards")


def _holds(now: Snapshot, expected: Mapping[str, Have], run: Run, when: str) -> Iterator[str]:
    """Compare this account's connections with what is expected of each Region."""
    for region in sorted({*now.connections, *expected}):
        found = now.connections.get(region, [])
        if len(found) != (region in expected):
            yield f"{when} Falcon holds {len(found)} connections of {region}"
        elif found:
            yield from _is(found[0], expected[region], run, f"{when} the connection of {region}")


def _is(connection: Connection, expected: Have, run: Run, which: str) -> Iterator[str]:
    earlier = {c.id: c for found in run.before.connections.values() for c in found}
    before = earlier.get(connection.id)
    if (before is None) != (expected is Have.MADE):
        yield f"{which} {'is new' if before is None else 'was there before'}"
    elif expected is Have.SAME and connection != before:
        yield f"{which} is not as before"
    elif expected is not Have.SAME and connection.role != OURS.role_arn:
        yield f"{which} has the role {connection.role}"


def _untouched(run: Run, now: Snapshot, when: str) -> Iterator[str]:
    if now.others != run.before.others:
        yield f"{when} connections of others are not as before"


# What the record says


def _record(run: Run) -> Iterator[str]:
    row, record = run.row, run.after.record
    if not row.compared:
        return
    if row.event is Event.DELETE and row.status == "SUCCESS" and row.managed is None:
        yield from [f"a record is left: {record}"] if record else []
        return
    succeeded = row.status == "SUCCESS" and row.event is not Event.DELETE
    before = run.before.record.connections if run.before.record else {}
    managed = set(row.managed if row.managed is not None else row.falcon if succeeded else before)
    if set(record.connections if record else ()) != managed:
        yield f"the record names the connections of {sorted(record.connections) if record else 'nothing'}"
    if record:
        yield from _settled(record, row, succeeded=succeeded)


def _settled(record: Record, row: Row, *, succeeded: bool) -> Iterator[str]:
    if record.dirty != row.dirty:
        yield f"the record is {'dirty' if record.dirty else 'clean'}"
    if record.lease:
        yield f"a lease is left: {record.lease}"
    if succeeded and (
        record.applied is None or set(record.applied.choices.get("Regions", "").split(",")) != row.wanted
    ):
        yield f"the record says that {record.applied} was applied"


# The next attempts

Check = Callable[[Snapshot, str], Iterator[str]]


def _next(run: Run) -> Iterator[str]:
    for delivery, _ in run.next_attempts:
        yield from (f"next: {problem}" for problem in wrong_in_answer(delivery))
        if delivery.answer.get("Status") != "SUCCESS":
            kind, answer = delivery.event["RequestType"], delivery.answer
            yield f"next: {kind} ends with {answer.get('Status')}: {answer.get('Reason')}"
    for (delivery, now), check in zip(run.next_attempts, _expectations(run), strict=True):
        when = f"after the next {delivery.event['RequestType']}"
        yield from check(now, when)
        yield from _untouched(run, now, when)


def _expectations(run: Run) -> list[Check]:
    """Return, for each of the next attempts, the check of what it leaves."""
    row = run.row
    if row.event is Event.CREATE and row.status != "SUCCESS":
        return [_as_before(run), _connected(row.wanted)]
    if row.event is Event.UPDATE and row.status != "SUCCESS":
        # A rollback that cannot reach Falcon succeeds, and leaves what the next repair puts right.
        back: Check = (lambda _now, _when: iter(())) if row.dirty else _connected({A, B}, at_least=True)
        return [back, _connected(row.wanted, at_least=True)]
    done: Mapping[str, Have] = row.falcon if row.status == "SUCCESS" else {}
    missing = {} if row.event is Event.DELETE else dict.fromkeys(row.wanted - done.keys(), Have.MADE)
    return [lambda now, when: _holds(now, {**done, **missing}, run, when)]


def _as_before(run: Run) -> Check:
    """Return the check that nothing of the stack is left, and what was there before is as it was."""

    def check(now: Snapshot, when: str) -> Iterator[str]:
        if now.connections != run.before.connections:
            yield f"{when} Falcon holds {_shown(now)}, before it was {_shown(run.before)}"

    return check


def _connected(regions: set[str], *, at_least: bool = False) -> Check:
    """Return the check that these Regions are connected, with the stack's role, and that the record knows them."""

    def check(now: Snapshot, when: str) -> Iterator[str]:
        roles: dict[str, Any] = {region: [c.role for c in found] for region, found in now.connections.items()}
        if at_least:
            roles = {region: found for region, found in roles.items() if region in regions}
        if roles != {region: [OURS.role_arn] for region in regions}:
            yield f"{when} Falcon holds {_shown(now)}"
        managed = set(now.record.connections) if now.record else set()
        if not managed >= regions:
            yield f"{when} the record names the connections of {sorted(managed)}"

    return check


def _shown(now: Snapshot) -> str:
    return (
        ", ".join(f"{region} ({c.role})" for region, found in sorted(now.connections.items()) for c in found) or "none"
    )
