"""CloudFormation's protocol: raw events in, the request and the response out. crhelper is the real one.

How long the response is tried is a matter of a virtual clock; the fault matrix sends it to a real server.
"""

import importlib.metadata
import io
import json
import ssl
import urllib.request
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import custom_resource, logs
from registry_connections.core.errors import RegistrationError, shorten
from registry_connections.core.model import Identity, Outcome, OutcomeKind
from registry_connections.core.record import Kind, Request, digest
from registry_connections.core.report import Report, data
from registry_connections.core.settings import parse
from tests.registry_connections.conftest import CloudFormation, Lines
from tests.registry_connections.fakes import EPOCH, InlinePool, VirtualClock
from tests.registry_connections.samples import ACCOUNT, EAST, IDENTITY, OURS, PROPERTIES, STACK_ID, Context, event
from tests.registry_connections.samples import RESPONSE_URL as URL
from tests.sandbox.tls import Authority

DONE = Report((Outcome(EAST, OutcomeKind.CREATED, "id-1"),), cloud="us-1")
BODY = {"Status": "SUCCESS", "Reason": "", "Data": {"ConnectedCount": "17"}}


class Resource:
    """Sends events, and does the work that is asked for."""

    def __init__(self, cloudformation: CloudFormation) -> None:
        self.cloudformation = cloudformation
        self.asked: list[Request] = []
        self.failure: Exception | None = None

    def work(self, request: Request) -> Report:
        self.asked.append(request)
        if self.failure:
            raise self.failure
        return DONE

    def deliver(self, kind: str = "Create", /, identity: Identity = IDENTITY, **changes: Any) -> dict[str, Any]:
        """Deliver an event and return the response."""
        logs.set_up("INFO")
        custom_resource.respond(event(kind, **changes), Context(), identity, self.work)
        return self.cloudformation.response()


@pytest.fixture
def resource(cloudformation: CloudFormation, logged: Lines) -> Resource:  # noqa: ARG001 - loggers are put back
    return Resource(cloudformation)


# Which events are CloudFormation's

USELESS: tuple[object, ...] = (None, "", 5, ["Create"], {})
LACKING = [{**event(), name: value} for name in custom_resource.FIELDS for value in USELESS]
WITHOUT = [{name: value for name, value in event().items() if name != field} for field in custom_resource.FIELDS]


def test_an_event_is_cloudformations_if_it_has_all_that_cloudformation_sends_and_asks_for_what_that_asks() -> None:
    others: list[object] = [None, [], "Create", 5, event("reconcile"), event("create")]

    assert [kind for kind in ("Create", "Update", "Delete") if not custom_resource.is_event(event(kind))] == []
    assert [other for other in (*LACKING, *WITHOUT, *others) if custom_resource.is_event(other)] == []


# What is asked, and what is answered


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        *[({"ResourceProperties": none}, "digest", digest({})) for none in (None, "text", ["a"], 5)],
        ({"ResourceProperties": {"RegionScope": "All"}}, "problems", parse({"RegionScope": "All"}, "aws")[1]),
        ({"RequestId": "id\n" + "x" * 100}, "id", "id " + "x" * 58 + "..."),
        ({"StackId": STACK_ID.replace("/falcon/", "/StackSet-falcon-1a2b/")}, "rollout", True),
        ({"StackId": STACK_ID.replace("/falcon/", "/falcon-StackSet/")}, "rollout", False),
    ],
)
def test_a_request_is_what_an_event_says_as_far_as_it_makes_sense(
    resource: Resource, changes: dict[str, Any], attribute: str, value: object
) -> None:
    resource.deliver(identity=replace(IDENTITY, stack_id=changes.get("StackId", STACK_ID)), **changes)
    found = getattr(resource.asked[0], attribute)

    assert (list(found) if attribute == "problems" else found) == value


FAILED = f"{OURS}-failed"
WITHOUT_EFFECT: dict[str, Any] = {"CrHelperPoll": True, "CrHelperData": {"a": "b"}, "CrHelperRule": "arn:rule"}
"""Fields that only crhelper knows, which anybody could send."""


