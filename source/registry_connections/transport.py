"""One call to Falcon: verified TLS, no redirects, bounded bodies, retries and the rate limit. The importer of requests.

Sources: CrowdStrike's API specification as its own SDKs carry it (envelope, headers), and what public issue threads
show of the live service where the two differ.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from registry_connections import __version__
from registry_connections.crew import WORKERS
from registry_connections.errors import DeadlineError, FalconError, MalformedError
from registry_connections.gate import RateGate
from registry_connections.model import Deadline

USER_AGENT: Final = f"falcon-ecr-registry-connections/{__version__}"
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0  # Falcon validates a role while it creates a connection
PATIENCE_SECONDS: Final = 300.0  # how long one call is tried again; the invocation's deadline may come first
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 20.0
LARGEST_BODY: Final = 2 * 1024 * 1024  # bytes; 5,000 ids, the largest documented page, are 200 KB
TOO_MANY_REQUESTS: Final = HTTPStatus.TOO_MANY_REQUESTS
SERVER_ERRORS: Final = range(500, 600)
REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Falcon said. `repeated` tells that an earlier attempt of the same call may have been carried out."""

    status: int
    body: Any
    headers: Mapping[str, str]
    repeated: bool = False

    @property
    def trace_id(self) -> str:
        """What CrowdStrike's support asks for."""
        return self.headers.get("X-Cs-Traceid", "")[:64]


class Transport:
    """Calls to Falcon by whichever thread, sharing connections and one gate."""

    def __init__(self, gate: RateGate | None = None, session: requests.Session | None = None) -> None:
        self.gate = gate or RateGate()
        self.calls = 0
        self._session = session or requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_connections=4, pool_maxsize=WORKERS, max_retries=0))

    def call(
        self, method: str, url: str, deadline: Deadline, headers: Callable[[], Mapping[str, str]] = dict, **content: Any
    ) -> Answer:
        """Return the first answer that is neither a passing failure nor the rate limit.

        `headers` are asked for before each attempt: the token may be renewed between two. Raise FalconError if no
        answer came within the patience, DeadlineError if the deadline came before the first call.
        """
        pause, repeated, failure, patience = FIRST_PAUSE_SECONDS, False, None, deadline
        while True:
            try:
                if failure:
                    self.gate.pause(self.gate.jitter(0, pause), patience)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                self.gate.enter(deadline)
            except DeadlineError as error:
                raise failure or error from None
            if not failure or failure.status == TOO_MANY_REQUESTS:  # to wait for the rate limit costs no patience
                patience = deadline.within(PATIENCE_SECONDS)
            try:
                answer = self._exchange(method, url, deadline, headers, repeated=repeated, **content)
            except FalconError as error:
                failure = error
                repeated = True  # it may have been carried out, and only the answer was lost
                continue
            self.gate.observe(answer.status, answer.headers)
            if answer.status not in SERVER_ERRORS and answer.status != TOO_MANY_REQUESTS:
                return answer
            failure = FalconError(_describe(answer), status=answer.status, trace_id=answer.trace_id)
            repeated = repeated or answer.status in SERVER_ERRORS

    def _exchange(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: Callable[[], Mapping[str, str]],
        *,
        repeated: bool,
        **content: Any,
    ) -> Answer:
        """Do it once. Raise FalconError without status if no whole answer came, MalformedError if it is not JSON."""
        self.calls += 1
        sent = {"User-Agent": USER_AGENT, "Accept": "application/json", **headers()}
        left = max(deadline.left(), 0.1)
        try:
            with self._session.request(
                method,
                url,
                headers=sent,
                timeout=(min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                raw = _read(response, deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Only the kind: the text of these errors holds addresses and, with a proxy, its credentials.
            raise FalconError(f"no answer from {urlsplit(url).hostname} ({type(error).__name__})") from None
        body = _parse(raw, response.status_code)
        if method == "GET" and body is None and response.status_code == HTTPStatus.OK:
            # A connection that breaks inside the headers looks like this. Nothing found is an empty list instead.
            raise MalformedError("Falcon's answer is empty", status=response.status_code)
        return Answer(response.status_code, body, response.headers, repeated)


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    """Return the whole body, or raise FalconError if it is too long or takes too long."""
    body = bytearray()
    until = deadline.within(READ_SECONDS)
    # `iter_content` waits for a whole piece; this takes what has come, so that a body that drips is noticed.
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise FalconError(f"Falcon's answer is larger than {LARGEST_BODY // 2**20} MB", status=response.status_code)
        if not until.left():
            raise FalconError("Falcon's answer took too long", status=response.status_code)
    return bytes(body)


def _parse(raw: bytes, status: int) -> Any:
    """Return the JSON of a body, and None for an empty one; other content matters only where Falcon agreed."""
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        if status in range(200, 300):
            raise MalformedError("Falcon's answer is not JSON", status=status) from None
        return None


def _describe(answer: Answer) -> str:
    reason = "rate limit reached" if answer.status == TOO_MANY_REQUESTS else "Falcon is in trouble"
    return f"HTTP {answer.status}: {reason}"
