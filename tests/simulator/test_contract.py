"""CrowdStrike's own Python client drives the simulator, and finds what it expects of the live API."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import falconpy
import pytest

from tests.sandbox.egress import EgressProxy
from tests.sandbox.tls import Authority
from tests.simulator import HOSTS, Behaviour, FalconSimulator, Fault, Reset, Throttled, Truncated
from tests.simulator.effects import HOSTILE, Altered, Echo, Effect, Hang
from tests.simulator.falcon import Limits
from tests.simulator.probe import credential, payload, registry

# Its annotations are unions that no caller can use without a cast on every line.
OAuth2: Any = falconpy.OAuth2
FalconContainer: Any = falconpy.FalconContainer
APIHarnessV2: Any = falconpy.APIHarnessV2
US_1, US_2 = (f"https://{HOSTS[cloud]}" for cloud in ("us-1", "us-2"))


COMMERCIAL, GOVERNMENT = ("us-1", "us-2"), ("us-1", "us-gov-1")  # the last is home
Run = Callable[..., AbstractContextManager[FalconSimulator]]


@pytest.fixture
def run(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs clouds; the client reaches them by their real names, and verifies these."""

    @contextmanager
    def run(*clouds: str) -> Iterator[FalconSimulator]:
        public = Behaviour(public_locations=True)
        with FalconSimulator(authority, public, clouds, home=clouds[-1]) as running, EgressProxy(running) as egress:
            for name, value in {"REQUESTS_CA_BUNDLE": str(authority.ca_file), **egress.environment}.items():
                monkeypatch.setenv(name, value)
            yield running

    return run


@pytest.fixture
def falcon(run: Run) -> Iterator[FalconSimulator]:
    with run(*COMMERCIAL) as running:
        yield running


@pytest.fixture
def options(falcon: FalconSimulator) -> dict[str, Any]:
    return {"client_id": falcon.client_id, "client_secret": falcon.client_secret}


@pytest.fixture
def container(options: dict[str, Any]) -> Any:
    return FalconContainer(base_url=US_2, **options)


def messages(answer: dict[str, Any]) -> list[str]:
    return [error["message"] for error in answer["body"]["errors"]]


NOBODY, ELSEWHERE = {"client_id": "nobody"}, "Failed to generate access token for clientID="


@pytest.mark.parametrize(
    ("clouds", "asked", "wrong", "problem"),
    [
        (COMMERCIAL, [("us-2", 201)], {}, ""),
        (COMMERCIAL, [("us-1", 308), ("us-2", 201)], {}, ""),
        (GOVERNMENT, [("us-gov-1", 201)], {}, ""),
        (GOVERNMENT, [("us-1", 400)], {}, ELSEWHERE),
        (COMMERCIAL, [("us-1", 400)], NOBODY, f"{ELSEWHERE}nobody"),
        (COMMERCIAL, [("us-2", 400)], NOBODY, f"{ELSEWHERE}nobody"),
        (COMMERCIAL, [("us-2", 403)], {"client_secret": "no"}, "Failed to issue access token - Client auth"),
    ],
    ids=["home", "redirect", "government", "not from elsewhere", "unknown elsewhere", "unknown", "wrong secret"],
)
def test_a_login_gives_a_token_of_the_home_cloud_to_which_the_client_moves_or_says_why_not(
    run: Run, clouds: tuple[str, ...], asked: list[tuple[str, int]], wrong: dict[str, str], problem: str
) -> None:
    with run(*clouds) as falcon:
        given = {"client_id": falcon.client_id, "client_secret": falcon.client_secret} | wrong
        client = OAuth2(base_url=f"https://{HOSTS[asked[0][0]]}", **given)
        answer = client.login()

        assert answer["status_code"] == asked[-1][1]
        assert [(record.cloud, record.status) for record in falcon.journal.records()] == asked
        assert (client.token_fail_reason or "").startswith(problem)
        assert bool(client.token_value) is (problem == "")
        if not problem:
            assert client.token_expiration == 1799
            assert (answer["headers"]["X-Cs-Region"], client.base_url) == (clouds[-1], f"https://{HOSTS[clouds[-1]]}")
            at_home = FalconContainer(auth_object=client)
            elsewhere = FalconContainer(access_token=client.token_value, base_url=US_1)
            assert [each.read_registry_entities()["status_code"] for each in (at_home, elsewhere)] == [200, 401]


