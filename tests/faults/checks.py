"""What must hold for every row: the contract with CloudFormation, the row's own words, that the next attempt heals."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from registry_connections.core.record import Record
from tests.faults.harness import SECRETS, Delivery
from tests.faults.rows import OURS, PHYSICAL_ID, A, B, Event, Have, Row
from tests.faults.runner import Run, Snapshot
from tests.simulator import Connection
from tests.template.rendering import strings

LARGEST_ANSWER = 4096  # bytes; CloudFormation's limit
LONGEST_REASON = 240  # characters
UNFORESEEN = re.compile(r"[Uu]nexpected|Traceback")
"""What the function says of an error that nobody foresaw. No row may be such an error."""


def problems(run: Run) -> list[str]:
    """Return a sentence for each thing that is not as it must be."""
    sent = [f"sent to another host: {request}" for request in run.elsewhere]
    held = _holds(run.after, run.row.falcon, run, "afterwards")
    return [*sent, *_event(run), *held, *_record(run), *_logs(run), *_next(run)]


def _event(run: Run) -> Iterator[str]:
    for delivery in run.deliveries:
        if run.row.status == "none":
            yield from _wrong_in_silence(delivery)
        else:
            yield from _wrong_in_answer(delivery)
            yield from _said(delivery, run.row)
    if run.background:
        yield from _wrong_in_answer(run.background)


def _said(delivery: Delivery, row: Row) -> Iterator[str]:
    answer = delivery.answer
    if answer.get("Status") != row.status or not re.search(row.reason, str(answer.get("Reason"))):
        yield f"status is {answer.get('Status')}: {answer.get('Reason')}"
    if row.status == "SUCCESS" and row.event is not Event.DELETE:
        said = str(answer.get("Data", {}).get("ConnectedRegions"))
        if set(said.split(",")) != row.wanted & row.falcon.keys():
            yield f"the response says that {said} are connected"


def _logs(run: Run) -> Iterator[str]:
    yield from (problem for line in run.logs for problem in _wrong_in_log(line))
    if not re.search(run.row.says, "\n".join(run.logs)):
        yield f"the log does not say {run.row.says!r}"


# What holds for every answer and every log line, whatever the event


def _wrong_in_answer(delivery: Delivery) -> Iterator[str]:
    """Yield what is wrong with the one answer that CloudFormation must have taken."""
    kind = delivery.event["RequestType"]
    if delivery.invocation.status != "response" or delivery.invocation.payload is not None:
        yield f"{kind}: the invocation ended with {delivery.invocation.status} {delivery.invocation.payload}"
    if len(delivery.answers) != 1:
        yield f"{kind}: CloudFormation took {len(delivery.answers)} answers"
        return
    yield from (f"{kind}: {problem}" for problem in _wrong_fields(delivery.answer, delivery.event))
    yield from _indiscreet(f"{kind}: the answer", delivery.answer)


def _wrong_in_silence(delivery: Delivery) -> Iterator[str]:
    """Yield what is wrong with an event whose answer CloudFormation never took: the function ends by itself."""
    if delivery.answers or not delivery.puts:
        yield f"CloudFormation took {len(delivery.answers)} answers of {len(delivery.puts)}"
    if delivery.invocation.status != "response":
        yield f"the invocation ended with {delivery.invocation.status} {delivery.invocation.payload}"


def _wrong_fields(answer: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[str]:
    identifier = event.get("PhysicalResourceId", f"{PHYSICAL_ID}-failed")
    if event["RequestType"] != "Delete" and answer.get("Status") == "SUCCESS":
        identifier = PHYSICAL_ID
    copied = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    for name, value in {**copied, "PhysicalResourceId": identifier}.items():
        if answer.get(name) != value:
            yield f"{name} is {answer.get(name)!r}"
    reason = answer.get("Reason", "")
    if len(json.dumps(answer)) > LARGEST_ANSWER:
        yield f"the answer has {len(json.dumps(answer))} bytes"
    if len(reason) > LONGEST_REASON or (answer.get("Status") == "FAILED" and not reason):
        yield f"the reason has {len(reason)} characters"
    if UNFORESEEN.search(reason):
        yield f"nobody foresaw this: {reason}"


def _wrong_in_log(line: str) -> Iterator[str]:
    """Yield what is wrong with a line that is not one JSON object, or holds what it must not."""
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        yield f"a line of the log is not a JSON object: {line!r}"
        return
    yield from _indiscreet("the log", document)
    if UNFORESEEN.search(f"{document.get('text')} {document.get('message')}"):
        yield f"nobody foresaw this: {line}"


def _indiscreet(where: str, said: Any) -> Iterator[str]:
    """Yield each text in a piece of JSON that holds a secret, or what hurts a terminal."""
    for text in strings(said):
        if any(secret in text for secret in SECRETS):
            yield f"{where} holds a secret: {text!r}"
        if not text.isprintable():
            yield f"{where} holds control characters: {text!r}"


# What Falcon holds


def _holds(now: Snapshot, expected: Mapping[str, Have], run: Run, when: str) -> Iterator[str]:
    """Compare this account's connections with what is expected of each Region, and all others with those before."""
    for region in sorted({*now.connections, *expected}):
        found = now.connections.get(region, [])
        if len(found) != (region in expected):
            yield f"{when} Falcon holds {len(found)} connections of {region}"
        elif found:
            yield from _is(found[0], expected[region], run, f"{when} the connection of {region}")
    if now.others != run.before.others:
        yield f"{when} connections of others are not as before"


