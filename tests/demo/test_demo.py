"""`make demo` shows what it promises, says how it went, and leaves nothing running."""

import os
import re
import signal
import subprocess
import sys
from itertools import takewhile
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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc, which Linux has")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_demo_leaves_neither_process_nor_file_behind_and_had_colour_where_there_is_colour(
    number: signal.Signals, tmp_path: Path
) -> None:
    environ = environment(TMPDIR=str(tmp_path), FORCE_COLOR="1", TERM="xterm-256color")  # as in a terminal
    process = subprocess.Popen(COMMAND, env=environ, start_new_session=True, **PIPED)
    assert process.stdout
    shown = "".join(takewhile(lambda line: "UPDATE_IN_PROGRESS" not in line, process.stdout))
    assert {"\x1b[32m", "\x1b[1;36m"} <= set(re.findall(r"\x1b\[[\d;]+m", shown))  # green, and bold cyan
    assert len(processes(tmp_path)) >= 3  # the demo, the local AWS, and the function in it

    os.killpg(process.pid, number)  # as a terminal does
    os.killpg(process.pid, number)  # as somebody without patience does
    _, complaints = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert complaints == ""
    wait_for(lambda: processes(tmp_path) == [])
    assert list(tmp_path.iterdir()) == []
