"""Where CloudFormation waits for an answer: a ResponseURL that records every PUT and may refuse the first ones."""

import json
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.tls_server import Exchange, TlsServer
from tests.sandbox.tls import Authority

TAKEN = 200
Kind = Literal["status", "reset", "hang", "drip", "redirect"]


@dataclass(frozen=True)
class Refusal:
    """What becomes of one PUT that is not taken."""

    kind: Kind = "status"
    status: int = 500
    seconds: float = 60.0
    location: str = ""


@dataclass(frozen=True)
class Put:
    """One PUT to a ResponseURL. `taken` tells whether CloudFormation has it; `at` is on the monotonic clock."""

    path: str
    body: Any
    at: float
    taken: bool


@dataclass
class _Waiting:
    refusals: list[Refusal]
    puts: list[Put] = field(default_factory=list)


class ResponseEndpoint(TlsServer):
    """Gives a ResponseURL for each event, and remembers what is put there."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}

    def expect(self, refusals: Sequence[Refusal] = ()) -> str:
        """Return a new presigned URL whose first PUTs meet these refusals."""
        path = f"/cloudformation-custom-resource-response/{secrets.token_hex(8)}"
        with self._lock:
            self._waiting[path] = _Waiting(list(refusals))
        return f"{self.url}{path}?X-Amz-Signature={secrets.token_hex(16)}"

    def puts(self, url: str) -> list[Put]:
        """Return what was put to a URL, first to last."""
        with self._lock:
            return list(self._waiting[self._path(url)].puts)

    def handle(self, exchange: Exchange) -> None:
        at = time.monotonic()
        with self._lock:
            waiting = self._waiting.get(self._path(exchange.path))
            if waiting is None or exchange.command != "PUT":
                exchange.send(403)
                return
            refusal = waiting.refusals.pop(0) if waiting.refusals else None
            waiting.puts.append(Put(exchange.path, _parsed(exchange.body), at, refusal is None))
        if refusal is None:
            exchange.send(TAKEN)
        elif refusal.kind == "status":
            exchange.send(refusal.status, b"<Error><Code>InternalError</Code></Error>", content_type="application/xml")
        elif refusal.kind == "redirect":
            exchange.send(307, headers={"Location": refusal.location})
        elif refusal.kind == "reset":
            exchange.reset()
        elif refusal.kind == "drip":
            exchange.drip(refusal.seconds)
        else:
            exchange.hang(refusal.seconds)

    def _path(self, url: str) -> str:
        return url.removeprefix(self.url).partition("?")[0]


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
