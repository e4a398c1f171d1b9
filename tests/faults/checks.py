"""What must hold for every row: the contract with CloudFormation, the row's own words, that the next attempt heals."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from registry_connections.core.record import Record, as_json
from tests.faults.harness import SECRETS, Delivery, Snapshot
from tests.faults.rows import OURS, PHYSICAL_ID, A, B, Event, Have, Row
from tests.faults.runner import Run
from tests.simulator import Connection
from tests.template.rendering import strings

LARGEST_ANSWER = 4096  # bytes; CloudFormation's limit
LONGEST_REASON = 240  # characters
UNFORESEEN = re.compile(r"[Uu]nexpected|Traceback")
"""What the function says of an error that nobody foresaw. No row may be such an error."""


def problems(run: Run) -> list[str]:
    """Return a sentence for each thing that is not as it must be."""
    sent = [f"sent to another host: {request}" for request in run.stray]
    snapshots = [run.after, *(now for _, now in run.next_attempts)]
    others = ["connections of others are not as before" for now in snapshots if now.others != run.before.others]
    return [
        *sent,
        *others,
        *_event(run),
        *_holds(run.after, run.row.falcon, run),
        *_record(run),
        *_logs(run),
        *_next(run),
    ]


def _event(run: Run) -> Iterator[str]:
    for delivery in run.deliveries:
        yield from _wrong_in_answer(delivery, times=0 if run.row.status == "none" else 1)
        for answer in delivery.answers:
            yield from _said(answer, run.row)
    if run.background:
        yield from _wrong_in_answer(run.background)


def _said(answer: Mapping[str, Any], row: Row) -> Iterator[str]:
    if answer.get("Status") != row.status or not re.search(row.reason, str(answer.get("Reason"))):
        yield f"status is {answer.get('Status')}: {answer.get('Reason')}"
    if row.status == "SUCCESS" and row.event is not Event.DELETE:
        said = str(answer.get("Data", {}).get("ConnectedRegions"))
        if set(said.split(",")) != row.wanted & row.falcon.keys():
            yield f"the response says that {said} are connected"


def _logs(run: Run) -> Iterator[str]:
    for line in run.logs:
        document = json.loads(line)
        yield from _indiscreet("the log", document)
        if UNFORESEEN.search(f"{document.get('text')} {document.get('message')}"):
            yield f"nobody foresaw this: {line}"
    if not re.search(run.row.says, "\n".join(run.logs)):
        yield f"the log does not say {run.row.says!r}"


# What holds for every answer and every log line, whatever the event


def _wrong_in_answer(delivery: Delivery, times: int = 1) -> Iterator[str]:
    """Yield what is wrong with the answer that CloudFormation must have taken so many times; the function ends well."""
    kind = delivery.event["RequestType"]
    if delivery.invocation.status != "response" or delivery.invocation.payload is not None:
        yield f"{kind}: the invocation ended with {delivery.invocation.status} {delivery.invocation.payload}"
    if len(delivery.answers) != times:
        yield f"{kind}: CloudFormation took {len(delivery.answers)} answers"
    for answer in delivery.answers:
        yield from (f"{kind}: {problem}" for problem in _wrong_fields(answer, delivery.event))
        yield from _indiscreet(f"{kind}: the answer", answer)


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


def _indiscreet(where: str, said: Any) -> Iterator[str]:
    """Yield each text in a piece of JSON that holds a secret, or what hurts a terminal."""
    for text in strings(said):
        if any(secret in text for secret in SECRETS):
            yield f"{where} holds a secret: {text!r}"
        if not text.isprintable():
            yield f"{where} holds control characters: {text!r}"


# What Falcon holds


def _holds(now: Snapshot, expected: Mapping[str, Have], run: Run) -> Iterator[str]:
    """Compare this account's connections with what is expected of each Region."""
    earlier = {each.id: each for found in run.before.connections.values() for each in found}

    def fits(have: Have, connection: Connection) -> bool:
        before = earlier.get(connection.id)
        if have is Have.SAME:
            return connection == before
        return connection.role == OURS.role_arn and (before is None) is (have is Have.MADE)

    held = {
        region: [fits(expected[region], each) for each in found] if region in expected else []
        for region, found in now.connections.items()
    }
    if held != {region: [True] for region in expected}:
        yield f"Falcon holds {_shown(now)}, before it was {_shown(run.before)}; it should be {dict(expected)}"


# What the record says


def _record(run: Run) -> Iterator[str]:
    row, record = run.row, run.after.record
    if record:
        yield from _indiscreet("the record", as_json(record))
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
    row, snapshots = run.row, [now for _, now in run.next_attempts]
    for delivery, _ in run.next_attempts:
        yield from (f"next: {problem}" for problem in _wrong_in_answer(delivery))
        if delivery.answer.get("Status") != "SUCCESS":
            yield f"next: {delivery.event['RequestType']} ends with {delivery.answer}"
    if row.status == "SUCCESS" or row.event is Event.DELETE:
        done: Mapping[str, Have] = row.falcon if row.status == "SUCCESS" else {}
        missing = {} if row.event is Event.DELETE else dict.fromkeys(row.wanted - done.keys(), Have.MADE)
        yield from (f"next: {problem}" for problem in _holds(snapshots[0], {**done, **missing}, run))
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
