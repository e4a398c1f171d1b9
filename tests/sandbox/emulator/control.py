"""How a test steers the emulator's process: `POST /_sandbox/<verb>` with a JSON object and the token of LocalAws.

What tests have set, and what the emulator has recorded for them, is in `state`, which a reset wipes.
"""

import hmac
import json
import threading
from collections import deque
from collections.abc import Callable
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


Verb = Callable[..., Any]

PREFIX = "/_sandbox/"
VERBS: dict[str, Verb] = {}


def verb(function: Verb) -> Verb:
    """Let tests call `function` by its name, with the members of the object as its arguments."""
    VERBS[function.__name__] = function
    return function


class Control:
    """An ASGI application in front of MiniStack: our verbs are ours, everything else is MiniStack's."""

    def __init__(self, emulator: Any, token: str) -> None:
        self._emulator, self._token = emulator, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._emulator(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body")
        status, answer = self._answer(scope, body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer, default=str).encode()})

    def _answer(self, scope: Any, body: bytes) -> tuple[int, Any]:
        token = dict(scope["headers"]).get(b"x-sandbox-token", b"").decode()
        if not hmac.compare_digest(token, self._token):
            return 403, "Only the LocalAws that started this emulator may steer it"
        try:
            return 200, VERBS[scope["path"].removeprefix(PREFIX)](**json.loads(body))
        except Exception as error:  # noqa: BLE001 - the test process raises it again
            return 400, f"{type(error).__name__}: {error}"


@verb
def reset() -> None:
    """Forget what tests set; MiniStack forgets its own in its own reset."""
    state.reset()


@verb
def read(name: str) -> list[Any]:
    """Return a list of State."""
    return list(getattr(state, name))


@verb
def write(name: str, value: Any) -> None:
    """Set something of State."""
    setattr(state, name, value)
