"""What can go wrong with an answer. Each effect is data, so that a table of faults can be written."""

import itertools
import json
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from tests.simulator.exchange import Exchange
from tests.simulator.messages import GATEWAY, Answer, errors, meta, retry_after

FOREVER = 3600.0  # seconds; longer than any client waits
CHUNK = b" " * 65536
HOSTILE = "\r\nSet-Cookie: a=b\x00\x07\x1b[2J\x1b]0;title\x07\u202e\u2028<script>"
"""Line ends, a null, a bell, terminal escapes, a right-to-left override: what must not reach a log as it is."""


@dataclass(frozen=True)
class Effect:
    """What a fault does to a call. `respond` answers in Falcon's place; for most, with what `answer` returns."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        return await exchange.send(await self.answer(exchange))

    async def answer(self, exchange: Exchange) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Effect):
    """An error envelope with any status, and nothing done."""

    status: int
    message: str = "an invented failure"
    powered_by: str = ""
    """The gateway, if it says so rather than the service behind it."""

    async def answer(self, exchange: Exchange) -> Answer:
        return errors(exchange.call, self.status, self.message, powered_by=self.powered_by)


def unauthorized() -> Status:
    return Status(401, "access denied, invalid bearer token", GATEWAY)


def missing_scope() -> Status:
    return Status(403, "access denied, scope not permitted", GATEWAY)


def not_found() -> Status:
    return Status(404, "registry not found")


def conflict() -> Status:
    """Report a duplicate, although there may be no such connection."""
    return Status(409, "registry already exists")


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

    async def answer(self, exchange: Exchange) -> Answer:
        answer = errors(exchange.call, 429, "API rate limit exceeded.", powered_by=GATEWAY)
        answer.headers = {"X-Ratelimit-Remaining": "0"} | retry_after(self.wait, self.unit)
        return answer


@dataclass(frozen=True)
class Hang(Effect):
    """No answer for some seconds, then the connection breaks, before or after the call was applied.

    Ends early when the client leaves or the simulator stops.
    """

    seconds: float = FOREVER
    applied: bool = False

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.applied:
            await exchange.apply()
        await exchange.pause(self.seconds)
        return exchange.reset()


@dataclass(frozen=True)
class Reset(Hang):
    """The connection breaks at once."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Truncated(Effect):
    """The call is applied, but half of its answer is missing when the connection closes."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.apply()
        half = answer.content[: len(answer.content) // 2]
        return await exchange.stream(answer.status, len(answer.content), [half])


@dataclass(frozen=True)
class Malformed(Effect):
    """The call is applied, but its answer is not JSON, although it says so."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.apply()
        return await exchange.send_bytes(answer.status, answer.content[:-1] + b',"', "application/json")


@dataclass(frozen=True)
class ErrorsInSuccess(Effect):
    """A successful status with errors in the envelope and no resources; nothing was done."""

    async def answer(self, exchange: Exchange) -> Answer:
        answer = errors(exchange.call, 500, "an invented failure")
        return Answer(200, answer.altered(resources=None).body)


@dataclass(frozen=True)
class NoResources(Effect):
    """A successful status without resources; for a token, without the token. The call was applied or not."""

    applied: bool = True

    async def answer(self, exchange: Exchange) -> Answer:
        if self.applied:
            await exchange.apply()
        return Answer(200, {"meta": meta(exchange.call), "errors": []})


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

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        chunks = self.megabytes * 2**20 // len(CHUNK)
        return await exchange.stream(200, chunks * len(CHUNK) + 2, itertools.chain([CHUNK] * chunks, [b"{}"]))


WRONG: dict[str, object] = {
    "resources is text": {"resources": "registry"},
    "errors is text": {"errors": "oh no", "resources": None},
    "body is a list": [],
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
        pieces = [bytes([byte]) for byte in answer.content]
        return await exchange.stream(answer.status, len(answer.content), pieces, self.interval)


@dataclass(frozen=True)
class SlowHeaders(Effect):
    """The call is applied; a header comes byte by byte, without end, so that no single wait for data is long."""

    interval: float = 0.2
    """Seconds between two bytes."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        await exchange.apply()
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while exchange.is_open:
            exchange.write(b"y")
            await exchange.pause(self.interval)
        return exchange.reset()


@dataclass(frozen=True)
class Echo(Effect):
    """An error whose message repeats the secrets of the request, among characters that hurt a log or a terminal."""

    status: int = 400

    async def answer(self, exchange: Exchange) -> Answer:
        message = " ".join([HOSTILE, *exchange.call.secrets(), HOSTILE])
        return errors(exchange.call, self.status, message)


@dataclass(frozen=True)
class Headers(Effect):
    """The answer has these headers instead of its own: a secret, a region that does not exist, a date that is none."""

    headers: tuple[tuple[str, str], ...]
    status: int = 0
    """Instead of the answer's own, and then the call is not carried out."""

    async def answer(self, exchange: Exchange) -> Answer:
        answer = Answer(self.status, {}) if self.status else await exchange.apply()
        answer.headers |= dict(self.headers)
        return answer


@dataclass(frozen=True)
class Altered(Effect):
    """The call is carried out; parts of the answer's envelope are replaced, or fields of each of its resources."""

    changes: str
    """A JSON object. Where it has an object for the resources, that changes fields of each of them."""

    async def answer(self, exchange: Exchange) -> Answer:
        answer, changes = await exchange.apply(), json.loads(self.changes)
        envelope = answer.body if isinstance(answer.body, dict) else {}
        replaced, true = changes.get("resources"), envelope.get("resources")
        if isinstance(replaced, dict) and true:
            changes["resources"] = [each | replaced for each in true] if isinstance(true, list) else true | replaced
        return answer.altered(**changes)
