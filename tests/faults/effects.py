"""What else Falcon may do to an answer, besides the effects of the simulator: for the hostile rows."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from functools import cache

from aiohttp import web

from tests.simulator import Effect
from tests.simulator.exchange import Exchange
from tests.simulator.messages import Answer

JSON = "application/json"


@dataclass(frozen=True)
class Body(Effect):
    """The call is carried out or not; the answer is these bytes. `gzipped` may be small and unpack to very much."""

    text: str
    repeat: int = 1
    applied: bool = False
    status: int = 200
    gzipped: bool = False

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.applied:
            await exchange.apply()
        content = await asyncio.to_thread(_content, self.text, self.repeat, gzipped=self.gzipped)
        response = await exchange.send_bytes(self.status, content, JSON)
        if self.gzipped:
            response.headers["Content-Encoding"] = "gzip"
        return response


@cache
def _content(text: str, repeat: int, *, gzipped: bool) -> bytes:
    content = (text * repeat).encode()
    return gzip.compress(content) if gzipped else content


@dataclass(frozen=True)
class Headers(Effect):
    """The answer has these headers instead of its own."""

    headers: tuple[tuple[str, str], ...]
    status: int = 0
    """Instead of the answer's own, and then the call is not carried out."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        answer = Answer(self.status, {}) if self.status else await exchange.apply()
        answer.headers |= dict(self.headers)
        return await exchange.send(answer)


@dataclass(frozen=True)
class Altered(Effect):
    """The call is carried out; parts of the answer's envelope are replaced."""

    changes: str
    """A JSON object."""

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        return await exchange.send((await exchange.apply()).altered(**json.loads(self.changes)))
