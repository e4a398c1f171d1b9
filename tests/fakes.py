"""An AWS account in memory, written against the protocol that the package sees it through, and the means of all fakes.

Time is virtual, calls can be made to fail or to be the last thing that a function does, and every call is recorded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from registry_connections.crew import Crew
from registry_connections.errors import (
    AwsError,
    FalconError,
    RegistrationError,
    SecretError,
    StateChangedError,
    StateError,
    StateMissingError,
    UnansweredError,
)
from registry_connections.model import (
    AccountRegions,
    Credentials,
    Deadline,
    RegionUse,
)
from registry_connections.state import State, parse_state, render_state

Item = TypeVar("Item")
Result = TypeVar("Result")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATENCY = 0.25  # seconds of a call that nothing keeps


class KilledError(BaseException):
    """The function is gone: nothing of it catches this."""


class Effect(StrEnum):
    """What becomes of a call that does not go well."""

    REFUSED = "refused, and not carried out"
    LOST = "carried out, and the answer lost"
    REPEATED = "carried out, the answer lost, and sent again"
    REJECTED = "the connection role cannot be used"
    DENIED = "a scope or a permission is missing"
    VANISHED = "no such connection"
    HANGS = "no answer until the time is up"
    HANGS_APPLIED = "carried out, and no answer until the time is up"
    KILLED = "the function dies before it"
    KILLED_APPLIED = "the function dies after it"


@dataclass
class Fault:
    """Strikes the calls of one operation (`*` is any) after `skip` of them, `times` times."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1

    def strikes(self, operation: str) -> bool:
        """Whether it strikes this call; counts it."""
        if self.operation not in {operation, "*"} or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Clock:
    """Virtual seconds. Whenever they pass, `on_pass` may let somebody else work meanwhile."""

    now: float = 0.0
    on_pass: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_pass()

    def moment(self) -> str:
        """Return the time as Falcon writes it."""
        return datetime.fromtimestamp(self.wall(), UTC).isoformat()


class InlineCrew(Crew):
    """Does one thing after the other, in an order that never varies, in the virtual time of doing all at once."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def begin_each(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Callable[[Deadline], list[Result | Exception]]:
        start, ended = self.clock.now, []
        for item in items:
            self.clock.now = start
            ended.append((self._try(work, item), self.clock.now))
        self.clock.now = start

        def outcomes(deadline: Deadline) -> list[Result | Exception]:
            last = max((end for _, end in ended), default=start)
            self.clock.now = max(self.clock.now, min(last, deadline.at))
            late = UnansweredError("no answer before the time was up")
            return [result if end <= max(deadline.at, start) else late for result, end in ended]

        return outcomes

    def _try(self, work: Callable[[Item], Result], item: Item) -> Result | Exception:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001 - as the real one: errors are results
            return error

    def dismiss(self) -> None:
        """There is nobody to dismiss."""


@dataclass
class Journal:
    """The calls of one function, in order, and the faults that strike them."""

    clock: Clock
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    latency: float = LATENCY

    def enter(self, operation: str, subject: str = "") -> Effect | None:
        """Record a call and let its time pass; return what is to become of it."""
        self.calls.append((operation, subject))
        effect = next((fault.effect for fault in self.faults if fault.strikes(operation)), None)
        if effect is Effect.KILLED:
            raise KilledError
        self.clock.sleep(self.latency)
        return effect

    def made(self, *operations: str) -> list[str]:
        """Return the subjects of the calls of these operations."""
        return [subject for operation, subject in self.calls if operation in operations]


@dataclass
class FakeAccount:
    """What one function sees of an AWS account: `turns.Account`. The state is one parameter, shared by `parameter`."""

    parameter: "Parameter"
    journal: Journal
    enabled: frozenset[str] = frozenset({"us-east-1", "eu-west-1"})
    disabled: frozenset[str] = frozenset()
    uses: dict[str, RegionUse] = field(default_factory=dict)
    secret: Credentials = field(default_factory=lambda: Credentials("id", "secret"))
    loaded: list[State] = field(default_factory=list)  # before anything was changed in Falcon

    def credentials(self) -> Credentials:
        check(self.journal.enter("secret"), SecretError("The secret cannot be read."))
        return self.secret

    def regions(self) -> AccountRegions:
        check(self.journal.enter("regions"), AwsError("The Regions cannot be listed."))
        return AccountRegions(self.enabled, self.disabled)

    def region_use(self, region: str) -> RegionUse:
        self.journal.enter("region_use", region)
        return self.uses.get(region, RegionUse.REPOSITORIES)

    def load(self) -> State:
        effect = self.journal.enter("load")
        if self.parameter.text is None:
            raise StateMissingError("There is no state.")
        check(effect, StateError("The state cannot be read."))
        state = self.parameter.state
        if not self.journal.made("create", "refresh", "remove"):
            self.loaded.append(state)
        return state

    def swap(self, state: State) -> State:
        effect = self.journal.enter("swap")
        text = render_state(state)
        if self.parameter.text is None:
            raise StateError("The state cannot be written.")
        check(effect, StateError("The state cannot be written."))
        if state.version != self.parameter.version:
            raise StateChangedError("another run of this function wrote the state meanwhile")
        self.parameter.write(text)
        if effect is Effect.KILLED_APPLIED:
            raise KilledError
        if effect in {Effect.LOST, Effect.HANGS_APPLIED}:
            raise StateError("The state cannot be written.")
        return replace(state, version=self.parameter.version)


@dataclass
class Parameter:
    """The state parameter; no text means that it was deleted."""

    text: str | None = "{}"
    version: int = 1

    def write(self, text: str) -> None:
        self.text, self.version = text, self.version + 1

    @property
    def state(self) -> State:
        return parse_state(self.text or "{}", self.version)


def check(effect: Effect | None, denial: RegistrationError) -> None:
    """Raise what becomes of a call that is not carried out."""
    if effect is Effect.DENIED:
        raise denial
    if effect is Effect.REFUSED:
        raise FalconError("HTTP 500: in trouble", status=500) if isinstance(denial, FalconError) else denial
