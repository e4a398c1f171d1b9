"""The simulator inside a test's own process, on a thread of its own."""

import asyncio
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.simulator.behaviour import Behaviour
from tests.simulator.clouds import HOSTS
from tests.simulator.connection import Connection
from tests.simulator.falcon import Falcon
from tests.simulator.faults import Armed, Fault
from tests.simulator.journal import Journal
from tests.simulator.server import Issuer, Server
from tests.simulator.tenant import ApiClient, Tenant

CLIENT_ID = "simulated-client-id"
CLIENT_SECRET = "simulated-client-secret"
START_TIMEOUT = 30.0  # seconds


class FalconSimulator:
    """Falcon on 127.0.0.1, over TLS, between entering and leaving the context.

    `clouds` are served at once, each at its own URL; the tenant lives in `home`, the first of them unless said
    otherwise, and has one API client with both scopes. `home` may be a cloud that is not served.
    """

    def __init__(
        self,
        authority: Issuer,
        *,
        behaviour: Behaviour | None = None,
        clouds: tuple[str, ...] = ("us-1",),
        home: str = "",
        port: int = 0,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        with_admin: bool = False,
    ) -> None:
        unknown = {*clouds, home or clouds[0]} - HOSTS.keys()
        if unknown:
            raise ValueError(f"no such cloud: {', '.join(sorted(unknown))}")
        self.client_id = client_id
        self.client_secret = client_secret
        self.ca_file = authority.ca_file
        self._issuer = authority
        self._clouds = clouds
        self._port = port
        self._with_admin = with_admin
        self._falcon = Falcon(Tenant(home or clouds[0]), behaviour or Behaviour())
        self._falcon.tenant.add_client(client_id, client_secret)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="falcon-simulator", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the first cloud."""
        return self.urls[self._clouds[0]]

    @property
    def urls(self) -> dict[str, str]:
        """Cloud to URL."""
        return self._falcon.urls

    @property
    def tenant(self) -> Tenant:
        return self._falcon.tenant

    @property
    def journal(self) -> Journal:
        return self._falcon.journal

    @property
    def behaviour(self) -> Behaviour:
        """The switches; change its attributes, or assign another, at any time."""
        return self._falcon.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._falcon.behaviour = behaviour

    def change(self, **changes: object) -> None:
        """Set several switches by name."""
        self.behaviour.change(**changes)

    def arm(self, fault: Fault) -> Armed:
        """Let a fault strike from now on; what is returned counts how often it struck."""
        return self._falcon.faults.arm(fault)

    def disarm(self) -> None:
        """Take back every fault."""
        self._falcon.faults.clear()

    def add_client(self, client_id: str, secret: str, scopes: Iterable[str] = ("read", "write")) -> ApiClient:
        return self.tenant.add_client(client_id, secret, scopes)

    def add_child(self, cid: str) -> Tenant:
        """Add a child tenant (Flight Control); `member_cid` in a token request names it."""
        return self.tenant.add_child(cid)

    def add_connection(self, connection: Connection) -> Connection:
        """Add a connection as if it had been there before, of any type."""
        return self.tenant.add(connection)

    def seed(self, count: int) -> None:
        """Add connections of other accounts."""
        self.tenant.seed(count)

    def connections(self) -> list[Connection]:
        return self.tenant.connections()

    def connections_of(self, account: str) -> list[Connection]:
        """Return the connections to the ECR registries of one AWS account, sorted by URL."""
        return self.tenant.connections_of(account)

    def expire_tokens(self) -> None:
        self.tenant.expire_tokens()

    def reset(self) -> None:
        """Forget connections, tokens, limits, faults and the journal; clients and behaviour stay."""
        self._falcon.reset()

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
        if self._falcon.failures and error is None:
            raise ExceptionGroup("the simulator failed", self._falcon.failures)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001  # raised again by start(), in the thread that can handle it
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = Server(self._falcon, self._issuer, with_admin=self._with_admin)
        try:
            for cloud in self._clouds:
                await server.start(cloud, self._port if cloud == self._clouds[0] else 0)
            self._started.set()
            await self._stop.wait()
        finally:
            await server.stop()
