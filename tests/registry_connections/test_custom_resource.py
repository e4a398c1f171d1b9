"""CloudFormation's protocol: raw events in, the request and the response out. crhelper is the real one.

The response is sent over TLS to a real server on loopback; how long it is tried is a matter of a virtual clock.
"""

import importlib.metadata
import io
import json
import logging
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import custom_resource, logs
from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import RegistrationError
from registry_connections.core.model import DeletePolicy, Identity, Outcome, OutcomeKind
from registry_connections.core.record import Kind, Request, digest
from registry_connections.core.report import Report, data
from tests.docs.tables import ROOT
from tests.registry_connections.fakes import EPOCH, InlinePool, VirtualClock
from tests.registry_connections.samples import ACCOUNT, EAST, IDENTITY, STACK_ID, UUID
from tests.sandbox.tls import Authority

OURS = f"falcon-ecr-{UUID}"
URL = "https://responses.example/bucket/key?X-Amz-Signature=do-not-log-this"
PROPERTIES = {"ServiceToken": "arn:function", "FalconCloud": "us-1", "DeleteConnections": "Stack"}
DONE = Report((Outcome(EAST, OutcomeKind.CREATED, "id-1"),), cloud="us-1")
BODY = {"Status": "SUCCESS", "Reason": "", "Data": {"ConnectedCount": "17"}}


def event(kind: str = "Create", **changes: Any) -> dict[str, Any]:
    physical = {} if kind == "Create" else {"PhysicalResourceId": OURS}
    return {
        "RequestType": kind,
        "ResponseURL": URL,
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "RegistryConnections",
        "ResourceType": "Custom::FalconRegistryConnections",
        "ResourceProperties": PROPERTIES,
        **physical,
        **changes,
    }


class Context:
    """What Lambda tells an invocation of itself."""

    aws_request_id = "lambda-request"
    seconds = 100.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class CloudFormation:
    """Sends events, does the work that is asked for, and keeps what it was sent."""

    captured: Callable[[], str]
    report: Report = DONE
    failure: Exception | None = None
    takes: bool = True
    asked: list[tuple[Request, bool]] = field(default_factory=list)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    left: float = 0.0

    def put(self, url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
        self.sent.append((url, json.loads(json.dumps(body))))
        self.left = left()
        return self.takes

    def work(self, request: Request, launched: bool) -> Report:
        self.asked.append((request, launched))
        if self.failure:
            raise self.failure
        return self.report

    def deliver(self, kind: str = "Create", /, identity: Identity = IDENTITY, **changes: Any) -> dict[str, Any]:
        """Deliver an event and return the response."""
        custom_resource.respond(event(kind, **changes), Context(), identity, self.work)
        ((url, body),) = self.sent
        self.sent.clear()
        assert url == URL
        return body

    def logged(self) -> list[dict[str, Any]]:
        text = self.captured()
        assert "do-not-log-this" not in text
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    root = (logging.root.level, logging.root.handlers[:])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    monkeypatch.setattr(logs.logger, "handlers", [handler])
    monkeypatch.setattr(logs.logger, "level", logging.INFO)
    monkeypatch.setenv("AWS_SAM_LOCAL", "")
    custom_resource._helper.cache_clear()
    cloudformation = CloudFormation(stream.getvalue)
    monkeypatch.setattr(custom_resource, "put", cloudformation.put)
    yield cloudformation
    custom_resource._helper.cache_clear()
    logging.root.level, logging.root.handlers[:] = root


# Which events are CloudFormation's


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_an_event_with_all_that_cloudformation_sends_is_its_own(kind: str) -> None:
    assert custom_resource.is_event(event(kind))


@pytest.mark.parametrize("name", custom_resource.FIELDS)
@pytest.mark.parametrize("value", [None, "", 5, ["Create"], {}], ids=repr)
def test_an_event_that_lacks_something_is_not_cloudformations(name: str, value: object) -> None:
    lacking = event()
    del lacking[name]

    assert not custom_resource.is_event({**event(), name: value})
    assert not custom_resource.is_event(lacking)


@pytest.mark.parametrize("other", [None, [], "Create", 5, event("reconcile"), event("create")])
def test_what_asks_for_something_else_is_not_cloudformations(other: object) -> None:
    assert custom_resource.is_event(other) is False


# What is asked, and what is answered


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.UPDATE, Kind.DELETE])
def test_an_event_becomes_a_request_with_its_choices_and_the_digest_of_all_its_properties(
    cloudformation: CloudFormation, kind: Kind
) -> None:
    url = f"{URL}&X-Amz-Date=20260101T000010Z"
    custom_resource.respond(event(kind, ResponseURL=url), Context(), IDENTITY, cloudformation.work)
    ((request, launched),) = cloudformation.asked

    assert request == Request(
        kind,
        "request-1",
        EPOCH + 10,
        request.settings,
        digest=digest(PROPERTIES),
        physical_id="" if kind is Kind.CREATE else OURS,
        logical_id="RegistryConnections",
    )
    assert request.settings.delete_connections is DeletePolicy.STACK
    assert request.settings.choices == {"FalconCloud": "us-1", "DeleteConnections": "Stack"}
    assert launched


