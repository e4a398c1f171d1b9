"""Falcon's responses from memory, under a real requests session: an adapter, and time that passes only in sleep."""

import io
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from registry_connections.concurrency import ThreadPool
from registry_connections.core.model import Credentials, Deadline
from registry_connections.falcon.auth import Login
from registry_connections.falcon.client import ENTITIES, QUERIES, Falcon
from registry_connections.falcon.http import HttpClient, new_session
from registry_connections.falcon.rate_limit import RateLimiter
from tests.registry_connections.fakes import InlinePool, VirtualClock
from tests.registry_connections.samples import GRANT, IDENTITY

CREDENTIALS = Credentials("the-client-id", "the-client-secret")


@dataclass
class Reply:
    """One response; what is not bytes is sent as JSON."""

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


Responding = Callable[[Sent], Reply]


class Wire(HTTPAdapter):
    """Gives every request to `respond`, which may raise what requests raises; keeps what was sent."""

    def __init__(self, respond: Responding) -> None:
        super().__init__()
        self.respond = respond
        self.sent: list[Sent] = []

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        assert not arguments
        body = request.body or b""
        text = body if isinstance(body, bytes) else str(body).encode()
        sent = Sent(request.method or "", request.url or "", dict(request.headers), text, options)
        self.sent.append(sent)
        reply = self.respond(sent)
        raw = urllib3.HTTPResponse(reply.raw, reply.headers, reply.status, preload_content=False)
        return self.build_response(request, raw)

    @property
    def hosts(self) -> list[str]:
        return [sent.host for sent in self.sent]


def in_turn(*replies: Reply | Exception) -> Responding:
    """Respond with these, one after the other, and with the last of them from then on."""
    left = list(replies)

    def respond(_: Sent) -> Reply:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return respond


def http_on(wire: Wire, clock: VirtualClock, retry_seconds: float = 300.0) -> HttpClient:
    """Return a client whose every request goes to the wire, and whose pauses are the clock's."""
    session = new_session()
    session.adapters.clear()
    session.mount("https://", wire)
    limiter = RateLimiter(clock, clock.wall, clock.sleep, lambda low, high: (low + high) / 2)
    return HttpClient(limiter, session, retry_seconds)


def refusal(status: int, message: str) -> Reply:
    return Reply(status, {"errors": [{"code": status, "message": message}]})


MADE = Reply(200, {"resources": {"id": "id-1"}})


@dataclass
class Api:
    """Falcon's operations; each of them may be replaced, and what each was asked is kept."""

    home: str = ""
    on_token: Responding | None = None
    on_entities: Responding = lambda _: MADE
    on_queries: Responding = lambda _: Reply(200, {"resources": []})
    tokens: int = 0
    asked: list[Sent] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, sent: Sent) -> Reply:
        with self._lock:
            if sent.path == "/oauth2/token":
                return self._token(sent)
            self.asked.append(sent)
        return {ENTITIES: self.on_entities, QUERIES: self.on_queries}[sent.path](sent)

    def _token(self, sent: Sent) -> Reply:
        if self.on_token:
            return self.on_token(sent)
        self.tokens += 1
        return Reply(201, {"access_token": f"token-{self.tokens}"}, {"X-Cs-Region": self.home})


@dataclass
class Bench:
    """A client of Falcon and all that is around it."""

    falcon: Falcon
    wire: Wire
    clock: VirtualClock

    @property
    def login(self) -> Login:
        return self.falcon.login

    @property
    def deadline(self) -> Deadline:
        return Deadline(self.clock.now + 800, self.clock)

    def log_in(self, hint: str = "") -> "Bench":
        self.falcon.log_in(self.deadline, hint)
        return self

    def create(self, *, fresh: bool = False) -> str:
        return self.falcon.create(IDENTITY.registry("eu-west-1"), "an-alias", GRANT, self.deadline, fresh=fresh)


def bench(
    api: Responding,
    cloud: str = "us-1",
    api_url: str = "",
    credentials: Credentials = CREDENTIALS,
    pool: ThreadPool | None = None,
) -> Bench:
    clock, wire = VirtualClock(), Wire(api)
    login = Login(http_on(wire, clock), credentials, cloud, api_url)
    return Bench(Falcon(login, pool or InlinePool(clock)), wire, clock)
