"""The gate heeds Falcon's limit alone, and with five hundred others that it does not know of."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count

import pytest

from registry_connections.errors import DeadlineError
from registry_connections.gate import LONGEST_WAIT_SECONDS, RateGate
from registry_connections.model import Deadline

LIMIT = 6000
MINUTE = 60.0
EPOCH = 1_790_000_000.0


def headers(remaining: int, retry_after: float | None = None) -> dict[str, str]:
    shown = {"X-Ratelimit-Limit": str(LIMIT), "X-Ratelimit-Remaining": str(remaining)}
    return shown if retry_after is None else {**shown, "X-Ratelimit-Retryafter": str(retry_after)}


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gate_on(clock: Clock) -> RateGate:
    return RateGate(lambda: clock.now, lambda: EPOCH + clock.now, clock.sleep, lambda low, high: (low + high) / 2)


def far_off(clock: Clock) -> Deadline:
    return Deadline(10_000, lambda: clock.now)


def test_while_enough_remains_nobody_waits(clock: Clock) -> None:
    gate = gate_on(clock)
    for remaining in range(LIMIT, LIMIT // 2, -100):
        gate.enter(far_off(clock))
        gate.observe(HTTPStatus.OK, headers(remaining))

    assert clock.slept == []


def test_when_little_remains_calls_go_one_after_the_other_before_the_limit_is_hit(clock: Clock) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.OK, headers(LIMIT // 20))
    for _ in range(4):
        gate.enter(far_off(clock))

    assert clock.now == pytest.approx(0.3)


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_after_a_429_nobody_calls_before_the_moment_that_falcon_named(clock: Clock, unit: int) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, (EPOCH + 20) * unit))
    gate.enter(far_off(clock))

    assert 20 <= clock.now <= 21


@pytest.mark.parametrize("retry_after", [EPOCH * 2, -5.0, float("inf"), float("nan")])
def test_a_moment_that_makes_no_sense_is_bounded(clock: Clock, retry_after: float) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, retry_after))
    gate.enter(far_off(clock))

    assert 0 < clock.now <= LONGEST_WAIT_SECONDS + 1


def test_a_429_without_a_moment_makes_a_short_wait(clock: Clock) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0))
    gate.enter(far_off(clock))

    assert 1 <= clock.now <= 6


def test_a_wait_that_would_outlive_the_deadline_is_not_begun(clock: Clock) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 30))
    with pytest.raises(DeadlineError):
        gate.enter(Deadline(10, lambda: clock.now))

    assert clock.slept == []


def test_calls_that_were_refused_together_slow_down_once(clock: Clock) -> None:
    alone, together = gate_on(clock), gate_on(clock)
    alone.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 20))
    for _ in range(18):
        together.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 20))

    assert together._spacing == alone._spacing


def test_the_gate_opens_again_once_enough_remains(clock: Clock) -> None:
    gate = gate_on(clock)
    gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 1))
    gate.enter(far_off(clock))
    for _ in range(20):
        gate.observe(HTTPStatus.OK, headers(LIMIT))
    clock.slept.clear()
    clock.now += 1
    for _ in range(5):
        gate.enter(far_off(clock))

    assert clock.slept == []


@dataclass
class Organization:
    """Accounts that launch, some at a time, against one limit; each is a login, and its calls all at once."""

    accounts: int
    calls: int
    together: int
    latency: float
    now: float = 0.0
    sent: int = 0
    refused: int = 0
    _window: deque[float] = field(default_factory=deque)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def run(self) -> float:
        """Return the seconds until the last account is done."""
        for _ in range(self.together):
            self._launch()
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
        return self.now

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    def _launch(self) -> None:
        if self.accounts == 0:
            return
        self.accounts -= 1
        gate = RateGate(lambda: self.now, lambda: EPOCH + self.now)
        left = [self.calls]
        self._after(self._trip(), lambda: self._approach_with_all(gate, left))

    def _approach_with_all(self, gate: RateGate, left: list[int]) -> None:
        for _ in range(self.calls):
            self._approach(gate, left)

    def _approach(self, gate: RateGate, left: list[int]) -> None:
        wait = gate._reserve()
        self._after(wait, lambda: self._pass(gate, left, waited=wait > 0))

    def _pass(self, gate: RateGate, left: list[int], *, waited: bool) -> None:
        """Do what `RateGate.enter` does after a wait: look whether the gate was shut meanwhile."""
        if waited and self.now < gate._shut_until:
            self._approach(gate, left)
        else:
            self._call(gate, left)

    def _call(self, gate: RateGate, left: list[int]) -> None:
        self.sent += 1
        while self._window and self._window[0] <= self.now - MINUTE:
            self._window.popleft()
        if len(self._window) >= LIMIT:
            self.refused += 1
            moment = EPOCH + self._window[0] + MINUTE
            self._after(self._trip(), lambda: self._refused(gate, left, moment))
            return
        self._window.append(self.now)
        remaining = LIMIT - len(self._window)
        self._after(self._trip(), lambda: self._served(gate, left, remaining))

    def _refused(self, gate: RateGate, left: list[int], moment: float) -> None:
        gate.observe(HTTPStatus.TOO_MANY_REQUESTS, headers(0, moment))
        self._approach(gate, left)

    def _served(self, gate: RateGate, left: list[int], remaining: int) -> None:
        gate.observe(HTTPStatus.OK, headers(remaining))
        left[0] -= 1
        if left[0] == 0:
            self._launch()

    def _trip(self) -> float:
        return self.latency * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


@pytest.mark.parametrize("seed", range(3))
def test_an_organization_finds_a_common_pace(seed: int) -> None:
    """Only what was under way when the limit was reached is refused: no second storm when the window slides on."""
    random.seed(seed)
    organization = Organization(accounts=500, calls=18, together=50, latency=0.3)
    taken = organization.run()
    bound = (500 * 18 - 1) // LIMIT * MINUTE

    assert taken <= 1.15 * bound
    assert organization.refused <= 1.1 * 50 * 18


def test_no_call_passes_after_the_deadline_even_if_nobody_would_have_to_wait(clock: Clock) -> None:
    clock.now = 20_000

    with pytest.raises(DeadlineError):
        gate_on(clock).enter(far_off(clock))
