"""Rules that make some calls go wrong, armed by a test."""

import threading
from dataclasses import dataclass
from typing import Literal

from tests.simulator.effects import Effect

Operation = Literal["token", "create", "update", "read", "list", "delete", "any"]


@dataclass(frozen=True)
class Fault:
    """Let `effect` strike calls of one operation."""

    operation: Operation
    effect: Effect
    region: str = ""
    """Only calls that concern a registry URL that contains this: the body's, or that of a connection named by id."""
    times: int | None = None
    """How many calls it strikes; without a number, all."""
    skip: int = 0
    """How many calls it lets pass first."""

    def concerns(self, operation: str, urls: tuple[str, ...]) -> bool:
        return self.operation in (operation, "any") and (not self.region or any(self.region in url for url in urls))


@dataclass
class Armed:
    """A fault with the count of what it did."""

    fault: Fault
    passed: int = 0
    struck: int = 0

    def strikes(self, operation: str, urls: tuple[str, ...]) -> bool:
        """Count a call and say whether the fault strikes it."""
        if not self.fault.concerns(operation, urls) or self.struck == self.fault.times:
            return False
        if self.passed < self.fault.skip:
            self.passed += 1
            return False
        self.struck += 1
        return True


class Faults:
    """All armed faults, the oldest first: it strikes before the others. Safe to use from several threads."""

    def __init__(self) -> None:
        self.armed: list[Armed] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> Armed:
        with self._lock:
            self.armed.append(Armed(fault))
            return self.armed[-1]

    def strike(self, operation: str, urls: tuple[str, ...]) -> Effect | None:
        """Return what happens to a call, if anything."""
        with self._lock:
            return next((armed.fault.effect for armed in self.armed if armed.strikes(operation, urls)), None)

    def clear(self) -> None:
        with self._lock:
            self.armed.clear()
