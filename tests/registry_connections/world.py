"""A customer's world for histories: one Falcon tenant, one AWS account, and stacks that CloudFormation keeps.

CloudFormation is played as it behaves: it rolls back what fails or is never answered, makes up a physical id where it
was given none, and deletes again until that succeeds.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from registry_connections.aws.calls import FreshPolicy
from registry_connections.aws.parameter_store import ParameterStore
from registry_connections.concurrency import Clock
from registry_connections.core.errors import RegistrationError
from registry_connections.core.model import Credentials, Deadline, Identity, Settings
from registry_connections.core.record import FAILED_SUFFIX, Kind, Record, Request, digest
from registry_connections.core.report import Report
from registry_connections.core.settings import parse
from registry_connections.reconciler import LOGICAL_ID, Reconciler
from registry_connections.snapshot import Reader
from tests.registry_connections.fakes import (
    FakeAccount,
    FakeSsm,
    Fault,
    InlinePool,
    Journal,
    KilledError,
    Parameters,
    VirtualClock,
)
from tests.registry_connections.samples import ACCOUNT, SUFFIX
from tests.registry_connections.tenant import Entry, FakeFalcon, Tenant

REGIONS = ("ap-south-1", "eu-west-1", "us-east-1", "us-west-2")
REMAINING = 870.0  # seconds that the handler leaves of an invocation's fifteen minutes
SERVICE_TIMEOUT = 1140.0  # seconds after which CloudFormation stops waiting for a response
LATEST_RESPONSE = 26.0  # seconds after the deadline: the handler reserves thirty


@dataclass(repr=False)
class Stack:
    """One stack of the template; `applied` is what CloudFormation holds to be its properties, `held` its id."""

    number: int
    world: "World"
    parameters: Parameters = field(default_factory=Parameters)
    applied: dict[str, str] = field(default_factory=dict)
    held: str = ""
    events: list["Invocation"] = field(default_factory=list)  # of CloudFormation, latest last

    def __repr__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"stack-{self.number}"

    @property
    def identity(self) -> Identity:
        uuid = f"{self.number:08x}-1111-4111-8111-111111111111"
        stack_id = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/falcon/{uuid}"
        return Identity(ACCOUNT, "aws", SUFFIX, stack_id, f"arn:aws:iam::{ACCOUNT}:role/{self.name}", uuid)

    @property
    def ours(self) -> str:
        """The physical id of a launch that succeeded."""
        return f"falcon-ecr-{self.identity.uuid}"

    @property
    def record(self) -> Record:
        return self.parameters.record

    def properties(self, **changes: str) -> dict[str, str]:
        return {"FalconCloud": "us-1", "Package": "bucket/key", **changes}

    def begin(
        self,
        kind: Kind,
        properties: Mapping[str, str],
        faults: Sequence[Fault] = (),
        *,
        request: str = "",
        physical_id: str = "",
        sent: float | None = None,
    ) -> "Invocation":
        """Prepare one run of the function; `sent` is in virtual seconds, and now by default."""
        clock = self.world.clock
        settings, problems = parse(properties, "aws")
        held = physical_id or (kind is Kind.DELETE and self.held) or self.ours
        asked = Request(
            kind,
            request or self.world.new_id(),
            clock.wall() if sent is None else sent + clock.wall() - clock.now,
            settings,
            tuple(problems),
            digest(properties),
            physical_id=held,
            logical_id=LOGICAL_ID,
            launched=held == self.ours,
        )
        journal = Journal(clock, [replace(fault) for fault in faults])
        return Invocation(self, asked, dict(properties), journal, self.record, settings=settings)

    def invoke(
        self, kind: Kind, properties: Mapping[str, str], faults: Sequence[Fault] = (), **request: str
    ) -> "Invocation":
        """Run the function once; if it does not respond, wait until CloudFormation gives it up."""
        invocation = self.begin(kind, properties, faults, **request)  # type: ignore[arg-type] # ids
        self.world.run(invocation)
        if not invocation.answered:
            self.world.clock.sleep(SERVICE_TIMEOUT)
        return invocation

    def hold(self, create: "Invocation", *, told: bool) -> None:
        """Hold the id of a Create, which CloudFormation makes up if it was told none."""
        self.held = f"made-up-{create.request.id}"
        if told and create.answered:
            self.held = self.ours if create.succeeded else f"{self.ours}{FAILED_SUFFIX}"

    def launch(self, *faults: Fault, told: bool = True, **changes: str) -> "Invocation":
        self.applied = self.properties(**changes)
        create = self.invoke(Kind.CREATE, self.applied, faults)
        self.hold(create, told=told)
        return create

    def update(self, *faults: Fault, **changes: str) -> "Invocation":
        """Update to other properties, as the operator asks; what is applied stays what a rollback goes back to."""
        return self.invoke(Kind.UPDATE, self.properties(**changes), faults)

    def roll_back(self, *faults: Fault) -> "Invocation":
        return self.invoke(Kind.UPDATE, self.applied, faults)

    def repair(self, *faults: Fault) -> "Invocation":
        return self.invoke(Kind.REPAIR, self.applied, faults)

    def delete(self, *faults: Fault, physical_id: str = "") -> "Invocation":
        return self.invoke(Kind.DELETE, self.applied, faults, physical_id=physical_id)


@dataclass(repr=False)
class Invocation:
    """One run of the function: what it was asked, what it answered, and what was there before."""

    stack: Stack
    request: Request
    properties: dict[str, str]
    journal: Journal
    before: Record
    present: dict[str, Entry] = field(default_factory=dict)
    seconds: float = 0.0
    ended: float = 0.0
    report: Report | None = None
    reason: str = ""
    answered: bool = False
    removed: list[Entry] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)

    def __repr__(self) -> str:
        return f"{self.request.kind} {self.request.id} {self.properties}"

    @property
    def succeeded(self) -> bool:
        """Whether CloudFormation was told of a success."""
        return self.answered and not self.reason

    @property
    def maker(self) -> str:
        """How the tenant's entries name this run."""
        return f"{self.stack.name}/{self.request.kind}:{self.request.id}"


