"""The PUT to CloudFormation, against a real server on loopback: sent until it is taken, or until time is up."""

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from registry_connections import answer
from tests.tls import Authority

BODY = {"Status": "SUCCESS", "Reason": "", "Data": {"ConnectedCount": "17"}}
SIGNED = "/bucket/key?X-Amz-Signature=do-not-log-this"


class Storage(ThreadingHTTPServer):
    """Takes an answer, or not: `statuses` are given one after the other, and the last of them from then on."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Put)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.statuses: list[int] = [200]
        self.hang = 0.0  # seconds for which the first attempt is not answered
        self.received: list[tuple[str, str | None, bytes]] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}{SIGNED}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients leave."""


class Put(BaseHTTPRequestHandler):
    server: Storage

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], body))
        hang, self.server.hang = self.server.hang, 0.0
        time.sleep(hang)
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        self.send_response(status)
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def own_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def storage(own_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(answer, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(answer, "SEND_SECONDS", 2.0)
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("SSL_CERT_FILE", str(own_authority.ca_file))
    storage = Storage(own_authority.server_context())
    thread = threading.Thread(target=lambda: storage.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    yield storage
    storage.shutdown()
    storage.server_close()
    thread.join()


def lasting(seconds: float) -> Callable[[], float]:
    until = time.monotonic() + seconds
    return lambda: until - time.monotonic()


def test_an_answer_that_is_taken_is_sent_once_and_as_the_signature_wants_it(storage: Storage) -> None:
    assert answer.put(storage.url, BODY, lasting(10))

    ((path, content_type, body),) = storage.received
    assert (path, content_type) == (SIGNED, "")
    assert json.loads(body) == BODY


@pytest.mark.parametrize("status", [500, 503, 403])
def test_an_answer_that_is_not_taken_is_sent_again(storage: Storage, status: int) -> None:
    storage.statuses = [status, status, 200]

    assert answer.put(storage.url, BODY, lasting(10))
    assert len(storage.received) == 3


def test_an_answer_that_is_never_taken_is_given_up_when_the_time_is_over(storage: Storage) -> None:
    storage.statuses = [403]
    started = time.monotonic()
    taken = answer.put(storage.url, BODY, lasting(0.3))

    assert not taken
    assert time.monotonic() - started < 1
    assert len(storage.received) > 1


def test_a_redirect_is_not_followed_and_is_no_success(storage: Storage) -> None:
    storage.statuses = [307]

    assert not answer.put(storage.url, BODY, lasting(0.2))


def test_an_attempt_that_hangs_is_left_behind_and_the_next_is_taken(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "SEND_SECONDS", 0.2)
    storage.hang = 1.0

    assert answer.put(storage.url, BODY, lasting(10))
    assert len(storage.received) == 2


def test_nobody_listening_is_no_success() -> None:
    assert not answer.put(f"https://localhost:9{SIGNED}", BODY, lasting(0.1))


def test_a_server_that_nobody_vouches_for_gets_no_answer(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).ca_file))

    assert not answer.put(storage.url, BODY, lasting(0.2))
    assert storage.received == []


def test_without_time_nothing_is_sent(storage: Storage) -> None:
    assert not answer.put(storage.url, BODY, lambda: 0.0)
    assert storage.received == []


@pytest.mark.parametrize("statuses", [[200], [500, 200], [403]])
def test_nothing_of_the_url_is_told(
    storage: Storage,
    statuses: list[int],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG", logger="")
    storage.statuses = statuses
    answer.put(storage.url, BODY, lasting(0.3))
    told = "".join([caplog.text, *capfd.readouterr()])

    assert "do-not-log-this" not in told
    assert "X-Amz-Signature" not in told
    assert storage.url not in told
