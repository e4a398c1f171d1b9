"""What else Falcon may do to a response, besides the effects of the simulator: for the hostile rows."""

import asyncio
import gzip
from dataclasses import dataclass
from functools import cache

from aiohttp import web

from tests.simulator import Effect
from tests.simulator.exchange import Exchange

JSON = "application/json"


@dataclass(frozen=True)
class Body(Effect):
    """The call is not carried out; the response is these bytes. `gzipped` may be small and unpack to very much."""

    text: str
    repeat: int = 1
    gzipped: bool = False

    async def respond(self, exchange: Exchange) -> web.StreamResponse:
        content = await asyncio.to_thread(_content, self.text, self.repeat, gzipped=self.gzipped)
        response = await exchange.send_bytes(200, content, JSON)
        if self.gzipped:
            response.headers["Content-Encoding"] = "gzip"
        return response


@cache
def _content(text: str, repeat: int, *, gzipped: bool) -> bytes:
    content = (text * repeat).encode()
    return gzip.compress(content) if gzipped else content
