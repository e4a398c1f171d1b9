"""What all calls to AWS share: clients with one TLS context, errors in our words, and waits for fresh policies."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from registry_connections.core.errors import AwsError, sanitize

CLIENT: Final = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=40
)
PROBE: Final = CLIENT.merge(Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2}))

DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
FRESH_POLICY_SECONDS: Final = 60.0  # AWS gives no bound for a policy to be known everywhere; seconds are typical
FRESH_POLICY_PAUSE_SECONDS: Final = 2.0

NOT_UNDERSTOOD: Final = (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""Raised by botocore, and by taking what is wanted from a response, where AWS responds other than it documents."""

Wanted = TypeVar("Wanted")


@dataclass
class Clients:
    """Clients of one session, made on first use: a session may not make two at once."""

    session: boto3.Session
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, service: str, region: str | None = None, config: Config = CLIENT) -> Any:
        """Return the client of a service in a Region, by default the session's."""
        with self._lock:
            if (service, region) not in self._clients:
                make: Any = self.session.client  # its type has an overload for each service by name
                self._clients[service, region] = make(service, region_name=region, config=config)
            return self._clients[service, region]


@dataclass(frozen=True)
class FreshPolicy:
    """Calls again while AWS denies access, for so many seconds after a stack event: its policy may not be known yet."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, call: Callable[[], Wanted]) -> Wanted:
        """Return what a call returns; raise what it raises."""
        until = self.clock() + self.seconds
        while True:
            try:
                return call()
            except ClientError as error:
                explicit = denied_by_organization(error)
                if explicit or error_code(error) not in DENIED or self.clock() >= until:
                    raise
            self.sleep(FRESH_POLICY_PAUSE_SECONDS)


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
