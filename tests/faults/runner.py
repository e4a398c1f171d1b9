"""Runs one row: prepares, lets the fault strike the event, looks, then sends what CloudFormation would send next."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from registry_connections.core.model import Identity
from registry_connections.core.record import Applied, Record, digest
from registry_connections.core.record import Event as Sent
from tests.faults.harness import SECRET_ARN, Delivery, Harness, Snapshot, event_of, parameter_of
from tests.faults.rows import MADE_UP, OTHER, OURS, PHYSICAL_ID, USUAL, WIDER, A, B, Before, C, Event, Row
from tests.sandbox.samples import wait_for
from tests.simulator import Behaviour, Fault
from tests.simulator.effects import Hang, Redirect

HANGING_SECONDS = 4.0  # what took longer may have left threads behind that hang
EARLIER_SECONDS = 60.0  # what an earlier event has to get as far as a row wants it
CREATING: Mapping[Before, Mapping[str, str]] = {Before.KILLED: WIDER, Before.RUNNING: {}}
"""The properties of a Create that another container is at work on, or was."""


class Run:
    """Runs one row on a harness that nobody else uses meanwhile, and remembers everything that was seen of it."""

    def __init__(self, harness: Harness, row: Row) -> None:
        self.row, self._harness = row, harness
        self._new = {**USUAL, **row.properties}
        self.next_attempts: list[tuple[Delivery, Snapshot]] = []
        harness.reset(row.behaviour)
        with ThreadPoolExecutor(2) as self._executor:
            background = self._prepare()
            self.before = self._harness.snapshot()
            started = {key: len(container.logs) for key, container in harness.containers.items()}
            self._arm()
            self.deliveries = self._deliver()
            """Of the event that the fault struck: one, or two if it was delivered twice."""
            self.background = background.result() if background else None
            """Of the Create that was at work meanwhile."""
            self.after = self._harness.snapshot()
            self._go_on()
        containers = harness.containers.items()
        self.logs = [line for key, each in containers for line in each.logs[started.get(key, 0) :]]
        self.stray = list(harness.cloudformation.stray)
        """What was sent where nothing may be sent."""
        if any(each.invocation.seconds > HANGING_SECONDS for each in self.deliveries):
            harness.freeze()

    # What happened before the event, up to what is still happening

    def _prepare(self) -> Future[Delivery] | None:
        harness, before = self._harness, self.row.before
        background = None
        if before in {Before.APPLIED, Before.APPLIED_GONE, Before.APPLIED_FOUND}:
            self._apply(OURS)
        if before is Before.APPLIED_GONE:
            (gone,) = self._harness.snapshot().connections[B]
            harness.falcon.tenant.remove(gone.id)
        for region in {Before.FOUND: (A, B), Before.APPLIED_FOUND: (C,)}.get(before, ()):
            harness.connect(region)
        if before is Before.OTHER_STACK:
            self._apply(OTHER)
        if before in CREATING:
            background = self._begin_create(killed=before is Before.KILLED)
        if self.row.record:
            harness.aws.put(parameter_of(OURS), self.row.record)
        elif self.row.record is not None:
            harness.aws.parameters.pop(parameter_of(OURS), None)
        return background

    def _apply(self, identity: Identity) -> None:
        connections = {
            region: self._harness.connect(region, identity.role_arn, identity.created_alias(region))
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
        event = event_of(Event.CREATE, {**USUAL, **CREATING[self.row.before]})
        background = self._executor.submit(harness.deliver, event, remaining=90, container=1)
        journal = harness.falcon.journal
        wait_for(lambda: journal.count("create") > 1, EARLIER_SECONDS)
        if not killed:
            return background
        wait_for(lambda: len(self._harness.snapshot().connections) == len((A, B, C)), EARLIER_SECONDS)
        wait_for(lambda: [made.status for made in journal.records("create")].count(200) == 2, EARLIER_SECONDS)
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
        harness, row = self._harness, self.row
        for fault in row.faults:
            effect = fault.effect
            there = replace(effect, location=harness.cloudformation.url) if isinstance(effect, Redirect) else effect
            harness.falcon.arm(replace(fault, effect=there))
        if row.secret is not None:
            harness.aws.secrets = {SECRET_ARN: row.secret} if row.secret else {}

    def _deliver(self) -> list[Delivery]:
        harness, row = self._harness, self.row
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

    def _go_on(self) -> None:
        """Send what CloudFormation sends next, and what the operator tries after that.

        What made an Update fail stays through its rollback, which must succeed all the same.
        """
        row, new = self.row, self._new
        failed = row.status != "SUCCESS"
        self._release()

        def attempt(
            kind: Event, properties: Mapping[str, str], old: Mapping[str, str] | None = None, **more: Any
        ) -> None:
            self._harness.aws.held = row.held or more.get("PhysicalResourceId", PHYSICAL_ID)
            delivery = self._harness.deliver(event_of(kind, properties, old, **more))
            self.next_attempts.append((delivery, self._harness.snapshot()))

        if row.event is Event.UPDATE and failed:
            attempt(Event.UPDATE, USUAL, new)
        self._disarm()
        if row.event is Event.DELETE:
            attempt(Event.DELETE, new, **row.changes)
        elif row.event is Event.UPDATE or not failed:
            attempt(Event.UPDATE, new, USUAL if failed else new)
        else:
            attempt(Event.DELETE, new, PhysicalResourceId=self.deliveries[0].answer.get("PhysicalResourceId", MADE_UP))
            attempt(Event.CREATE, new)

    def _disarm(self) -> None:
        self._harness.falcon.disarm()
        self._harness.restore_secret()
        self._harness.falcon.behaviour = Behaviour()
