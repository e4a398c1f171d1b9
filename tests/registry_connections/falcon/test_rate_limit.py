"""The rate limiter alone, and with five hundred others that it does not know of."""

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
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


@pytest.mark.parametrize(
    ("moment", "earliest", "latest"),
    [
        *(((EPOCH + 20) * unit, 20, 21) for unit in (1, 1000)),  # seconds or milliseconds
        *((nonsense, 0.1, LONGEST_WAIT_SECONDS + 1) for nonsense in (EPOCH * 2, -5.0, float("inf"), float("nan"))),
        (None, 1, 6),
    ],
)
def test_after_a_429_nobody_calls_before_the_moment_that_falcon_named_if_it_makes_sense(
    clock: Clock, moment: float | None, earliest: float, latest: float
) -> None:
    limiter = limiter_on(clock)
    limiter.update(HTTPStatus.TOO_MANY_REQUESTS, headers(0, moment))
    limiter.acquire(far_off(clock))

    assert earliest <= clock.now <= latest


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


Answer = tuple[int, dict[str, str]]


class Storm:
    """Accounts that launch, some at a time, under one limit; each logs in, and then makes its calls all at once."""

    def __init__(self, accounts: int, calls: int, seed: int) -> None:
        self.accounts, self.calls = accounts, calls
        self.now, self.refused, self.window, self.order = 0.0, 0, deque[float](), count()
        self.agenda: list[tuple[float, int, RateLimiter, list[int], bool, Answer | None]] = []
        self.trip = partial(random.Random(seed).uniform, 0.24, 0.36)  # noqa: S311 - no secret

    def run(self, together: int) -> None:
        for _ in range(together):
            self._launch()
        while self.agenda:
            self.now, _, limiter, left, passing, answer = heapq.heappop(self.agenda)
            if answer:
                limiter.update(*answer)
            if answer and answer[0] == HTTPStatus.OK:
                left[0] -= 1
                if left[0] == 0:
                    self._launch()
            elif passing and self.now >= limiter._closed_until:
                self._after(self.trip(), limiter, left, answer=self._answer())
            else:  # as `RateLimiter.acquire` does
                self._after(limiter._reserve(), limiter, left, passing=True)

    def _after(
        self,
        seconds: float,
        limiter: RateLimiter,
        left: list[int],
        *,
        passing: bool = False,
        answer: Answer | None = None,
    ) -> None:
        heapq.heappush(self.agenda, (self.now + seconds, next(self.order), limiter, left, passing, answer))

    def _launch(self) -> None:
        if self.accounts:
            self.accounts -= 1
            limiter, left, trip = RateLimiter(lambda: self.now, lambda: EPOCH + self.now), [self.calls], self.trip()
            for _ in range(self.calls):
                self._after(trip, limiter, left)

    def _answer(self) -> Answer:
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


def test_no_call_passes_after_the_deadline_even_if_nobody_would_have_to_wait(clock: Clock) -> None:
    clock.now = 20_000
    with pytest.raises(DeadlineError):
        limiter_on(clock).acquire(far_off(clock))


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0", 0), ("1e3", 1000), *((wrong, 7) for wrong in (None, "", "x", "-1", "inf", "nan", "9" * 400))],
)
def test_a_header_is_a_number_or_its_default(text: str | None, value: float) -> None:
    assert number(text, 7) == value
