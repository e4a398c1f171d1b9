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
    first_retry_seconds: float = 60.0  # AWS's
    policy_seconds: float = POLICY_SECONDS
    policies_changed: dict[tuple[str, str], float] = field(default_factory=dict)  # account and role: when
    # asynchronous events that are not delivered, by account and fields; times: how many more, or all
    holds: list[dict[str, Any]] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)  # events, the oldest first
    # errors, with code and message, in place of calls, by account and action; times: how many more, or all
    refusals: list[dict[str, Any]] = field(default_factory=list)
    function_environment: dict[str, str] = field(default_factory=dict)
    api_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=JOURNAL_LENGTH))
    # service control policies, by account, actions (with `*`) and Regions (none means all)
    denials: list[dict[str, Any]] = field(default_factory=list)
    regions: dict[str, set[str]] = field(default_factory=dict)  # by account
    trusted_services: dict[str, set[str]] = field(default_factory=dict)  # by management account
    delegated_administrators: dict[str, set[str]] = field(default_factory=dict)  # by management account
    stack_sets: dict[tuple[str, str], Any] = field(default_factory=dict)  # by management account and name

    def enabled_regions(self, account: str) -> set[str]:
        """Return the Regions that an account has enabled: at first those that need no opt-in."""
        return self.regions.setdefault(account, set(WITHOUT_OPT_IN))

    @staticmethod
    def claimed(rule: dict[str, Any]) -> bool:
        """Whether a rule applies once more; counts down how often it still does."""
        if rule["times"] == 0:
            return False
        rule["times"] = rule["times"] and rule["times"] - 1
        return True

    def reset(self) -> None:
        """Forget everything, and let whoever waits for something of it go."""
        over = self.over
        vars(self).update(vars(State()))
        over.set()


state = State()
