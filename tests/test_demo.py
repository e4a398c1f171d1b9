"""`make demo` shows what it promises, says how it went, and leaves nothing running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.customer import PROJECT

pytest_plugins = ["tests.launching"]

COMMAND = [sys.executable, "-m", "tests.demo"]


@pytest.fixture(autouse=True)
def _package(package: bytes) -> None:
    """Build what the demo launches: `make package` builds."""


def running(group: int) -> list[int]:
    """Return the processes of a session, zombies apart."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def test_the_demo_passes_and_is_plain_in_a_pipe() -> None:
    done = subprocess.run(COMMAND, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()
    assert "WRONG" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASSED: all 13 checks")
    for shown in ("CREATE_COMPLETE", "eu-west-1", "PlanCommand", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
        assert shown in done.stdout


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc, which Linux has")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(signal_number: signal.Signals) -> None:
    process = subprocess.Popen(
        COMMAND, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout
    for line in process.stdout:
        if "RegistryConnections" in line:
            break
    during = len(running(process.pid))
    os.kill(process.pid, signal_number)
    status = process.wait(timeout=30)
    patience = time.monotonic() + 10
    while running(process.pid) and time.monotonic() < patience:
        time.sleep(0.1)

    assert status not in {0, None}
    assert during > 0
    assert running(process.pid) == []