def test_a_connection_is_made_once_read_without_its_credential_updated_by_the_query_and_deleted(
    container: Any, falcon: FalconSimulator, options: dict[str, Any]
) -> None:
    made = container.create_registry_entities(body=payload("eu-west-1", user_defined_alias="ours"))
    made_again = container.create_registry_entities(body=payload("eu-west-1"))
    other = container.create_registry_entities(body=payload("eu-west-2"))["body"]["resources"]["id"]

    resource = made["body"]["resources"]
    assert (made["status_code"], made_again["status_code"]) == (200, 409)
    assert (resource["type"], resource["url"]) == ("ecr", registry("123456789012", "eu-west-1"))
    assert resource["user_defined_alias"] == "ours"
    connection, _ = falcon.connections_of("123456789012")
    assert (connection.id, connection.external_id) == (resource["id"], "simulated-external-id")

    read = container.read_registry_entities_by_uuid(ids=[connection.id, other])

    assert [each["id"] for each in read["body"]["resources"]] == [connection.id, other]
    assert [each["credential"]["details"] for each in read["body"]["resources"]] == [{}, {}]
    assert "simulated-external-id" not in str(read)

    body = {"credential": credential("arn:aws:iam::123456789012:role/new"), "user_defined_alias": "renamed"}
    harness = APIHarnessV2(base_url=US_2, **options)
    updated = harness.command("UpdateRegistryEntities", parameters={"id": connection.id}, body=body)
    # The client's own helper puts the id into the body, against the specification.
    refused = container.update_registry_entities(id=connection.id, credential=credential())

    assert (updated["status_code"], updated["body"]["resources"]["user_defined_alias"]) == (200, "renamed")
    assert connection.role == "arn:aws:iam::123456789012:role/new"
    assert (refused["status_code"], messages(refused)) == (400, ["query parameter id is required, once"])

    gone, gone_already = (container.delete_registry_entities(ids=other) for _ in range(2))

    assert (gone["status_code"], gone_already["status_code"]) == (200, 404)
    assert [each["id"] for each in gone["body"]["resources"]] == [other]
    assert falcon.connections() == [connection]


def test_a_list_pages_through_the_whole_tenant_with_an_envelope_and_headers(
    falcon: FalconSimulator, options: dict[str, Any]
) -> None:
    falcon.seed(250)
    container = FalconContainer(base_url=US_2, pythonic=True, **options)

    pages = [container.read_registry_entities(limit=100, offset=offset) for offset in (0, 100, 200)]

    ids = [value for page in pages for value in page.resources]
    assert [(page.total, page.limit, page.offset) for page in pages] == [(250, 100, each) for each in (0, 100, 200)]
    assert [len(page.resources) for page in pages] == [100, 100, 50]
    assert sorted(ids) == sorted(connection.id for connection in falcon.connections())
    assert list(container.read_registry_entities().resources) == ids[:100]  # the default page
    first = pages[0]
    assert (first.region, first.ratelimit_limit, first.ratelimit_remaining) == ("us-2", "6000", "5999")
    assert first.trace_id == first.headers.trace_id


def test_a_missing_scope_is_named(falcon: FalconSimulator) -> None:
    falcon.add_client("reader", "reader-secret", ["read"])
    container = FalconContainer(client_id="reader", client_secret="reader-secret", base_url=US_2)

    assert container.read_registry_entities()["status_code"] == 200
    refused = container.create_registry_entities(body=payload())
    assert refused["status_code"] == 403
    assert messages(refused) == ["access denied, scope not permitted"]


def test_a_create_against_the_specification_is_refused(container: Any) -> None:
    without_id = {"details": {"aws_iam_role": "arn:aws:iam::123456789012:role/x"}}
    wrong: list[dict[str, object]] = [{"type": None}, {"url": "http://x"}, {"credential": without_id}]
    wrong.append({"user_defined_alias": 7})

    made = [container.create_registry_entities(body=payload(**change)) for change in wrong]

    assert [answer["status_code"] for answer in made] == [400] * 4


# Limits


