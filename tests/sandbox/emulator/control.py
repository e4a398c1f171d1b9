"""How a test steers the emulator's process: `POST /_sandbox/<verb>` with a JSON object and the token of LocalAws."""

import hmac
import json
from collections.abc import Callable
from typing import Any

from tests.sandbox.emulator.state import state

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