@pytest.mark.parametrize(
    ("kind", "given", "succeeded", "failed"),
    [
        *(("Create", given, OURS, FAILED) for given in ("", "sent-by-somebody")),
        *(("Update", given, OURS, given or OURS) for given in (OURS, "2019-01-01-of-the-original", "")),
        *(("Delete", given, given or OURS, given or OURS) for given in (OURS, FAILED, "made-up", f"x{OURS}", None)),
    ],
)
def test_a_success_has_the_one_id_of_the_stack_a_launch_that_fails_one_of_its_own_and_a_delete_keeps_what_it_has(
    resource: Resource, kind: str, given: str | None, succeeded: str, failed: str
) -> None:
    success = resource.deliver(kind, PhysicalResourceId=given)
    resource.failure = RegistrationError("It failed.")

    assert success == {
        "Status": "SUCCESS",
        "PhysicalResourceId": succeeded,
        "StackId": STACK_ID,
        "RequestId": "request-1",
        "LogicalResourceId": "RegistryConnections",
        "Reason": "",
        "Data": {} if kind == "Delete" else data(DONE),
        "NoEcho": False,
    }
    assert resource.deliver(kind, PhysicalResourceId=given, **WITHOUT_EFFECT) == {
        **success, "Status": "FAILED", "Reason": "It failed.", "PhysicalResourceId": failed, "Data": {}
    }  # fmt: skip
    assert resource.asked[0] == Request(
        Kind(kind),
        "request-1",
        EPOCH,
        parse(PROPERTIES, "aws")[0],
        digest=digest(PROPERTIES),
        physical_id=given or "",
        logical_id="RegistryConnections",
        launched=given in {OURS, None, ""},  # by its id a Delete knows whether that was so
    )


NOT_OURS = "This function serves resources of type Custom::FalconRegistryConnections, of its own stack, only."


HUGE = "x" * 3_000_000


@pytest.mark.parametrize(
    ("name", "value", "id_without_one"),
    [
        ("StackId", STACK_ID.replace(ACCOUNT, "444455556666"), OURS),
        *(("StackId", value, f"falcon-ecr-{value}") for value in ("of-another", HUGE)),
        *(("ResourceType", value, OURS) for value in ("AWS::CloudFormation::CustomResource", HUGE)),
    ],
    ids=lambda value: value[:30],
)
def test_an_event_that_is_not_of_this_stack_has_no_effect_and_only_a_delete_succeeds(
    resource: Resource, logged: Lines, name: str, value: str, id_without_one: str
) -> None:
    changes: dict[str, Any] = {name: value}
    deleted = [resource.deliver("Delete", PhysicalResourceId=given, **changes) for given in ("old", None)]
    refused = [resource.deliver(kind, **changes) for kind in ("Create", "Update")]
    line, limit = logged()[0], {"ResourceType": 60, "StackId": 200}[name]

    assert [(body["Status"], body["PhysicalResourceId"], body["Data"]) for body in deleted] == [
        ("SUCCESS", "old", {}), ("SUCCESS", id_without_one, {})
    ]  # fmt: skip
    assert {(body["Status"], body["Reason"]) for body in refused} == {("FAILED", NOT_OURS)}
    assert resource.asked == []
    assert (line["level"], line["text"]) == ("INFO", "a resource that is not ours is deleted, with no effect")
    assert line["type" if name == "ResourceType" else "stack"] == shorten(value, limit)


# What is sent, and what is logged of it


@pytest.mark.parametrize(
    "url",
    ["http://responses.example/key", "file:///etc/passwd", "responses.example", "https:x", "https://[", "https://℀.x/"],
)
def test_a_response_goes_nowhere_but_over_https(resource: Resource, url: str) -> None:
    custom_resource.respond(event(ResponseURL=url), Context(), IDENTITY, resource.work)

    assert [sent for sent, _ in resource.cloudformation.sent] == [url] * url.startswith("https:")


@pytest.mark.parametrize(
    ("takes", "level", "text"),
    [(True, "INFO", "responded to CloudFormation"), (False, "ERROR", "CloudFormation did not take the response")],
)
def test_whether_the_response_was_taken_until_two_seconds_before_the_end_is_in_the_log(
    resource: Resource, logged: Lines, level: str, text: str, *, takes: bool
) -> None:
    resource.cloudformation.takes = takes
    resource.failure = RegistrationError("It failed.")
    resource.deliver()
    (line,) = logged()

    assert resource.cloudformation.left == Context.seconds - 2
    assert {name: line[name] for name in line if name != "timestamp"} == {
        "level": level, "text": text, "status": "FAILED", "reason": "It failed."
    }  # fmt: skip


