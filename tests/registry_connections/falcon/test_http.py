"""One call to Falcon, however the network and Falcon behave; the session is real, its adapter is not."""

import gzip
import io
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import urllib3
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, ProxyError, ReadTimeout, SSLError
from urllib3.exceptions import MaxRetryError, NameResolutionError

from registry_connections.core.errors import DeadlineError, FalconError, MalformedError
from registry_connections.core.model import Deadline
from registry_connections.falcon import http
from registry_connections.falcon.http import CA_VARIABLES, LAST_SECONDS, USER_AGENT, Response
from tests.registry_connections.fakes import VirtualClock
from tests.registry_connections.falcon.wire import NOTHING, Wire, http_on, in_turn
from tests.sandbox.tls import Authority
from tests.simulator.messages import Answer

URL = "https://api.crowdstrike.com/x"
UNKNOWN_NAME = NameResolutionError("api.crowdstrike.com", urllib3.connection.HTTPConnection("x"), socket.gaierror())
POOL = urllib3.HTTPSConnectionPool("api.crowdstrike.com")
UNKNOWN_HOST = requests.ConnectionError(MaxRetryError(POOL, "/x", UNKNOWN_NAME))
UNTRUSTED = SSLError("CERTIFICATE_VERIFY_FAILED https://user:password@proxy")
PROXY = ProxyError("http://user:password@proxy.example:3128")
TRACE = {"X-Cs-Traceid": "trace-1"}


class Call:
    """A call whose attempts come to `replies`, in turn; `response` or `error` is what becomes of it."""

    response: Response
    error: FalconError

    def __init__(
        self,
        *replies: Answer | Exception,
        method: str = "GET",
        left: float = 10_000,
        token: Callable[[], str] = lambda: "",
        clock: VirtualClock | None = None,
    ) -> None:
        self.clock, self.wire = clock or VirtualClock(), Wire(in_turn(*replies))
        self.client = http_on(self.wire, self.clock)
        try:
            self.response = self.client.call(method, URL, Deadline(left, self.clock), token)
        except FalconError as error:
            self.error = error
        self.seconds, self.attempts = self.clock.now, len(self.wire.sent)
        assert self.client.calls == self.attempts


def retry_after(unit: int) -> Answer:
    return Answer(429, headers={"X-Ratelimit-Retryafter": str((VirtualClock().wall() + 30) * unit)})


LOST = [Answer(500), Answer(503), Answer(504), requests.ConnectionError(), ReadTimeout(), ChunkedEncodingError()]
NOT_JSON = {"half": b"{", "deep": b"[" * 60_000, "bytes": b"\xff\xfe"}
PAGES = [start + b"<html>" + b"x" * 1000 for start in (b"", b"\r\n ", b"\xef\xbb\xbf\n")]
LARGE = Answer(200, b" " * (64 * 1024 + 1))
BOMB = Answer(200, gzip.compress(b" " * 2**24), {"Content-Encoding": "gzip"})
HOSTILE = {"Date": "Mon, 99 Foo 9999 99:99:99 GMT", "X-Ratelimit-Limit": "1e999", "X-Ratelimit-Remaining": "-"}


@pytest.mark.parametrize(
    ("before", "may_have_succeeded", "earliest", "latest"),
    [
        ([], False, 0, 0),
        *(([lost, lost], True, 0.1, 5) for lost in LOST),
        *(([retry_after(unit)], False, 30, 33) for unit in (1, 1000)),
        ([Answer(429), Answer(500), Answer(429)], True, 2, 20),
        *(([Answer(200, body)], True, 0.1, 1) for body in NOT_JSON.values()),
        ([Answer(200)], True, 0.1, 1),  # nothing at all in response to a question
        *(([passing, UNTRUSTED], False, 0.1, 5) for passing in (UNTRUSTED, UNKNOWN_HOST, PROXY)),
    ],
)
def test_what_passes_is_tried_again_and_may_have_been_carried_out_unless_it_was_refused(
    before: list[Answer | Exception], may_have_succeeded: bool, earliest: float, latest: float
) -> None:
    made = Call(*before, Answer(200, {"resources": []}, {**TRACE, **HOSTILE}))

    assert (made.response.status, made.response.body, made.response.trace_id) == (200, {"resources": []}, "trace-1")
    assert made.response.may_have_succeeded is may_have_succeeded
    assert made.attempts == len(before) + 1
    assert earliest <= made.seconds <= latest


@pytest.mark.parametrize(
    ("method", "reply", "body"),
    [
        *(("GET", Answer(status, headers={"Location": "https://elsewhere.example/"}), None) for status in (301, 307)),
        *(("GET", Answer(status), None) for status in (302, 400, 401, 403, 404, 409)),
        ("DELETE", Answer(200), None),
        *(("GET", Answer(status, page), "<html>x") for status in (200, 302, 404) for page in PAGES),
    ],
)
def test_what_does_not_pass_is_returned_at_once_and_not_followed(method: str, reply: Answer, body: str | None) -> None:
    made = Call(reply, method=method)

    assert (made.response.status, made.attempts, made.seconds) == (reply.status, 1, 0)
    assert body in made.response.body if body else made.response.body is None
    assert len(made.response.body or "") <= 100


