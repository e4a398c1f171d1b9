"""What every request passes first, the faults that may strike it, and what is recorded of it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.sandbox.tls import Authority
from tests.simulator import (
    HOSTILE,
    Behaviour,
    Echo,
    Effect,
    FalconSimulator,
    Fault,
    Hang,
    Operation,
    Reset,
    SlowHeaders,
    Status,
    Throttled,
    Truncated,
)
from tests.simulator.limits import Limits
from tests.simulator.probe import Probe, message


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Iterator[Probe]:
    client = Probe(falcon, timeout=5.0).logged_in()
    yield client
    client.close()


def test_the_limit_is_pooled_over_all_clients_of_the_tenant(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.change(requests_per_minute=3, retry_after_unit="milliseconds")
    falcon.add_client("second", "second-secret")
    second = Probe(falcon)
    second.token(client_id="second", client_secret="second-secret")

    answers = [probe.page(), second.page(), probe.page(), second.page()]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 55 < int(answers[-1].headers["X-RateLimit-RetryAfter"]) / 1000 - time.time() <= 61


def test_the_window_slides() -> None:
    """Two requests, half a minute apart, leave it one after the other."""
    limits = Limits()

    waits = [limits.take("tenant", 2, now=second).wait for second in (0, 30, 59, 60, 61)]

    assert waits == pytest.approx([0, 0, 1, 0, 29])


def test_bad_bearers_have_a_limit_of_their_own(falcon: FalconSimulator, probe: Probe) -> None:
    stranger = Probe(falcon)

    assert [stranger.page().status_code for _ in range(16)] == [401] * 15 + [429]
    assert probe.page().status_code == 200


def test_a_defect_of_the_simulator_fails_the_test_that_met_it(authority: Authority) -> None:
    """Else a client that retries would hide it."""

    def check(role: str, external_id: str) -> bool:
        raise LookupError(f"{role} {external_id}")

    def meet_it() -> None:
        with FalconSimulator(authority, behaviour=Behaviour(credential_check=check)) as falcon:
            assert Probe(falcon).logged_in().create().status_code == 500

    with pytest.raises(ExceptionGroup, match="simulator"):
        meet_it()


# Faults


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


def test_a_fault_may_pass_some_strike_some_and_concern_one_region(falcon: FalconSimulator, probe: Probe) -> None:
    west, east = probe.created(["eu-west-1", "us-east-1"])
    armed = falcon.arm(Fault("any", Status(500), region="eu-west-1", skip=1, times=2))

    answers = [probe.read(west), probe.read(east, west), probe.read(east), probe.delete(west), probe.read(west)]

    assert [answer.status_code for answer in answers] == [200, 500, 200, 500, 200]
    assert armed.struck == 2


@pytest.mark.parametrize(
    ("effect", "error", "left"),
    [
        (Reset(), requests.ConnectionError, 0),
        (Reset(applied=True), requests.ConnectionError, 1),
        (Hang(), requests.ReadTimeout, 0),
        (Hang(applied=True), requests.ReadTimeout, 1),
        (Truncated(), requests.exceptions.ChunkedEncodingError, 1),
    ],
)
def test_an_answer_that_is_lost(
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

        assert isinstance(waiting.exception(), requests.ConnectionError)


def test_headers_that_come_byte_by_byte_outlast_a_read_timeout(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.arm(Fault("create", SlowHeaders(interval=0.05, seconds=1.0)))
    impatient = Probe(falcon, timeout=0.5)
    impatient.session.headers.update(probe.session.headers)

    with contextlib.suppress(requests.ConnectionError):  # older TLS libraries take a reset for the end of the answer
        assert impatient.create().content == b""

    assert len(falcon.connections()) == 1


def test_an_error_that_repeats_secrets_among_control_characters(falcon: FalconSimulator, probe: Probe) -> None:
    token = str(probe.session.headers["Authorization"]).removeprefix("Bearer ")
    falcon.arm(Fault("any", Echo()))

    texts = message(probe.token()), message(probe.create())

    assert all(text.startswith(HOSTILE) for text in texts)
    assert falcon.client_secret in texts[0]
    assert token in texts[1]


@pytest.mark.parametrize("effect", [Status(500, count=2), Throttled(unit="absent"), Hang(3, applied=True)])
def test_a_fault_survives_being_written_as_json(effect: Effect) -> None:
    fault = Fault("read", effect, region="eu-west-1", times=3, skip=1)

    assert Fault.from_json(fault.to_json()) == fault


# The journal


def test_the_journal_says_what_a_request_concerned_and_holds_no_secret(falcon: FalconSimulator, probe: Probe) -> None:
    """Not even one that a client puts into the query by mistake."""
    token = str(probe.session.headers["Authorization"]).removeprefix("Bearer ")
    [created] = probe.created(["eu-west-1"])
    probe.update(created)
    probe.read(created)
    probe.page(client_secret=falcon.client_secret, token=token)

    records = falcon.journal.records()
    assert [record.operation for record in records] == ["token", "create", "update", "read", "list"]
    assert {url for record in records for url in record.urls} == {
        "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    }
    for secret in (falcon.client_secret, token, "simulated-external-id"):
        assert secret not in repr(records)
