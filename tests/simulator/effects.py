"""What can go wrong with an answer. Each effect is data, so that a table of faults can be written and sent."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Literal

from aiohttp import web

from tests.simulator.exchange import Exchange
from tests.simulator.messages import GATEWAY, Answer, errors, meta, retry_after

FOREVER = 3600.0  # seconds; longer than any client waits
CHUNK = b" " * 65536
HOSTILE = "\r\nSet-Cookie: a=b\x00\x07\x1b[2J\x1b]0;title\x07\u202e\u2028<script>"
"""Line ends, a null, a bell, terminal escapes, a right-to-left override: what must not reach a log as it is."""


@dataclass(frozen=True)
class Effect:
    """What a fault does to a call. `respond` answers in Falcon's place."""

    kinds: ClassVar[dict[str, type["Effect"]]] = {}

    def __init_subclass__(cls) -> None:
        Effect.kinds[cls.__name__] = cls

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        raise NotImplementedError

    def to_json(self) -> dict[str, object]:
        return {"kind": type(self).__name__} | asdict(self)

    @staticmethod
    def from_json(document: dict[str, object]) -> "Effect":
        options = dict(document)
        kind = Effect.kinds[str(options.pop("kind"))]
        known = {field.name for field in fields(kind)}
        if options.keys() - known:
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(options.keys() - known))}")
        return kind(**options)


