"""What the contract with CrowdStrike's own client does not show: the rules of registries, and where they vary."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.tls import Authority
from tests.simulator import NEVER, Altered, Behaviour, Connection, FalconSimulator, Fault, Headers, Html
from tests.simulator.probe import ENTITIES, Probe, credential, message, registry

ACCOUNT = "123456789012"


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as running:
        yield running


@pytest.fixture
def probe(falcon: FalconSimulator) -> Iterator[Probe]:
    client = Probe(falcon).logged_in()
    yield client
    client.close()


@pytest.mark.parametrize(
    "change",
    [
        {"type": "zip"},
        {"url": "http://123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
        {"credential": {"details": {"aws_iam_role": "arn:aws:iam::123456789012:role/x"}}},
        {"user_defined_alias": 7},
    ],
)
def test_a_create_against_the_specification_is_refused(probe: Probe, change: dict[str, Any]) -> None:
    assert probe.create(**change).status_code == 400


def test_a_body_that_is_no_json_object_is_refused(probe: Probe) -> None:
    assert [probe.send("POST", ENTITIES, data=body).status_code for body in ("", "{", "[]")] == [400, 400, 400]


def test_a_uniqueness_key_tells_connections_to_one_url_apart(probe: Probe) -> None:
    keys = ["", "one", "two", "one"]

    assert [probe.create(url_uniqueness_key=key).status_code for key in keys] == [200, 200, 200, 409]


def test_a_role_is_accepted_some_time_after_it_was_first_named(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.iam_ready_after = 0.4

    early = probe.create()
    time.sleep(0.5)
    late = probe.create()
    falcon.behaviour.iam_ready_after = NEVER
    changed = probe.update(late.json()["resources"]["id"], {"credential": credential(f"arn:aws:iam::{ACCOUNT}:role/n")})

    assert (early.status_code, late.status_code, changed.status_code) == (400, 200, 400)


def test_a_refused_role_may_be_told_in_other_words_and_leave_a_record(falcon: FalconSimulator, probe: Probe) -> None:
    text = "failed to assume the given AWS IAM role: access denied"
    falcon.change(iam_ready_after=NEVER, credential_refusal=text, bad_credential_leaves_record=True)

    answer = probe.create()

    assert (answer.status_code, message(answer), len(falcon.connections())) == (400, text, 1)


def test_a_test_decides_whether_a_role_is_good(falcon: FalconSimulator, probe: Probe) -> None:
    seen: list[tuple[str, str]] = []

    def check(role: str, external_id: str) -> bool:
        seen.append((role, external_id))
        return len(seen) > 1

    falcon.behaviour.credential_check = check

    assert [probe.create().status_code for _ in range(2)] == [400, 200]
    assert seen == [(f"arn:aws:iam::{ACCOUNT}:role/connection", "simulated-external-id")] * 2


def test_states_and_expiry(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.active_after = 60
    [created] = probe.created(["eu-west-1"])

    def state() -> str:
        return str(probe.read(created).json()["resources"][0]["state"])

    states = [state()]
    for wanted in ("pause", "resume"):
        probe.update(created, {"credential": credential(), "state": wanted})
        states.append(state())
    falcon.tenant.force_state(created, "offline")
    states.append(state())
    falcon.tenant.expire_credential(created)
    expired = probe.read(created).json()["resources"][0]["credential"]["expired"]
    healed = probe.update(created).json()["resources"]["credential"]["expired"]

    assert states == ["pending", "paused", "pending", "offline"]
    assert (expired, healed) == (True, False)


def test_an_alias_may_come_back_cut_and_cannot_be_cleared(falcon: FalconSimulator, probe: Probe) -> None:
    falcon.behaviour.alias_characters = 8
    created = probe.create(user_defined_alias="ecr-1a2b3c4d-longer").json()["resources"]

    kept = probe.update(created["id"], {"credential": credential(), "user_defined_alias": ""}).json()["resources"]

    assert [created["user_defined_alias"], kept["user_defined_alias"]] == ["ecr-1a2b", "ecr-1a2b"]
    assert falcon.connections()[0].user_defined_alias == "ecr-1a2b3c4d-longer"


def test_a_child_tenant_has_connections_of_its_own(falcon: FalconSimulator, probe: Probe) -> None:
    probe.created(["eu-west-1"])
    child = falcon.add_child("child-cid")

    unknown = probe.token(member_cid="unknown")
    assert probe.token(member_cid="child-cid").status_code == 201
    created = probe.create("eu-west-1", user_defined_alias="of the child")

    assert (unknown.status_code, message(unknown)) == (
        403,
        "Failed to generate access token for customer ID=unknown",
    )
    assert probe.page().json()["resources"] == [found.id for found in child.connections()]
    assert created.json()["resources"]["id"] not in [found.id for found in falcon.connections()]
    falcon.expire_tokens()
    assert probe.page().status_code == 401


def test_headers_and_fields_may_say_anything(falcon: FalconSimulator, probe: Probe) -> None:
    headers = {"X-Cs-Traceid": "a secret", "X-Cs-Region": "a secret", "Date": "Fri, 31 Dec 99999 99:99:99 GMT"}
    [created] = probe.created(["eu-west-1"])
    falcon.arm(Fault("list", Headers(tuple(headers.items()))))
    falcon.arm(Fault("read", Altered(json.dumps({"resources": {"id": "a secret", "state": "a secret"}}))))

    shown, [resource] = probe.page().headers, probe.read(created).json()["resources"]

    assert headers.items() <= dict(shown).items()
    assert (resource["id"], resource["state"], resource["type"]) == ("a secret", "a secret", "ecr")


@pytest.mark.parametrize("status", [200, 302, 403, 502])
def test_a_web_page_may_stand_in_the_way(falcon: FalconSimulator, probe: Probe, status: int) -> None:
    falcon.arm(Fault("any", Html(status)))

    for answer in (probe.token(), probe.page()):
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
        assert answer.text.startswith("<html>")


def test_connections_of_an_account_are_those_of_its_ecr_registries_only(falcon: FalconSimulator) -> None:
    ours = registry(ACCOUNT, "eu-west-1")
    falcon.add_connection(Connection(url=ours))
    falcon.add_connection(Connection(url=ours, type="docker", url_uniqueness_key="other type"))
    falcon.add_connection(Connection(url=registry(f"9{ACCOUNT}", "eu-west-1")))

    assert [(found.url, found.region) for found in falcon.connections_of(ACCOUNT)] == [(ours, "eu-west-1")]


def test_a_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such behaviour: latencies"):
        Behaviour().change(latencies=1)
