"""One call to Falcon, however the network and Falcon behave; the session is real, its adapter is not."""

import io
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import urllib3
from urllib3.exceptions import MaxRetryError, NameResolutionError

from registry_connections.core.errors import DeadlineError, FalconError, MalformedError
from registry_connections.core.model import Deadline
from registry_connections.falcon import http
from registry_connections.falcon.http import (
    LARGEST_BODY,
    LAST_SECONDS,
    READ_SECONDS,
    RETRY_SECONDS,
    USER_AGENT,
    Response,
)
from registry_connections.falcon.rate_limit import LONGEST_WAIT_SECONDS
from tests.registry_connections.fakes import VirtualClock
from tests.registry_connections.falcon.wire import Reply, Responding, Wire, http_on, in_turn
from tests.sandbox.tls import Authority

URL = "https://api.crowdstrike.com/x"
FINE = Reply(200, {"resources": []}, {"X-Cs-Traceid": "trace-1"})
POOL = urllib3.HTTPSConnectionPool("api.crowdstrike.com")
UNKNOWN_HOST = requests.ConnectionError(
    MaxRetryError(
        POOL,
        "/x",
        NameResolutionError("api.crowdstrike.com", urllib3.connection.HTTPConnection("x"), socket.gaierror()),
    )
)
UNTRUSTED = requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED https://user:password@proxy")
PROXY = requests.exceptions.ProxyError("http://user:password@proxy.example:3128")


def call(
    responding: Responding, clock: VirtualClock, *, left: float = 10_000, method: str = "GET"
) -> tuple[Response, Wire]:
    wire = Wire(responding)
    response = http_on(wire, clock).call(method, URL, Deadline(clock.now + left, clock))
    return response, wire


def failure(responding: Responding, clock: VirtualClock, *, left: float = 10_000) -> FalconError:
    with pytest.raises(FalconError) as caught:
        call(responding, clock, left=left)
    return caught.value


def test_a_good_response_is_returned_at_once_and_whole() -> None:
    clock = VirtualClock()
    response, wire = call(in_turn(FINE), clock)

    assert (response.status, response.body, response.trace_id) == (200, {"resources": []}, "trace-1")
    assert not response.may_have_succeeded
    assert len(wire.sent) == 1
    assert clock.now == 0


def test_a_request_says_who_asks_and_carries_the_token_that_is_valid_now_and_no_cookie() -> None:
    clock, tokens = VirtualClock(), iter(["one", "two"])
    wire = Wire(in_turn(Reply(500, b"", {"Set-Cookie": "session=1; Path=/"}), FINE))
    http_on(wire, clock).call("GET", URL, Deadline(100, clock), lambda: next(tokens))

    assert [sent.bearer for sent in wire.sent] == ["one", "two"]
    assert {sent.headers["User-Agent"] for sent in wire.sent} == {USER_AGENT}
    assert not any("Cookie" in sent.headers for sent in wire.sent)


