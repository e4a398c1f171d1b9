"""Where CloudFormation waits for an answer: a ResponseURL that records every PUT."""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.sandbox.tls import Authority
from tests.simulator.faults import Faults
from tests.simulator.messages import Answer
from tests.simulator.server import Exchange, TlsServer


@dataclass(frozen=True)
class Put:
    """One PUT to a ResponseURL. `taken` tells whether CloudFormation has it; `at` is on the monotonic clock."""

    body: Any
    at: float
    taken: bool


class ResponseEndpoint(TlsServer):
    """Gives a ResponseURL for each event, and remembers what is put there."""

    def __init__(self, authority: Authority, faults: Faults) -> None:
        super().__init__(authority)
        self._faults = faults
        self._puts: dict[str, list[Put]] = {}

    def expect(self, age: float = 0.0) -> str:
        """Return a new URL, presigned `age` seconds ago."""
        path = f"/cloudformation-custom-resource-response/{secrets.token_hex(8)}"
        signed = datetime.fromtimestamp(time.time() - age, UTC)
        self._puts[path] = []
        return f"{self.url}{path}?X-Amz-Date={signed:%Y%m%dT%H%M%SZ}&X-Amz-Signature={secrets.token_hex(16)}"

    def puts(self, url: str) -> list[Put]:
        """Return what was put to a URL, first to last."""
        return list(self._puts[urlsplit(url).path])

    def handle(self, exchange: Exchange) -> None:
        at, call = time.monotonic(), exchange.call
        if call.path not in self._puts or call.method != "PUT":
            exchange.send(Answer(403))
            return
        effect = self._faults.strike("respond", service="cloudformation")
        try:
            body = json.loads(call.body)
        except ValueError:
            body = None
        self._puts[call.path].append(Put(body, at, effect is None))
        exchange.apply = lambda: Answer(200)
        exchange.respond(effect)
