"""The simulator inside a test's own process, on a thread of its own."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.simulator.behaviour import Behaviour
from tests.simulator.falcon import Falcon
from tests.simulator.server import Issuer, Server
from tests.simulator.tenant import Tenant

CLIENT_ID = "simulated-client-id"
CLIENT_SECRET = "simulated-client-secret"
START_TIMEOUT = 30.0  # seconds


class FalconSimulator(Falcon):
    """Falcon on 127.0.0.1, over TLS, between entering and leaving the context.

    `clouds` are served at once, each at its own URL; the tenant lives in `home`, the first of them unless said
    otherwise, and has one API client with both scopes. `home` may be a cloud that is not served.
    """

    def __init__(
        self,
        authority: Issuer,
        behaviour: Behaviour | None = None,
        clouds: tuple[str, ...] = ("us-1",),
        home: str = "",
    ) -> None:
        super().__init__(Tenant(home or clouds[0]), behaviour or Behaviour())
        self.client_id, self.client_secret = CLIENT_ID, CLIENT_SECRET
        self.tenant.add_client(CLIENT_ID, CLIENT_SECRET)
        self.add_client, self.add_connection, self.seed = self.tenant.add_client, self.tenant.add, self.tenant.seed
        self.connections, self.connections_of = self.tenant.connections, self.tenant.connections_of
        self.arm, self.disarm = self.faults.arm, self.faults.clear
        self.ca_file = authority.ca_file
        self._issuer, self._clouds = authority, clouds
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="falcon-simulator", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the first cloud."""
        return self.urls[self._clouds[0]]

    def change(self, **changes: object) -> None:
        """Set several switches by name."""
        self.behaviour.change(**changes)

    def start(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT):
            raise TimeoutError("the simulator did not start")
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Break off what is in progress and wait until nothing of the simulator is left."""
        if self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self.failures and error is None:
            raise ExceptionGroup("the simulator failed", self.failures)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001  # raised again by start(), in the thread that can handle it
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = Server(self, self._issuer)
        try:
            for cloud in self._clouds:
                await server.start(cloud)
            self._started.set()
            await self._stop.wait()
        finally:
            await server.stop()
