"""The rate limiter that all calls to Falcon pass: thousands of accounts share one tenant, and its limit.

Facts (CrowdStrike's API specification, and what its own engineers say in public): the limit is the tenant's, over a
window that slides by one minute; every response names the limit and what remains of it; a 429 says when to come back.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from registry_connections.core.errors import TIME_IS_UP, DeadlineError
from registry_connections.core.model import Deadline

MILLISECONDS_FROM: Final = 10**12  # X-RateLimit-RetryAfter is documented in ms and seen in s since the epoch
LONGEST_WAIT_SECONDS: Final = 60.0  # the window slides over one minute
LOW: Final = 0.1  # of the limit: from here on, calls go one after the other
SPACING_SECONDS: Final = 0.1  # between two calls of this process when little remains
LONGEST_SPACING_SECONDS: Final = 8.0
FASTER: Final = 0.7
SLOWER: Final = 1.5


@dataclass
class RateLimiter:
    """Decides when the next call may go: at once, until Falcon says that little remains.

    Then calls pass one by one, further apart after each 429 and closer again while enough remains: the accounts of
    an organization do not know of each other, and so find a common pace.
    """

    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = random.uniform
    _closed_until: float = 0.0
    _next_slot: float = 0.0
    _spacing: float = 0.0  # seconds; 0 lets all pass at once
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acquire(self, deadline: Deadline) -> None:
        """Return when a call may go; raise DeadlineError at once if that is after the deadline."""
        if not deadline.left():
            raise DeadlineError(TIME_IS_UP)
        while (wait := self._reserve()) > 0:
            self.pause(wait, deadline, "Falcon's rate limit lets no call pass in time")
            if self.clock() >= self._closed_until:
                return

    def pause(self, seconds: float, deadline: Deadline, why: str = TIME_IS_UP) -> None:
        """Sleep; raise DeadlineError at once if the deadline comes first."""
        if seconds >= deadline.left():
            raise DeadlineError(why)
        self.sleep(seconds)

    def update(self, status: int, headers: Mapping[str, str]) -> None:
        """Take from a response how much is left of the limit."""
        with self._lock:
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                self._close(self._retry_after(headers))
            elif _remaining(headers) < LOW:
                self._spacing = max(self._spacing, SPACING_SECONDS)
            else:
                self._spacing = self._spacing * FASTER if self._spacing > SPACING_SECONDS / 5 else 0.0

    def _reserve(self) -> float:
        """Return the seconds until the slot that is now the caller's."""
        with self._lock:
            now = self.clock()
            slot = max(now, self._closed_until, self._next_slot)
            self._next_slot = slot + self.jitter(0.5, 1.5) * self._spacing
            return slot - now

    def _close(self, seconds: float) -> None:
        """Let no call go for a while, unless that is so already: calls that were under way are refused together."""
        now = self.clock()
        if self._closed_until - now > seconds / 2:
            return
        self._spacing = min(max(self._spacing * SLOWER, SPACING_SECONDS), LONGEST_SPACING_SECONDS)
        self._closed_until = now + seconds + self.jitter(0, 1)

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        moment = number(headers.get("X-Ratelimit-Retryafter"), 0)
        moment = moment / 1000 if moment > MILLISECONDS_FROM else moment
        wait = moment - self.wall_clock() if moment else self.jitter(1, 5)
        return min(max(wait, 0.5), LONGEST_WAIT_SECONDS)


def _remaining(headers: Mapping[str, str]) -> float:
    """Return what remains of the limit, as a part of it; all, if the response does not say."""
    limit = number(headers.get("X-Ratelimit-Limit"), 0)
    return number(headers.get("X-Ratelimit-Remaining"), limit) / limit if limit > 0 else 1.0


def number(text: str | None, default: float) -> float:
    """Return the number in a header, or the default if there is none that makes sense."""
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default
