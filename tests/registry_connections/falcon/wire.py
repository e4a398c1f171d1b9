"""Falcon's answers from memory, under a real requests session: an adapter, and time that passes only in sleep."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from registry_connections.gate import RateGate
from registry_connections.transport import Transport
from tests.fakes import Clock


@dataclass
class Reply:
    """One answer; what is not bytes is sent as JSON."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> io.BytesIO:
        return io.BytesIO(self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode())


@dataclass
class Sent:
    """One request as it would have left the machine."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    options: Mapping[str, Any]

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.url).query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


Answering = Callable[[Sent], Reply]


class Wire(HTTPAdapter):
    """Gives every request to `answer`, which may raise what requests raises; keeps what was sent."""

    def __init__(self, answer: Answering) -> None:
        super().__init__()
        self.answer = answer
        self.sent: list[Sent] = []

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        assert not arguments
        body = request.body or b""
        text = body if isinstance(body, bytes) else str(body).encode()
        sent = Sent(request.method or "", request.url or "", dict(request.headers), text, options)
        self.sent.append(sent)
        reply = self.answer(sent)
        raw = urllib3.HTTPResponse(reply.raw, reply.headers, reply.status, preload_content=False)
        return self.build_response(request, raw)

    @property
    def hosts(self) -> list[str]:
        return [sent.host for sent in self.sent]


def in_turn(*replies: Reply | Exception) -> Answering:
    """Answer with these, one after the other, and with the last of them from then on."""
    left = list(replies)

    def answer(_: Sent) -> Reply:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return answer


def transport_on(wire: Wire, clock: Clock) -> Transport:
    """Return a transport whose every request goes to the wire, and whose pauses are the clock's."""
    session = requests.Session()
    gate = RateGate(clock, clock.wall, clock.sleep, lambda low, high: (low + high) / 2)
    transport = Transport(gate, session)
    session.adapters.clear()
    session.mount("https://", wire)
    return transport
