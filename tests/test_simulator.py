"""The Falcon simulator's registry operations, and each of its switches."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator import NEVER, Behaviour, Connection, FalconSimulator
from tests.simulator.probe import Probe, credential, message, registry
from tests.tls import Authority

ACCOUNT = "123456789012"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority, clouds=("us-1", "us-2")) as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Iterator[Probe]:
    client = Probe(falcon).logged_in()
    yield client
    client.close()


@pytest.mark.parametrize("status", [200, 201])
def test_create_answers_with_the_status_that_is_asked_for(falcon: FalconSimulator, probe: Probe, status: int) -> None:
    falcon.behaviour.create_status = status

    assert probe.create().status_code == status


@pytest.mark.parametrize(("policy", "status"), [("empty", 200), ("not_found", 404)])
def test_reading_an_unknown_id(falcon: FalconSimulator, probe: Probe, policy: str, status: int) -> None:
    known = probe.created(["eu-west-1"])
    falcon.change(unknown_id=policy)

    answer = probe.read(*known, UNKNOWN)

    assert answer.status_code == status
    assert [found["id"] for found in answer.json().get("resources", [])] == (known if status == 200 else [])


@pytest.mark.parametrize(("policy", "status"), [("empty", 200), ("not_found", 404)])
def test_deleting_an_unknown_id(falcon: FalconSimulator, probe: Probe, policy: str, status: int) -> None:
    known = probe.created(["eu-west-1"])
    falcon.change(unknown_id_on_delete=policy)

    assert probe.delete(*known, UNKNOWN).status_code == status
    assert len(falcon.connections()) == (0 if status == 200 else 1)


@pytest.mark.parametrize("allowed", [True, False])
def test_deleting_several_ids_at_once(falcon: FalconSimulator, probe: Probe, *, allowed: bool) -> None:
    ids = probe.created(["eu-west-1", "eu-west-2"])
    falcon.behaviour.delete_many = allowed

    assert probe.delete(*ids).status_code == (200 if allowed else 400)
    assert len(falcon.connections()) == (0 if allowed else 2)


@pytest.mark.parametrize("limited", [True, False])
def test_reading_more_ids_than_a_page_holds(falcon: FalconSimulator, probe: Probe, *, limited: bool) -> None:
    falcon.seed(101)
    ids = [connection.id for connection in falcon.connections()]
    falcon.behaviour.limit_ids_per_read = limited

    assert probe.read(*ids[:100]).status_code == 200
    assert [probe.read(*ids * times).status_code for times in (1, 20)] == ([400, 400] if limited else [200, 200])


@pytest.mark.parametrize("needed", [True, False])
@pytest.mark.parametrize("body", [{"user_defined_alias": "new"}, {"credential": {"details": credential()["details"]}}])
def test_updating_without_credential_or_its_type(
    falcon: FalconSimulator, probe: Probe, body: dict[str, object], *, needed: bool
) -> None:
    [created] = probe.created(["eu-west-1"])
    falcon.behaviour.patch_needs_credential = needed

    assert probe.update(created, body).status_code == (400 if needed else 200)


@pytest.mark.parametrize(("as_null", "details"), [(False, {}), (True, None)])
def test_credential_details_are_never_shown(
    falcon: FalconSimulator, probe: Probe, details: object, *, as_null: bool
) -> None:
    falcon.behaviour.details_as_null = as_null
    [created] = probe.created(["eu-west-1"])

    assert probe.read(created).json()["resources"][0]["credential"]["details"] == details
    assert falcon.connections()[0].external_id == "simulated-external-id"


@pytest.mark.parametrize(("first", "status"), [(True, 409), (False, 400)])
def test_duplicate_with_a_bad_credential(falcon: FalconSimulator, probe: Probe, status: int, *, first: bool) -> None:
    probe.create()
    falcon.change(url_conflict_first=first, iam_ready_after=NEVER)

    assert probe.create().status_code == status


@pytest.mark.parametrize("left", [True, False])
def test_bad_credential_leaves_a_record_or_not(falcon: FalconSimulator, probe: Probe, *, left: bool) -> None:
    falcon.change(bad_credential_leaves_record=left, iam_ready_after=NEVER)

    answer = probe.create()

    assert answer.status_code == 400
    assert "failed to validate registry credential" in message(answer)
    assert len(falcon.connections()) == int(left)


def test_a_role_is_accepted_some_time_after_it_was_first_named(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.iam_ready_after = 0.4

    early = probe.create()
    time.sleep(0.5)
    late = probe.create()
    other = probe.create("eu-west-2", credential=credential("arn:aws:iam::123456789012:role/other"))

    assert (early.status_code, late.status_code, other.status_code) == (400, 200, 400)


def test_an_update_tries_the_new_credential_too(falcon: FalconSimulator, probe: Probe) -> None:
    [created] = probe.created(["eu-west-1"])
    falcon.behaviour.iam_ready_after = NEVER

    answer = probe.update(created, {"credential": credential("arn:aws:iam::123456789012:role/new")})

    assert answer.status_code == 400
    assert falcon.connections()[0].role == "arn:aws:iam::123456789012:role/connection"


def test_a_test_can_decide_whether_a_role_is_good(falcon: FalconSimulator, probe: Probe) -> None:
    seen: list[tuple[str, str]] = []

    def check(role: str, external_id: str) -> bool:
        seen.append((role, external_id))
        return len(seen) > 1

    falcon.behaviour.credential_check = check

    assert [probe.create().status_code for _ in range(2)] == [400, 200]
    assert seen == [("arn:aws:iam::123456789012:role/connection", "simulated-external-id")] * 2


def test_a_role_of_the_wrong_shape_is_a_bad_credential(probe: Probe) -> None:
    assert "failed to validate" in message(probe.create(credential=credential("arn:aws:iam::1:role/x")))


def test_a_new_connection_is_pending_and_then_active(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.active_after = 0.3
    created = probe.create().json()["resources"]
    time.sleep(0.4)
    [later] = probe.read(created["id"]).json()["resources"]

    assert (created["state"], later["state"]) == ("pending", "active")
    assert (created["last_refreshed_at"], later["last_refreshed_at"] > later["created_at"]) == ("", True)


def test_pause_and_resume(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.active_after = 0
    [created] = probe.created(["eu-west-1"])

    states = [
        probe.update(created, {"credential": credential(), "state": state}).json()["resources"]["state"]
        for state in ("pause", "resume")
    ]

    assert states == ["paused", "active"]
    assert probe.update(created, {"credential": credential(), "state": "stop"}).status_code == 400


def test_an_update_heals_an_expired_credential(falcon: FalconSimulator, probe: Probe) -> None:
    [created] = probe.created(["eu-west-1"])
    falcon.tenant.expire_credential(created)
    expired = probe.read(created).json()["resources"][0]["credential"]
    probe.update(created)
    healed = probe.read(created).json()["resources"][0]["credential"]

    assert (expired["expired"], expired["expired_at"][-1:]) == (True, "Z")
    assert (healed["expired"], healed["expired_at"]) == (False, "")


def test_an_alias_can_be_changed_and_not_cleared(probe: Probe) -> None:
    [created] = probe.created(["eu-west-1"])

    aliases = [
        probe.update(created, {"credential": credential(), "user_defined_alias": alias}).json()["resources"]
        for alias in ("new", "")
    ]

    assert [found["user_defined_alias"] for found in aliases] == ["new", "new"]


@pytest.mark.parametrize(("seconds", "status"), [(60.0, 409), (0.0, 200)])
def test_the_url_of_a_deleted_connection_may_still_conflict(
    falcon: FalconSimulator, probe: Probe, seconds: float, status: int
) -> None:
    falcon.behaviour.conflict_after_delete = seconds
    probe.delete(*probe.created(["eu-west-1"]))

    assert probe.create().status_code == status


@pytest.mark.parametrize(
    "change",
    [
        {"type": "zip"},
        {"type": None},
        {"type": ["ecr"]},
        {"url": None},
        {"url": "http://123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
        {"credential": None},
        {"credential": {"type": "ecr"}},
        {"credential": {"details": {"aws_iam_role": "arn:aws:iam::123456789012:role/x"}}},
        {"credential": {"details": {"aws_external_id": "simulated-external-id"}}},
        {"user_defined_alias": 7},
    ],
)
def test_a_create_against_the_specification_is_refused(probe: Probe, change: dict[str, Any]) -> None:
    assert probe.create(**change).status_code == 400


def test_a_create_that_is_not_a_json_object_is_refused(probe: Probe) -> None:
    path = "/container-security/entities/registries/v1"

    assert [probe.send("POST", path, data=body).status_code for body in ("", "{", "[]")] == [400, 400, 400]


def test_unknown_fields_are_ignored_and_the_known_ones_kept(falcon: FalconSimulator, probe: Probe) -> None:
    details = credential(aws_gov_using_commercial_connection=True)

    answer = probe.create(credential=details, all_repositories_monitored=True, invented="yes")

    [connection] = falcon.connections_of(ACCOUNT)
    assert answer.status_code == 200
    assert connection.gov_using_commercial_connection is True
    assert connection.all_repositories_monitored is True
    assert connection.credential_type == "ecr"


def test_a_uniqueness_key_tells_connections_to_one_url_apart(probe: Probe) -> None:
    keys = ["", "one", "two", "one"]

    assert [probe.create(url_uniqueness_key=key).status_code for key in keys] == [200, 200, 200, 409]


@pytest.mark.parametrize(
    "parameters", [{"limit": 5001}, {"limit": 0}, {"limit": "x"}, {"offset": -1}, {"sort": "url.asc"}]
)
def test_a_page_against_the_specification_is_refused(probe: Probe, parameters: dict[str, object]) -> None:
    assert probe.page(**parameters).status_code == 400


def test_connections_of_an_account_are_those_of_its_ecr_registries_only(falcon: FalconSimulator) -> None:
    ours = registry(ACCOUNT, "eu-west-1")
    others = [registry(f"9{ACCOUNT}", "eu-west-1"), f"https://harbor.example.com/{ACCOUNT}.dkr.ecr.eu-west-1"]
    falcon.add_connection(Connection(url=ours))
    falcon.add_connection(Connection(url=ours, type="docker", url_uniqueness_key="other type"))
    for url in others:
        falcon.add_connection(Connection(url=url))

    assert [(found.url, found.region) for found in falcon.connections_of(ACCOUNT)] == [(ours, "eu-west-1")]


def test_a_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such behaviour: latencies"):
        Behaviour().change(latencies=1)


def test_reset_forgets_everything_but_clients_and_behaviour(falcon: FalconSimulator, probe: Probe) -> None:
    probe.create()
    falcon.behaviour.latency = 0.01

    falcon.reset()

    assert (falcon.connections(), falcon.journal.count(), falcon.behaviour.latency) == ([], 0, 0.01)
    assert probe.page().status_code == 401
    assert probe.token().status_code == 201
