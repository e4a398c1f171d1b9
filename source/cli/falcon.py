"""Reads Falcon with the very client that the accounts run, which needs `requests`.

Where an organization is administered `requests` is not installed: it comes from the Lambda package, which holds it.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.credentials import Credentials
from cli.errors import CliError, UnansweredError
from cli.screen import Screen
from registry_connections.core.errors import AuthenticationError, NotFromHereError, RegistrationError, ScopeError
from registry_connections.core.model import AUTODISCOVER, Connection, Deadline
from registry_connections.core.model import Credentials as ApiClient

if TYPE_CHECKING:
    from registry_connections.falcon.client import Falcon

RETRY_SECONDS: Final = 30.0
"""How long a command that reads tries again."""
LISTING_SECONDS: Final = 1800.0
"""How long the rate limit is waited for; 85,000 connections are 870 calls, a fraction of a minute's allowance."""


@contextmanager
def logged_in(given: Credentials, cloud: str, api_url: str, package: Path, screen: Screen) -> Iterator["Falcon"]:
    """Yield Falcon's tenant; the Lambda `package` holds the libraries that reading it takes.

    Raises CliError if Falcon refuses, UnansweredError if it cannot be asked from here.
    """
    _find_requests(package)
    client, auth, http = (import_module(f"registry_connections.falcon.{name}") for name in ("client", "auth", "http"))
    pool = import_module("registry_connections.concurrency").ThreadPool()
    login = auth.Login(
        http.HttpClient(retry_seconds=RETRY_SECONDS),
        ApiClient(given.client_id, given.client_secret),
        cloud=cloud,
        api_url=api_url,
    )
    falcon = client.Falcon(login, pool)
    try:
        with screen.waiting("Falcon does not answer yet, trying", RETRY_SECONDS):
            falcon.log_in(Deadline(time.monotonic() + RETRY_SECONDS, time.monotonic))
        yield falcon
    except RegistrationError as error:
        # An allow-list may let the function through.
        refused = isinstance(error, AuthenticationError | ScopeError) and not isinstance(error, NotFromHereError)
        raise (CliError if refused else UnansweredError)(f"Falcon cannot be read: {error}") from None
    finally:
        pool.shutdown()


def try_credentials(given: Credentials, parameters: Mapping[str, str], package: Path, screen: Screen) -> None:
    """Log in once with the cloud that a stack's parameters name, so that a wrong secret costs no launch and no account.

    Raises CliError if Falcon refuses; if it cannot be asked from here, that is a warning.
    """
    cloud, url = parameters.get("FalconCloud") or AUTODISCOVER, parameters.get("FalconApiUrl", "")
    try:
        with logged_in(given, cloud, url, package, screen):
            pass
    except UnansweredError as error:
        screen.say(f"warning: the credentials are not tried before they are stored. {error}", "yellow")


def connections(falcon: "Falcon") -> list[Connection]:
    """Return every connection of the tenant. Raises RegistrationError."""
    return falcon.list_all(Deadline(time.monotonic() + LISTING_SECONDS, time.monotonic))


def _find_requests(package: Path) -> None:
    """Have `requests` found, and trust the authorities that the AWS tools trust."""
    if not find_spec("requests"):
        sys.path.append(str(package))
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        os.environ["REQUESTS_CA_BUNDLE"] = bundle
