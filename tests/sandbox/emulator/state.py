"""What the tests have set inside the emulator, and what it has recorded for them; wiped by a reset."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.known_regions import WITHOUT_OPT_IN

JOURNAL_LENGTH = 50_000  # enough for any test; a long session does not grow without end

POLICY_SECONDS = 0.5
"""How long a role's new policy is unknown, unless a test says otherwise. AWS: seconds, without a bound."""


@dataclass
class State:
    """Everything that is ours; MiniStack has its own."""

    over: threading.Event = field(default_factory=threading.Event)  # set by the reset that ends this state
    policy_seconds: float = POLICY_SECONDS
    policies_changed: dict[tuple[str, str], float] = field(default_factory=dict)  # account and role: when
    function_environment: dict[str, str] = field(default_factory=dict)
    api_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=JOURNAL_LENGTH))
    regions: dict[str, set[str]] = field(default_factory=dict)  # by account
    trusted_services: dict[str, set[str]] = field(default_factory=dict)  # by management account
    delegated_administrators: dict[str, set[str]] = field(default_factory=dict)  # by management account
    stack_sets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # by management account and name

    def enabled_regions(self, account: str) -> set[str]:
        """Return the Regions that an account has enabled: at first those that need no opt-in."""
        return self.regions.setdefault(account, set(WITHOUT_OPT_IN))

    def reset(self) -> None:
        """Forget everything, and let whoever waits for something of it go."""
        over = self.over
        vars(self).update(vars(State()))
        over.set()


state = State()
