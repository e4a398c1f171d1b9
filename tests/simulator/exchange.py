"""One request on its connection: what an effect may do to the answer, down to the bytes."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from tests.simulator.messages import Answer, Call

if TYPE_CHECKING:
    from tests.simulator.falcon import Falcon

POLL = 0.05  # seconds between looks at whether the client is still there
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST rather than FIN


class Spent(web.Response):
    """Stands for an answer that was written by hand, or is never given: nothing more is sent."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        del request  # nothing is prepared on it
        self.force_close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        del data  # nothing is written


class Exchange:
    """A call with its connection."""

    def __init__(self, request: web.BaseRequest, call: Call, falcon: "Falcon", stopping: asyncio.Event) -> None:
        self.call = call
        self.status: int | None = None
        """What was answered, if anything."""
        self._request, self._falcon, self._stopping = request, falcon, stopping

    async def apply(self) -> Answer:
        """Do what the call asks for, and return the answer that Falcon would give."""
        return await self._falcon.answer(self.call)

    def _decorate(self, answer: Answer) -> Answer:
        return self._falcon.decorate(self.call, answer)

    async def send(self, answer: Answer) -> web.StreamResponse:
        """Send an answer as JSON."""
        self.status = answer.status
        headers = self._decorate(answer).headers
        if answer.body is not None:
            headers = {"Content-Type": "application/json"} | headers
        return web.Response(status=answer.status, body=answer.content, headers=headers)

    async def send_bytes(self, status: int, content: bytes, content_type: str) -> web.StreamResponse:
        self.status = status
        headers = {"Content-Type": content_type} | self._decorate(Answer(status)).headers
        return web.Response(status=status, body=content, headers=headers)

    async def stream(
        self, status: int, length: int, pieces: Iterable[bytes], interval: float = 0.0
    ) -> web.StreamResponse:
        """Send a body piece by piece, as long as the client stays and the simulator does not stop."""
        self.status = status
        headers = {"Content-Type": "application/json", "Content-Length": str(length)}
        response = web.StreamResponse(status=status, headers=headers | self._decorate(Answer(status)).headers)
        await response.prepare(self._request)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                await self.pause(interval)
                if not self.is_open:
                    break
                await response.write(piece)
        if self._request.transport:
            self._request.transport.close()
        return Spent()

    def write(self, content: bytes) -> None:
        """Write bytes as they are, headers included."""
        transport = self._request.transport
        if transport:
            transport.write(content)

    @property
    def is_open(self) -> bool:
        """Whether the client is still there and the simulator not stopping."""
        transport = self._request.transport
        return transport is not None and not transport.is_closing() and not self._stopping.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than anyone is interested."""
        await asyncio.sleep(0)  # other requests go on
        end = time.monotonic() + seconds
        while self.is_open and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(POLL, left))

    def reset(self) -> web.StreamResponse:
        """Break the connection: the client sees a reset."""
        transport = self._request.transport
        peer: socket.socket | None = transport.get_extra_info("socket") if transport else None
        if transport and peer:  # neither, once the client has left
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            transport.abort()
        return Spent()
