"""The local AWS as a process: what it listens on, whom it trusts, and how it ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.sandbox.lambda_runtime import PROJECT
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.processes import running
from tests.sandbox.samples import invoke, launch, upload
from tests.sandbox.tls import Authority

# A process that runs the local AWS with one busy function, says so, and waits.
OWNER = """
import sys, threading, time
from pathlib import Path
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.processes import running
from tests.sandbox.samples import invoke, launch, upload
from tests.sandbox.tls import Authority
directory = Path(sys.argv[1])
with LocalAws(Authority(directory), directory=directory) as aws:
    upload(aws)
    launch(aws)
    threading.Thread(target=invoke, args=(aws,), kwargs={"sleep": 20}, daemon=True).start()
    while len(aws.processes()) < 2:
        time.sleep(0.05)
    print(*aws.processes(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_one_port_of_loopback_only(authority: Authority, tmp_path: Path) -> None:
    with LocalAws(authority, directory=tmp_path) as aws:
        aws.client("s3").list_buckets()
        (emulator,) = aws.processes()

        addresses = listening(emulator)

    assert addresses == [f"127.0.0.1:{aws.endpoint_url.rsplit(':', 1)[1]}"]


def test_only_its_owner_steers_it(running_aws: LocalAws) -> None:
    url = f"{running_aws.endpoint_url}/_sandbox/reset"

    answer = requests.post(url, json={}, verify=str(running_aws.ca_file), timeout=5)

    assert answer.status_code == 403


def test_leaving_the_block_ends_every_process_and_removes_every_file(authority: Authority, tmp_path: Path) -> None:
    processes: list[int] = []

    def use() -> None:
        with LocalAws(authority, directory=tmp_path) as aws:
            upload(aws)
            launch(aws)
            invoke(aws)
            processes.extend(aws.processes())
            raise KeyboardInterrupt  # as Ctrl-C, or a test that fails, would

    with pytest.raises(KeyboardInterrupt):
        use()

    assert len(processes) == 2
    assert running(processes) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_owner_even_in_the_middle_of_an_invocation(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout
        processes = [int(each) for each in owner.stdout.readline().split()]
        owner.send_signal(how)
        owner.wait(timeout=30)
    deadline = time.monotonic() + 5
    while running(processes) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert len(processes) >= 2
    assert running(processes) == []
    assert not list(tmp_path.glob("local-aws-*/*"))


def test_a_reset_wipes_every_account(aws: LocalAws) -> None:
    upload(aws)
    launch(aws)
    invoke(aws)

    aws.reset()

    assert aws.client("cloudformation").list_stacks()["StackSummaries"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert len(aws.processes()) == 1


def listening(process: int) -> list[str]:
    """Return the addresses that a process listens on, of IPv4 and IPv6."""
    sockets = {str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()}
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    found = [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
    return [f"{_address(host)}:{int(port, 16)}" for host, port in (each.split(":") for each in found)]


def _address(hexadecimal: str) -> str:
    number = bytes.fromhex(hexadecimal)
    return socket.inet_ntop(socket.AF_INET, number[::-1]) if len(number) == 4 else hexadecimal
