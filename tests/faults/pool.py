"""Runs many rows at the same time, in one test process or in several that share the work.

Most rows wait: for a retry, a time-out, a role. So each test process keeps several harnesses at work. The processes of
pytest-xdist claim rows in a directory that they share, and leave the results there for whichever of them asks.
"""

import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.checks import problems
from tests.faults.harness import Harness
from tests.faults.rows import Row
from tests.faults.runner import run
from tests.sandbox.tls import Authority

HARNESSES = 12  # in each test process
POLL_SECONDS = 0.05


class RowPool:
    """The harnesses of one test process, at work on the rows that nobody claimed yet."""

    def __init__(self, rows: Sequence[Row], directory: Path, authority: Authority) -> None:
        self._rows = sorted(rows, key=lambda row: -row.remaining)  # what may take long begins first
        self._directory, self._authority = directory, authority
        self._directory.mkdir(parents=True, exist_ok=True)
        self._closing = threading.Event()
        count = min(HARNESSES, len(rows))
        self._threads = [threading.Thread(target=self._work, name=f"harness-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def result(self, row: Row) -> str:
        """Wait until a row has been run, whichever process does it; return what was wrong, and then the log."""
        path, claim = self._directory / f"{row.name}.txt", self._directory / f"{row.name}.claim"
        while not path.exists():
            if not claim.exists() and not any(thread.is_alive() for thread in self._threads):
                raise RuntimeError("the harnesses stopped before they came to this row")
            time.sleep(POLL_SECONDS)
        return path.read_text()

    def close(self) -> None:
        """Begin nothing more, and end what is in progress: another process may wait for it."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        with Harness(self._authority) as harness:
            for row in self._rows:
                if self._closing.is_set():
                    return
                if self._claim(row):
                    part = self._directory / f"{row.name}.part"
                    part.write_text(self._run(harness, row))
                    part.rename(part.with_suffix(".txt"))

    def _run(self, harness: Harness, row: Row) -> str:
        try:
            observed = run(harness, row)
        except Exception:  # noqa: BLE001 - the test that asks for this row is told
            harness.freeze()
            return traceback.format_exc()
        wrong = [f"  - {problem}" for problem in problems(observed)]
        return "\n".join([row.name, *wrong, *observed.logs] if wrong else [])

    def _claim(self, row: Row) -> bool:
        try:
            (self._directory / f"{row.name}.claim").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


_SHARED = pytest.StashKey[RowPool]()


def shared_pool(request: pytest.FixtureRequest) -> RowPool:
    """Return the pool of this test process, which begins with every row that any selected test asks for."""
    config = request.config
    if _SHARED not in config.stash:
        given = (getattr(item, "callspec", None) for item in request.session.items)
        rows = [row for each in given if each and isinstance(row := each.params.get("row"), Row)]
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        base = factory.getbasetemp()
        directory = (base.parent if hasattr(config, "workerinput") else base) / "faults"
        config.stash[_SHARED] = pool = RowPool(rows, directory, request.getfixturevalue("authority"))
        config.add_cleanup(pool.close)
    return config.stash[_SHARED]
