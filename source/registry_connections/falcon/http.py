"""One call to Falcon: verified TLS, no redirects, bounded bodies, retries and the rate limit. The importer of requests.

Sources: CrowdStrike's API specification as its own SDKs carry it (envelope, headers), and what public issue threads
show of the live service where the two differ.
"""

import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import NameResolutionError

from registry_connections import __version__
from registry_connections.concurrency import WORKERS
from registry_connections.core.errors import DeadlineError, FalconError, MalformedError, sanitize
from registry_connections.core.model import Deadline
from registry_connections.falcon.rate_limit import RateLimiter
from registry_connections.tls import tls_context

USER_AGENT: Final = f"falcon-ecr-registry-connections/{__version__}"
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0  # Falcon validates a role while it creates a connection
LAST_SECONDS: Final = 1.0  # a retry with less time is not begun: it would end without a response, which says less
RETRY_SECONDS: Final = 300.0  # how long one call is tried again; the invocation's deadline may come first
SETUP_SECONDS: Final = 20.0  # the same for what waiting seldom mends: a name, a certificate, something in between
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 20.0
LARGEST_BODY: Final = 64 * 1024  # bytes
LARGEST_LISTING: Final = 2 * 1024 * 1024  # bytes; 5,000 ids, the largest documented page, are 200 KB
TOO_MANY_REQUESTS: Final = HTTPStatus.TOO_MANY_REQUESTS
SERVER_ERRORS: Final = range(500, 600)
REDIRECTS: Final = range(300, 400)
OK: Final = range(200, 300)  # create is documented as 201 and seen as 200
BEFORE_MARKUP: Final = b"\xef\xbb\xbf \t\r\n"  # a web page may begin with a byte order mark
CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. `may_have_succeeded` tells that an earlier attempt of the call may have been carried out.

    `secrets` is what no text that is taken from it may hold.
    """

    status: int
    body: Any
    headers: Mapping[str, str]
    may_have_succeeded: bool = False
    secrets: Sequence[str] = field(default=(), repr=False)

    def header(self, name: str, limit: int) -> str:
        """Return a header, fit for a log line."""
        return sanitize(self.headers.get(name, ""), secrets=self.secrets, limit=limit)

    @property
    def trace_id(self) -> str:
        """What CrowdStrike's support asks for."""
        return self.header("X-Cs-Traceid", 64)

    def error(self, kind: type[FalconError], text: str) -> FalconError:
        """Return an error about this response."""
        return kind(text, status=self.status, trace_id=self.trace_id, may_have_succeeded=self.may_have_succeeded)


class _SharedContext(HTTPAdapter):
    """Makes all connections with one TLS context, which loads the bundle of authorities once.

    requests names the bundle for each connection, and urllib3 would then load it each time, into this context too.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=WORKERS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, {name: value for name, value in pool.items() if not name.startswith("ca_cert")}

    def cert_verify(self, *args: Any) -> None:
        """Leave the connection's authorities out: the context has them, and demands a certificate."""


class _Bearer(AuthBase):
    """Sends the token, or nothing before there is one. Without an object of its own, requests would read `.netrc`."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def new_session() -> requests.Session:
    """Return a session without cookies, with the bundle that the environment names, else that of certifi."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _SharedContext(tls_context(*CA_VARIABLES)))
    return session


