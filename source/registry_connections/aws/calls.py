"""What all calls to AWS share: clients with one TLS context, errors in our words, and waits for fresh policies."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.request import getproxies

import boto3
import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from registry_connections.core.errors import AwsError, sanitize
from registry_connections.tls import tls_context

CLIENT: Final = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=40
)
PROBE: Final = CLIENT.merge(Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2}))

DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
FRESH_POLICY_SECONDS: Final = 60.0  # AWS gives no bound for a policy to be known everywhere; seconds are typical
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0

NOT_UNDERSTOOD: Final = (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""Raised by botocore, and by taking what is wanted from a response, where AWS responds other than it documents."""

Wanted = TypeVar("Wanted")


class _SharedConnections:
    """Sends what clients sign with one TLS context. botocore names the bundle for each connection, and loads it."""

    def __init__(self) -> None:
        context = tls_context("AWS_CA_BUNDLE")
        self._pools = urllib3.PoolManager(64, maxsize=4, ssl_context=context, retries=False)

    def sender(self, config: Any) -> Callable[..., AWSResponse | None]:
        """Return a handler of botocore's event `before-send`, with the time limits of a client's configuration."""
        timeout = urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout)

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
            if not request.url.startswith("https") or getproxies().get("https"):
                return None  # then botocore sends it
            try:
                raw: Any = self._pools.urlopen(
                    request.method,
                    request.url,
                    body=request.body,
                    headers=request.headers,
                    timeout=timeout,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
                response = AWSResponse(request.url, raw.status, raw.headers, raw)
                response.content  # noqa: B018 - reads it
            except urllib3.exceptions.HTTPError as error:
                raise HTTPClientError(error=type(error).__name__) from None
            return response

        return send


@dataclass
class Clients:
    """Clients of one session, made on first use: a session may not make two at once."""

    session: boto3.Session
    _connections: _SharedConnections = field(default_factory=_SharedConnections)
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, service: str, region: str | None = None, config: Config = CLIENT) -> Any:
        """Return the client of a service in a Region, by default the session's."""
        with self._lock:
            if (service, region) not in self._clients:
                make: Any = self.session.client  # its type has an overload for each service by name
                client = make(service, region_name=region, config=config)
                client.meta.events.register("before-send", self._connections.sender(config))
                self._clients[service, region] = client
            return self._clients[service, region]


@dataclass(frozen=True)
class FreshPolicy:
    """Calls again while AWS denies access, for so many seconds after a stack event: its policy may not be known yet."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, call: Callable[[], Wanted]) -> Wanted:
        """Return what a call returns; raise what it raises."""
        until, pause = self.clock() + self.seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                explicit = denied_by_organization(error)
                if explicit or error_code(error) not in DENIED or self.clock() >= until:
                    raise
            self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


@contextmanager
def translate_errors(
    failure: str, kind: type[AwsError], kinds: Mapping[str, type[AwsError]] | None = None
) -> Iterator[None]:
    """Raise an error of AWS as `kind`, or as the one that `kinds` has for its code, with what failed before it."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise (kinds or {}).get(error_code(error), kind)(f"{failure}: {_cause(error)}") from None
    except NOT_UNDERSTOOD as error:
        raise kind(f"{failure}: AWS's response cannot be understood ({type(error).__name__}).") from None


def error_code(error: ClientError | BotoCoreError) -> str:
    """Return the code that AWS gives an error, or its class where there was no response."""
    if isinstance(error, ClientError):
        return sanitize(error.response.get("Error", {}).get("Code", "unknown error"), limit=60)
    return type(error).__name__


def _cause(error: ClientError | BotoCoreError) -> str:
    by = " by a service control policy" if denied_by_organization(error) else ""
    return f"{error_code(error)}{by}."


def denied_by_organization(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS names a service control policy, as it does in the messages of explicit and implicit denials."""
    return isinstance(error, ClientError) and "service control policy" in str(error)