def test_problems_of_the_properties_are_the_works_to_tell(cloudformation: CloudFormation) -> None:
    cloudformation.deliver(ResourceProperties={"FalconCloud": "us-gov-1", "RegionScope": "All"})
    ((request, _),) = cloudformation.asked

    assert len(request.problems) == 2


@pytest.mark.parametrize("properties", [None, "text", ["a"], 5])
def test_properties_that_are_no_object_are_none(cloudformation: CloudFormation, properties: object) -> None:
    cloudformation.deliver(ResourceProperties=properties)

    assert cloudformation.asked[0][0].digest == digest({})


def test_a_request_id_is_made_fit_for_the_record(cloudformation: CloudFormation) -> None:
    cloudformation.deliver(RequestId="id\n" + "x" * 100)

    assert cloudformation.asked[0][0].id == "id " + "x" * 58 + "..."


@pytest.mark.parametrize(("name", "rollout"), [("StackSet-falcon-1a2b", True), ("falcon-StackSet", False)])
def test_a_stack_of_a_stack_set_is_known_by_its_name(
    cloudformation: CloudFormation, name: str, *, rollout: bool
) -> None:
    stack_id = STACK_ID.replace("/falcon/", f"/{name}/")
    cloudformation.deliver(identity=replace(IDENTITY, stack_id=stack_id), StackId=stack_id)

    assert cloudformation.asked[0][0].rollout is rollout


@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize("given", [OURS, "2019-01-01-of-the-original", ""])
def test_every_success_is_answered_with_the_one_id_of_the_stack_and_its_data(
    cloudformation: CloudFormation, kind: str, given: str
) -> None:
    body = cloudformation.deliver(kind, PhysicalResourceId=given)

    assert body == {
        "Status": "SUCCESS",
        "PhysicalResourceId": OURS,
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "RegistryConnections",
        "Reason": "",
        "Data": data(DONE),
        "NoEcho": False,
    }


@pytest.mark.parametrize(
    ("kind", "given", "answered"),
    [
        ("Create", "", f"{OURS}-failed"),
        ("Create", "sent-by-somebody", f"{OURS}-failed"),
        ("Update", OURS, OURS),
        ("Update", "of-the-original", "of-the-original"),
        ("Delete", OURS, OURS),
        ("Delete", "made-up", "made-up"),
    ],
)
def test_a_launch_that_fails_has_an_id_of_its_own_and_all_else_keeps_what_it_has(
    cloudformation: CloudFormation, kind: str, given: str, answered: str
) -> None:
    cloudformation.failure = RegistrationError("It failed.")
    body = cloudformation.deliver(kind, PhysicalResourceId=given)

    assert (body["Status"], body["Reason"], body["PhysicalResourceId"]) == ("FAILED", "It failed.", answered)
    assert body["Data"] == {}


