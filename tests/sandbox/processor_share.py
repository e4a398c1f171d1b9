"""The share of a processor that Lambda gives a function, where this machine lets us limit one (cgroups, as root)."""

import contextlib
import itertools
import os
from pathlib import Path

MEGABYTES_OF_A_WHOLE_PROCESSOR = 1769  # AWS's figure
PERIOD_MICROSECONDS = 20_000  # short, as Lambda's own: a long one would stop a process for most of a second

V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")

_numbers = itertools.count()


class ProcessorShare:
    """Limits one process to what its memory entitles it to; does nothing where that is not possible."""

    def __init__(self, memory_mb: int) -> None:
        self._quota = PERIOD_MICROSECONDS * memory_mb // MEGABYTES_OF_A_WHOLE_PROCESSOR
        self._group: Path | None = None

    def limit(self, process: int) -> None:
        """Limit the process, and what it starts, from now on."""
        with contextlib.suppress(OSError):
            parent, settings = _hierarchy(self._quota)
            group = parent / f"sandbox-{os.getpid()}-{next(_numbers)}"
            group.mkdir()
            self._group = group
            for name, value in settings.items():
                (group / name).write_text(value)
            (group / "cgroup.procs").write_text(str(process))

    def release(self) -> None:
        """Remove the limit of a process that has ended."""
        group, self._group = self._group, None
        if group:
            with contextlib.suppress(OSError):
                group.rmdir()


def _hierarchy(quota: int) -> tuple[Path, dict[str, str]]:
    """Return where groups can be made, and what limits one."""
    if (V1 / "cpu.cfs_quota_us").exists():
        return V1, {"cpu.cfs_period_us": str(PERIOD_MICROSECONDS), "cpu.cfs_quota_us": str(quota)}
    if "cpu" not in (V2 / "cgroup.subtree_control").read_text().split():
        raise OSError("no controller of processors")
    return V2, {"cpu.max": f"{quota} {PERIOD_MICROSECONDS}"}


def remove_what_was_left() -> None:
    """Remove the groups of owners that were killed, which could not do it themselves."""
    for group in [*V1.glob("sandbox-*"), *V2.glob("sandbox-*")]:
        if not Path(f"/proc/{group.name.split('-')[1]}").exists():
            with contextlib.suppress(OSError):
                group.rmdir()
