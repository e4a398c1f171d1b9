"""Falcon's responses from memory, under a real requests session: an adapter, and time that passes only in sleep."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from registry_connections.concurrency import ThreadPool
from registry_connections.core.model import AUTODISCOVER, Credentials, Deadline, RoleGrant
from registry_connections.falcon.auth import Login
from registry_connections.falcon.client import ENTITIES, QUERIES, Falcon
from registry_connections.falcon.http import HttpClient, new_session
from registry_connections.falcon.rate_limit import RateLimiter
from tests.registry_connections.fakes import InlinePool, VirtualClock
from tests.registry_connections.samples import GRANT, IDENTITY
from tests.simulator.messages import Answer

TOKEN = "/oauth2/token"
CREDENTIALS = Credentials("the-client-id", "the-client-secret")


def refusal(status: int, message: str) -> Answer:
    return Answer(status, {"errors": [{"code": status, "message": message}]})


MADE = Answer(200, {"resources": {"id": "id-1"}})
NOTHING = Answer(200, {"resources": []})


class Sent:
    """One request as it would have left the machine."""

    def __init__(self, request: requests.PreparedRequest, options: Mapping[str, Any]) -> None:
        self.method, self.url, self.headers = request.method, request.url or "", request.headers
        parts = urlsplit(self.url)
        self.host, self.path, self.query = parts.hostname, parts.path, parse_qs(parts.query)
        self.body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
        self.timeout: tuple[float, float] = options["timeout"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


Responding = Callable[[Sent], Answer]


class Wire(HTTPAdapter):
    """Gives every request to `respond`, which may raise what requests raises; keeps what was sent."""

    def __init__(self, respond: Responding) -> None:
        super().__init__()
        self.respond = respond
        self.sent: list[Sent] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        sent = Sent(request, options)
        self.sent.append(sent)
        answer = self.respond(sent)
        raw = answer.body if isinstance(answer.body, io.BytesIO) else io.BytesIO(answer.content)
        return self.build_response(
            request, urllib3.HTTPResponse(raw, answer.headers, answer.status, preload_content=False)
        )


def in_turn(*replies: Answer | Exception) -> Responding:
    """Respond with these, one after the other, and with the last of them from then on."""
    left = list(replies)

    def respond(_: Sent) -> Answer:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return respond


def http_on(wire: Wire, clock: VirtualClock) -> HttpClient:
    """Return a client whose every request goes to the wire, and whose pauses are the clock's."""
    session = new_session()
    session.adapters.clear()
    session.mount("https://", wire)
    return HttpClient(RateLimiter(clock, clock.wall, clock.sleep, lambda low, high: (low + high) / 2), session)


class Bench:
    """A client of Falcon that responds to reads and changes with `replies` in turn, or as `entities` says.

    `place` is a cloud, or the operator's URL.
    """

    def __init__(
        self,
        *replies: Answer,
        entities: Responding | None = None,
        queries: Responding = lambda _: NOTHING,
        token: Responding | None = None,
        home: str = "",
        place: str = "us-1",
        credentials: Credentials = CREDENTIALS,
        pool: ThreadPool | None = None,
    ) -> None:
        self.home, self.clock = home, VirtualClock()
        operations = {ENTITIES: entities or in_turn(*replies), QUERIES: queries, TOKEN: token or self._token}
        self.wire = Wire(lambda sent: operations[sent.path](sent))
        cloud, api_url = (AUTODISCOVER, place) if "://" in place else (place, "")
        self.login = Login(http_on(self.wire, self.clock), credentials, cloud, api_url)
        self.falcon = Falcon(self.login, pool or InlinePool(self.clock))
        self.deadline = Deadline(800, self.clock)

    def _token(self, _: Sent) -> Answer:
        return Answer(201, {"access_token": f"token-{self.tokens}"}, {"X-Cs-Region": self.home})

    @property
    def tokens(self) -> int:
        """How often a token was asked for."""
        return len(self.wire.sent) - len(self.asked)

    @property
    def asked(self) -> list[Sent]:
        """What was sent with a token."""
        return [sent for sent in self.wire.sent if sent.path != TOKEN]

    @property
    def hosts(self) -> list[str | None]:
        return [sent.host for sent in self.wire.sent]

    def log_in(self, hint: str = "") -> "Bench":
        self.falcon.log_in(self.deadline, hint)
        return self

    def create(self, grant: RoleGrant = GRANT, *, fresh: bool = False) -> str:
        return self.falcon.create(IDENTITY.registry("eu-west-1"), "an-alias", grant, self.deadline, fresh=fresh)
