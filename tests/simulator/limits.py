"""Rate limits over a sliding minute, as CrowdStrike documents them."""

from collections import defaultdict, deque
from dataclasses import dataclass

MINUTE = 60.0  # seconds


@dataclass(frozen=True)
class Verdict:
    limit: int
    remaining: int
    wait: float = 0.0
    """Seconds until a request is let through again; 0 if this one was."""


class Limits:
    """Counts the requests of each bucket (the tenant, or a source address). Refused requests do not count."""

    def __init__(self) -> None:
        self._arrivals: defaultdict[str, deque[float]] = defaultdict(deque)
        self.clear = self._arrivals.clear

    def take(self, bucket: str, limit: int, *, now: float, time_scale: float = 1.0) -> Verdict:
        """Let a request through if its bucket had fewer than `limit` in the last minute."""
        window = MINUTE / time_scale
        arrivals = self._arrivals[bucket]
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        if len(arrivals) >= limit:
            return Verdict(limit, 0, wait=arrivals[len(arrivals) - limit] + window - now)
        arrivals.append(now)
        return Verdict(limit, limit - len(arrivals))
