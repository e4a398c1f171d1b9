"""One call to Falcon, however the network and Falcon behave; the session is real, its adapter is not."""

import io
from dataclasses import dataclass, field

import pytest
import requests

from registry_connections.errors import DeadlineError, FalconError, MalformedError
from registry_connections.gate import LONGEST_WAIT_SECONDS
from registry_connections.model import Deadline
from registry_connections.transport import LARGEST_BODY, PATIENCE_SECONDS, READ_SECONDS, USER_AGENT, Answer
from tests.fakes import Clock
from tests.unit.wire import Answering, Reply, Wire, in_turn, transport_on

URL = "https://api.crowdstrike.com/x"
FINE = Reply(200, {"resources": []}, {"X-Cs-Traceid": "trace-1"})


def call(answering: Answering, clock: Clock, *, left: float = 10_000, method: str = "GET") -> tuple[Answer, Wire]:
    wire = Wire(answering)
    answer = transport_on(wire, clock).call(method, URL, Deadline(clock.now + left, clock))
    return answer, wire


def failure(answering: Answering, clock: Clock, *, left: float = 10_000) -> FalconError:
    with pytest.raises(FalconError) as caught:
        call(answering, clock, left=left)
    return caught.value


def test_a_good_answer_is_returned_at_once_and_whole() -> None:
    clock = Clock()
    answer, wire = call(in_turn(FINE), clock)

    assert (answer.status, answer.body, answer.trace_id) == (200, {"resources": []}, "trace-1")
    assert not answer.repeated
    assert len(wire.sent) == 1
    assert clock.now == 0


