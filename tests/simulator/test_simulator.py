"""What neither CrowdStrike's own client nor a test of the product would notice, if the simulator did not do it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox.tls import Authority
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Behaviour, FalconSimulator, Fault
from tests.simulator.effects import HOSTILE, Altered, Echo, Effect, Hang, Reset, Truncated
from tests.simulator.falcon import Limits
from tests.simulator.probe import payload

ENTITIES = "/container-security/entities/registries/v1"
QUERIES = "/container-security/queries/registries/v1"


class Probe:
    """The plainest client of the API: logged in, one request a call, no retry, no interpretation."""

    def __init__(self, falcon: FalconSimulator, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # the environment's settings would replace `verify`
        self.session.verify = str(falcon.ca_file)
        self._url = falcon.url
        self.bearer = self.token(client_id, secret).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {self.bearer}"

    def token(self, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> requests.Response:
        return self.send("POST", "/oauth2/token", data={"client_id": client_id, "client_secret": secret})

    def create(self, *, timeout: float = 20.0, **more: object) -> requests.Response:
        return self.send("POST", ENTITIES, timeout, json=payload(**more))

    def page(self) -> requests.Response:
        return self.send("GET", QUERIES)

    def send(self, method: str, path: str, timeout: float = 20.0, **options: Any) -> requests.Response:
        return self.session.request(method, self._url + path, timeout=timeout, **options)


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Probe:
    return Probe(falcon)


# The gate


def test_the_limit_is_pooled_over_the_tenants_clients(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.change(requests_per_minute=3, retry_after_unit="milliseconds")
    falcon.add_client("second", "second-secret")
    second = Probe(falcon, "second", "second-secret")

    answers = [probe.page(), second.page(), probe.page(), second.page()]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 55 < int(answers[-1].headers["X-RateLimit-RetryAfter"]) / 1000 - time.time() <= 61


def test_the_window_slides() -> None:
    """Two requests, half a minute apart, leave it one after the other."""
    limits = Limits()

    waits = [limits.take("tenant", 2, now=second).wait for second in (0, 30, 59, 60, 61)]

    assert waits == pytest.approx([0, 0, 1, 0, 29])


def test_a_defect_of_the_simulator_fails_the_test_that_met_it(authority: Authority) -> None:
    """Else a client that retries would hide it."""

    def check(role: str, external_id: str) -> bool:
        raise LookupError(f"{role} {external_id}")

    def meet_it() -> None:
        with FalconSimulator(authority, behaviour=Behaviour(credential_check=check)) as falcon:
            assert Probe(falcon).create().status_code == 500

    with pytest.raises(ExceptionGroup, match="simulator"):
        meet_it()


def test_a_create_against_the_specification_is_refused(probe: Probe) -> None:
    without_id = {"credential": {"details": {"aws_iam_role": "arn:aws:iam::123456789012:role/x"}}}
    wrong: list[dict[str, Any]] = [{"type": None}, {"url": "http://registry"}, without_id, {"user_defined_alias": 7}]

    assert [probe.create(**change).status_code for change in wrong] == [400] * 4


# Faults


@pytest.mark.parametrize(
    ("effect", "error", "left"),
    [
        (Reset(), requests.ConnectionError, 0),
        (Reset(applied=True), requests.ConnectionError, 1),
        (Hang(), requests.ReadTimeout, 0),
        (Hang(applied=True), requests.ReadTimeout, 1),
        (Truncated(), requests.exceptions.ChunkedEncodingError, 1),
    ],
    ids=["reset", "reset, applied", "hang", "hang, applied", "truncated"],
)
def test_a_call_whose_answer_is_lost_was_carried_out_or_not(
    falcon: FalconSimulator, probe: Probe, effect: Effect, error: type[Exception], left: int
) -> None:
    falcon.arm(Fault("create", effect, times=1))

    with pytest.raises(error):
        probe.create(timeout=0.5 if type(effect) is Hang else 20.0)

    assert len(falcon.connections()) == left
    assert probe.page().status_code == 200


def test_answers_may_repeat_secrets_and_have_any_headers_and_fields(falcon: FalconSimulator, probe: Probe) -> None:
    headers = {"X-Cs-Traceid": "a secret", "Date": "Fri, 31 Dec 99999 99:99:99 GMT"}
    created = probe.create().json()["resources"]["id"]
    falcon.arm(Fault("list", Altered(headers=tuple(headers.items()))))
    falcon.arm(Fault("read", Altered(json.dumps({"resources": {"id": "a secret"}}))))
    shown, [resource] = probe.page().headers, probe.send("GET", ENTITIES, params={"ids": created}).json()["resources"]
    falcon.disarm()
    falcon.arm(Fault("falcon", Echo()))
    texts = [answer.json()["errors"][0]["message"] for answer in (probe.token(), probe.create())]

    assert headers.items() <= dict(shown).items()
    assert (resource["id"], resource["type"]) == ("a secret", "ecr")
    assert all(text.startswith(HOSTILE) for text in texts)
    assert falcon.client_secret in texts[0]
    assert probe.bearer in texts[1]
