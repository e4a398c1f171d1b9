"""The Falcon simulator as a process of its own, and under load."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import requests

from tests.simulator import (
    NEVER,
    Behaviour,
    Connection,
    Effect,
    FalconSimulator,
    Fault,
    Hang,
    RemoteSimulator,
    Status,
    WrongTypes,
    mount,
)
from tests.simulator.probe import QUERIES, Probe
from tests.tls import Authority

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "tests.simulator"]


@pytest.fixture(scope="module")
def running(authority: Authority) -> Iterator[RemoteSimulator]:
    with RemoteSimulator(authority, "--seed-connections=20", "--set=latency=0.001", clouds=("us-1", "us-2")) as remote:
        yield remote


@pytest.fixture
def remote(running: RemoteSimulator) -> Iterator[RemoteSimulator]:
    yield running
    running.reset()


def test_its_options_take_effect(running: RemoteSimulator) -> None:
    assert len(running.connections()) == 20
    assert running.behaviour.latency == 0.001


def test_it_offers_what_the_simulator_in_process_offers(remote: RemoteSimulator) -> None:
    remote.reset()
    remote.add_client("second", "second-secret", ("read",))
    probe = Probe(remote).logged_in()
    [created] = probe.created(["eu-west-1"])
    remote.add_connection(Connection(url="https://harbor.example.com", type="harbor"))
    remote.seed(3)

    [connection] = remote.connections_of("123456789012")
    assert (connection.id, connection.external_id) == (created, "simulated-external-id")
    assert len(remote.connections()) == 5
    assert remote.journal.operations() == {"token": 1, "create": 1}
    assert remote.journal.records("create")[0].urls == (connection.url,)
    assert probe.token(client_id="second", client_secret="second-secret").status_code == 201
    remote.expire_tokens()
    assert probe.page().status_code == 401


def test_faults_can_be_armed_and_taken_back(remote: RemoteSimulator) -> None:
    probe = Probe(remote).logged_in()
    remote.arm(Fault("list", Status(500), times=2))
    struck = [probe.page().status_code for _ in range(3)]
    counted = remote.struck()
    remote.arm(Fault("list", Status(503)))
    remote.disarm()

    assert (struck, counted) == ([500, 500, 200], [2])
    assert probe.page().status_code == 200


def test_switches_can_be_changed(remote: RemoteSimulator) -> None:
    remote.change(iam_ready_after=NEVER, create_status=201)

    assert Probe(remote).logged_in().create().status_code == 400
    assert remote.behaviour.iam_ready_after == NEVER
    remote.change(iam_ready_after=0)
    assert Probe(remote).logged_in().create().status_code == 201
    with pytest.raises(ValueError, match="no such behaviour: latencies"):
        remote.change(latencies=1)


def test_a_session_can_be_mapped_to_it_under_public_names(remote: RemoteSimulator) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(remote.ca_file)
        mount(session, remote.urls)
        form = {"client_id": remote.client_id, "client_secret": remote.client_secret}

        assert session.post("https://api.crowdstrike.com/oauth2/token", data=form).status_code == 201


def test_a_mapped_name_must_be_in_the_certificate(authority: Authority) -> None:
    with FalconSimulator(authority, clouds=("us-1",)) as falcon, requests.Session() as session:
        session.trust_env = False
        session.verify = str(falcon.ca_file)
        mount(session, {"us-2": falcon.url})

        with pytest.raises(requests.exceptions.SSLError, match=r"api\.us-2\.crowdstrike\.com"):
            session.get("https://api.us-2.crowdstrike.com/")


def test_a_port_that_is_taken_is_an_error(authority: Authority) -> None:
    with FalconSimulator(authority) as falcon, pytest.raises(OSError, match="address already in use"):
        FalconSimulator(authority, port=int(falcon.url.rpartition(":")[2])).start()


def test_it_says_why_it_does_not_start(authority: Authority) -> None:
    with pytest.raises(RuntimeError, match="no such behaviour: latencies"):
        RemoteSimulator(authority, "--set=latencies=1").start()


def start(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([*COMMAND, *options], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with start("--until-stdin-closes", f"--tls-directory={tmp_path}") as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        os.kill(process.pid, number)

        assert process.wait(10) == 0
        assert ready["ca_file"] == str(tmp_path / "ca.pem")
        assert ready["url"] == ready["urls"]["us-1"]


def test_it_stops_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    with start("--until-stdin-closes", f"--tls-directory={tmp_path}") as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        process.stdin.close()

        assert process.wait(10) == 0


def test_help_names_the_environment() -> None:
    shown = subprocess.run([*COMMAND, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "FALCON_CLIENT_SECRET" in shown


@pytest.mark.parametrize("effect", [Status(500, count=2), Hang(3, applied=True), WrongTypes("body is null")])
def test_a_fault_survives_being_written_as_json(effect: Effect) -> None:
    fault = Fault("read", effect, region="eu-west-1", times=3, skip=1)

    assert Fault.from_json(json.loads(json.dumps(fault.to_json()))) == fault


def test_a_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such operation: creat"):
        Fault.from_json({"operation": "creat", "effect": {"kind": "Html"}})
    with pytest.raises(ValueError, match="Html has no code"):
        Effect.from_json({"kind": "Html", "code": 502})


async def list_all(simulator: FalconSimulator) -> list[str]:
    """Log in and list the whole tenant, page after page, over a connection of one's own."""
    trust = ssl.create_default_context(cafile=str(simulator.ca_file))
    form = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    ids: list[str] = []
    async with aiohttp.ClientSession(simulator.url, connector=aiohttp.TCPConnector(ssl=trust)) as session:
        async with session.post("/oauth2/token", data=form) as answer:
            bearer = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        while True:
            page = {"limit": 5000, "offset": len(ids)}
            async with session.get(QUERIES, params=page, headers=bearer) as answer:
                document = await answer.json()
            ids += document["resources"]
            if len(ids) >= document["meta"]["pagination"]["total"]:
                return ids


def test_a_hundred_clients_list_twenty_thousand_connections_at_once(authority: Authority) -> None:
    async def list_together(simulator: FalconSimulator) -> list[list[str]]:
        return await asyncio.gather(*(list_all(simulator) for _ in range(100)))

    with FalconSimulator(authority, behaviour=Behaviour(latency=0.2)) as falcon:
        falcon.seed(20_000)
        expected = [connection.id for connection in falcon.connections()]
        start = time.monotonic()
        listed = asyncio.run(list_together(falcon))
        duration = time.monotonic() - start

        assert len(set(expected)) == 20_000
        assert all(ids == expected for ids in listed)
        assert falcon.journal.statuses("list") == {200: 400}
        assert falcon.journal.max_concurrency("list") > 50
        assert duration < 60