@pytest.mark.parametrize(("bundle", "verify"), [("", True), ("company.pem", "company.pem")])
def test_every_request_verifies_certificates_and_says_who_asks(
    bundle: str, verify: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    _, wire = call(in_turn(FINE), Clock())

    assert wire.sent[0].options["verify"] == verify
    assert wire.sent[0].headers["User-Agent"] == USER_AGENT


def test_a_request_waits_no_longer_than_the_deadline_allows() -> None:
    _, wire = call(in_turn(FINE), Clock(), left=2)

    assert wire.sent[0].options["timeout"] == (2, 2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_tried_again_and_may_have_been_carried_out(status: int) -> None:
    clock = Clock()
    answer, wire = call(in_turn(Reply(status), Reply(status), FINE), clock)

    assert answer.status == 200
    assert answer.repeated
    assert len(wire.sent) == 3
    assert 0 < clock.now < 5


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError(), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_answer_is_tried_again_and_may_have_been_carried_out(error: Exception) -> None:
    answer, _ = call(in_turn(error, FINE), Clock())

    assert answer.status == 200
    assert answer.repeated


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_a_429_is_tried_again_when_falcon_says_and_was_not_carried_out(unit: int) -> None:
    clock = Clock()
    refused = Reply(429, headers={"X-Ratelimit-Retryafter": str((clock.wall() + 30) * unit)})
    answer, wire = call(in_turn(refused, FINE), clock)

    assert answer.status == 200
    assert not answer.repeated
    assert len(wire.sent) == 2
    assert 30 <= clock.now <= 33


def test_a_429_before_a_server_error_leaves_the_doubt_of_the_server_error() -> None:
    answer, _ = call(in_turn(Reply(429), Reply(500), Reply(429), FINE), Clock())

    assert answer.repeated


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_clear_refusal_is_returned_and_not_tried_again(status: int) -> None:
    answer, wire = call(in_turn(Reply(status, {"errors": [{"code": status}]})), Clock())

    assert answer.status == status
    assert len(wire.sent) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(status: int) -> None:
    answer, wire = call(in_turn(Reply(status, headers={"Location": "https://elsewhere.example/"})), Clock())

    assert answer.status == status
    assert wire.hosts == ["api.crowdstrike.com"]


def test_trouble_that_does_not_end_is_reported_once_the_patience_is_over() -> None:
    clock = Clock()
    error = failure(in_turn(Reply(503, headers={"X-Cs-Traceid": "trace-9"})), clock)

    assert (str(error), error.status, error.trace_id) == ("HTTP 503: Falcon is in trouble", 503, "trace-9")
    assert PATIENCE_SECONDS / 2 < clock.now <= PATIENCE_SECONDS


def test_a_limit_that_does_not_end_is_waited_for_until_the_deadline_and_reported() -> None:
    clock = Clock()
    error = failure(in_turn(Reply(429)), clock, left=870)

    assert str(error) == "HTTP 429: rate limit reached"
    assert 870 - LONGEST_WAIT_SECONDS <= clock.now <= 870


def test_when_the_deadline_comes_first_the_last_failure_is_told_and_not_the_time() -> None:
    clock = Clock()
    error = failure(in_turn(requests.ConnectTimeout()), clock, left=20)

    assert str(error) == "no answer from api.crowdstrike.com (ConnectTimeout)"
    assert clock.now <= 20


def test_when_the_gate_opens_after_the_deadline_nothing_is_sent() -> None:
    clock, wire = Clock(), Wire(in_turn(FINE))
    transport = transport_on(wire, clock)
    transport.gate.observe(429, {"X-Ratelimit-Retryafter": str(clock.wall() + 30)})
    with pytest.raises(DeadlineError):
        transport.call("GET", URL, Deadline(10, clock))

    assert wire.sent == []
    assert transport.calls == 0


def test_attempts_are_counted() -> None:
    clock = Clock()
    transport = transport_on(Wire(in_turn(Reply(500), FINE)), clock)
    transport.call("GET", URL, Deadline(100, clock))

    assert transport.calls == 2


def test_what_a_library_says_of_a_lost_answer_is_not_passed_on() -> None:
    """The text of its errors holds addresses and, with a proxy, its credentials."""
    error = failure(in_turn(requests.exceptions.ProxyError("http://user:password@proxy.example:3128")), Clock(), left=1)

    assert str(error) == "no answer from api.crowdstrike.com (ProxyError)"
    assert error.__suppress_context__


@pytest.mark.parametrize("body", [b"<html>", b"{", b"[" * 100_000, b"\xff\xfe"], ids=["page", "half", "deep", "bytes"])
def test_a_success_that_is_not_json_is_tried_again(body: bytes) -> None:
    answer, _ = call(in_turn(Reply(200, body), FINE), Clock())
    error = failure(in_turn(Reply(200, body)), Clock(), left=1)

    assert answer.repeated
    assert isinstance(error, MalformedError)
    assert str(error) == "Falcon's answer is not JSON"


def test_an_empty_answer_to_a_question_is_tried_again() -> None:
    answer, wire = call(in_turn(Reply(200), FINE), Clock())

    assert answer.body == {"resources": []}
    assert len(wire.sent) == 2


def test_an_empty_answer_to_an_order_is_an_answer() -> None:
    answer, wire = call(in_turn(Reply(200)), Clock(), method="DELETE")

    assert answer.body is None
    assert len(wire.sent) == 1


def test_a_page_of_a_proxy_is_told_by_its_status() -> None:
    error = failure(in_turn(Reply(502, b"<html><h1>Bad Gateway</h1></html>")), Clock(), left=1)

    assert str(error) == "HTTP 502: Falcon is in trouble"


def test_a_body_without_end_is_given_up() -> None:
    error = failure(in_turn(Reply(200, b" " * (LARGEST_BODY + 1))), Clock(), left=0.1)

    assert f"larger than {LARGEST_BODY // 2**20} MB" in str(error)


@dataclass
class Trickle(Reply):
    """Comes piece by piece, with time between them."""

    clock: Clock = field(default_factory=Clock)

    @property
    def raw(self) -> io.BytesIO:
        clock = self.clock

        class Pieces(io.BytesIO):
            def read1(self, _size: int | None = -1) -> bytes:
                clock.sleep(7)
                return b" "

        return Pieces()


def test_a_body_that_drips_is_given_up() -> None:
    clock = Clock()
    error = failure(in_turn(Trickle(clock=clock)), clock, left=READ_SECONDS)

    assert str(error) == "Falcon's answer took too long"
    assert clock.now <= READ_SECONDS + 7
