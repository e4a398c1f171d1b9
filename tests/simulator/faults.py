"""Rules that make some calls go wrong, armed by a test."""

import threading
from dataclasses import dataclass, replace
from typing import Literal

from tests.simulator.effects import Effect

# fmt: off
Operation = Literal[
    "token", "create", "update", "read", "list", "delete", "falcon",
    "GetSecretValue", "GetParameter", "PutParameter", "DescribeRegions", "DescribeRepositories", "CreateLogGroup",
    "PutRetentionPolicy", "aws", "respond",
]
# fmt: on
"""Falcon's, all of these; AWS's as the fault matrix plays it, all of these; to take a response for CloudFormation."""


@dataclass
class Fault:
    """Let `effect` strike calls of one operation. It counts down once it is armed."""

    operation: Operation
    effect: Effect
    region: str = ""
    """Only calls in this Region: of AWS, or those that concern a registry URL in it, in the body or of an id."""
    times: int | None = None
    """How many calls it strikes; without a number, all."""
    skip: int = 0
    """How many calls it lets pass first."""

    def strikes(self, operation: str, service: str, urls: tuple[str, ...]) -> bool:
        """Count a call and say whether the fault strikes it."""
        elsewhere = self.region and not any(self.region in url for url in urls)
        if self.operation not in (operation, service) or elsewhere or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        return True


class Faults:
    """All armed faults, the oldest first: it strikes before the others. Safe to use from several threads."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(replace(fault))

    def strike(self, operation: str, urls: tuple[str, ...] = (), service: str = "falcon") -> Effect | None:
        """Return what happens to a call, if anything."""
        with self._lock:
            return next((fault.effect for fault in self._armed if fault.strikes(operation, service, urls)), None)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
