"""What every request to the Falcon simulator passes first: token, scope, rate limits; and what is recorded of it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulator import Behaviour, FalconSimulator
from tests.simulator.limits import Limits
from tests.simulator.probe import Probe, message
from tests.tls import Authority


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority, clouds=("us-1", "us-2"), home="us-2") as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Iterator[Probe]:
    client = Probe(falcon, url=falcon.urls["us-2"]).logged_in()
    yield client
    client.close()


@pytest.mark.parametrize(("public", "location"), [(False, "https://localhost:"), (True, "https://api.us-2.crowd")])
def test_a_redirect_names_the_home_cloud(falcon: FalconSimulator, location: str, *, public: bool) -> None:
    falcon.behaviour.public_locations = public

    answer = Probe(falcon, url=falcon.urls["us-1"]).token()

    assert (answer.status_code, answer.content, answer.headers["X-Cs-Region"]) == (308, b"", "us-2")
    assert answer.headers["Location"].startswith(location)


def test_credentials_may_come_as_http_basic(falcon: FalconSimulator, probe: Probe) -> None:
    form = {"grant_type": "client_credentials"}
    answer = probe.send("POST", "/oauth2/token", data=form, auth=(falcon.client_id, falcon.client_secret))

    assert answer.status_code == 201


def test_an_unknown_child_tenant_is_refused(probe: Probe) -> None:
    answer = probe.token(member_cid="child")

    assert (answer.status_code, message(answer)) == (403, "Failed to generate access token for customer ID=child")


def test_an_address_outside_the_allow_list_gets_no_token(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.ip_allowed = False

    answer = probe.token()

    assert (answer.status_code, message(answer)) == (403, "access denied, authorization failed")


@pytest.mark.parametrize(("lifetime", "status"), [(60, 200), (0, 401)])
def test_a_token_lives_as_long_as_it_says(falcon: FalconSimulator, probe: Probe, lifetime: int, status: int) -> None:
    falcon.behaviour.token_lifetime = lifetime

    assert probe.token().json()["expires_in"] == lifetime
    assert probe.page().status_code == status


def test_a_test_can_expire_every_token(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.expire_tokens()

    assert (probe.page().status_code, message(probe.page())) == (401, "access denied, invalid bearer token")
    assert probe.token().status_code == 201
    assert probe.page().status_code == 200


@pytest.mark.parametrize("reason", ["scope not permitted", "authorization failed"])
@pytest.mark.parametrize(("scope", "statuses"), [("read", [200, 403]), ("write", [403, 400])])
def test_a_client_without_a_scope_is_refused(
    falcon: FalconSimulator, probe: Probe, reason: str, scope: str, statuses: list[int]
) -> None:
    falcon.change(missing_scope=reason)
    falcon.add_client("limited", "limited-secret", [scope])
    probe.token(client_id="limited", client_secret="limited-secret")

    answers = [probe.page(), probe.create(type="none")]

    assert [answer.status_code for answer in answers] == statuses
    assert f"access denied, {reason}" in [message(answer) for answer in answers if not answer.ok]


def test_every_answer_carries_trace_region_and_limit(probe: Probe) -> None:
    answers = [probe.page(), probe.read(), probe.token(client_id="nobody"), probe.send("GET", "/nowhere")]

    assert [answer.status_code for answer in answers] == [200, 400, 400, 404]
    assert [answer.headers["X-Cs-Region"] for answer in answers] == ["us-2"] * 4
    assert [answer.headers["X-Ratelimit-Limit"] for answer in answers] == ["6000", "6000", "300", "6000"]
    for answer in answers:
        assert answer.json()["meta"]["trace_id"] == answer.headers["X-Cs-Traceid"]


def test_the_limit_is_pooled_over_all_clients_of_the_tenant(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.requests_per_minute = 3
    falcon.add_client("second", "second-secret")
    second = Probe(falcon, url=falcon.urls["us-2"])
    second.token(client_id="second", client_secret="second-secret")

    answers = [probe.page(), second.page(), probe.page(), second.page()]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_the_window_slides(scale: float) -> None:
    """Two requests, half a minute apart, leave it one after the other."""
    limits = Limits()

    waits = [
        limits.take("tenant", 2, now=second / scale, time_scale=scale).wait * scale for second in (0, 30, 59, 60, 61)
    ]

    assert waits == pytest.approx([0, 0, 1, 0, 29])


def test_whoever_waits_as_told_is_let_through(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.change(requests_per_minute=1, time_scale=60.0)
    probe.page()

    refused = probe.page()
    time.sleep(max(0.0, int(refused.headers["X-RateLimit-RetryAfter"]) - time.time()))

    assert (refused.status_code, probe.page().status_code) == (429, 200)
    assert "Retry-After" not in refused.headers


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1000)])
def test_the_time_to_come_back_is_an_epoch(falcon: FalconSimulator, probe: Probe, unit: str, factor: int) -> None:
    falcon.change(requests_per_minute=0, retry_after_unit=unit)

    wait = int(probe.page().headers["X-RateLimit-RetryAfter"]) / factor - time.time()

    assert 55 < wait <= 61


def test_the_time_to_come_back_may_be_missing(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.change(requests_per_minute=0, retry_after_unit="absent")

    answer = probe.page()

    assert answer.status_code == 429
    assert "X-RateLimit-RetryAfter" not in answer.headers


def test_token_requests_have_a_limit_of_their_own(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.tokens_per_minute = 2

    assert [probe.token().status_code for _ in range(2)] == [201, 429]
    assert probe.page().status_code == 200


def test_bad_bearers_have_a_limit_of_their_own(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.requests_per_minute = 10
    stranger = Probe(falcon, url=falcon.urls["us-2"])

    answers = [stranger.page() for _ in range(16)]

    assert [answer.status_code for answer in answers] == [401] * 15 + [429]
    assert {answer.headers["X-Ratelimit-Limit"] for answer in answers} == {"15"}
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


def test_latency_delays_every_answer(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.latency = 0.2

    assert probe.page().elapsed.total_seconds() >= 0.2


def test_the_journal_counts_operations_and_concurrency(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.latency = 0.5
    barrier = threading.Barrier(5)

    def create(region: str) -> int:
        barrier.wait()
        return probe.create(region).status_code

    regions = ["eu-west-1", "eu-west-2", "eu-west-3", "us-east-1", "us-east-2"]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(create, regions)) == [200] * 5

    probe.page(limit=7)
    [listed] = falcon.journal.records("list")
    assert falcon.journal.operations() == {"token": 1, "create": 5, "list": 1}
    assert falcon.journal.statuses("create") == {200: 5}
    assert falcon.journal.max_concurrency("create") == 5
    assert (listed.cloud, listed.query, listed.concurrency) == ("us-2", (("limit", "7"),), 1)
    assert listed.duration is not None
    assert listed.duration >= 0.5


def test_the_journal_says_what_a_request_concerned_and_who_sent_it(falcon: FalconSimulator, probe: Probe) -> None:
    probe.session.headers["User-Agent"] = "an-agent/1.0"
    [created] = probe.created(["eu-west-1"])
    probe.update(created)
    probe.read(created)
    probe.delete(created)

    records = [record for record in falcon.journal.records() if record.operation != "token"]
    assert [record.operation for record in records] == ["create", "update", "read", "delete"]
    assert {record.urls for record in records} == {("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",)}
    assert {record.user_agent for record in records} == {"an-agent/1.0"}


def test_the_journal_holds_no_secret(falcon: FalconSimulator, probe: Probe) -> None:
    """Not even one that a client puts into the query by mistake."""
    token = str(probe.session.headers["Authorization"]).removeprefix("Bearer ")
    probe.create()
    probe.page(client_secret=falcon.client_secret, token=token)

    recorded = repr(falcon.journal.records())
    assert falcon.journal.count() == 3
    for secret in (falcon.client_secret, token, "simulated-external-id"):
        assert secret not in recorded
