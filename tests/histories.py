"""A customer's world for histories: one Falcon tenant, one AWS account, and stacks that CloudFormation keeps.

CloudFormation is played as it behaves: it rolls back what fails or is never answered, makes up a physical id where it
was told none, and deletes again until that succeeds.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from registry_connections.errors import AwsError, RegistrationError
from registry_connections.model import Deadline, Settings
from registry_connections.reconcile import Shell
from registry_connections.report import Report
from registry_connections.settings import parse
from registry_connections.state import State
from registry_connections.turns import Kind, Request, Turns, confirm
from tests.fake_tenant import FakeFalcon, Record, Tenant
from tests.fakes import (
    Clock,
    FakeAccount,
    Fault,
    InlineCrew,
    Journal,
    KilledError,
    Parameter,
)

Result = TypeVar("Result")

ACCOUNT = "111122223333"
SUFFIX = "amazonaws.com"
REGIONS = ("ap-south-1", "eu-west-1", "us-east-1", "us-west-2")
REMAINING = 870.0  # seconds that the handler leaves of an invocation's fifteen minutes
SERVICE_TIMEOUT = 960.0  # seconds after which CloudFormation stops waiting for an answer
LATEST_ANSWER = 26.0  # seconds after the deadline: the handler spares thirty


@dataclass(repr=False)
class Stack:
    """One stack of the template; `applied` is what CloudFormation holds to be its properties."""

    name: str
    parameter: Parameter = field(default_factory=Parameter)
    applied: dict[str, str] | None = None
    events: list["Invocation"] = field(default_factory=list)  # of CloudFormation, latest last

    def __repr__(self) -> str:
        return self.name

    def properties(self, **changes: str) -> dict[str, str]:
        return {
            "AccountId": ACCOUNT,
            "Partition": "aws",
            "UrlSuffix": SUFFIX,
            "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{self.name}",
            "ExternalId": self.name,
            "FalconCloud": "us-1",
            **changes,
        }


@dataclass(repr=False)
class Invocation:
    """One run of the function: what it was asked, what it answered, and what was there before."""

    stack: Stack
    request: Request
    properties: dict[str, str]
    journal: Journal
    before: State
    present: dict[str, Record]
    heard: bool = False  # whether it is noted that CloudFormation took its answer
    seconds: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    report: Report | None = None
    reason: str = ""
    answered: bool = False
    problem: BaseException | None = None
    removed: list[Record] = field(default_factory=list)
    managed: set[str] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"{self.request.kind} {self.request.id} {self.properties}"

    @property
    def succeeded(self) -> bool:
        """Whether CloudFormation was told of a success."""
        return self.answered and not self.reason

    @property
    def settings(self) -> Settings:
        """What was asked for; a repair does what is applied by the time of its turn."""
        applied = self.stack.parameter.state.settings
        return parse(applied)[0] if self.request.kind is Kind.REPAIR and applied else self.request.settings

    @property
    def overtaken(self) -> bool:
        """Whether it only looked, and somebody else went on meanwhile."""
        looked = "swap" not in {operation for operation, _ in self.journal.calls}
        return looked and self.before.version != self.stack.parameter.version

    @property
    def maker(self) -> str:
        """How the tenant's records name this run."""
        return f"{self.stack.name}/{self.request.run_id}"