class HttpClient:
    """Calls to Falcon by whichever thread, sharing connections and one rate limiter."""

    def __init__(
        self,
        limiter: RateLimiter | None = None,
        session: requests.Session | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.limiter = limiter or RateLimiter()
        self.calls = 0
        self.secrets: tuple[str, ...] = ()
        self._session = session or new_session()
        self._retry_seconds = retry_seconds
        self._parsing = threading.Lock()  # one large body at a time: many at once need more memory than there is

    def protect(self, *secrets: str) -> None:
        """Keep these texts out of everything that is taken from responses."""
        self.secrets = tuple(dict.fromkeys((*self.secrets, *filter(None, secrets))))

    def call(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        token: Callable[[], str] = lambda: "",
        largest: int = LARGEST_BODY,
        **content: Any,
    ) -> Response:
        """Return the first response that is neither a passing failure nor the rate limit.

        `token` is asked for before each attempt: it may be renewed between two. `largest` is in bytes. Raise
        FalconError if no response came within the retry budget, DeadlineError if the deadline came before the first
        call.
        """
        pause, failure, budget = FIRST_PAUSE_SECONDS, None, deadline
        while True:
            try:
                if failure:
                    self.limiter.pause(self.limiter.jitter(0, pause), budget.earlier(LAST_SECONDS))
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                self.limiter.acquire(deadline)
            except DeadlineError as error:
                raise failure or error from None
            if not failure or failure.status == TOO_MANY_REQUESTS:  # to wait for the rate limit costs no budget
                budget = deadline.within(self._retry_seconds)
            result = self._attempt(method, url, deadline, token, largest=largest, earlier=failure, **content)
            if isinstance(result, Response):
                return result
            if isinstance(result, _SetupError) and not isinstance(failure, _SetupError):
                budget = budget.within(SETUP_SECONDS)
            failure = result

    def _attempt(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        token: Callable[[], str],
        *,
        largest: int,
        earlier: FalconError | None,
        **content: Any,
    ) -> Response | FalconError:
        """Call once, and return the response, or why to call again."""
        unknown = bool(earlier and earlier.may_have_succeeded)
        try:
            response = self._exchange(method, url, deadline, token(), largest, unknown=unknown, **content)
        except FalconError as error:
            error.may_have_succeeded |= unknown
            return error
        self.limiter.update(response.status, response.headers)
        if response.status in SERVER_ERRORS or response.status == TOO_MANY_REQUESTS:
            failure = response.error(FalconError, _describe(response))
            failure.may_have_succeeded |= response.status in SERVER_ERRORS
            return failure
        return response

    def _exchange(
        self, method: str, url: str, deadline: Deadline, token: str, largest: int, *, unknown: bool, **content: Any
    ) -> Response:
        """Call once. Raise FalconError without status if no whole response came, MalformedError if it is not JSON."""
        self.calls += 1
        left = max(deadline.left(), 0.1)
        try:
            with self._session.request(
                method,
                url,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
                auth=_Bearer(token),
                timeout=(min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                raw = _read(response, deadline, largest)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _translate(error, urlsplit(url).hostname or "") from None
        with self._parsing:
            body = _parse(raw, response.status_code)
        if method == "GET" and body is None and response.status_code == HTTPStatus.OK:
            # A connection that breaks inside the headers looks like this. Nothing found is an empty list instead.
            raise MalformedError("Falcon's response is empty", status=response.status_code, may_have_succeeded=True)
        return Response(response.status_code, body, response.headers, unknown, self.secrets)


class _SetupError(FalconError):
    """What waiting seldom mends."""


def _translate(error: Exception, host: str) -> FalconError:
    """Return why there was no response. The texts of these errors hold addresses and, with a proxy, its credentials."""
    if isinstance(error, requests.exceptions.SSLError):
        return _SetupError(f"the certificate of {host} is not trusted: is there a proxy that needs its own authority?")
    if isinstance(error, requests.exceptions.ProxyError):
        return _SetupError(f"the proxy does not lead to {host}: check HTTPS_PROXY")
    if isinstance(getattr(error.args[0] if error.args else None, "reason", None), NameResolutionError):
        return _SetupError(f"the name {host} does not resolve: check the network's DNS")
    return FalconError(f"no response from {host} ({type(error).__name__})", may_have_succeeded=True)


def _read(response: requests.Response, deadline: Deadline, largest: int) -> bytes:
    """Return the whole body, or raise FalconError if it is too long or takes too long."""
    body = bytearray()
    until = deadline.within(READ_SECONDS)
    status, failure = response.status_code, ""
    # `iter_content` waits for a whole piece; this takes what has come, so that a body that drips is noticed.
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if len(body) > largest:
            failure = f"Falcon's response is larger than {largest // 1024} KB"
        elif not until.left():
            failure = "Falcon's response took too long"
        if failure:
            raise FalconError(failure, status=status, may_have_succeeded=True)
    return bytes(body)


def _parse(raw: bytes, status: int) -> Any:
    """Return the JSON of a body, None for an empty one, and its beginning as text for what is not JSON."""
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        if status in OK and not raw.lstrip(BEFORE_MARKUP).startswith(b"<"):
            raise MalformedError("Falcon's response is not JSON", status=status, may_have_succeeded=True) from None
        return raw[:100].decode(errors="replace")


def _describe(response: Response) -> str:
    reason = "rate limit reached" if response.status == TOO_MANY_REQUESTS else "Falcon is in trouble"
    return f"HTTP {response.status}: {reason}"