@pytest.mark.parametrize("token", ["", "the-token"])
def test_a_netrc_file_never_replaces_the_token(token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.crowdstrike.com login somebody password invented\n")
    monkeypatch.setenv("NETRC", str(netrc))
    wire, clock = Wire(in_turn(FINE)), VirtualClock()
    http_on(wire, clock).call("GET", URL, Deadline(100, clock), lambda: token)

    assert wire.sent[0].headers.get("Authorization", "") == (f"Bearer {token}" if token else "")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_verified_with_the_bundle_that_the_environment_names(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    usual = http.new_session().get_adapter(URL)._context  # type: ignore[attr-defined] # the adapter's own
    monkeypatch.setenv(variable, str(Authority(tmp_path).ca_file))
    named = http.new_session().get_adapter(URL)._context  # type: ignore[attr-defined]

    assert (usual.verify_mode, usual.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (named.verify_mode, named.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(usual.get_ca_certs()) > 50
    assert len(named.get_ca_certs()) == 1


def test_a_request_waits_no_longer_than_the_deadline_allows() -> None:
    _, wire = call(in_turn(FINE), VirtualClock(), left=2)

    assert wire.sent[0].options["timeout"] == (2, 2)


@pytest.mark.parametrize(
    "lost",
    [
        *(Reply(500), Reply(503), Reply(504)),
        *(requests.ConnectionError(), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()),
    ],
    ids=lambda lost: str(getattr(lost, "status", type(lost).__name__)),
)
def test_a_server_error_or_a_lost_response_is_tried_again_and_may_have_been_carried_out(
    lost: Reply | Exception,
) -> None:
    clock = VirtualClock()
    response, wire = call(in_turn(lost, lost, FINE), clock)

    assert (response.status, response.may_have_succeeded) == (200, True)
    assert len(wire.sent) == 3
    assert 0 < clock.now < 5


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_a_429_is_tried_again_when_falcon_says_and_was_not_carried_out(unit: int) -> None:
    clock = VirtualClock()
    refused = Reply(429, headers={"X-Ratelimit-Retryafter": str((clock.wall() + 30) * unit)})
    response, wire = call(in_turn(refused, FINE), clock)

    assert response.status == 200
    assert not response.may_have_succeeded
    assert len(wire.sent) == 2
    assert 30 <= clock.now <= 33
    unknown, _ = call(in_turn(Reply(429), Reply(500), Reply(429), FINE), VirtualClock())
    assert unknown.may_have_succeeded


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 409])
def test_a_refusal_or_redirect_is_returned_and_neither_followed_nor_tried_again(status: int) -> None:
    response, wire = call(in_turn(Reply(status, headers={"Location": "https://elsewhere.example/"})), VirtualClock())

    assert response.status == status
    assert wire.hosts == ["api.crowdstrike.com"]


@pytest.mark.parametrize(
    ("lost", "left", "told", "earliest", "latest"),
    [
        (
            Reply(503, headers={"X-Cs-Traceid": "trace-9"}),
            10_000,
            "HTTP 503: Falcon is in trouble",
            RETRY_SECONDS / 2,
            RETRY_SECONDS,
        ),
        (Reply(429), 870, "HTTP 429: rate limit reached", 870 - LONGEST_WAIT_SECONDS, 870),
        (requests.ConnectTimeout(), 20, "no response from api.crowdstrike.com (ConnectTimeout)", 1, 20),
    ],
    ids=["trouble", "limit", "deadline"],
)
def test_what_does_not_end_is_told_when_the_time_for_it_is_spent(
    lost: Reply | Exception, left: float, told: str, earliest: float, latest: float
) -> None:
    clock = VirtualClock()
    error = failure(in_turn(lost), clock, left=left)

    assert str(error) == told
    assert error.status == getattr(lost, "status", 0)
    assert error.trace_id == ("trace-9" if error.status == 503 else "")
    assert earliest < clock.now <= latest


def test_a_retry_with_no_time_for_a_response_is_not_begun() -> None:
    timeouts = []
    for tenths in range(11, 60):
        clock, wire = VirtualClock(), Wire(in_turn(Reply(503)))
        with pytest.raises(FalconError, match="HTTP 503"):
            http_on(wire, clock).call("GET", URL, Deadline(tenths / 10, clock))
        timeouts += [min(sent.options["timeout"]) for sent in wire.sent]

    assert len(timeouts) > 60
    assert min(timeouts) >= LAST_SECONDS


def test_when_the_rate_limiter_opens_after_the_deadline_nothing_is_sent() -> None:
    clock, wire = VirtualClock(), Wire(in_turn(FINE))
    client = http_on(wire, clock)
    client.limiter.update(429, {"X-Ratelimit-Retryafter": str(clock.wall() + 30)})
    with pytest.raises(DeadlineError):
        client.call("GET", URL, Deadline(10, clock))

    assert (wire.sent, client.calls) == ([], 0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UNTRUSTED, "the certificate of api.crowdstrike.com is not trusted"),
        (UNKNOWN_HOST, "the name api.crowdstrike.com does not resolve"),
        (PROXY, "the proxy does not lead to api.crowdstrike.com"),
    ],
    ids=["certificate", "name", "proxy"],
)
def test_what_waiting_seldom_mends_is_told_within_thirty_seconds_and_without_the_librarys_words(
    error: Exception, told: str
) -> None:
    clock = VirtualClock()
    found = failure(in_turn(error), clock)

    assert str(found).startswith(told)
    assert "password" not in str(found)
    assert found.__suppress_context__
    assert not found.may_have_succeeded
    assert 0 < clock.now <= 30
    assert call(in_turn(error, UNTRUSTED, FINE), clock)[0].status == 200  # mended in time