@dataclass
class World:
    """Everything that several stacks of one account share. `judge` is called after each invocation."""

    clock: Clock = field(default_factory=Clock)
    enabled: set[str] = field(default_factory=lambda: set(REGIONS[:3]))
    judge: Callable[[Invocation], None] = lambda _: None
    tenant: Tenant = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.tenant = Tenant(self.clock)
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"{next(self._numbers):08d}-1111-4111-8111-111111111111"

    def new_stack(self) -> Stack:
        return Stack(f"stack-{next(self._numbers)}")

    def begin(
        self,
        stack: Stack,
        kind: Kind,
        properties: Mapping[str, str],
        faults: Sequence[Fault] = (),
        *,
        request: str = "",
        ours: bool = True,
        heard: bool = False,
    ) -> Invocation:
        """Prepare one run of the function."""
        settings, problems = parse(properties)
        asked = Request(kind, request or self.new_id(), settings, tuple(problems), ours=ours)
        journal = Journal(self.clock, [replace(fault) for fault in faults])
        present = dict(self.tenant.records)
        return Invocation(stack, asked, dict(properties), journal, stack.parameter.state, present, heard)

    def run(self, invocation: Invocation) -> Invocation:
        """Run the function once and judge what came of it."""
        self.steps += 1
        start = self.clock.now
        stack, seen = invocation.stack, len(self.tenant.removed)
        account = FakeAccount(
            stack.parameter,
            invocation.journal,
            enabled=frozenset(self.enabled),
            disabled=frozenset(REGIONS) - self.enabled,
        )
        shell = Shell(
            account,
            lambda _, cloud: FakeFalcon(self.tenant, invocation.journal, cloud, invocation.maker),
            InlineCrew(self.clock),
            Turns(account, self.clock.wall, self.clock.sleep),
            self.clock,
        )
        try:
            report = shell.answer(invocation.request, Deadline(start + REMAINING, self.clock))
            invocation.report, invocation.reason, invocation.answered = report, report.failure, True
        except RegistrationError as error:
            invocation.reason, invocation.answered = str(error) or "?", True
        except KilledError:
            pass
        except Exception as error:  # noqa: BLE001 - the judge says what it thinks of it
            invocation.problem = error
        invocation.began, invocation.ended, invocation.seconds = start, self.clock.now, self.clock.now - start
        invocation.managed = {name for state in account.loaded for name in state.connections.values()}
        invocation.removed = [gone for gone, by in self.tenant.removed[seen:] if by == invocation.maker]
        if invocation.request.kind is not Kind.REPAIR:
            stack.events.append(invocation)
        self.judge(invocation)
        if invocation.request.kind is Kind.CREATE and invocation.answered and invocation.heard:
            with suppress(AwsError, KilledError):
                confirm(account, invocation.request.id)
        return invocation

    def invoke(
        self,
        stack: Stack,
        kind: Kind,
        properties: Mapping[str, str],
        faults: Sequence[Fault] = (),
        *,
        request: str = "",
        ours: bool = True,
        heard: bool = False,
    ) -> Invocation:
        """Run the function once; if it does not answer, wait until CloudFormation gives it up."""
        invocation = self.run(self.begin(stack, kind, properties, faults, request=request, ours=ours, heard=heard))
        if not invocation.answered:
            self.clock.sleep(SERVICE_TIMEOUT)
        return invocation

    def invoke_both(self, first: Invocation, second: Invocation, apart: float) -> None:
        """Run the function twice at the same time, the second run so many seconds after the first."""
        at_once(self.clock, lambda: self.run(first), lambda: self.run(second), apart)
        if not (first.answered and second.answered):
            self.clock.sleep(SERVICE_TIMEOUT)


def at_once(clock: Clock, first: Callable[[], object], second: Callable[[], object], apart: float) -> None:
    """Do two things at the same virtual time, the second beginning so many seconds later."""
    duet = Duet(clock, [clock.now, clock.now + apart])
    threads = [threading.Thread(target=duet.act, args=item) for item in ((0, first), (1, second))]
    clock.on_pass = duet.hand_over
    for thread in threads:
        thread.start()
    duet.turns[0].set()
    for thread in threads:
        thread.join()
    clock.on_pass, clock.now = (lambda: None), max(duet.times)
    if duet.errors:
        raise duet.errors[0]


@dataclass
class Duet:
    """Two actors of which one acts at a time: whoever's time is the earlier goes on, until its time is the later."""

    clock: Clock
    times: list[float]
    working: int = 0
    alive: list[bool] = field(default_factory=lambda: [True, True])
    turns: tuple[threading.Event, threading.Event] = field(
        default_factory=lambda: (threading.Event(), threading.Event())
    )
    errors: list[BaseException] = field(default_factory=list)

    def act(self, me: int, work: Callable[[], object]) -> None:
        self._wait(me)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by `at_once`
            self.errors.append(error)
        self.alive[me] = False
        self.hand_over()

    def hand_over(self) -> None:
        me, other = self.working, 1 - self.working
        self.times[me] = self.clock.now
        if self.alive[other] and (not self.alive[me] or self.times[other] < self.times[me]):
            self.working, self.clock.now = other, self.times[other]
            self.turns[other].set()
            if self.alive[me]:
                self._wait(me)

    def _wait(self, me: int) -> None:
        self.turns[me].wait()
        self.turns[me].clear()
