"""CrowdStrike's own Python client drives the simulator, and finds what it expects of the live API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import falconpy
import pytest

from tests.sandbox.egress import EgressProxy
from tests.sandbox.tls import Authority
from tests.simulator import HOSTS, Behaviour, FalconSimulator, Fault, Throttled
from tests.simulator.probe import credential, payload, registry

# Its annotations are unions that no caller can use without a cast on every line.
OAuth2: Any = falconpy.OAuth2
FalconContainer: Any = falconpy.FalconContainer
APIHarnessV2: Any = falconpy.APIHarnessV2

US_1, US_2, GOV_1 = (f"https://{HOSTS[cloud]}" for cloud in ("us-1", "us-2", "us-gov-1"))


@contextmanager
def simulator(authority: Authority, monkeypatch: pytest.MonkeyPatch, *clouds: str) -> Iterator[FalconSimulator]:
    """Run clouds, the last of which is home; the client reaches them by their real names, and verifies these."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    with FalconSimulator(authority, Behaviour(public_locations=True), clouds, home=clouds[-1]) as running:
        egress = EgressProxy({HOSTS[cloud]: int(url.rpartition(":")[2]) for cloud, url in running.urls.items()})
        for name, value in egress.environment.items():
            monkeypatch.setenv(name, value)
        yield running
        egress.close()


