"""The rate limiter on a clock on which nothing but its waits takes time. `make bench` shows five hundred of them."""

from http import HTTPStatus

import pytest

from registry_connections.core.errors import DeadlineError
from registry_connections.core.model import Deadline
from registry_connections.falcon.rate_limit import RateLimiter, number
from tests.registry_connections.fakes import EPOCH, VirtualClock

LIMIT = 6000


def headers(remaining: int, retry_after: float | None = None) -> dict[str, str]:
    shown = {"X-Ratelimit-Limit": str(LIMIT), "X-Ratelimit-Remaining": str(remaining)}
    return shown if retry_after is None else {**shown, "X-Ratelimit-Retryafter": str(retry_after)}


class Limited:
    """A limiter and its clock."""

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


def test_calls_go_at_once_while_enough_remains_and_apart_before_the_limit_is_hit() -> None:
    limited = Limited()
    limited.clock.on_pass = lambda: pytest.fail("it waited")
    for remaining in range(LIMIT, LIMIT // 10 - 1, -100):
        limited.served(remaining)
        limited.waits(5)
    limited.served(LIMIT // 10 - 1)
    limited.clock.on_pass = lambda: None

    assert limited.waits(4) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        *(((EPOCH + 20) * unit, 20) for unit in (1, 1000)),  # seconds or milliseconds
        (EPOCH - 5, 0.5),
        (EPOCH * 2, 60),
        *((nonsense, 3) for nonsense in (-5.0, float("inf"), float("nan"), None)),
    ],
)
def test_after_a_429_nobody_calls_before_the_moment_that_falcon_named(moment: float | None, seconds: float) -> None:
    limited = Limited()
    limited.refused(moment)

    assert limited.waits() == pytest.approx(seconds + 0.5)  # on average: the accounts do not come back together


@pytest.mark.parametrize("started", [0, 10_000], ids=["while closed", "while open"])
def test_no_call_waits_for_longer_than_its_deadline_or_passes_after_it(started: float) -> None:
    limited = Limited()
    limited.refused(EPOCH + 30)
    limited.clock.now = started
    with pytest.raises(DeadlineError):
        limited.waits(deadline=10)

    assert limited.clock.now == started


def test_calls_that_were_refused_together_slow_down_once() -> None:
    limited, together = Limited(), Limited()
    limited.refused(EPOCH + 20)
    for _ in range(18):
        together.refused(EPOCH + 20)

    assert together.waits(5) == limited.waits(5)


def test_calls_go_further_apart_after_each_429_and_closer_again_while_enough_remains() -> None:
    """The accounts of an organization do not know of each other, and so find a common pace."""
    limited = Limited()
    apart = []
    for refused in [True] * 13 + [False] * 18:
        if refused:
            limited.refused(None)
        else:
            limited.served(LIMIT)
        limited.clock.now += 100
        limited.waits()
        apart.append(limited.waits())

    slower = [min(0.1 * 1.5**number, 8) for number in range(13)]
    faster = [8 * 0.7**number for number in range(1, 18)]
    assert apart == pytest.approx([*slower, *faster, 0])


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0", 0), ("1e3", 1000), *((wrong, 7) for wrong in (None, "", "x", "-1", "inf", "nan", "9" * 400))],
)
def test_a_header_is_a_number_or_its_default(text: str | None, value: float) -> None:
    assert number(text, 7) == value
