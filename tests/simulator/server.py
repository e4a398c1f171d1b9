"""The HTTP server of one or several clouds: each request becomes a call, recorded, perhaps struck, answered."""

import asyncio
import functools
import ssl
from pathlib import Path
from typing import Protocol

from aiohttp import web

from tests.simulator import admin
from tests.simulator.clouds import HOSTS
from tests.simulator.exchange import Exchange
from tests.simulator.falcon import Falcon
from tests.simulator.journal import shown
from tests.simulator.messages import Call

ADDRESS = "127.0.0.1"
LONGEST_LINE = 2**20  # bytes; so that what many ids in one query get is the simulated answer
GRACE = 0.5  # seconds that requests in progress have when the server stops


class Issuer(Protocol):
    """Who certifies the server: `tests.sandbox.tls.Authority`, or files."""

    ca_file: Path

    def server_context(self, *hosts: str) -> ssl.SSLContext: ...


class Server:
    """Listens on one port for each cloud. To be used within one event loop."""

    def __init__(self, falcon: Falcon, issuer: Issuer, *, with_admin: bool = False) -> None:
        self._falcon = falcon
        self._issuer = issuer
        self._with_admin = with_admin
        self._stopping = asyncio.Event()
        self._runners: list[web.ServerRunner] = []

    async def start(self, cloud: str, port: int = 0) -> None:
        """Listen as a cloud, on a free port unless told otherwise, and enter the URL into the Falcon."""
        handler = functools.partial(self._handle, cloud)
        server = web.Server(handler, access_log=None, max_line_size=LONGEST_LINE)
        runner = web.ServerRunner(server, shutdown_timeout=GRACE)
        await runner.setup()
        self._runners.append(runner)
        context = self._issuer.server_context("localhost", ADDRESS, HOSTS[cloud])
        await web.TCPSite(runner, ADDRESS, port, ssl_context=context, backlog=1024).start()
        self._falcon.urls[cloud] = f"https://localhost:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End every request in progress and stop listening."""
        self._stopping.set()
        for runner in self._runners:
            await runner.cleanup()

    async def _handle(self, cloud: str, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._respond(cloud, request)
        except (OSError, web.RequestPayloadError):  # the client left
            raise
        except Exception as failure:
            self._falcon.failures.append(failure)
            raise

    async def _respond(self, cloud: str, request: web.BaseRequest) -> web.StreamResponse:
        if self._with_admin and request.path.startswith(admin.PREFIX):
            return await admin.handle(self._falcon, request)
        call = await self._read(cloud, request)
        falcon = self._falcon
        urls = falcon.concerned_urls(call)
        with falcon.journal.recording(
            cloud=cloud,
            operation=call.operation,
            method=call.method,
            path=call.path,
            query=shown(call.query),
            urls=urls,
            user_agent=call.headers.get("user-agent", ""),
        ) as record:
            exchange = self._exchange(request, call)
            if falcon.behaviour.latency:
                await exchange.pause(falcon.behaviour.latency)
            effect = falcon.faults.strike(call.operation, urls)
            response = await (effect.respond(exchange) if effect else exchange.send(await exchange.apply()))
            record.status = exchange.status
            return response

    async def _read(self, cloud: str, request: web.BaseRequest) -> Call:
        return Call(
            cloud=cloud,
            method=request.method,
            target=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            source=request.remote or "",
        )

    def _exchange(self, request: web.BaseRequest, call: Call) -> Exchange:
        return Exchange(
            request=request,
            call=call,
            apply=functools.partial(self._falcon.answer, call),
            decorate=functools.partial(self._falcon.decorate, call),
            stopping=self._stopping,
        )
