"""Where CloudFormation waits for an answer: a ResponseURL that records every PUT and may refuse the first ones."""

import json
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tests.faults.tls_server import Exchange, TlsServer
from tests.sandbox.tls import Authority


@dataclass(frozen=True)
class Refusal:
    """What becomes of one PUT that is not taken."""

    kind: Literal["status", "reset", "hang", "drip", "redirect"] = "status"
    status: int = 500
    location: str = ""


@dataclass(frozen=True)
class Put:
    """One PUT to a ResponseURL. `taken` tells whether CloudFormation has it; `at` is on the monotonic clock."""

    body: Any
    at: float
    taken: bool


class ResponseEndpoint(TlsServer):
    """Gives a ResponseURL for each event, and remembers what is put there."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[list[Refusal], list[Put]]] = {}

    def expect(self, refusals: Sequence[Refusal] = (), age: float = 0.0) -> str:
        """Return a new URL, presigned `age` seconds ago, whose first PUTs meet these refusals."""
        path = f"/cloudformation-custom-resource-response/{secrets.token_hex(8)}"
        signed = datetime.fromtimestamp(time.time() - age, UTC)
        with self._lock:
            self._waiting[path] = list(refusals), []
        return f"{self.url}{path}?X-Amz-Date={signed:%Y%m%dT%H%M%SZ}&X-Amz-Signature={secrets.token_hex(16)}"

    def puts(self, url: str) -> list[Put]:
        """Return what was put to a URL, first to last."""
        with self._lock:
            return list(self._waiting[self._path(url)][1])

    def handle(self, exchange: Exchange) -> None:
        at = time.monotonic()
        path = self._path(exchange.path)
        with self._lock:
            if path not in self._waiting or exchange.command != "PUT":
                exchange.send(403)
                return
            refusals, puts = self._waiting[path]
            refusal = refusals.pop(0) if refusals else None
            puts.append(Put(_parsed(exchange.body), at, refusal is None))
        if refusal is None:
            exchange.send(200)
        elif refusal.kind == "status":
            exchange.send(refusal.status, b"<Error><Code>InternalError</Code></Error>", "application/xml")
        elif refusal.kind == "redirect":
            exchange.send(307, headers={"Location": refusal.location})
        else:
            {"reset": exchange.reset, "drip": exchange.drip, "hang": exchange.hang}[refusal.kind]()

    def _path(self, url: str) -> str:
        return url.removeprefix(self.url).partition("?")[0]


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
