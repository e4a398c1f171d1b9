"""Runs one row: prepares, lets the fault strike the event, looks, then sends what CloudFormation would send next."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from registry_connections.core.model import Identity
from registry_connections.core.record import Applied, Record, digest
from registry_connections.core.record import Event as Sent
from tests.faults.harness import SECRET_ARN, Delivery, Harness, event_of, parameter_of, url_of
from tests.faults.rows import (
    ACCOUNT,
    MADE_UP,
    OTHER,
    OTHER_ROLE,
    OURS,
    PHYSICAL_ID,
    USUAL,
    WIDER,
    A,
    B,
    Before,
    C,
    Event,
    Row,
)
from tests.sandbox.samples import wait_for
from tests.simulator import Behaviour, Connection, Fault
from tests.simulator.effects import Hang, Redirect

HANGING_SECONDS = 4.0  # what took longer may have left threads behind that hang
EARLIER_SECONDS = 60.0  # what an earlier event has to get as far as a row wants it
CREATING: Mapping[Before, Mapping[str, str]] = {Before.KILLED: WIDER, Before.RUNNING: {}}
"""The properties of a Create that another container is at work on, or was."""


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
    before: Snapshot
    deliveries: list[Delivery]
    """Of the event that the fault struck: one, or two if it was delivered twice."""
    background: Delivery | None
    """Of the Create that was at work meanwhile."""
    after: Snapshot
    next_attempts: list[tuple[Delivery, Snapshot]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    """What was sent to a host to which nothing may be sent."""


def run(harness: Harness, row: Row) -> Run:
    """Run a row on a harness that nobody else uses meanwhile."""
    with ThreadPoolExecutor(2) as executor:
        return _Runner(harness, row, executor).run()


class _Runner:
    def __init__(self, harness: Harness, row: Row, executor: ThreadPoolExecutor) -> None:
        self._harness, self._row, self._executor = harness, row, executor
        self._new = {**USUAL, **row.properties}

    def run(self) -> Run:
        harness, row = self._harness, self._row
        harness.reset(row.behaviour)
        background = self._prepare()
        before = self._snapshot()
        started = {key: len(container.logs) for key, container in harness.containers.items()}
        self._arm()
        deliveries = self._deliver()
        at_work = background.result() if background else None
        observed = Run(row, before, deliveries, at_work, self._snapshot())
        self._go_on(observed)
        for key, container in harness.containers.items():
            observed.logs += container.logs[started.get(key, 0) :]
        observed.elsewhere = list(harness.elsewhere.requests)
        if any(each.invocation.seconds > HANGING_SECONDS for each in deliveries):
            harness.freeze()
        return observed

    def _snapshot(self) -> Snapshot:
        connections: dict[str, list[Connection]] = {}
        others = []
        for connection in self._harness.falcon.connections():
            copy = replace(connection, details=dict(connection.details))
            if connection.is_of(ACCOUNT) and connection.url == url_of(connection.region):
                connections.setdefault(connection.region, []).append(copy)
            else:
                others.append(copy)
        return Snapshot(connections, others, self._harness.record())

    # What happened before the event, up to what is still happening

    def _prepare(self) -> Future[Delivery] | None:
        harness, before = self._harness, self._row.before
        background = None
        if before in {Before.APPLIED, Before.APPLIED_GONE, Before.APPLIED_FOUND}:
            self._apply(OURS)
        if before is Before.APPLIED_GONE:
            (gone,) = self._snapshot().connections[B]
            harness.falcon.tenant.remove(gone.id)
        for region in {Before.FOUND: (A, B), Before.APPLIED_FOUND: (C,)}.get(before, ()):
            harness.connect(url_of(region), role=OTHER_ROLE)
        if before is Before.OTHER_STACK:
            self._apply(OTHER)
        if before in CREATING:
            background = self._begin_create(killed=before is Before.KILLED)
        if self._row.record:
            harness.aws.put(parameter_of(OURS), self._row.record)
        elif self._row.record is not None:
            harness.aws.parameters.pop(parameter_of(OURS), None)
        return background

    def _apply(self, identity: Identity) -> None:
        connections = {
            region: self._harness.connect(url_of(region), identity.role_arn, alias=identity.created_alias(region))
            for region in (A, B)
        }
        applied = Applied(dict(USUAL), digest(dict(USUAL)))
        record = Record(applied, connections, cloud="us-1", events=(Sent("earlier", 0),))
        self._harness.write_record(record, identity)

    def _begin_create(self, *, killed: bool) -> Future[Delivery] | None:
        """Begin a Create, and kill the function once it made two connections, and of a third only the response lacks.

        Otherwise its role takes some seconds to be usable.
        """
        harness = self._harness
        if killed:
            harness.falcon.arm(Fault("create", Hang(applied=True), region=C))
        else:
            harness.falcon.change(iam_ready_after=5.0)
        event = event_of(Event.CREATE, {**USUAL, **CREATING[self._row.before]})
        background = self._executor.submit(harness.deliver, event, remaining=90, container=1)
        journal = harness.falcon.journal
        wait_for(lambda: journal.count("create") > 1, EARLIER_SECONDS)
        if not killed:
            return background
        wait_for(lambda: len(self._snapshot().connections) == len((A, B, C)), EARLIER_SECONDS)
        wait_for(lambda: journal.statuses("create")[200] == len((A, B)), EARLIER_SECONDS)
        harness.kill(1)
        background.result()
        self._release()
        harness.falcon.disarm()
        return None

    def _release(self) -> None:
        """Take away the lease of a run that ended without it, as when its time is over."""
        record = self._harness.record()
        if record and record.lease:
            self._harness.write_record(replace(record, lease=None))

    # The event

    def _arm(self) -> None:
        harness, row = self._harness, self._row
        for fault in row.faults:
            effect = fault.effect
            there = replace(effect, location=harness.elsewhere.url) if isinstance(effect, Redirect) else effect
            harness.falcon.arm(replace(fault, effect=there))
        if row.secret is not None:
            harness.aws.secrets = {SECRET_ARN: row.secret} if row.secret else {}

    def _deliver(self) -> list[Delivery]:
        harness, row = self._harness, self._row
        event = event_of(row.event, self._new, USUAL, **row.changes)
        harness.aws.held = row.held or event.get("PhysicalResourceId", "")

        def deliver(container: int) -> Delivery:
            # One event has one ResponseURL; two tell apart which delivery responded with what.
            age = 60.0 if row.delivered == "late" else 0.0
            return harness.deliver(event, row.remaining, container, age)

        if row.delivered == "late":
            harness.deliver(event_of(Event.UPDATE, USUAL, self._new))
        if row.delivered != "at once":
            return [deliver(0) for _ in range(2 if row.delivered == "again" else 1)]
        for container in (0, 1):
            harness.warm_up(container)
        return list(self._executor.map(deliver, (0, 1)))

    # What comes next

    def _go_on(self, observed: Run) -> None:
        """Send what CloudFormation sends next, and what the operator tries after that.

        What made an Update fail stays through its rollback, which must succeed all the same.
        """
        row, new = self._row, self._new
        failed = row.status != "SUCCESS"
        self._release()

        def attempt(
            kind: Event, properties: Mapping[str, str], old: Mapping[str, str] | None = None, **more: Any
        ) -> None:
            self._harness.aws.held = row.held or more.get("PhysicalResourceId", PHYSICAL_ID)
            delivery = self._harness.deliver(event_of(kind, properties, old, **more))
            observed.next_attempts.append((delivery, self._snapshot()))

        if row.event is Event.UPDATE and failed:
            attempt(Event.UPDATE, USUAL, new)
        self._disarm()
        if row.event is Event.DELETE:
            attempt(Event.DELETE, new, **row.changes)
        elif row.event is Event.UPDATE or not failed:
            attempt(Event.UPDATE, new, USUAL if failed else new)
        else:
            attempt(
                Event.DELETE, new, PhysicalResourceId=observed.deliveries[0].answer.get("PhysicalResourceId", MADE_UP)
            )
            attempt(Event.CREATE, new)

    def _disarm(self) -> None:
        self._harness.falcon.disarm()
        self._harness.restore_secret()
        self._harness.falcon.behaviour = Behaviour()
