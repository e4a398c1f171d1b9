"""Each fault that can be armed in the Falcon simulator, as a client sees it."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.simulator import (
    HOSTILE,
    WRONG,
    Echo,
    Effect,
    ErrorsInSuccess,
    FalconSimulator,
    Fault,
    Hang,
    Html,
    Huge,
    Malformed,
    NoResources,
    Operation,
    Redirect,
    Reset,
    SlowBody,
    SlowHeaders,
    Status,
    Throttled,
    Truncated,
    WrongTypes,
    conflict,
    credential_failure,
    missing_scope,
    not_found,
    unauthorized,
)
from tests.simulator.probe import Probe, message
from tests.tls import Authority


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Iterator[Probe]:
    client = Probe(falcon, timeout=5.0).logged_in()
    yield client
    client.close()


def test_each_operation_can_be_struck_alone(falcon: FalconSimulator, probe: Probe) -> None:
    [known] = probe.created(["eu-west-1"])
    calls: dict[Operation, Callable[[], requests.Response]] = {
        "token": probe.token,
        "create": lambda: probe.create("us-east-1"),
        "update": lambda: probe.update(known),
        "read": lambda: probe.read(known),
        "list": probe.page,
        "delete": lambda: probe.delete(known),
    }

    struck = {}
    for operation in calls:
        falcon.arm(Fault(operation, Status(500)))
        struck[operation] = [name for name, call in calls.items() if call().status_code == 500]
        falcon.disarm()
        probe.token()
        known = falcon.connections()[0].id if falcon.connections() else probe.created(["eu-west-1"])[0]

    assert struck == {operation: [operation] for operation in calls}


def test_any_strikes_every_operation(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("any", Status(503)))

    assert [answer.status_code for answer in (probe.token(), probe.create(), probe.page())] == [503, 503, 503]


def test_a_fault_may_let_some_pass_and_strike_a_number_of_times(falcon: FalconSimulator, probe: Probe) -> None:
    armed = falcon.arm(Fault("list", Status(500), skip=1, times=2))

    assert [probe.page().status_code for _ in range(4)] == [200, 500, 500, 200]
    assert armed.struck == 2


def test_a_fault_may_strike_one_region(falcon: FalconSimulator, probe: Probe) -> None:
    west, east = probe.created(["eu-west-1", "us-east-1"])
    falcon.arm(Fault("any", Status(500), region="eu-west-1"))

    answers = [probe.create("eu-west-1"), probe.update(west), probe.read(east, west), probe.delete(west)]
    spared = [probe.create("eu-west-2"), probe.update(east), probe.read(east), probe.page(), probe.delete(east)]

    assert [answer.status_code for answer in answers] == [500] * 4
    assert [answer.status_code for answer in spared] == [200] * 5


def test_the_oldest_of_several_faults_strikes(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("list", Status(500), times=1))
    falcon.arm(Fault("list", Status(503), times=1))

    assert [probe.page().status_code for _ in range(3)] == [500, 503, 200]


@pytest.mark.parametrize(
    ("effect", "status", "text"),
    [
        (Status(500), 500, "an invented failure"),
        (Status(503, "busy"), 503, "busy"),
        (unauthorized(), 401, "access denied, invalid bearer token"),
        (missing_scope(), 403, "access denied, scope not permitted"),
        (not_found(), 404, "registry not found"),
        (conflict(), 409, "registry already exists"),
        (credential_failure(), 400, "failed to validate registry credential: unable to access the registry"),
        (Throttled(), 429, "API rate limit exceeded."),
        (ErrorsInSuccess(message="no"), 200, "no"),
        (ErrorsInSuccess(status=201, message="no"), 201, "no"),
    ],
)
def test_an_error_envelope_and_nothing_done(
    falcon: FalconSimulator, probe: Probe, effect: Effect, status: int, text: str
) -> None:
    falcon.arm(Fault("create", effect))

    answer = probe.create()

    assert (answer.status_code, message(answer)) == (status, text)
    assert answer.json().get("resources") is None
    assert falcon.connections() == []


def test_thousands_of_errors(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("create", Status(400, count=5000)))

    assert len(probe.create().json()["errors"]) == 5000


def test_a_page_of_a_proxy(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("create", Html(502)))

    answer = probe.create()

    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1000)])
def test_throttled_with_a_time_to_come_back(falcon: FalconSimulator, probe: Probe, unit: str, factor: int) -> None:
    falcon.arm(Fault("list", Effect.from_json({"kind": "Throttled", "wait": 30, "unit": unit})))

    wait = int(probe.page().headers["X-RateLimit-RetryAfter"]) / factor - time.time()

    assert 25 < wait <= 31


def test_throttled_without_a_time_to_come_back(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("list", Throttled(unit="absent")))

    assert "X-RateLimit-RetryAfter" not in probe.page().headers


@pytest.mark.parametrize(
    ("effect", "error", "left"),
    [
        (Reset(), requests.ConnectionError, 0),
        (Reset(applied=True), requests.ConnectionError, 1),
        (Hang(0.2), requests.ConnectionError, 0),
        (Hang(), requests.ReadTimeout, 0),
        (Hang(applied=True), requests.ReadTimeout, 1),
        (Truncated(), requests.exceptions.ChunkedEncodingError, 1),
    ],
)
def test_the_answer_is_lost(
    falcon: FalconSimulator, probe: Probe, effect: Effect, error: type[Exception], left: int
) -> None:
    falcon.arm(Fault("create", effect, times=1))
    impatient = Probe(falcon, timeout=0.5)
    impatient.session.headers.update(probe.session.headers)

    with pytest.raises(error):
        impatient.create()

    assert len(falcon.connections()) == left
    assert probe.page().status_code == 200


def test_a_hang_ends_when_the_simulator_stops(authority: Authority) -> None:
    with ThreadPoolExecutor(1) as pool:
        with FalconSimulator(authority) as falcon:
            falcon.arm(Fault("token", Hang()))
            waiting = pool.submit(Probe(falcon, timeout=60.0).token)
            while not falcon.journal.count():
                time.sleep(0.01)
            start = time.monotonic()

        assert time.monotonic() - start < 10
        assert isinstance(waiting.exception(), requests.ConnectionError)


def test_an_answer_that_is_not_json(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("create", Malformed()))

    answer = probe.create()

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)
    assert len(falcon.connections()) == 1


@pytest.mark.parametrize("applied", [True, False])
def test_success_without_resources(falcon: FalconSimulator, probe: Probe, *, applied: bool) -> None:
    falcon.arm(Fault("create", NoResources(applied=applied)))

    answer = probe.create()

    assert (answer.status_code, answer.json()["errors"]) == (200, [])
    assert "resources" not in answer.json()
    assert len(falcon.connections()) == int(applied)


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_to_another_place(falcon: FalconSimulator, probe: Probe, status: int) -> None:
    falcon.arm(Fault("any", Redirect("https://elsewhere.example.com/", status)))

    answer = probe.create()

    assert (answer.status_code, answer.headers["Location"]) == (status, "https://elsewhere.example.com/")
    assert falcon.connections() == []


def test_a_huge_answer(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("list", Huge(megabytes=20)))

    answer = probe.page()

    assert len(answer.content) == 20 * 2**20 + 2
    assert answer.json() == {}


def test_a_huge_answer_is_broken_off_by_a_client_that_leaves(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("list", Huge(megabytes=100_000), times=1))

    with probe.send("GET", "/container-security/queries/registries/v1", stream=True) as answer:
        assert len(next(answer.iter_content(1000))) == 1000

    assert probe.page().json()["resources"] == []


@pytest.mark.parametrize("variant", WRONG)
def test_sound_json_of_wrong_types(falcon: FalconSimulator, probe: Probe, variant: str) -> None:
    falcon.arm(Fault("create", WrongTypes(variant)))

    answer, wrong = probe.create(), WRONG[variant]

    assert answer.status_code == 200
    assert answer.json() == (answer.json() | wrong if isinstance(wrong, dict) else wrong)
    assert len(falcon.connections()) == 1


def test_a_body_that_comes_byte_by_byte(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("list", SlowBody(interval=0.001)))
    start = time.monotonic()

    answer = probe.page()

    assert answer.json()["resources"] == []
    assert time.monotonic() - start > 0.001 * len(answer.content)


def test_headers_that_come_byte_by_byte(falcon: FalconSimulator, probe: Probe) -> None:
    """A read timeout is no bound on them: each byte starts it anew."""
    falcon.arm(Fault("create", SlowHeaders(interval=0.05, seconds=1.0)))
    impatient = Probe(falcon, timeout=0.5)
    impatient.session.headers.update(probe.session.headers)
    start = time.monotonic()

    with contextlib.suppress(requests.ConnectionError):  # older TLS libraries take a reset for the end of the answer
        assert impatient.create().content == b""

    assert time.monotonic() - start >= 1.0
    assert len(falcon.connections()) == 1


def test_an_error_that_repeats_secrets_among_control_characters(falcon: FalconSimulator, probe: Probe) -> None:
    token = str(probe.session.headers["Authorization"]).removeprefix("Bearer ")
    falcon.arm(Fault("any", Echo()))

    answers = {"token": message(probe.token()), "create": message(probe.create())}

    assert all(text.startswith(HOSTILE) for text in answers.values())
    assert falcon.client_secret in answers["token"]
    assert token in answers["create"]
    assert "simulated-external-id" in answers["create"]
