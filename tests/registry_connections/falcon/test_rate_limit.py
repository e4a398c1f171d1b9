"""The rate limiter alone, and with five hundred others that it does not know of."""

import heapq
import random
from collections import deque
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from itertools import count

import pytest

from registry_connections.core.errors import DeadlineError
from registry_connections.core.model import Deadline
from registry_connections.falcon.rate_limit import LONGEST_WAIT_SECONDS, RateLimiter, number
from tests.registry_connections.fakes import EPOCH, VirtualClock

LIMIT = 6000
MINUTE = 60.0


def headers(remaining: int, retry_after: float | None = None) -> dict[str, str]:
    shown = {"X-Ratelimit-Limit": str(LIMIT), "X-Ratelimit-Remaining": str(remaining)}
    return shown if retry_after is None else {**shown, "X-Ratelimit-Retryafter": str(retry_after)}


class Limited:
    """A limiter, and a clock on which nothing but its waits takes time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        clock = self.clock
        self.limiter = RateLimiter(clock, clock.wall, clock.sleep, lambda low, high: (low + high) / 2)

    def refused(self, retry_after: float | None) -> None:
        self.limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, retry_after))

    def served(self, remaining: int) -> None:
        self.limiter.update(HTTPStatus.OK, headers(remaining))

    def waits(self, calls: int = 1, deadline: float = 10_000) -> float:
        """Return the seconds that so many calls wait."""
        before = self.clock.now
        for _ in range(calls):
            self.limiter.acquire(Deadline(deadline, self.clock))
        return self.clock.now - before


@pytest.fixture
def limited() -> Limited:
    return Limited()


def test_calls_go_at_once_while_enough_remains_and_apart_before_the_limit_is_hit(limited: Limited) -> None:
    limited.clock.on_pass = lambda: pytest.fail("it waited")
    for remaining in range(LIMIT, LIMIT // 10 - 1, -100):
        limited.served(remaining)
        limited.waits(5)
    limited.served(LIMIT // 10 - 1)
    limited.clock.on_pass = lambda: None

    assert limited.waits(4) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("moment", "earliest", "latest"),
    [
        *(((EPOCH + 20) * unit, 20, 21) for unit in (1, 1000)),  # seconds or milliseconds
        *((nonsense, 0.1, LONGEST_WAIT_SECONDS + 1) for nonsense in (EPOCH * 2, -5.0, float("inf"), float("nan"))),
        (None, 1, 6),
    ],
)
def test_after_a_429_nobody_calls_before_the_moment_that_falcon_named_if_it_makes_sense(
    limited: Limited, moment: float | None, earliest: float, latest: float
) -> None:
    limited.refused(moment)

    assert earliest <= limited.waits() <= latest


@pytest.mark.parametrize("started", [0, 10_000], ids=["while closed", "while open"])
def test_no_call_waits_for_longer_than_its_deadline_or_passes_after_it(limited: Limited, started: float) -> None:
    limited.refused(EPOCH + 30)
    limited.clock.now = started
    with pytest.raises(DeadlineError):
        limited.waits(deadline=10)

    assert limited.clock.now == started


def test_calls_that_were_refused_together_slow_down_once(limited: Limited) -> None:
    together = Limited()
    limited.refused(EPOCH + 20)
    for _ in range(18):
        together.refused(EPOCH + 20)

    assert together.waits(5) == limited.waits(5)


def test_the_limiter_opens_again_once_enough_remains(limited: Limited) -> None:
    limited.refused(EPOCH + 1)
    limited.waits()
    for _ in range(20):
        limited.served(LIMIT)
    limited.clock.now += 1

    assert limited.waits(5) == 0


class Storm:
    """Accounts that launch, some at a time, under one limit; each logs in, and then makes its calls all at once."""

    def __init__(self, accounts: int, calls: int, seed: int) -> None:
        self.accounts, self.calls, self.now, self.refused = accounts, calls, 0.0, 0
        self.window, self.agenda, self.order = deque[float](), list[tuple[float, int, Iterator[float]]](), count()
        self.trip = partial(random.Random(seed).uniform, 0.24, 0.36)  # noqa: S311 - no secret

    def run(self, together: int) -> None:
        for _ in range(together):
            self._launch()
        while self.agenda:
            self.now, _, call = heapq.heappop(self.agenda)
            self._go_on(call)

    def _launch(self) -> None:
        if self.accounts:
            self.accounts -= 1
            limiter, left, trip = RateLimiter(lambda: self.now, lambda: EPOCH + self.now), [self.calls], self.trip()
            for _ in range(self.calls):
                self._go_on(self._call(limiter, left, trip))

    def _go_on(self, call: Iterator[float]) -> None:
        if (seconds := next(call, None)) is not None:
            heapq.heappush(self.agenda, (self.now + seconds, next(self.order), call))

    def _call(self, limiter: RateLimiter, left: list[int], login: float) -> Iterator[float]:
        """Yield the seconds that each step of a call takes, until it is served."""
        yield login
        status = HTTPStatus.TOO_MANY_REQUESTS
        while status != HTTPStatus.OK:
            yield limiter._reserve()
            while self.now < limiter._closed_until:  # as `RateLimiter.acquire` does
                yield limiter._reserve()
            status, shown = self._answer()
            yield self.trip()
            limiter.update(status, shown)
        left[0] -= 1
        if left[0] == 0:
            self._launch()

    def _answer(self) -> tuple[HTTPStatus, dict[str, str]]:
        while self.window and self.window[0] <= self.now - MINUTE:
            self.window.popleft()
        if len(self.window) >= LIMIT:
            self.refused += 1
            return HTTPStatus.TOO_MANY_REQUESTS, headers(0, EPOCH + self.window[0] + MINUTE)
        self.window.append(self.now)
        return HTTPStatus.OK, headers(LIMIT - len(self.window))


@pytest.mark.parametrize("seed", range(3))
def test_an_organization_finds_a_common_pace(seed: int) -> None:
    """Only what was under way when the limit was reached is refused: no second storm when the window slides on."""
    storm = Storm(accounts=500, calls=18, seed=seed)
    storm.run(together=50)

    assert storm.accounts == 0
    assert storm.now <= 1.15 * ((500 * 18 - 1) // LIMIT * MINUTE)
    assert storm.refused <= 1.1 * 50 * 18


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0", 0), ("1e3", 1000), *((wrong, 7) for wrong in (None, "", "x", "-1", "inf", "nan", "9" * 400))],
)
def test_a_header_is_a_number_or_its_default(text: str | None, value: float) -> None:
    assert number(text, 7) == value