@pytest.mark.parametrize(
    ("given", "launched"), [(OURS, True), (f"{OURS}-failed", False), ("made-up", False), (f"x{OURS}", False)]
)
def test_a_delete_is_answered_with_its_own_id_and_knows_by_it_whether_the_launch_succeeded(
    cloudformation: CloudFormation, given: str, *, launched: bool
) -> None:
    body = cloudformation.deliver("Delete", PhysicalResourceId=given)

    assert (body["Status"], body["PhysicalResourceId"], body["Data"]) == ("SUCCESS", given, {})
    assert cloudformation.asked[0][0].physical_id == given
    assert cloudformation.asked[0][1] is launched


def test_the_data_of_one_event_is_not_in_the_response_to_the_next(cloudformation: CloudFormation) -> None:
    cloudformation.deliver("Create")
    cloudformation.failure = RegistrationError("It failed.")

    assert cloudformation.deliver("Update")["Data"] == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StackId", STACK_ID.replace(ACCOUNT, "444455556666")),
        ("StackId", STACK_ID.replace("1a2b3c4d", "9f9f9f9f")),
        ("ResourceType", "AWS::CloudFormation::CustomResource"),
    ],
)
def test_an_event_that_is_not_of_this_stack_has_no_effect_and_only_a_delete_succeeds(
    cloudformation: CloudFormation, name: str, value: str
) -> None:
    changes: dict[str, Any] = {name: value}
    deleted = cloudformation.deliver("Delete", PhysicalResourceId="old", **changes)
    refused = [cloudformation.deliver(kind, **changes) for kind in ("Create", "Update")]

    assert (deleted["Status"], deleted["PhysicalResourceId"], deleted["Data"]) == ("SUCCESS", "old", {})
    assert {body["Status"] for body in refused} == {"FAILED"}
    assert {body["Reason"] for body in refused} == {
        "This function serves resources of type Custom::FalconRegistryConnections, of its own stack, only."
    }
    assert cloudformation.asked == []


@pytest.mark.parametrize("changes", [{"StackId": "of-another"}, {}])
def test_a_delete_without_an_id_is_answered_with_one(cloudformation: CloudFormation, changes: dict[str, str]) -> None:
    uuid = changes.get("StackId", UUID)
    body = cloudformation.deliver("Delete", PhysicalResourceId=None, **dict[str, Any](changes))

    assert body["PhysicalResourceId"] == f"falcon-ecr-{uuid}"


def test_somebody_elses_huge_resource_type_makes_one_short_line_of_the_log(cloudformation: CloudFormation) -> None:
    cloudformation.deliver("Delete", ResourceType="Custom::" + "x" * 3_000_000)
    lines = cloudformation.logged()

    assert lines[0]["text"] == "a resource that is not ours is deleted, with no effect"
    assert (lines[0]["level"], lines[0]["stack"]) == ("INFO", STACK_ID)
    assert lines[0]["type"] == "Custom::" + "x" * 49 + "..."


def test_a_huge_stack_id_makes_one_short_line_of_the_log(cloudformation: CloudFormation) -> None:
    cloudformation.deliver("Delete", StackId="x" * 3_000_000)

    assert len(cloudformation.logged()[0]["stack"]) == 200


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_fields_that_crhelper_acts_on_and_cloudformation_does_not_send_have_no_effect(
    cloudformation: CloudFormation, kind: str
) -> None:
    body = cloudformation.deliver(kind, CrHelperPoll=True, CrHelperData={"a": "b"}, CrHelperRule="arn:rule")

    assert body["Status"] == "SUCCESS"
    assert "a" not in body["Data"]
    assert len(cloudformation.asked) == 1


# What is sent, and what is logged of it


@pytest.mark.parametrize(
    "url",
    ["http://responses.example/key", "file:///etc/passwd", "responses.example", "https:x", "https://[", "https://℀.x/"],
)
def test_a_response_goes_nowhere_but_over_https(cloudformation: CloudFormation, url: str) -> None:
    custom_resource.respond(event(ResponseURL=url), Context(), IDENTITY, cloudformation.work)

    assert [sent for sent, _ in cloudformation.sent] == [url] * url.startswith("https:")


