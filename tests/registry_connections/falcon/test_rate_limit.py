"""The rate limiter alone, and with five hundred others that it does not know of."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count

import pytest

from registry_connections.core.errors import DeadlineError
from registry_connections.core.model import Deadline
from registry_connections.falcon.rate_limit import LONGEST_WAIT_SECONDS, RateLimiter, number

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


def limiter_on(clock: Clock) -> RateLimiter:
    return RateLimiter(lambda: clock.now, lambda: EPOCH + clock.now, clock.sleep, lambda low, high: (low + high) / 2)


def far_off(clock: Clock) -> Deadline:
    return Deadline(10_000, lambda: clock.now)


def test_while_enough_remains_nobody_waits(clock: Clock) -> None:
    limiter = limiter_on(clock)
    for remaining in range(LIMIT, LIMIT // 2, -100):
        limiter.acquire(far_off(clock))
        limiter.update(HTTPStatus.OK, headers(remaining))

    assert clock.slept == []


def test_when_little_remains_calls_go_one_after_the_other_before_the_limit_is_hit(clock: Clock) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.OK, headers(LIMIT // 20))
    for _ in range(4):
        limiter.acquire(far_off(clock))

    assert clock.now == pytest.approx(0.3)


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_after_a_429_nobody_calls_before_the_moment_that_falcon_named(clock: Clock, unit: int) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, (EPOCH + 20) * unit))
    limiter.acquire(far_off(clock))

    assert 20 <= clock.now <= 21


@pytest.mark.parametrize("retry_after", [EPOCH * 2, -5.0, float("inf"), float("nan")])
def test_a_moment_that_makes_no_sense_is_bounded(clock: Clock, retry_after: float) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, retry_after))
    limiter.acquire(far_off(clock))

    assert 0 < clock.now <= LONGEST_WAIT_SECONDS + 1


def test_a_429_without_a_moment_makes_a_short_wait(clock: Clock) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0))
    limiter.acquire(far_off(clock))

    assert 1 <= clock.now <= 6


def test_a_wait_that_would_outlive_the_deadline_is_not_begun(clock: Clock) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 30))
    with pytest.raises(DeadlineError):
        limiter.acquire(Deadline(10, lambda: clock.now))

    assert clock.slept == []


def test_calls_that_were_refused_together_slow_down_once(clock: Clock) -> None:
    alone, together = limiter_on(clock), limiter_on(clock)
    alone.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 20))
    for _ in range(18):
        together.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 20))

    assert together._spacing == alone._spacing


def test_the_limiter_opens_again_once_enough_remains(clock: Clock) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + 1))
    limiter.acquire(far_off(clock))
    for _ in range(20):
        limiter.update(HTTPStatus.OK, headers(LIMIT))
    clock.slept.clear()
    clock.now += 1
    for _ in range(5):
        limiter.acquire(far_off(clock))

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
        limiter = RateLimiter(lambda: self.now, lambda: EPOCH + self.now)
        left = [self.calls]
        self._after(self._trip(), lambda: self._approach_with_all(limiter, left))

    def _approach_with_all(self, limiter: RateLimiter, left: list[int]) -> None:
        for _ in range(self.calls):
            self._approach(limiter, left)

    def _approach(self, limiter: RateLimiter, left: list[int]) -> None:
        wait = limiter._reserve()
        self._after(wait, lambda: self._pass(limiter, left, waited=wait > 0))

    def _pass(self, limiter: RateLimiter, left: list[int], *, waited: bool) -> None:
        """Do what `RateLimiter.enter` does after a wait: look whether it was closed meanwhile."""
        if waited and self.now < limiter._closed_until:
            self._approach(limiter, left)
        else:
            self._call(limiter, left)

    def _call(self, limiter: RateLimiter, left: list[int]) -> None:
        self.sent += 1
        while self._window and self._window[0] <= self.now - MINUTE:
            self._window.popleft()
        if len(self._window) >= LIMIT:
            self.refused += 1
            moment = EPOCH + self._window[0] + MINUTE
            self._after(self._trip(), lambda: self._refused(limiter, left, moment))
            return
        self._window.append(self.now)
        remaining = LIMIT - len(self._window)
        self._after(self._trip(), lambda: self._served(limiter, left, remaining))

    def _refused(self, limiter: RateLimiter, left: list[int], moment: float) -> None:
        limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, moment))
        self._approach(limiter, left)

    def _served(self, limiter: RateLimiter, left: list[int], remaining: int) -> None:
        limiter.update(HTTPStatus.OK, headers(remaining))
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
        limiter_on(clock).acquire(far_off(clock))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0", 0),
        ("1e3", 1000),
        (None, 7),
        ("", 7),
        ("x", 7),
        ("-1", 7),
        ("inf", 7),
        ("nan", 7),
        ("9" * 400, 7),
    ],
)
def test_a_header_is_a_number_or_its_default(text: str | None, value: float) -> None:
    assert number(text, 7) == value
