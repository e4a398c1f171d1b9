"""The simulator as a process of its own, for people and benchmarks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.sandbox.tls import Authority
from tests.simulator import NEVER, Connection, FalconSimulator, Fault, RemoteSimulator, Status, mount
from tests.simulator.probe import Probe

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.simulator"]


@pytest.fixture(scope="module")
def remote(authority: Authority) -> Iterator[RemoteSimulator]:
    with RemoteSimulator(authority, "--seed-connections=20", "--set=latency=0.001", clouds=("us-1", "us-2")) as remote:
        yield remote


def test_it_offers_what_the_simulator_in_process_offers(remote: RemoteSimulator) -> None:
    assert (len(remote.connections()), remote.behaviour.latency) == (20, 0.001)
    remote.reset()
    remote.add_client("second", "second-secret", ("read",))
    probe = Probe(remote).logged_in()
    [created] = probe.created(["eu-west-1"])
    remote.add_connection(Connection(url="https://harbor.example.com", type="harbor"))
    remote.seed(3)
    remote.arm(Fault("list", Status(500), times=2))
    statuses = [probe.page().status_code for _ in range(3)]

    [connection] = remote.connections_of("123456789012")
    assert (connection.id, connection.external_id) == (created, "simulated-external-id")
    assert len(remote.connections()) == 5
    assert (statuses, remote.struck()) == ([500, 500, 200], [2])
    assert remote.journal.operations() == {"token": 1, "create": 1, "list": 3}
    remote.disarm()
    remote.change(iam_ready_after=NEVER)
    assert probe.create("eu-west-2").status_code == 400
    remote.expire_tokens()
    assert probe.page().status_code == 401
    with pytest.raises(ValueError, match="no such behaviour: latencies"):
        remote.change(latencies=1)


def test_a_mapped_name_must_be_in_the_certificate(authority: Authority) -> None:
    with FalconSimulator(authority, clouds=("us-1",)) as falcon, requests.Session() as session:
        session.trust_env = False
        session.verify = str(falcon.ca_file)
        mount(session, {"us-2": falcon.url})

        with pytest.raises(requests.exceptions.SSLError, match=r"api\.us-2\.crowdstrike\.com"):
            session.get("https://api.us-2.crowdstrike.com/")


def test_it_says_why_it_does_not_start(authority: Authority) -> None:
    with pytest.raises(RuntimeError, match="no such behaviour: latencies"):
        RemoteSimulator(authority, "--set=latencies=1").start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_it_stops_by_a_signal_and_with_whoever_started_it(tmp_path: Path, number: signal.Signals | None) -> None:
    command = [*COMMAND, "--until-stdin-closes", f"--tls-directory={tmp_path}"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        assert str(tmp_path / "ca.pem") in process.stdout.readline()
        if number:
            os.kill(process.pid, number)
        else:
            process.stdin.close()

        assert process.wait(10) == 0