def test_what_crhelper_says_by_itself_is_sent_as_it_is(resource: Resource) -> None:
    resource.deliver()
    helper: Any = custom_resource._helper()
    helper._timeout()
    helper._send("FAILED")

    told = [(body["Status"], body["Reason"]) for _, body in resource.cloudformation.sent]
    assert told == [("FAILED", "Execution timed out"), ("FAILED", "")]


@pytest.mark.usefixtures("resource")
def test_crhelper_neither_sleeps_nor_polls_nor_makes_clients_nor_logs_what_it_gets() -> None:
    helper: Any = custom_resource._helper()

    assert importlib.metadata.version("crhelper") == "2.0.12"  # whose inner workings this was tried with
    assert (helper._sleep_on_delete, helper._log_level, helper._boto_level) == (0, "INFO", "CRITICAL")
    assert helper._json_logging is False
    assert not any((helper._poll_create_func, helper._poll_update_func, helper._poll_delete_func))
    assert not any(hasattr(helper, name) for name in ("_lambda_client", "_events_client", "_logs_client"))
    assert helper._init_failed is None
    assert custom_resource._helper() is helper


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
    assert custom_resource.sent_at(f"https://responses.example/key?X-Amz-Date={date}", EPOCH + 100) == moment


@given(st.text(max_size=40))
def test_law_any_url_at_all_says_when_or_now(text: str) -> None:
    assert custom_resource.sent_at(text, EPOCH) <= EPOCH
    assert custom_resource.sent_at(f"https://[{text}", EPOCH) == EPOCH


# Until it is taken


RESET = OSError("reset")


@pytest.mark.parametrize(
    ("outcomes", "seconds", "taken", "at"),
    [
        ([0.0], 10, True, [0]),
        ([RESET, RESET, 0.0], 10, True, [0, 1, 2]),
        ([60.0, 0.0], 100, True, [0, 6]),  # one that hangs is left behind after five seconds
        ([RESET], 2.5, False, [0, 1, 2]),
        ([60.0], 9.5, False, [0, 6]),
        ([0.0], 0, False, []),
    ],
)
def test_a_response_is_sent_a_second_after_the_last_try_until_it_is_taken_or_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception | float], seconds: float, at: list[float], *, taken: bool
) -> None:
    """What becomes of each attempt is an error, or so many seconds until it ends well; the last of them for ever."""
    clock, left, sent = VirtualClock(), list(outcomes), []
    pool = Mock(wraps=InlinePool(clock))
    threads = Mock(return_value=pool)

    def send(url: str, content: bytes) -> None:
        sent.append((clock.now, url, content))
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        clock.sleep(outcome)

    times = SimpleNamespace(monotonic=clock, time=clock.wall, sleep=clock.sleep)
    for name, fake in {"time": times, "ThreadPool": threads, "_send": send}.items():
        monkeypatch.setattr(custom_resource, name, fake)

    assert custom_resource.put(URL, BODY, lambda: seconds - clock.now) is taken
    assert sent == [(moment, URL, json.dumps(BODY).encode()) for moment in at]
    assert clock.now == (at[-1] if taken else seconds)
    assert (threads.call_args_list, pool.shutdown.call_count) == ([call(8)], 1)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_attempt_is_one_put_as_its_urls_signature_wants_it_to_a_server_that_the_bundle_trusts(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The fault matrix shows that a response is taken only with a status of success."""
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "counts for less than AWS_CA_BUNDLE")
    monkeypatch.setenv(variable, str(authority.ca_file))
    opened = Mock(return_value=io.BytesIO())
    monkeypatch.setattr(urllib.request, "urlopen", opened)
    custom_resource._send(URL, b"{}")
    (request,), options = opened.call_args
    context = options.pop("context")

    assert (request.method, request.full_url, request.data) == ("PUT", URL, b"{}")
    assert request.headers == {"Content-type": ""}
    assert options == {"timeout": 5.0}
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1
    opened.assert_called_once()
