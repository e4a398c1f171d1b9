"""How a test steers the emulator's process: `POST /_sandbox/<verb>` with a JSON object and the token of LocalAws."""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tests.sandbox.emulator.state import state

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Verb = Callable[[dict[str, Any]], Any]

PREFIX = "/_sandbox/"
VERBS: dict[str, Verb] = {}


def verb(function: Verb) -> Verb:
    """Let tests call `function` by its name."""
    VERBS[function.__name__] = function
    return function


class Control:
    """An ASGI application in front of MiniStack: our verbs are ours, everything else is MiniStack's."""

    def __init__(self, emulator: Callable[[Scope, Receive, Send], Awaitable[None]], token: str) -> None:
        self._emulator, self._token = emulator, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._emulator(scope, receive, send)
            return
        status, answer = self._answer(scope, await _body(receive))
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(answer, default=str).encode()})

    def _answer(self, scope: Scope, body: bytes) -> tuple[int, Any]:
        token = dict(scope["headers"]).get(b"x-sandbox-token", b"").decode()
        if not hmac.compare_digest(token, self._token):
            return 403, "Only the LocalAws that started this emulator may steer it"
        name = scope["path"].removeprefix(PREFIX)
        if name not in VERBS:
            return 404, f"No such verb: {name}"
        try:
            return 200, VERBS[name](json.loads(body or b"{}"))
        except Exception as error:  # noqa: BLE001 - the test process raises it again
            return 400, f"{type(error).__name__}: {error}"


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


@verb
def reset(_: dict[str, Any]) -> None:
    """Forget what tests set; MiniStack forgets its own in its own reset."""
    state.reset()


@verb
def set_function_environment(request: dict[str, Any]) -> None:
    """Give every function that starts from now on these variables too."""
    state.function_environment = request["variables"]