@pytest.fixture
def falcon(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[FalconSimulator]:
    with simulator(authority, monkeypatch, "us-1", "us-2") as running:
        yield running


@pytest.fixture
def options(falcon: FalconSimulator) -> dict[str, Any]:
    return {"client_id": falcon.client_id, "client_secret": falcon.client_secret}


@pytest.fixture
def container(options: dict[str, Any]) -> Any:
    return FalconContainer(base_url=US_2, **options)


def messages(answer: dict[str, Any]) -> list[str]:
    return [error["message"] for error in answer["body"]["errors"]]


def test_login_in_the_home_cloud_gives_a_token(falcon: FalconSimulator, options: dict[str, Any]) -> None:
    client = OAuth2(base_url=US_2, **options)

    answer = client.login()

    assert answer["status_code"] == 201
    assert client.token_valid
    assert client.token_expiration == 1799
    assert falcon.journal.statuses("token") == {201: 1}


def test_login_elsewhere_is_redirected_and_the_client_moves_to_its_home_with_all_its_calls(
    falcon: FalconSimulator, options: dict[str, Any]
) -> None:
    client = OAuth2(base_url=US_1, **options)

    answer = client.login()

    assert answer["status_code"] == 201
    assert answer["headers"]["X-Cs-Region"] == "us-2"
    assert client.base_url == US_2
    assert FalconContainer(auth_object=client).read_registry_entities()["status_code"] == 200
    calls = [(record.cloud, record.status) for record in falcon.journal.records()]
    assert calls == [("us-1", 308), ("us-2", 201), ("us-2", 200)]


def test_login_with_a_wrong_secret_says_so(options: dict[str, Any]) -> None:
    client = OAuth2(base_url=US_2, **{**options, "client_secret": "not-the-secret"})

    assert client.login()["status_code"] == 403
    assert client.token_fail_reason.startswith("Failed to issue access token - Client authentication failed")
    assert not client.token_value


@pytest.mark.parametrize("base_url", [US_1, US_2])
def test_login_of_an_unknown_client_says_so_in_every_cloud(options: dict[str, Any], base_url: str) -> None:
    client = OAuth2(base_url=base_url, **{**options, "client_id": "nobody"})

    assert client.login()["status_code"] == 400
    assert client.token_fail_reason == "Failed to generate access token for clientID=nobody"


def test_government_credentials_work_at_home_only(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(authority, monkeypatch, "us-1", "us-gov-1") as falcon:
        options = {"client_id": falcon.client_id, "client_secret": falcon.client_secret}

        assert OAuth2(base_url=US_1, **options).login()["status_code"] == 400
        assert OAuth2(base_url=GOV_1, **options).login()["status_code"] == 201


def test_a_token_is_worthless_in_another_cloud(options: dict[str, Any]) -> None:
    client = OAuth2(base_url=US_2, **options)
    client.login()
    elsewhere = FalconContainer(access_token=client.token_value, base_url=US_1)

    assert elsewhere.read_registry_entities()["status_code"] == 401


def test_create_answers_200_with_one_object_and_a_duplicate_is_a_conflict(
    container: Any, falcon: FalconSimulator
) -> None:
    answer = container.create_registry_entities(body=payload("eu-west-1", user_defined_alias="ours"))

    resource = answer["body"]["resources"]
    assert answer["status_code"] == 200
    assert (resource["type"], resource["url"]) == ("ecr", registry("123456789012", "eu-west-1"))
    assert resource["user_defined_alias"] == "ours"
    [connection] = falcon.connections_of("123456789012")
    assert connection.id == resource["id"]
    assert connection.external_id == "simulated-external-id"
    assert container.create_registry_entities(body=payload("eu-west-1"))["status_code"] == 409


def test_read_by_ids_answers_a_list_without_credential_details(container: Any) -> None:
    regions = ["eu-west-1", "eu-west-2"]
    ids = [container.create_registry_entities(body=payload(region))["body"]["resources"]["id"] for region in regions]

    answer = container.read_registry_entities_by_uuid(ids=ids)

    resources = answer["body"]["resources"]
    assert [resource["id"] for resource in resources] == ids
    assert [resource["credential"]["details"] for resource in resources] == [{}, {}]
    assert "simulated-external-id" not in str(answer)


def test_list_pages_through_the_whole_tenant(container: Any, falcon: FalconSimulator) -> None:
    falcon.seed(250)

    pages = [container.read_registry_entities(limit=100, offset=offset)["body"] for offset in (0, 100, 200)]

    ids = [value for page in pages for value in page["resources"]]
    assert [page["meta"]["pagination"]["total"] for page in pages] == [250, 250, 250]
    assert [len(page["resources"]) for page in pages] == [100, 100, 50]
    assert sorted(ids) == sorted(connection.id for connection in falcon.connections())
    assert container.read_registry_entities()["body"]["resources"] == ids[:100]  # the default page


def test_update_with_the_id_in_the_query_and_nowhere_else_replaces_the_credential(
    container: Any, falcon: FalconSimulator, options: dict[str, Any]
) -> None:
    created = container.create_registry_entities(body=payload())["body"]["resources"]["id"]
    body = {"credential": credential("arn:aws:iam::123456789012:role/new"), "user_defined_alias": "renamed"}

    answer = APIHarnessV2(base_url=US_2, **options).command(
        "UpdateRegistryEntities", parameters={"id": created}, body=body
    )

    assert answer["status_code"] == 200
    assert answer["body"]["resources"]["user_defined_alias"] == "renamed"
    assert [found.role for found in falcon.connections_of("123456789012")] == ["arn:aws:iam::123456789012:role/new"]
    # The client's own helper puts the id into the body, against the specification.
    refused = container.update_registry_entities(id=created, credential=credential())
    assert (refused["status_code"], messages(refused)) == (400, ["query parameter id is required, once"])


def test_delete_answers_what_it_removed(container: Any, falcon: FalconSimulator) -> None:
    created = container.create_registry_entities(body=payload())["body"]["resources"]["id"]

    answer = container.delete_registry_entities(ids=created)

    assert answer["status_code"] == 200
    assert [resource["id"] for resource in answer["body"]["resources"]] == [created]
    assert falcon.connections() == []
    assert container.delete_registry_entities(ids=created)["status_code"] == 404


def test_a_missing_scope_is_named(falcon: FalconSimulator) -> None:
    falcon.add_client("reader", "reader-secret", ["read"])
    container = FalconContainer(client_id="reader", client_secret="reader-secret", base_url=US_2)

    assert container.read_registry_entities()["status_code"] == 200
    refused = container.create_registry_entities(body=payload())
    assert refused["status_code"] == 403
    assert messages(refused) == ["access denied, scope not permitted"]


def test_the_client_reads_envelope_and_headers(options: dict[str, Any], falcon: FalconSimulator) -> None:
    falcon.seed(3)
    container = FalconContainer(base_url=US_2, pythonic=True, **options)

    result = container.read_registry_entities(limit=2)

    assert (result.total, result.limit, result.offset) == (3, 2, 0)
    assert len(result.resources) == 2
    assert result.region == "us-2"
    assert result.ratelimit_limit == "6000"
    assert result.ratelimit_remaining == "5999"
    assert result.trace_id == result.headers.trace_id


def test_a_throttled_client_learns_when_to_come_back(container: Any, falcon: FalconSimulator) -> None:
    falcon.arm(Fault("list", Throttled(wait=3)))

    answer = container.read_registry_entities()

    assert answer["status_code"] == 429
    assert answer["headers"]["X-Ratelimit-Retryafter"].isdecimal()
