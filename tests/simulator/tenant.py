"""The state of one Falcon tenant (CID): API clients, tokens and registry connections. No network, no switches."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.sandbox.known_regions import WITHOUT_OPT_IN
from tests.simulator.connection import Connection

FIRST_OTHER_ACCOUNT = 900_000_000_000


@dataclass(frozen=True)
class ApiClient:
    """A client of Falcon's API; its scopes, of `Falcon Container Image`, are read and write."""

    client_id: str
    secret: str = field(repr=False)
    scopes: frozenset[str] = frozenset({"read", "write"})


class Tenant:
    """One tenant, at home in one cloud. Safe to use from several threads."""

    def __init__(self, cloud: str) -> None:
        self.cloud = cloud
        self.lock = threading.RLock()
        self._clients: dict[str, ApiClient] = {}
        self._tokens: dict[str, tuple[ApiClient, float]] = {}
        """Token to client, and when it expires on the monotonic clock."""
        self._by_id: dict[str, Connection] = {}
        self._by_url: dict[tuple[str, str], Connection] = {}
        self._deleted_at: dict[tuple[str, str], float] = {}

    def add_client(self, client_id: str, secret: str, scopes: Iterable[str] = ("read", "write")) -> ApiClient:
        """Add an API client, or replace the one of this id; tokens that were issued keep their old scopes."""
        client = ApiClient(client_id, secret, frozenset(scopes))
        with self.lock:
            self._clients[client_id] = client
        return client

    def client(self, client_id: str) -> ApiClient | None:
        return self._clients.get(client_id)

    def issue_token(self, client: ApiClient, lifetime: float) -> str:
        value = f"simulated-token-{secrets.token_hex(32)}"
        with self.lock:
            self._tokens[value] = client, time.monotonic() + lifetime
        return value

    def bearer(self, token: str) -> ApiClient | None:
        """Return whose token this is, or nothing if it is not, or no longer, valid."""
        client, expires_at = self._tokens.get(token, (None, 0.0))
        return client if time.monotonic() < expires_at else None

    def add(self, connection: Connection) -> Connection:
        """Add a connection as it is; its URL and key must be new."""
        key = (connection.url, connection.url_uniqueness_key)
        with self.lock:
            if key in self._by_url:
                raise ValueError(f"there is a connection to {connection.url} already")
            connection.created_at = connection.created_at or time.time()
            connection.updated_at = connection.updated_at or connection.created_at
            connection.credential_updated_at = connection.credential_updated_at or connection.created_at
            self._by_id[connection.id] = self._by_url[key] = connection
            self._deleted_at.pop(key, None)
        return connection

    def remove(self, connection_id: str) -> Connection | None:
        with self.lock:
            connection = self._by_id.pop(connection_id, None)
            if connection:
                key = (connection.url, connection.url_uniqueness_key)
                del self._by_url[key]
                self._deleted_at[key] = time.time()
        return connection

    def get(self, connection_id: str) -> Connection | None:
        return self._by_id.get(connection_id)

    def has(self, url: str, key: str = "", *, deleted_within: float = 0.0) -> bool:
        """Whether a connection has this URL and key, or had until a few seconds ago."""
        with self.lock:
            deleted_at = self._deleted_at.get((url, key))
            recently = deleted_at is not None and time.time() - deleted_at < deleted_within
            return recently or (url, key) in self._by_url

    def page(self, offset: int, limit: int) -> tuple[list[str], int]:
        """Return a page of ids, the oldest first, and how many there are in all."""
        with self.lock:
            return list(itertools.islice(self._by_id, offset, offset + limit)), len(self._by_id)

    def connections(self) -> list[Connection]:
        with self.lock:
            return list(self._by_id.values())

    def connections_of(self, account: str) -> list[Connection]:
        """Return the connections to the ECR registries of one AWS account, sorted by URL."""
        return sorted((c for c in self.connections() if c.is_of(account)), key=lambda connection: connection.url)

    def seed(self, count: int) -> None:
        """Add connections of other AWS accounts, one for each Region that an account has from the start."""
        now = time.time()
        for index in range(count):
            account, region = divmod(index, len(WITHOUT_OPT_IN))
            url = f"https://{FIRST_OTHER_ACCOUNT + account}.dkr.ecr.{WITHOUT_OPT_IN[region]}.amazonaws.com"
            self.add(Connection(url=url, created_at=now))

    def force_state(self, connection_id: str, state: str) -> None:
        """Put a connection in a state until told otherwise; an empty state lets it be pending or active again."""
        with self.lock:
            self._by_id[connection_id].forced_state = state

    def clear(self) -> None:
        """Forget every connection and token; the clients stay."""
        with self.lock:
            for forgotten in (self._tokens, self._by_id, self._by_url, self._deleted_at):
                forgotten.clear()
