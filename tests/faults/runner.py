"""Runs one row: prepares, lets the fault strike the event, looks, then sends what CloudFormation would send next."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from registry_connections.core.model import Identity
from registry_connections.core.record import Applied, Record, digest
from registry_connections.core.record import Event as Sent
from tests.faults.aws_stub import AwsFault
from tests.faults.cloudformation import Refusal
from tests.faults.harness import SECRET_ARN, Delivery, Harness, Stack, url_of
from tests.faults.rows import ACCOUNT, OTHER, OTHER_ROLE, OURS, USUAL, A, B, Before, C, Event, Row
from tests.simulator import Behaviour, Connection, Fault, Hang, Redirect

MADE_UP, ORIGINAL = "falcon-ecr-RegistryConnections-1A2B3C4D5E6F", "CustomResourcePhysicalID"
NEXT_SECONDS = 60.0  # that each of the next attempts has


@dataclass(frozen=True)
class Snapshot:
    """What there is at one moment. `connections` are those of this account, by Region; `others` all the rest."""

    connections: Mapping[str, list[Connection]]
    others: list[Connection]
    record: Record | None


@dataclass
class Run:
    """Everything that was seen of one row."""

    row: Row
    stack: Stack
    before: Snapshot
    deliveries: list[Delivery]
    """Of the event that the fault struck: one, or two if it was delivered twice."""
    after: Snapshot
    background: Delivery | None = None
    """Of the Create that was at work meanwhile."""
    next_attempts: list[tuple[Delivery, Snapshot]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    """What was sent to a host to which nothing may be sent."""


def snapshot(harness: Harness, stack: Stack) -> Snapshot:
    connections: dict[str, list[Connection]] = {}
    others = []
    for connection in harness.falcon.connections():
        copy = replace(connection, details=dict(connection.details))
        if connection.is_of(ACCOUNT) and connection.url == url_of(connection.region):
            connections.setdefault(connection.region, []).append(copy)
        else:
            others.append(copy)
    return Snapshot(connections, others, harness.record(stack))


def run(harness: Harness, row: Row) -> Run:
    """Run a row on a harness that nobody else uses meanwhile."""
    if row.container == "fresh":
        harness.freeze()
    stack = Stack(OURS)
    harness.reset(row.regions, row.behaviour)
    earlier = _Earlier(harness, stack, row)
    earlier.prepare()
    before = snapshot(harness, stack)
    started = {key: len(container.logs) for key, container in harness.containers.items()}
    _arm(harness, row)
    with _vanishing(harness, row):
        deliveries = _deliver(harness, stack, row)
    background = earlier.finished()
    observed = Run(row, stack, before, deliveries, snapshot(harness, stack), background)
    _go_on(harness, observed)
    for key, container in harness.containers.items():
        observed.logs += container.logs[started.get(key, 0) :]
    observed.elsewhere = list(harness.elsewhere.requests)
    if row.is_slow:
        harness.freeze()
    return observed


def _arm(harness: Harness, row: Row) -> None:
    elsewhere = f"{harness.elsewhere.url}/there"
    for fault in row.faults:
        if isinstance(fault, Fault):
            effect = fault.effect
            there = replace(effect, location=elsewhere) if isinstance(effect, Redirect) else effect
            harness.falcon.arm(replace(fault, effect=there))
        elif isinstance(fault, AwsFault):
            harness.aws.arm(replace(fault, text=elsewhere) if fault.kind == "redirect" else fault)
    if row.secret is not None:
        harness.aws.secrets[SECRET_ARN] = row.secret
        if not row.secret:
            del harness.aws.secrets[SECRET_ARN]


def _disarm(harness: Harness) -> None:
    harness.falcon.disarm()
    harness.aws.disarm()
    harness.restore_secret()
    harness.falcon.behaviour = Behaviour()


class _Earlier:
    """What happened before the event, up to what is still happening."""

    def __init__(self, harness: Harness, stack: Stack, row: Row) -> None:
        self._harness, self._stack, self._row = harness, stack, row
        self._background: list[Delivery] = []
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        self._bring_about(self._row.before)
        if self._row.record:
            self._harness.aws.put(self._stack.parameter, self._row.record)
        elif self._row.record is not None:
            self._harness.aws.parameters.pop(self._stack.parameter, None)

    def _bring_about(self, before: Before) -> None:
        harness, stack = self._harness, self._stack
        match before:
            case Before.APPLIED | Before.APPLIED_GONE | Before.APPLIED_FOUND:
                self._apply()
            case Before.FOUND | Before.FOUND_ONE:
                for region in (A, B) if before is Before.FOUND else (A,):
                    harness.connect(url_of(region), role=OTHER_ROLE)
            case Before.UNFINISHED:
                self._connect(OURS, A)
                harness.write_record(stack, Record(dirty=True, events=(Sent("earlier", 0, "failed"),)))
            case Before.KILLED:
                self._kill_in_create()
            case Before.RUNNING:
                self._create_in_background()
            case Before.OTHER_STACK:
                harness.write_record(Stack(OTHER), self._applied(OTHER, A, B))

    def finished(self) -> Delivery | None:
        """Wait until nothing is at work any more."""
        if self._thread:
            self._thread.join()
        return self._background[0] if self._background else None

    def _apply(self) -> None:
        record = self._applied(OURS, A, B)
        self._harness.write_record(self._stack, record)
        if self._row.before is Before.APPLIED_GONE:
            self._harness.falcon.tenant.remove(record.connections[B])
        if self._row.before is Before.APPLIED_FOUND:
            self._harness.connect(url_of(C), role=OTHER_ROLE)

    def _applied(self, identity: Identity, *regions: str) -> Record:
        connections = {region: self._connect(identity, region) for region in regions}
        applied = Applied(dict(USUAL), digest(dict(USUAL)))
        return Record(applied, connections, cloud="us-1", events=(Sent("earlier", 0),))

    def _connect(self, identity: Identity, region: str) -> str:
        alias = identity.created_alias(region)
        return self._harness.connect(url_of(region), role=identity.role_arn, alias=alias)

    def _begin(self, properties: Mapping[str, str], remaining: float) -> None:
        event = self._stack.event(Event.CREATE, {**USUAL, **properties})

        def work() -> None:
            self._background.append(self._harness.deliver(self._stack, event, remaining=remaining, container=1))

        self._thread = threading.Thread(target=work, name="earlier-create", daemon=True)
        self._thread.start()

    def _kill_in_create(self) -> None:
        """Kill the function when two connections were made, and of the third only the response is missing."""
        harness = self._harness
        harness.falcon.arm(Fault("create", Hang(applied=True), region=C))
        self._begin({"Regions": f"{A},{B},{C}"}, remaining=36)
        _wait(lambda: len(snapshot(harness, self._stack).connections) == len((A, B, C)))
        _wait(lambda: len([r for r in harness.falcon.journal.records("create") if r.status == 200]) == len((A, B)))
        container = harness.container(self._stack, 1)
        if container.pid:
            os.kill(container.pid, signal.SIGKILL)
        self.finished()
        self._background.clear()
        harness.falcon.disarm()
        harness.falcon.journal.clear()
        record = harness.record(self._stack)
        assert record
        harness.write_record(self._stack, replace(record, lease=None))  # as when its time is over

    def _create_in_background(self) -> None:
        """Begin a Create whose role takes some seconds to be usable, and wait until it is at it."""
        self._harness.falcon.change(iam_ready_after=5.0)
        self._begin({}, remaining=90)
        _wait(lambda: self._harness.falcon.journal.count("create") > 1)


def _wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the earlier events did not get that far")
        time.sleep(0.02)


@contextmanager
def _vanishing(harness: Harness, row: Row) -> Iterator[None]:
    """Let somebody remove a connection while the first update is under way, if the row says so."""
    wanted = [c.id for c in harness.falcon.connections() if c.type == "ecr" and c.url == url_of(row.vanishes)]
    ended = threading.Event()

    def remove() -> None:
        while wanted and not ended.wait(0.01):
            if harness.falcon.journal.count("update"):
                harness.falcon.tenant.remove(wanted.pop(0))

    thread = threading.Thread(target=remove, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _deliver(harness: Harness, stack: Stack, row: Row) -> list[Delivery]:
    ids = {"ours": stack.physical_id, "failed": f"{stack.physical_id}-failed", "made up": MADE_UP, "original": ORIGINAL}
    event = stack.event(row.event, {**USUAL, **row.properties}, USUAL, **row.changes)
    if row.event is not Event.CREATE:
        event["PhysicalResourceId"] = ids[row.physical_id]
    harness.aws.held = row.held or event.get("PhysicalResourceId", "")
    elsewhere = f"{harness.elsewhere.url}/there"
    refusals = [replace(fault, location=elsewhere) for fault in row.faults if isinstance(fault, Refusal)]

    def deliver(container: int) -> Delivery:
        # One event has one ResponseURL; two tell apart which delivery responded with what.
        return harness.deliver(stack, event, remaining=row.remaining, container=container, refusals=refusals)

    if row.delivered == "once":
        return [deliver(0)]
    if row.delivered == "again":
        return [deliver(0), deliver(0)]
    for container in (0, 1):
        harness.warm_up(stack, container)
    with ThreadPoolExecutor(2) as executor:
        return list(executor.map(deliver, (0, 1)))


def _go_on(harness: Harness, observed: Run) -> None:
    """Send what CloudFormation sends next, and what the operator tries after that.

    What made an Update fail stays through its rollback, which must succeed all the same.
    """
    row, stack = observed.row, observed.stack
    new = {**USUAL, **row.properties}
    failed = row.status != "SUCCESS"
    record = harness.record(stack)
    if record and record.lease:
        harness.write_record(stack, replace(record, lease=None))  # as when its time is over

    def attempt(event: Event, properties: Mapping[str, str], old: Mapping[str, str] | None = None, **more: Any) -> None:
        harness.aws.held = row.held or more.get("PhysicalResourceId", stack.physical_id)
        delivery = harness.deliver(stack, stack.event(event, properties, old, **more), remaining=NEXT_SECONDS)
        observed.next_attempts.append((delivery, snapshot(harness, stack)))

    if row.event is Event.CREATE and failed:
        _disarm(harness)
        attempt(
            Event.DELETE, new, PhysicalResourceId=observed.deliveries[0].answer.get("PhysicalResourceId") or MADE_UP
        )
        if row.can_succeed:
            attempt(Event.CREATE, new)
    elif row.event is Event.UPDATE and failed:
        attempt(Event.UPDATE, USUAL, new)
        _disarm(harness)
        attempt(Event.UPDATE, new, USUAL)
    elif row.event is Event.DELETE:
        _disarm(harness)
        identifier = observed.deliveries[0].event["PhysicalResourceId"]
        attempt(Event.DELETE, new, **{**row.changes, "PhysicalResourceId": identifier})
    else:
        _disarm(harness)
        attempt(Event.UPDATE, new, new)