@pytest.mark.parametrize(
    ("takes", "level", "text"),
    [(True, "INFO", "responded to CloudFormation"), (False, "ERROR", "CloudFormation did not take the response")],
)
def test_whether_the_response_was_taken_is_in_the_log(
    cloudformation: CloudFormation, level: str, text: str, *, takes: bool
) -> None:
    cloudformation.takes = takes
    cloudformation.failure = RegistrationError("It failed.")
    cloudformation.deliver()
    (line,) = cloudformation.logged()

    assert {name: line[name] for name in line if name != "timestamp"} == {
        "level": level, "text": text, "status": "FAILED", "reason": "It failed."
    }  # fmt: skip


def test_a_response_is_tried_until_two_seconds_before_the_end(cloudformation: CloudFormation) -> None:
    cloudformation.deliver()

    assert cloudformation.left == Context.seconds - 2


def test_what_crhelper_says_by_itself_is_sent_as_it_is(cloudformation: CloudFormation) -> None:
    cloudformation.deliver()
    helper: Any = custom_resource._helper()
    helper._timeout()
    helper._send("FAILED")

    told = [(body["Status"], body["Reason"]) for _, body in cloudformation.sent]
    assert told == [("FAILED", "Execution timed out"), ("FAILED", "")]


@pytest.mark.usefixtures("cloudformation")
def test_crhelper_neither_sleeps_nor_polls_nor_makes_clients_nor_logs_what_it_gets() -> None:
    helper: Any = custom_resource._helper()
    again: Any = custom_resource._helper()

    assert helper is again
    assert (helper._sleep_on_delete, helper._log_level, helper._boto_level) == (0, "INFO", "CRITICAL")
    assert helper._json_logging is False
    assert not any((helper._poll_create_func, helper._poll_update_func, helper._poll_delete_func))
    assert not any(hasattr(helper, name) for name in ("_lambda_client", "_events_client", "_logs_client"))
    assert helper._init_failed is None


def test_crhelper_is_the_release_that_this_was_tried_with() -> None:
    pins = (ROOT / "source/requirements.txt").read_text()

    assert importlib.metadata.version("crhelper") == "2.0.12"
    assert re.search(r"^crhelper==2\.0\.12\b", pins, re.MULTILINE)


# When an event was sent


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("20260101T000000Z", EPOCH),
        ("20260101T000100Z", EPOCH + 60),
        ("20270101T000000Z", EPOCH + 100),
        ("20260101T000000", EPOCH + 100),
        ("99991231T235959-2359", EPOCH + 100),
        ("yesterday", EPOCH + 100),
        ("", EPOCH + 100),
    ],
)
def test_an_event_was_sent_when_its_url_was_signed_and_else_it_is_sent_now(date: str, moment: float) -> None:
    assert custom_resource.sent_at(f"{URL}&X-Amz-Date={date}", EPOCH + 100) == moment


@given(st.text(max_size=40))
def test_law_any_url_at_all_says_when_or_now(text: str) -> None:
    assert custom_resource.sent_at(text, EPOCH) <= EPOCH
    assert custom_resource.sent_at(f"https://[{text}", EPOCH) == EPOCH
    assert datetime.fromtimestamp(EPOCH, UTC).year == 2026


# Until it is taken


@dataclass
class Attempts:
    """What becomes of each attempt: an error, or so many seconds until it ends well; the last of them for ever."""

    outcomes: list[Exception | float]
    clock: VirtualClock = field(default_factory=VirtualClock)
    at: list[float] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)
    bodies: set[tuple[str, bytes]] = field(default_factory=set)

    def send(self, url: str, content: bytes) -> None:
        self.at.append(self.clock.now)
        self.bodies.add((url, content))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        self.clock.sleep(outcome)

    def pool(self, workers: int) -> InlinePool:
        self.workers.append(workers)
        return InlinePool(self.clock)

    def lasting(self, seconds: float) -> Callable[[], float]:
        return lambda: seconds - self.clock.now


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    attempts = Attempts([0.0])
    times = SimpleNamespace(monotonic=attempts.clock, time=attempts.clock.wall, sleep=attempts.clock.sleep)
    monkeypatch.setattr(custom_resource, "time", times)
    monkeypatch.setattr(custom_resource, "ThreadPool", attempts.pool)
    monkeypatch.setattr(custom_resource, "_send", attempts.send)
    return attempts