def _is(connection: Connection, expected: Have, run: Run, which: str) -> Iterator[str]:
    earlier = {c.id: c for found in run.before.connections.values() for c in found}
    before = earlier.get(connection.id)
    if (before is None) != (expected is Have.MADE):
        yield f"{which} {'is new' if before is None else 'was there before'}"
    elif expected is Have.SAME and connection != before:
        yield f"{which} is not as before"
    elif expected is not Have.SAME and connection.role != OURS.role_arn:
        yield f"{which} has the role {connection.role}"


# What the record says


def _record(run: Run) -> Iterator[str]:
    row, record = run.row, run.after.record
    if not row.compared:
        return
    succeeded = row.status == "SUCCESS"
    if row.event is Event.DELETE and succeeded and row.managed is None:
        yield from [f"a record is left: {record}"] if record else []
        return
    succeeded = succeeded and row.event is not Event.DELETE
    before = run.before.record.connections if run.before.record else {}
    managed = set(row.managed if row.managed is not None else row.falcon if succeeded else before)
    if set(record.connections if record else ()) != managed:
        yield f"the record names the connections of {sorted(record.connections) if record else 'nothing'}"
    if record and (record.dirty != row.dirty or record.lease):
        yield f"the record is {'dirty' if record.dirty else 'clean'}, with the lease {record.lease}"
    if record and succeeded and row.properties.get("Regions") != "" and _applied_regions(record) != row.wanted:
        yield f"the record says that {record.applied} was applied"


def _applied_regions(record: Record) -> set[str]:
    return set(record.applied.choices.get("Regions", "").split(",")) if record.applied else set()


# The next attempts


def _next(run: Run) -> Iterator[str]:
    """Judge what CloudFormation sends next, and what the operator tries then: all succeed, and leave what they must."""
    row, attempts = run.row, run.next_attempts
    for delivery, _ in attempts:
        yield from (f"next: {problem}" for problem in _wrong_in_answer(delivery))
        if delivery.answer.get("Status") != "SUCCESS":
            yield f"next: {delivery.event['RequestType']} ends with {delivery.answer}"
    snapshots = [now for _, now in attempts]
    if any(now.others != run.before.others for now in snapshots):
        yield "next: connections of others are not as before"
    if row.status == "SUCCESS" or row.event is Event.DELETE:
        done: Mapping[str, Have] = row.falcon if row.status == "SUCCESS" else {}
        missing = {} if row.event is Event.DELETE else dict.fromkeys(row.wanted - done.keys(), Have.MADE)
        yield from _holds(snapshots[0], {**done, **missing}, run, "next")
        return
    if row.event is Event.CREATE and snapshots[0].connections != run.before.connections:
        yield f"next: Falcon holds {_shown(snapshots[0])}, before it was {_shown(run.before)}"
    if row.event is Event.CREATE and snapshots[1].connections.keys() != row.wanted:
        yield f"next: Falcon holds {_shown(snapshots[1])}"
    # A rollback that cannot reach Falcon succeeds, and leaves what the next repair puts right.
    if row.event is Event.UPDATE and not row.dirty:
        yield from _unconnected(snapshots[0], {A, B})
    yield from _unconnected(snapshots[1], row.wanted)


def _unconnected(now: Snapshot, regions: Iterable[str]) -> Iterator[str]:
    """Yield each of these Regions that is not connected with the stack's role, or that the record does not know."""
    for region in regions:
        if [c.role for c in now.connections.get(region, [])] != [OURS.role_arn]:
            yield f"next: {region} is not connected: Falcon holds {_shown(now)}"
        if region not in (now.record.connections if now.record else {}):
            yield f"next: the record does not name {region}"


def _shown(now: Snapshot) -> str:
    held = (f"{region} ({c.role})" for region, found in sorted(now.connections.items()) for c in found)
    return ", ".join(held) or "none"