@dataclass(frozen=True)
class Status(Effect):
    """An error envelope with any status, and nothing done."""

    status: int
    message: str = "an invented failure"
    count: int = 1
    """How many errors the envelope lists; thousands are possible."""
    gateway: bool = False
    """Whether the gateway says so, rather than the service behind it."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        messages = (self.message,) * self.count
        powered_by = GATEWAY if self.gateway else ""
        return await exchange.send(errors(exchange.call, self.status, *messages, powered_by=powered_by))


def unauthorized() -> Status:
    return Status(401, "access denied, invalid bearer token", gateway=True)


def missing_scope() -> Status:
    return Status(403, "access denied, scope not permitted", gateway=True)


def not_found() -> Status:
    return Status(404, "registry not found")


def conflict() -> Status:
    """Report a duplicate, although there may be no such connection."""
    return Status(409, "registry already exists")


def credential_failure() -> Status:
    return Status(400, "failed to validate registry credential: unable to access the registry")


@dataclass(frozen=True)
class Html(Effect):
    """A page of a proxy or a captive portal, with any status, instead of an answer of the API. Nothing was done."""

    status: int = 502

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        text = "Bad Gateway" if self.status >= 500 else "Sign in to use this network"
        page = f"<html><head><title>{self.status}</title></head><body><h1>{text}</h1></body></html>"
        return await exchange.send_bytes(self.status, page.encode(), "text/html")


@dataclass(frozen=True)
class Throttled(Effect):
    """429 although the limit is not reached, with a time to come back in seconds or milliseconds, or without."""

    wait: float = 1.0
    """Seconds until the time in the header."""
    unit: Literal["seconds", "milliseconds", "absent"] = "seconds"

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = errors(exchange.call, 429, "API rate limit exceeded.", powered_by=GATEWAY)
        answer.headers = {"X-Ratelimit-Remaining": "0"} | retry_after(self.wait, self.unit)
        return await exchange.send(answer)


@dataclass(frozen=True)
class Reset(Effect):
    """The connection breaks, before or after the call was applied; either way its answer is lost."""

    applied: bool = False

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.applied:
            await exchange.apply()
        return exchange.reset()


@dataclass(frozen=True)
class Hang(Effect):
    """No answer for some seconds, then a reset. Ends early when the client leaves or the simulator stops."""

    seconds: float = FOREVER
    applied: bool = False

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.applied:
            await exchange.apply()
        await exchange.pause(self.seconds)
        return exchange.reset()


@dataclass(frozen=True)
class Truncated(Effect):
    """The call is applied, but half of its answer is missing when the connection closes."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.apply()
        content = answer.content
        pieces = iter([content[: len(content) // 2]])

        async def piece() -> bytes:
            return next(pieces, b"")

        return await exchange.stream(answer.status, len(content), piece)


@dataclass(frozen=True)
class Malformed(Effect):
    """The call is applied, but its answer is not JSON, although it says so."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.apply()
        return await exchange.send_bytes(answer.status, answer.content[:-1] + b',"', "application/json")


@dataclass(frozen=True)
class ErrorsInSuccess(Effect):
    """A successful status with errors in the envelope and no resources; nothing was done."""

    status: int = 200
    message: str = "an invented failure"
    code: int = 500

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        listed = [{"code": self.code, "message": self.message}]
        return await exchange.send(
            Answer(self.status, {"meta": meta(exchange.call), "errors": listed, "resources": None})
        )


@dataclass(frozen=True)
class NoResources(Effect):
    """A successful status without resources; for a token, without the token. The call was applied or not."""

    applied: bool = True
    status: int = 200

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.applied:
            await exchange.apply()
        return await exchange.send(Answer(self.status, {"meta": meta(exchange.call), "errors": []}))


@dataclass(frozen=True)
class Redirect(Effect):
    """A redirect to another place, to which credentials must not follow."""

    location: str
    status: int = 307

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        return await exchange.send(Answer(self.status, None, {"Location": self.location}))


@dataclass(frozen=True)
class Huge(Effect):
    """A successful answer of many megabytes: white space, then an empty object. Nothing was done."""

    megabytes: int = 200
    status: int = 200

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        chunks = self.megabytes * 2**20 // len(CHUNK)
        left = iter([CHUNK] * chunks + [b"{}"])

        async def piece() -> bytes:
            await asyncio.sleep(0)  # other requests go on
            return next(left, b"")

        return await exchange.stream(self.status, chunks * len(CHUNK) + 2, piece)


WRONG: dict[str, object] = {
    "resources is text": {"resources": "registry"},
    "resources is a number": {"resources": 7},
    "resources holds numbers": {"resources": [7, None, 1.5]},
    "id is a number": {"resources": {"id": 7}},
    "ids are numbers": {"resources": [{"id": 7}]},
    "fields are lists": {"resources": [{"id": [], "url": [], "type": {}, "credential": "none"}]},
    "errors is text": {"errors": "oh no", "resources": None},
    "errors hold text": {"errors": ["oh no", None, 7], "resources": None},
    "meta is text": {"meta": "none", "resources": []},
    "pagination is text": {"meta": {"pagination": "none"}, "resources": []},
    "total is text": {"meta": {"pagination": {"total": "many"}}, "resources": []},
    "token is a number": {"access_token": 7, "expires_in": "soon"},
    "body is a list": [],
    "body is text": "none",
    "body is null": None,
}
"""Bodies whose JSON is sound and whose types are not. An object replaces parts of the true envelope."""


@dataclass(frozen=True)
class WrongTypes(Effect):
    """A successful answer with wrong types, see `WRONG`. The call was applied."""

    variant: str = "resources is text"

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer, wrong = await exchange.apply(), WRONG[self.variant]
        if isinstance(wrong, dict):
            return await exchange.send(answer.altered(**wrong))
        content = Answer(answer.status, wrong).content or b"null"
        return await exchange.send_bytes(answer.status, content, "application/json")


@dataclass(frozen=True)
class SlowBody(Effect):
    """The call is applied; its answer comes byte by byte, so that no single wait for data is long."""

    interval: float = 0.2
    """Seconds between two bytes."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.apply()
        left = iter(answer.content)

        async def piece() -> bytes:
            await exchange.pause(self.interval)
            return bytes([byte]) if (byte := next(left, None)) is not None else b""

        return await exchange.stream(answer.status, len(answer.content), piece)


@dataclass(frozen=True)
class SlowHeaders(Effect):
    """The call is applied; a header comes byte by byte, without end, so that no single wait for data is long."""

    interval: float = 0.2
    """Seconds between two bytes."""
    seconds: float = FOREVER
    """How long it goes on before the connection breaks."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        await exchange.apply()
        end = time.monotonic() + self.seconds
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while exchange.is_open and time.monotonic() < end:
            exchange.write(b"y")
            await exchange.pause(self.interval)
        return exchange.reset()


@dataclass(frozen=True)
class Echo(Effect):
    """An error whose message repeats the secrets of the request, among characters that hurt a log or a terminal."""

    status: int = 400

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        message = " ".join([HOSTILE, *exchange.call.secrets(), HOSTILE])
        return await exchange.send(errors(exchange.call, self.status, message))


@dataclass(frozen=True)
class Headers(Effect):
    """The answer has these headers instead of its own: a secret, a region that does not exist, a date that is none."""

    headers: tuple[tuple[str, str], ...]
    status: int = 0
    """Instead of the answer's own, and then the call is not carried out."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = Answer(self.status, {}) if self.status else await exchange.apply()
        answer.headers |= dict(self.headers)
        return await exchange.send(answer)


@dataclass(frozen=True)
class Altered(Effect):
    """The call is carried out; parts of the answer's envelope are replaced, or fields of each of its resources."""

    changes: str
    """A JSON object. Where it has an object for the resources, that changes fields of each of them."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer, changes = await exchange.apply(), json.loads(self.changes)
        envelope = answer.body if isinstance(answer.body, dict) else {}
        replaced, true = changes.get("resources"), envelope.get("resources")
        if isinstance(replaced, dict) and true:
            changes["resources"] = [each | replaced for each in true] if isinstance(true, list) else true | replaced
        return await exchange.send(answer.altered(**changes))
