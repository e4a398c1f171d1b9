"""The HTTP server of one or several clouds: each request becomes a call, recorded, perhaps struck, answered."""

import asyncio
import functools
import ssl
from pathlib import Path
from typing import Protocol

from aiohttp import web

from tests.simulator.clouds import HOSTS
from tests.simulator.exchange import Exchange
from tests.simulator.falcon import Falcon
from tests.simulator.journal import Record, shown
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

    def __init__(self, falcon: Falcon, issuer: Issuer) -> None:
        self._falcon, self._issuer = falcon, issuer
        self._stopping = asyncio.Event()
        self._runners: list[web.ServerRunner] = []

    async def start(self, cloud: str) -> None:
        """Listen as a cloud, on a free port, and enter the URL into the Falcon."""
        handler = functools.partial(self._handle, cloud)
        server = web.Server(handler, access_log=None, max_line_size=LONGEST_LINE)
        runner = web.ServerRunner(server, shutdown_timeout=GRACE)
        await runner.setup()
        self._runners.append(runner)
        context = self._issuer.server_context("localhost", ADDRESS, HOSTS[cloud])
        await web.TCPSite(runner, ADDRESS, 0, ssl_context=context, backlog=1024).start()
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
        falcon, headers = self._falcon, {name.lower(): value for name, value in request.headers.items()}
        content = await request.read()
        call = Call(cloud, request.method, request.raw_path, headers, content, request.remote or "")
        urls, agent = falcon.concerned_urls(call), headers.get("user-agent", "")
        record = Record(cloud, call.operation, shown(call.query), urls, agent)
        falcon.journal.add(record)
        exchange = Exchange(request, call, falcon, self._stopping)
        if falcon.behaviour.latency:
            await exchange.pause(falcon.behaviour.latency)
        effect = falcon.faults.strike(call.operation, urls)
        response = await (effect.respond(exchange) if effect else exchange.send(await exchange.apply()))
        record.status = exchange.status
        return response
