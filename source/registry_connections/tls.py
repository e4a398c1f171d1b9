"""One TLS context for all connections: loading the bundle of public authorities takes longer than a handshake."""

import os
import ssl
from functools import cache

import certifi
from urllib3.util.ssl_ import create_urllib3_context


def tls_context(*variables: str) -> ssl.SSLContext:
    """Return a context that verifies with the bundle that the first of these variables names, else with certifi's."""
    return _load(next(filter(None, map(os.environ.get, variables)), certifi.where()))


@cache
def _load(bundle: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_verify_locations(cafile=bundle)
    return context
