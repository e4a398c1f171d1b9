"""What the tests have set inside the emulator, and what it has recorded for them; wiped by a reset."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

# Enough for any test; a ring, so that a long session does not grow without end.
JOURNAL_LENGTH = 50_000


@dataclass(frozen=True)
class ServiceControlPolicy:
    """Actions (with `*`) that every principal of the account is denied in the Regions; no Regions means all."""

    actions: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass
class State:
    """Everything that is ours; MiniStack has its own."""

    function_environment: dict[str, str] = field(default_factory=dict)
    api_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=JOURNAL_LENGTH))
    service_control_policies: dict[str, list[ServiceControlPolicy]] = field(default_factory=dict)
    # account -> Region -> opt-in status, where it differs from what a new account has
    region_status: dict[str, dict[str, str]] = field(default_factory=dict)
    stack_sets: dict[tuple[str, str], Any] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything."""
        for table in vars(self).values():
            table.clear()


state = State()
