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

from registry_connections.state import State
from tests.faults.aws_stub import AwsFault
from tests.faults.cloudformation import Refusal
from tests.faults.rows import ACCOUNT, OTHER_ROLE, ROLE, USUAL, A, B, Before, C, Event, Row
from tests.faults.stand import SECRET_ARN, Delivery, Stack, Stand, url_of
from tests.simulator import Behaviour, Connection, Fault, Hang, Redirect

OTHER_STACK = "/falcon-ecr/other"
PHYSICAL_IDS = {"made up": "falcon-ecr-RegistryConnections-1A2B3C4D5E6F", "original": "CustomResourcePhysicalID"}
NEXT_SECONDS = 60.0  # that each of the next attempts has


@dataclass(frozen=True)
class Snapshot:
    """What there is at one moment. `connections` are those of this account, by Region; `others` all the rest."""

    connections: Mapping[str, list[Connection]]
    others: list[Connection]
    state: State | None
    state_text: str | None


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

    @property
    def wanted_role(self) -> str:
        return str({**USUAL, **self.row.properties}["ConnectionRoleArn"])


def snapshot(stand: Stand, stack: Stack) -> Snapshot:
    connections: dict[str, list[Connection]] = {}
    others = []
    for connection in stand.falcon.connections():
        if connection.is_of(ACCOUNT) and connection.url == url_of(connection.region):
            connections.setdefault(connection.region, []).append(_copy(connection))
        else:
            others.append(_copy(connection))
    parameter = stand.aws.parameters.get(stack.parameter)
    text = parameter.values[-1] if parameter else None
    return Snapshot(connections, others, stand.state(stack), text)


def _copy(connection: Connection) -> Connection:
    return replace(connection, details=dict(connection.details))


def run(stand: Stand, row: Row) -> Run:
    """Run a row on a stand that nobody else uses meanwhile."""
    if row.container == "fresh":
        stand.freeze()
    stack = Stack()
    stand.reset(row.regions, row.behaviour)
    earlier = _Earlier(stand, stack, row)
    earlier.prepare()
    before = snapshot(stand, stack)
    started = {key: len(container.logs) for key, container in stand.containers.items()}
    _arm(stand, row)
    with _vanishing(stand, row):
        deliveries = _deliver(stand, stack, row)
    background = earlier.finished()
    observed = Run(row, stack, before, deliveries, snapshot(stand, stack), background)
    if not row.persists:
        _disarm(stand)
    _go_on(stand, observed)
    for key, container in stand.containers.items():
        observed.logs += container.logs[started.get(key, 0) :]
    observed.elsewhere = list(stand.elsewhere.requests)
    if row.is_slow:
        stand.freeze()
    return observed


def _arm(stand: Stand, row: Row) -> None:
    elsewhere = f"{stand.elsewhere.url}/there"
    for fault in row.faults:
        if isinstance(fault, Fault):
            effect = fault.effect
            there = replace(effect, location=elsewhere) if isinstance(effect, Redirect) else effect
            stand.falcon.arm(replace(fault, effect=there))
        elif isinstance(fault, AwsFault):
            stand.aws.arm(replace(fault, text=elsewhere) if fault.kind == "redirect" else fault)
    if row.secret is not None:
        stand.aws.secrets[SECRET_ARN] = row.secret
        if not row.secret:
            del stand.aws.secrets[SECRET_ARN]


def _disarm(stand: Stand) -> None:
    stand.falcon.disarm()
    stand.aws.disarm()
    stand.restore_secret()
    stand.falcon.behaviour = Behaviour()


