"""Groups of processes: who belongs to one, and how to end it."""

import contextlib
import os
import signal
from pathlib import Path
from subprocess import Popen

STOP_SECONDS = 5.0


def kill_group(process: Popen[bytes]) -> None:
    """Kill the process and every process that it started: they share its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
    if process.stdin:
        process.stdin.close()


def group_of(leader: int) -> list[int]:
    """Return the processes of a group that run; none where there is no /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
            if int(group) == leader and state != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)
