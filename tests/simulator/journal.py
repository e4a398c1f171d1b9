"""The record of every request, for tests to assert on. It never holds a secret, a token, a query or a body."""

from collections import Counter
from dataclasses import dataclass


@dataclass
class Record:
    """One request, recorded when it arrived and completed when it was answered."""

    cloud: str
    operation: str
    urls: tuple[str, ...]
    """The registry URLs that it concerns, as far as known: of the body, or of the connections that its ids name."""
    user_agent: str
    status: int | None = None
    """What was answered; nothing if it was not yet, or never."""


class Journal:
    """All requests so far, oldest first."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self.add, self.clear = self._records.append, self._records.clear

    def records(self, operation: str | None = None) -> list[Record]:
        return [record for record in list(self._records) if operation in (None, record.operation)]

    def count(self, operation: str | None = None) -> int:
        """Count the requests of one operation, or all."""
        return len(self.records(operation))

    def operations(self) -> Counter[str]:
        return Counter(record.operation for record in self.records())

    def statuses(self, operation: str) -> Counter[int | None]:
        return Counter(record.status for record in self.records(operation))
