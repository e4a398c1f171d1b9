"""Processes of this machine: who runs, who belongs together, and how to end them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

STOP_SECONDS = 5.0


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process and every process that it started: they share its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
    if process.stdin:
        process.stdin.close()


def running(processes: Iterable[int]) -> list[int]:
    """Return those of the processes that still run; one that is dead and not yet buried does not."""
    alive = {pid for pid, _, state in all_processes() if state != "Z"}
    return [process for process in processes if process in alive]


def group_of(leader: int) -> list[int]:
    """Return the processes of a group that run."""
    return sorted(pid for pid, group, state in all_processes() if group == leader and state != "Z")


def all_processes() -> Iterator[tuple[int, int, str]]:
    """Yield process id, group and state of every process; `ps` is not everywhere that /proc is."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            pid, group, state = line.split()
            yield int(pid), int(group), state[0]
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
            yield int(stat.parent.name), int(group), state
