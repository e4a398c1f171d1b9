"""The share of a processor that Lambda gives a function, where this machine lets us limit one (cgroups, as root)."""

import contextlib
from pathlib import Path

MEGABYTES_OF_A_WHOLE_PROCESSOR = 1769  # AWS's figure
PERIOD = 20_000  # microseconds; short, as Lambda's own: a long one would stop a process for most of a second

V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


def limit(process: int, memory_mb: int) -> None:
    """Limit a process, and what it starts, to what its memory entitles it to; do nothing where that is not possible."""
    quota = PERIOD * memory_mb // MEGABYTES_OF_A_WHOLE_PROCESSOR
    with contextlib.suppress(OSError):
        if (V1 / "cpu.cfs_quota_us").exists():
            group, settings = V1, {"cpu.cfs_period_us": f"{PERIOD}", "cpu.cfs_quota_us": f"{quota}"}
        elif "cpu" in (V2 / "cgroup.subtree_control").read_text().split():
            group, settings = V2, {"cpu.max": f"{quota} {PERIOD}"}
        else:
            return
        group /= f"sandbox-{process}"
        group.mkdir()
        for name, value in {**settings, "cgroup.procs": f"{process}"}.items():
            (group / name).write_text(value)


def release() -> None:
    """Remove the limits of processes that have ended, those whose owners were killed as well."""
    for group in [*V1.glob("sandbox-*"), *V2.glob("sandbox-*")]:
        if not Path("/proc", group.name.removeprefix("sandbox-")).exists():
            with contextlib.suppress(OSError):
                group.rmdir()