def test_a_throttled_client_learns_when_to_come_back(container: Any, falcon: FalconSimulator) -> None:
    falcon.arm(Fault("list", Throttled(wait=3)))

    answer = container.read_registry_entities()

    assert answer["status_code"] == 429
    assert answer["headers"]["X-Ratelimit-Retryafter"].isdecimal()


def test_the_limit_is_pooled_over_the_tenants_clients(container: Any, falcon: FalconSimulator) -> None:
    falcon.change(requests_per_minute=3, retry_after_unit="milliseconds")
    falcon.add_client("second", "second-secret")
    second = FalconContainer(client_id="second", client_secret="second-secret", base_url=US_2)

    answers = [each.read_registry_entities() for each in (container, second) * 2]

    assert [answer["status_code"] for answer in answers] == [200, 200, 200, 429]
    assert 55 < int(answers[-1]["headers"]["X-Ratelimit-Retryafter"]) / 1000 - time.time() <= 61


def test_the_window_slides() -> None:
    """Two requests, half a minute apart, leave it one after the other."""
    limits = Limits()

    waits = [limits.take("tenant", 2, now=second).wait for second in (0, 30, 59, 60, 61)]

    assert waits == pytest.approx([0, 0, 1, 0, 29])


# What no test of the product would notice, if the simulator did not do it


@pytest.mark.parametrize(
    ("effect", "error", "left"),
    [
        (Reset(), "Remote end closed connection", 0),
        (Reset(applied=True), "Remote end closed connection", 1),
        (Hang(), "Read timed out", 0),
        (Hang(applied=True), "Read timed out", 1),
        (Truncated(), r"IncompleteRead\([1-9]\d* bytes read, [1-9]\d* more expected\)", 1),
    ],
    ids=["reset", "reset, applied", "hang", "hang, applied", "truncated"],
)
def test_a_call_whose_answer_is_lost_was_carried_out_or_not(
    falcon: FalconSimulator, options: dict[str, Any], effect: Effect, error: str, left: int
) -> None:
    container = FalconContainer(base_url=US_2, timeout=0.5 if type(effect) is Hang else 20, **options)
    falcon.arm(Fault("create", effect, times=1))

    (said,) = messages(container.create_registry_entities(body=payload()))

    assert re.search(error, said)
    assert len(falcon.connections()) == left
    assert container.read_registry_entities()["status_code"] == 200


def test_answers_may_repeat_secrets_and_have_any_headers_and_fields(container: Any, falcon: FalconSimulator) -> None:
    headers = {"X-Cs-Traceid": "a secret", "Date": "Fri, 31 Dec 99999 99:99:99 GMT"}
    made = container.create_registry_entities(body=payload())["body"]["resources"]
    falcon.arm(Fault("list", Altered(headers=tuple(headers.items()))))
    falcon.arm(Fault("read", Altered(json.dumps({"resources": {"id": "a secret"}}))))
    shown = container.read_registry_entities()["headers"]
    (resource,) = container.read_registry_entities_by_uuid(ids=[made["id"]])["body"]["resources"]
    falcon.disarm()
    falcon.arm(Fault("falcon", Echo()))
    (said,) = messages(container.create_registry_entities(body=payload()))
    login = OAuth2(base_url=US_2, client_id="nobody", client_secret="a client secret")
    login.login()

    assert headers.items() <= dict(shown).items()
    assert (resource["id"], resource["type"]) == ("a secret", "ecr")
    assert said.startswith(HOSTILE)
    assert container.headers["Authorization"].removeprefix("Bearer ") in said
    assert "simulated-external-id" in said
    assert "a client secret" in login.token_fail_reason


def test_a_defect_of_the_simulator_fails_the_test_that_met_it(run: Run) -> None:
    """Else a client that retries would hide it."""

    def check(role: str, external_id: str) -> bool:
        raise LookupError(f"{role} {external_id}")

    def meet_it() -> None:
        with run("us-2") as falcon:
            falcon.change(credential_check=check)
            given = {"client_id": falcon.client_id, "client_secret": falcon.client_secret}
            assert (
                FalconContainer(base_url=US_2, **given).create_registry_entities(body=payload())["status_code"] == 500
            )

    with pytest.raises(ExceptionGroup, match="simulator"):
        meet_it()