@pytest.mark.parametrize(
    ("lost", "left", "told", "unknown", "spent"),
    [
        (Answer(503, headers=TRACE), 10_000, "HTTP 503: Falcon is in trouble", True, (150, 300)),
        (Answer(429, headers=TRACE), 870, "HTTP 429: rate limit reached", False, (810, 870)),
        (ConnectTimeout(), 20, "no response from api.crowdstrike.com (ConnectTimeout)", True, (1, 20)),
        (UNTRUSTED, 10_000, "the certificate of api.crowdstrike.com is not trusted", False, (1, 30)),
        (UNKNOWN_HOST, 10_000, "the name api.crowdstrike.com does not resolve", False, (1, 30)),
        (PROXY, 10_000, "the proxy does not lead to api.crowdstrike.com", False, (1, 30)),
        *((Answer(200, body), 1, "Falcon's response is not JSON", True, (0, 1)) for body in NOT_JSON.values()),
        *((reply, 0.1, "Falcon's response is larger than 64 KB", True, (0, 0)) for reply in (LARGE, BOMB)),
    ],
)
def test_what_does_not_end_is_told_when_the_time_for_it_is_spent_and_without_the_librarys_words(
    lost: Answer | Exception, left: float, told: str, unknown: bool, spent: tuple[float, float]
) -> None:
    made = Call(lost, left=left)

    assert str(made.error).startswith(told)
    assert "password" not in str(made.error)
    assert made.error.__suppress_context__
    assert isinstance(made.error, MalformedError) is ("JSON" in told)
    assert made.error.may_have_succeeded is unknown
    assert made.error.status == getattr(lost, "status", 0)
    assert made.error.trace_id == ("trace-1" if "HTTP" in told else "")
    assert spent[0] <= made.seconds <= spent[1]


class Dripping(io.BytesIO):
    """A body that comes piece by piece, with time between them, and has no end."""

    clock = VirtualClock()

    def read1(self, _size: int | None = -1) -> bytes:
        self.clock.sleep(7)
        return b" "


def test_a_body_that_drips_is_given_up() -> None:
    made = Call(Answer(200, Dripping()), left=30, clock=Dripping.clock)

    assert str(made.error) == "Falcon's response took too long"
    assert 30 <= made.seconds <= 37


def test_a_retry_with_no_time_for_a_response_is_not_begun_and_none_waits_longer_than_the_deadline() -> None:
    calls = [Call(Answer(503), left=tenths / 10) for tenths in range(11, 60)]
    timeouts = [sent.timeout for made in calls for sent in made.wire.sent]

    assert len(timeouts) > 60
    assert min(min(timeout) for timeout in timeouts) >= LAST_SECONDS
    assert Call(NOTHING, left=2).wire.sent[0].timeout == (2, 2)
    assert Call(NOTHING).wire.sent[0].timeout == (5, 30)


def test_when_the_rate_limiter_opens_after_the_deadline_nothing_is_sent() -> None:
    made = Call(retry_after(1), left=10)
    with pytest.raises(DeadlineError):
        made.client.call("GET", URL, Deadline(10, made.clock))

    assert made.error.status == 429
    assert len(made.wire.sent) == made.client.calls == 1


def test_a_request_says_who_asks_and_carries_the_token_that_is_valid_now_and_no_cookie_or_other_credential(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine api.crowdstrike.com login somebody password invented\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    tokens = iter(["", "one", "two"])
    lost = Answer(500, b"", {"Set-Cookie": "session=1; Path=/"})
    sent = Call(lost, lost, NOTHING, token=lambda: next(tokens)).wire.sent

    assert [each.headers.get("Authorization") for each in sent] == [None, "Bearer one", "Bearer two"]
    assert {each.headers["User-Agent"] for each in sent} == {USER_AGENT}
    assert {each.headers["Accept"] for each in sent} == {"application/json"}
    assert not any("Cookie" in each.headers for each in sent)


@pytest.mark.parametrize("variable", ["", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_verified_with_the_bundle_that_the_environment_names(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(Authority(tmp_path).ca_file))
    context = http.new_session().get_adapter(URL)._context  # type: ignore[attr-defined] # the adapter's own

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (len(context.get_ca_certs()) == 1) is bool(variable)


def test_bodies_are_parsed_one_at_a_time_because_memory_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Call(NOTHING)
    monkeypatch.setattr(http, "_parse", lambda *_: {"alone": made.client._parsing.locked()})

    assert made.client.call("GET", URL, Deadline(100, made.clock)).body == {"alone": True}
