"""The record of every request, for tests to assert on. It never holds a secret, a token or a body."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_PARAMETERS = {"id", "ids", "limit", "offset"}
"""The query parameters of the API. The value of any other is not recorded: it may be a misplaced secret."""


@dataclass
class Record:
    """One request, recorded when it arrived and completed when it was answered."""

    cloud: str
    operation: str
    query: tuple[tuple[str, str], ...]
    urls: tuple[str, ...]
    """The registry URLs that it concerns, as far as known: of the body, or of the connections that its ids name."""
    user_agent: str
    status: int | None = None
    """What was answered; nothing if it was not yet, or never."""


def shown(query: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value if name in SHOWN_PARAMETERS else "...") for name, value in query)


class Journal:
    """All requests so far, oldest first. Safe to use from several threads."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._lock = threading.Lock()
        self._records = list(records)

    def add(self, record: Record) -> None:
        """Keep the record of a request that is about to be answered; whoever answers sets the status."""
        with self._lock:
            self._records.append(record)

    def records(self, operation: str | None = None) -> list[Record]:
        with self._lock:
            return [record for record in self._records if operation in (None, record.operation)]

    def count(self, operation: str | None = None) -> int:
        """Count the requests of one operation, or all."""
        return len(self.records(operation))

    def operations(self) -> Counter[str]:
        return Counter(record.operation for record in self.records())

    def statuses(self, operation: str) -> Counter[int | None]:
        return Counter(record.status for record in self.records(operation))

    def clear(self) -> None:
        with self._lock:
            self._records.clear()