@dataclass(frozen=True)
class SeenStore(ParameterStore):
    """Notes the record as the run has read it before it went to Falcon."""

    run: Invocation | None = None

    def load(self) -> Record | None:
        record = super().load()
        if self.run and not self.run.journal.made("log_in"):
            self.run.before = record or Record()
        return record


@dataclass
class World:
    """Everything that several stacks of one account share. `check` is called after each invocation."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    enabled: set[str] = field(default_factory=lambda: set(REGIONS[:3]))
    check: Callable[[Invocation], None] = lambda _: None
    tenant: Tenant = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.tenant = Tenant(self.clock)
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"{next(self._numbers):08d}-1111-4111-8111-111111111111"

    def new_stack(self) -> Stack:
        return Stack(next(self._numbers), self)

    def run(self, invocation: Invocation) -> Invocation:
        """Run the function once and check what came of it."""
        self.steps += 1
        start = self.clock.now
        stack, seen = invocation.stack, len(self.tenant.removed)
        invocation.present = dict(self.tenant.entries)
        request, reconciler = invocation.request, self.reconciler(invocation)
        deadline = Deadline(start + REMAINING, self.clock)
        try:
            if request.kind is Kind.DELETE:
                report = reconciler.delete(request, deadline)
            else:
                report = reconciler.converge(request, deadline)
            invocation.report, invocation.reason, invocation.answered = report, report.failure, True
        except RegistrationError as error:
            invocation.reason, invocation.answered = str(error) or "?", True
        except KilledError:
            pass
        invocation.ended, invocation.seconds = self.clock.now, self.clock.now - start
        invocation.removed = [gone for gone, by in self.tenant.removed[seen:] if by == invocation.maker]
        if request.is_repair and (applied := invocation.before.applied):
            invocation.settings = parse(applied.choices, "aws")[0]
        if not request.is_repair:
            stack.events.append(invocation)
        self.check(invocation)
        return invocation

    def reconciler(self, invocation: Invocation) -> Reconciler:
        """Return what a run of the function works with."""
        stack, journal, pool = invocation.stack, invocation.journal, InlinePool(self.clock)
        enabled, disabled = frozenset(self.enabled), frozenset(REGIONS) - self.enabled
        account = FakeAccount(journal, enabled, disabled, held=stack.held)
        store = SeenStore(
            lambda: FakeSsm(stack.parameters, journal), "/falcon-ecr", FreshPolicy(0), self.clock.sleep, invocation
        )

        def connect(_: Credentials, cloud: str) -> FakeFalcon:
            return FakeFalcon(self.tenant, journal, cloud, invocation.maker)

        reader = Reader(stack.identity, account, connect, pool)
        clock = Clock(self.clock, self.clock.wall, self.clock.sleep)
        return Reconciler(stack.identity, store, reader, pool, clock)

    def invoke_both(self, first: Invocation, second: Invocation, apart: float) -> None:
        """Run the function twice at the same time, the second run so many seconds after the first."""
        now, runs = self.clock.now, [lambda: self.run(first), lambda: self.run(second)]
        at_once(self.clock, runs, [now, now + apart])
        if not (first.answered and second.answered):
            self.clock.sleep(SERVICE_TIMEOUT)


def at_once(clock: VirtualClock, works: Sequence[Callable[[], object]], times: list[float]) -> None:
    """Do things at the same time, each beginning at its own: the one whose time is earliest goes on, one at a time."""
    turn, alive, working = threading.Condition(), set(range(len(works))), 0

    def hand_over() -> None:
        nonlocal working
        me, times[working] = working, clock.now
        working = min(alive, key=lambda each: (times[each], each != me), default=me)
        clock.now = times[working]
        turn.notify_all()
        turn.wait_for(lambda: working == me or me not in alive)

    def act(me: int) -> None:
        with turn:
            turn.wait_for(lambda: working == me)
            try:
                works[me]()
            finally:
                alive.remove(me)
                hand_over()

    clock.on_pass = hand_over
    with ThreadPoolExecutor(len(works)) as pool:
        ended = [pool.submit(act, each) for each in sorted(alive)]
    clock.on_pass, clock.now = (lambda: None), max(times)
    for each in ended:
        each.result()