def test_a_response_that_is_taken_is_sent_once(attempts: Attempts) -> None:
    assert custom_resource.put(URL, BODY, attempts.lasting(10))
    assert attempts.bodies == {(URL, json.dumps(BODY).encode())}
    assert (attempts.at, attempts.clock.now, attempts.workers) == ([0], 0, [8])


def test_a_response_that_is_not_taken_is_sent_again_a_second_later(attempts: Attempts) -> None:
    attempts.outcomes = [OSError("reset"), OSError("reset"), 0.0]

    assert custom_resource.put(URL, BODY, attempts.lasting(10))
    assert attempts.at == [0, 1, 2]


def test_an_attempt_that_hangs_is_left_behind_after_five_seconds_and_the_next_is_taken(attempts: Attempts) -> None:
    attempts.outcomes = [60.0, 0.0]

    assert custom_resource.put(URL, BODY, attempts.lasting(100))
    assert attempts.at == [0, 6]


@pytest.mark.parametrize(("outcome", "last"), [(OSError("reset"), 9.0), (60.0, 6.0)])
def test_a_response_that_is_never_taken_is_given_up_when_the_time_is_over(
    attempts: Attempts, outcome: Exception | float, last: float
) -> None:
    attempts.outcomes = [outcome]

    assert not custom_resource.put(URL, BODY, attempts.lasting(9.5))
    assert attempts.at[-1] == last
    assert attempts.clock.now == 9.5


def test_without_time_nothing_is_sent(attempts: Attempts) -> None:
    assert not custom_resource.put(URL, BODY, lambda: 0.0)
    assert attempts.at == []


def test_the_threads_of_a_response_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []

    class Pool(ThreadPool):
        def shutdown(self) -> None:
            super().shutdown()
            ended.append(True)

    monkeypatch.setattr(custom_resource, "ThreadPool", Pool)
    monkeypatch.setattr(custom_resource, "_send", lambda *_: None)
    custom_resource.put(URL, BODY, lambda: 10.0)

    assert ended == [True]


class Storage(ThreadingHTTPServer):
    """Takes a response with a status of success, or not."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Put)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.status = 200
        self.received: list[tuple[str, str | None, bytes]] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}/bucket/key?X-Amz-Signature=do-not-log-this"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients leave."""


class Put(BaseHTTPRequestHandler):
    server: Storage

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def own_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def storage(own_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("SSL_CERT_FILE", str(own_authority.ca_file))
    storage = Storage(own_authority.server_context())
    thread = threading.Thread(target=lambda: storage.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    yield storage
    storage.shutdown()
    storage.server_close()
    thread.join()


def test_a_response_is_put_as_the_signature_of_its_url_wants_it(storage: Storage) -> None:
    custom_resource._send(storage.url, b"{}")

    assert storage.received == [("/bucket/key?X-Amz-Signature=do-not-log-this", "", b"{}")]


def test_an_attempt_waits_for_the_network_five_seconds_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def open_(_: object, timeout: float, context: object) -> io.BytesIO:
        assert context
        waits.append(timeout)
        return io.BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", open_)
    custom_resource._send(URL, b"{}")

    assert waits == [5.0]


@pytest.mark.parametrize("status", [307, 403, 500])
def test_a_status_of_no_success_is_an_error_and_a_redirect_is_not_followed(storage: Storage, status: int) -> None:
    storage.status = status
    with pytest.raises(OSError, match=str(status)):
        custom_resource._send(storage.url, b"{}")

    assert len(storage.received) == 1


def test_a_server_that_nobody_vouches_for_gets_no_response(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).ca_file))
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        custom_resource._send(storage.url, b"{}")

    assert storage.received == []
