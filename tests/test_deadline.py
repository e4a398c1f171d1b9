"""The answer comes in time whatever hangs, and no wait outlives the deadline."""

import io
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import requests
import urllib3
from registry_connections.crew import WORKERS
from registry_connections.errors import DeadlineError, FalconError
from registry_connections.gate import RateGate
from registry_connections.model import Deadline
from registry_connections.transport import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Transport
from requests.adapters import BaseAdapter

from tests.faults.bench import shared_bench
from tests.faults.deadline import DEADLINE, MINUTE, SPARE
from tests.faults.rows import Row
from tests.simulator import CLIENT_ID, CLIENT_SECRET, FalconSimulator, Fault, Throttled
from tests.tls import Authority

URL = "https://falcon.test/registries"
LIST = "/container-security/queries/registries/v1"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", DEADLINE, ids=lambda row: row.name)
def test_the_answer_comes_with_time_to_spare_and_says_what_is_missing(row: Row, request: pytest.FixtureRequest) -> None:
    assert (row.remaining, row.within) == (MINUTE, MINUTE - SPARE)

    result = shared_bench(request).result(row)

    assert not result.problems, str(result)


# Waiting, in a time of its own


@dataclass
class Clock:
    """A time that passes only while somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Answers(BaseAdapter):
    """Gives these answers (status and headers), the last one for ever."""

    def __init__(self, *answers: tuple[int, dict[str, str]]) -> None:
        super().__init__()
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        response = requests.Response()
        response.status_code, headers = next(self._answers)
        response.headers.update(headers)
        response.raw = urllib3.HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
        response.request, response.url = request, request.url or ""
        return response

    def close(self) -> None:
        pass


def calling(clock: Clock, *answers: tuple[int, dict[str, str]], share: float = 1.0) -> tuple[Transport, list[float]]:
    """Return a transport that meets these answers; `share` is how much of each longest wait chance decides for."""
    longest: list[float] = []

    def jitter(low: float, high: float) -> float:
        longest.append(high)
        return low + (high - low) * share

    gate = RateGate(clock, clock, clock.sleep, jitter)
    session = requests.Session()
    transport = Transport(gate, session)
    session.mount("https://falcon.test", Answers(*answers))
    return transport, longest


FAILURES = {
    "500": (500, {}),
    "429": (429, {}),
    "429 and an hour": (429, {"X-Ratelimit-Retryafter": str(10**9)}),
    "429 and the year 9999": (429, {"X-Ratelimit-Retryafter": str(253402300799000)}),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("seconds", [0.3, 7.0, 61.0, 870.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_wait_outlives_the_deadline_or_the_patience(failure: str, seconds: float, share: float) -> None:
    clock = Clock()
    transport, _ = calling(clock, FAILURES[failure], share=share or 0.01)

    with pytest.raises(FalconError, match=failure[:3]):
        transport.call("GET", URL, Deadline(clock.now + seconds, clock))

    assert sum(clock.slept) < seconds
    if failure == "500":
        assert sum(clock.slept) < PATIENCE_SECONDS


def test_after_the_deadline_nothing_is_sent() -> None:
    clock = Clock()
    transport, _ = calling(clock, (200, {}))

    with pytest.raises(DeadlineError):
        transport.call("GET", URL, Deadline(clock.now, clock))

    assert transport.calls == 0


def test_what_waited_at_the_gate_in_vain_says_so() -> None:
    clock = Clock()
    transport, _ = calling(clock, (200, {}))
    transport.gate.observe(429, {"X-Ratelimit-Retryafter": str(clock.now + 50)})

    with pytest.raises(DeadlineError, match="rate limit"):
        transport.call("GET", URL, Deadline(clock.now + 20, clock))

    assert (transport.calls, clock.slept) == (0, [])


def test_the_rate_limit_is_waited_for_as_long_as_there_is_time() -> None:
    clock = Clock()
    refusals = [(429, {"X-Ratelimit-Retryafter": str(clock.now + 50 * n)}) for n in range(1, 17)]
    transport, _ = calling(clock, *refusals, (200, {}))

    answer = transport.call("GET", URL, Deadline(clock.now + 870, clock))

    assert answer.status == 200
    assert PATIENCE_SECONDS < sum(clock.slept) < 870


def test_who_waited_long_at_the_gate_has_as_much_patience_as_others() -> None:
    clock = Clock()
    transport, _ = calling(clock, (500, {}), (500, {}), (200, {}))
    for _ in range(9):
        transport.gate.observe(429, {"X-Ratelimit-Retryafter": str(clock.now + 60)})
        clock.now += 59
    assert clock.now > 1000 + PATIENCE_SECONDS

    answer = transport.call("GET", URL, Deadline(clock.now + 300, clock))

    assert answer.status == 200


def test_retries_are_bound_by_time_and_not_by_a_count() -> None:
    clock = Clock()
    transport, _ = calling(clock, (503, {}), share=0.1)

    with pytest.raises(FalconError):
        transport.call("GET", URL, Deadline(clock.now + 10_000, clock))

    assert transport.calls > 100
    assert PATIENCE_SECONDS - LONGEST_PAUSE_SECONDS < sum(clock.slept) <= PATIENCE_SECONDS


def test_pauses_have_full_jitter_and_double_up_to_a_limit() -> None:
    clock = Clock()
    transport, longest = calling(clock, (500, {}), share=0.5)

    with pytest.raises(FalconError):
        transport.call("GET", URL, Deadline(clock.now + 200, clock))

    doubled = [min(FIRST_PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in range(len(clock.slept))]
    assert clock.slept == [pause / 2 for pause in doubled]
    assert [high for high in longest if high in doubled][: len(doubled)] == doubled


# One gate for all threads, against a Falcon that counts


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as running:
        yield running


def logged_in(falcon: FalconSimulator, transport: Transport, deadline: Deadline) -> dict[str, str]:
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    token = transport.call("POST", f"{falcon.url}/oauth2/token", deadline, data=form).body["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def transport(falcon: FalconSimulator) -> Transport:
    session = requests.Session()
    session.verify, session.trust_env = str(falcon.ca_file), False
    return Transport(session=session)


def test_a_storm_is_felt_once_and_all_threads_wait_for_the_same_moment(
    falcon: FalconSimulator, transport: Transport
) -> None:
    deadline = Deadline(time.monotonic() + 60, time.monotonic)
    bearer = logged_in(falcon, transport, deadline)
    wait = 3.0
    falcon.arm(Fault("list", Throttled(wait), times=1))
    started = time.time()

    with ThreadPoolExecutor(WORKERS) as threads:
        first = threads.submit(transport.call, "GET", f"{falcon.url}{LIST}", deadline, lambda: bearer)
        while not transport.gate._shut_until:
            time.sleep(0.005)
        shut = time.monotonic()
        others = [
            threads.submit(transport.call, "GET", f"{falcon.url}{LIST}", deadline, lambda: bearer) for _ in range(30)
        ]
        answers = [future.result() for future in (first, *others)]

    assert {answer.status for answer in answers} == {200}
    assert falcon.journal.statuses("list") == {429: 1, 200: 31}
    later = [record.time for record in falcon.journal.records("list") if record.time > shut]
    assert min(later) - shut > wait - 1.2  # Falcon says the moment in whole seconds
    assert time.time() - started < wait + 30


def test_a_login_waits_at_the_same_gate(falcon: FalconSimulator, transport: Transport) -> None:
    deadline = Deadline(time.monotonic() + 60, time.monotonic)
    transport.gate.observe(429, {"X-Ratelimit-Retryafter": str(time.time() + 1.5)})
    started = time.monotonic()

    logged_in(falcon, transport, deadline)

    assert time.monotonic() - started > 1.4


def test_what_remains_is_respected_before_the_limit_is_hit(falcon: FalconSimulator, transport: Transport) -> None:
    falcon.change(requests_per_minute=100, time_scale=10.0)
    deadline = Deadline(time.monotonic() + 60, time.monotonic)
    bearer = logged_in(falcon, transport, deadline)

    def call(_: int) -> int:
        return transport.call("GET", f"{falcon.url}{LIST}", deadline, lambda: bearer).status

    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(call, range(160)))

    assert set(statuses) == {200}
    # Four threads that heed nothing are refused again and again: the first hundred calls take half a second of six.
    assert falcon.journal.statuses("list")[429] <= 4