@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b"\xff\xfe"], ids=["half", "deep", "bytes"])
def test_a_success_that_is_not_json_is_tried_again(body: bytes) -> None:
    response, _ = call(in_turn(Reply(200, body), FINE), VirtualClock())
    error = failure(in_turn(Reply(200, body)), VirtualClock(), left=1)

    assert response.may_have_succeeded
    assert isinstance(error, MalformedError)
    assert str(error) == "Falcon's response is not JSON"


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("DELETE", 1)])
def test_an_empty_response_to_a_question_is_tried_again_and_to_an_order_is_a_response(
    method: str, attempts: int
) -> None:
    response, wire = call(in_turn(Reply(200), FINE), VirtualClock(), method=method)

    assert response.body == ({"resources": []} if method == "GET" else None)
    assert len(wire.sent) == attempts


@pytest.mark.parametrize("status", [200, 302, 403, 404])
@pytest.mark.parametrize("start", [b"", b"\r\n ", b"\xef\xbb\xbf\n"], ids=["at once", "after space", "after a mark"])
def test_a_web_page_is_returned_at_once_for_whoever_judges_it(status: int, start: bytes) -> None:
    clock = VirtualClock()
    response, _ = call(in_turn(Reply(status, start + b"<html>" + b"x" * 1000)), clock)

    assert ("<html>x" in response.body, len(response.body) <= 100, clock.now) == (True, True, 0)


def test_a_hostile_header_harms_nobody() -> None:
    hostile = {
        "Date": "Mon, 99 Foo 999999999999 99:99:99 GMT",
        "X-Ratelimit-Limit": "1e999",
        "X-Ratelimit-Remaining": "-",
    }
    response, _ = call(in_turn(Reply(200, {"resources": []}, hostile)), VirtualClock())

    assert response.status == 200


def test_bodies_are_parsed_one_at_a_time_because_many_large_ones_need_more_memory_than_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = VirtualClock()
    client = http_on(Wire(in_turn(FINE)), clock)
    monkeypatch.setattr(http, "_parse", lambda *_: {"alone": client._parsing.locked()})

    assert client.call("GET", URL, Deadline(100, clock)).body == {"alone": True}


@dataclass
class Trickle(Reply):
    """Comes piece by piece, with time between them."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    @property
    def raw(self) -> io.BytesIO:
        clock = self.clock

        class Pieces(io.BytesIO):
            def read1(self, _size: int | None = -1) -> bytes:
                clock.sleep(7)
                return b" "

        return Pieces()


def test_a_body_that_drips_or_has_no_end_is_given_up() -> None:
    clock = VirtualClock()
    error = failure(in_turn(Trickle(clock=clock)), clock, left=READ_SECONDS)

    assert str(error) == "Falcon's response took too long"
    assert clock.now <= READ_SECONDS + 7
    endless = failure(in_turn(Reply(200, b" " * (LARGEST_BODY + 1))), VirtualClock(), left=0.1)
    assert f"larger than {LARGEST_BODY // 1024} KB" in str(endless)
