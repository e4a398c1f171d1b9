"""`make demo` shows what it promises, says how it went, and leaves nothing running."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.samples import processes, wait_for
from tests.stack.customer import PROJECT

COMMAND = [sys.executable, "-m", "tests.demo"]
PIPED: Any = {"cwd": PROJECT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
ELSEWHERE = {
    "AWS_PROFILE": "a-profile-that-does-not-exist",
    "AWS_ENDPOINT_URL": "https://aws.example.com",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "NO_PROXY": "example.org",
}
"""What an operator's environment may hold, and must not matter."""


@pytest.fixture(autouse=True)
def _package(package: bytes) -> None:
    """Build what the demo launches: `make package` builds."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of the tests without what decides about colours."""
    return {name: value for name, value in os.environ.items() if "COLOR" not in name} | {"PYTHONPATH": "source"} | more


def test_demo_passes_and_is_plain_in_a_pipe() -> None:
    command = subprocess.Popen(COMMAND, env=environment(**ELSEWHERE), **PIPED)
    done, complaints = command.communicate(timeout=120)

    assert (command.returncode, complaints) == (0, ""), done
    assert "\x1b" not in done
    assert done.isascii()
    assert "WRONG" not in done
    assert done.splitlines()[-1].startswith("PASSED: all 14 checks, in ")
    for shown in ("CREATE_COMPLETE", "eu-west-1", "adopted", "PlanCommand", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
        assert shown in done


def test_demo_has_colour_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environ = environment(TERM="xterm-256color")
    with subprocess.Popen(COMMAND, cwd=PROJECT, env=environ, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)

    assert process.returncode == 0, shown
    for mark in ("\x1b[32m", "\x1b[1;36m"):  # green, and bold cyan
        assert mark in shown


def read_all(terminal: int) -> str:
    """Return what is written to a terminal until its other end is closed."""
    chunks = []
    try:
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(terminal)
    return b"".join(chunks).decode()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc, which Linux has")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_demo_leaves_neither_process_nor_file_behind(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(COMMAND, env=environment(TMPDIR=str(tmp_path)), start_new_session=True, **PIPED)
    assert process.stdout
    next(line for line in process.stdout if "UPDATE_IN_PROGRESS" in line)
    assert len(processes(tmp_path)) >= 3  # the demo, the local AWS, and the function in it

    os.killpg(process.pid, number)  # as a terminal does
    os.killpg(process.pid, number)  # as somebody without patience does
    _, complaints = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert complaints == ""
    wait_for(lambda: processes(tmp_path) == [])
    assert list(tmp_path.iterdir()) == []
