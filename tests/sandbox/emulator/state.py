"""What the tests have set inside the emulator, and what it has recorded for them; wiped by a reset."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

# Enough for any test; a ring, so that a long session does not grow without end.
JOURNAL_LENGTH = 50_000

# How long AWS waits before it tries a failed asynchronous invocation again.
FIRST_RETRY_SECONDS = 60.0

# Idle function processes: a few dozen megabytes each, one for every account of an organization that was deployed to.
KEPT_WARM = 64


@dataclass(frozen=True)
class ServiceControlPolicy:
    """Actions (with `*`) that every principal of the account is denied in the Regions; no Regions means all."""

    actions: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass
class State:
    """Everything that is ours; MiniStack has its own."""

    over: threading.Event = field(default_factory=threading.Event)  # set by the reset that ends this state
    first_retry_seconds: float = FIRST_RETRY_SECONDS
    kept_warm: int = KEPT_WARM
    function_environment: dict[str, str] = field(default_factory=dict)
    api_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=JOURNAL_LENGTH))
    service_control_policies: dict[str, list[ServiceControlPolicy]] = field(default_factory=dict)
    # by account, once something asked for them or changed them
    enabled_regions: dict[str, set[str]] = field(default_factory=dict)
    # by management account
    trusted_services: dict[str, set[str]] = field(default_factory=dict)
    delegated_administrators: dict[str, set[str]] = field(default_factory=dict)
    stack_sets: dict[tuple[str, str], Any] = field(default_factory=dict)  # by management account and name

    def reset(self) -> None:
        """Forget everything, and let whoever waits for something of it go."""
        over = self.over
        vars(self).update(vars(State()))
        over.set()


state = State()