class _Earlier:
    """What happened before the event, up to what is still happening."""

    def __init__(self, stand: Stand, stack: Stack, row: Row) -> None:
        self._stand, self._stack, self._row = stand, stack, row
        self._background: list[Delivery] = []
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        stand, stack, row = self._stand, self._stack, self._row
        stand.aws.put(stack.parameter, "{}")
        self._bring_about(row.before)
        if row.state is not None:
            self._replace_state(row.state)

    def _bring_about(self, before: Before) -> None:
        stand, stack = self._stand, self._stack
        match before:
            case Before.APPLIED | Before.APPLIED_GONE | Before.APPLIED_FOUND:
                self._apply()
            case Before.FOUND | Before.FOUND_ONE:
                self._find(*((A, B) if before is Before.FOUND else (A,)))
            case Before.UNFINISHED:
                self._leave_unfinished()
            case Before.KILLED:
                self._kill_in_create()
            case Before.RUNNING:
                self._create_in_background(stack)
            case Before.OTHER_RUNNING:
                stand.aws.put(OTHER_STACK, "{}")
                self._create_in_background(Stack(OTHER_STACK))
            case Before.OTHER_STACK:
                stand.write_state(OTHER_STACK, self._applied(A, B))

    def finished(self) -> Delivery | None:
        """Wait until nothing is at work any more."""
        if self._thread:
            self._thread.join()
        return self._background[0] if self._background else None

    def _apply(self) -> None:
        state = self._applied(A, B)
        self._stand.write_state(self._stack.parameter, state)
        if self._row.before is Before.APPLIED_GONE:
            self._stand.falcon.tenant.remove(state.connections[B])
        if self._row.before is Before.APPLIED_FOUND:
            self._stand.connect(url_of(C), role=OTHER_ROLE)

    def _applied(self, *regions: str) -> State:
        connections = {region: self._stand.connect(url_of(region), role=ROLE) for region in regions}
        return State(settings=dict(USUAL), connections=connections, cloud="us-1", handled=(("earlier", ""),))

    def _find(self, *regions: str) -> None:
        for region in regions:
            self._stand.connect(url_of(region), role=OTHER_ROLE)

    def _leave_unfinished(self) -> None:
        made = {A: self._stand.connect(url_of(A), role=ROLE)}
        state = State(connections=made, unfinished=frozenset(made), handled=(("earlier", "failed"),))
        self._stand.write_state(self._stack.parameter, state)

    def _replace_state(self, text: str) -> None:
        if text:
            self._stand.aws.put(self._stack.parameter, text)
        else:
            del self._stand.aws.parameters[self._stack.parameter]

    def _begin(self, stack: Stack, properties: Mapping[str, str], remaining: float) -> None:
        event = stack.event(Event.CREATE, {**USUAL, **properties})

        def work() -> None:
            self._background.append(self._stand.deliver(stack, event, remaining=remaining, container=1))

        self._thread = threading.Thread(target=work, name="earlier-create", daemon=True)
        self._thread.start()

    def _kill_in_create(self) -> None:
        """Kill the function when two connections were made, and of the third only the answer is missing."""
        self._stand.falcon.arm(Fault("create", Hang(applied=True), region=C))
        self._begin(self._stack, {"Regions": f"{A},{B},{C}"}, remaining=36)
        _wait(lambda: len(snapshot(self._stand, self._stack).connections) == len((A, B, C)))
        _wait(lambda: len([r for r in self._stand.falcon.journal.records("create") if r.status == 200]) == len((A, B)))
        container = self._stand.container(self._stack.parameter, 1)
        if container.pid:
            os.kill(container.pid, signal.SIGKILL)
        self.finished()
        self._background.clear()
        self._stand.falcon.disarm()
        self._stand.falcon.journal.clear()

    def _create_in_background(self, stack: Stack) -> None:
        """Begin a Create whose role takes some seconds to be usable, and wait until it is at it."""
        self._stand.falcon.change(iam_ready_after=5.0)
        self._begin(stack, {}, remaining=90)
        _wait(lambda: self._stand.falcon.journal.count("create") > 1)


def _wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the earlier events did not get that far")
        time.sleep(0.02)


@contextmanager
def _vanishing(stand: Stand, row: Row) -> Iterator[None]:
    """Let somebody remove a connection while the first update is under way, if the row says so."""
    wanted = [c.id for c in stand.falcon.connections() if c.type == "ecr" and c.url == url_of(row.vanishes)]
    ended = threading.Event()

    def remove() -> None:
        while wanted and not ended.wait(0.01):
            if stand.falcon.journal.count("update"):
                stand.falcon.tenant.remove(wanted.pop(0))

    thread = threading.Thread(target=remove, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _event(stack: Stack, row: Row) -> dict[str, Any]:
    changes: dict[str, Any] = {"ResourceType": row.resource_type}
    if row.physical_id in PHYSICAL_IDS:
        changes["PhysicalResourceId"] = PHYSICAL_IDS[row.physical_id]
    return stack.event(row.event, {**USUAL, **row.properties}, USUAL, **changes)


def _deliver(stand: Stand, stack: Stack, row: Row) -> list[Delivery]:
    event = _event(stack, row)
    elsewhere = f"{stand.elsewhere.url}/there"
    refusals = [replace(fault, location=elsewhere) for fault in row.faults if isinstance(fault, Refusal)]

    def deliver(container: int) -> Delivery:
        # One event has one ResponseURL; two tell apart which delivery answered what.
        return stand.deliver(stack, event, remaining=row.remaining, container=container, refusals=refusals)

    if row.delivered == "once":
        return [deliver(0)]
    if row.delivered == "again":
        return [deliver(0), deliver(0)]
    for container in (0, 1):
        stand.warm_up(stack, container)
    with ThreadPoolExecutor(2) as executor:
        return list(executor.map(deliver, (0, 1)))


def _go_on(stand: Stand, observed: Run) -> None:
    """Send what CloudFormation sends next, and what the operator tries after that."""
    row, stack = observed.row, observed.stack
    answer = observed.deliveries[0].answer
    new = {**USUAL, **row.properties}
    if row.repair is not None:
        stand.aws.put(stack.parameter, row.repair)
    failed = row.status != "SUCCESS"

    def attempt(event: Event, properties: Mapping[str, str], old: Mapping[str, str] | None = None, **more: Any) -> None:
        stack_of = more.pop("stack", stack)
        delivery = stand.deliver(stack_of, stack_of.event(event, properties, old, **more), remaining=NEXT_SECONDS)
        observed.next_attempts.append((delivery, snapshot(stand, stack)))

    if row.event is Event.CREATE and failed:
        attempt(Event.DELETE, new, PhysicalResourceId=answer.get("PhysicalResourceId") or PHYSICAL_IDS["made up"])
        _disarm(stand)
        if row.can_succeed:
            again = Stack()
            stand.aws.put(again.parameter, "{}")
            attempt(Event.CREATE, new, stack=again)
    elif row.event is Event.UPDATE and failed:
        attempt(Event.UPDATE, USUAL, new)
        _disarm(stand)
        attempt(Event.UPDATE, new, USUAL)
    elif row.event is Event.DELETE:
        attempt(Event.DELETE, new, PhysicalResourceId=observed.deliveries[0].event["PhysicalResourceId"])
    else:
        attempt(Event.UPDATE, new, new)
