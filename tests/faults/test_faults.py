"""Every row of the fault matrix, and every hostile response, against the real package."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

import pytest

from tests.docs.tables import section
from tests.faults.__main__ import README, render
from tests.faults.checks import problems
from tests.faults.harness import Harness
from tests.faults.matrix import HOSTILE, MATRIX
from tests.faults.rows import Event, Point, Row
from tests.faults.runner import Run
from tests.sandbox.tls import Authority

pytestmark = pytest.mark.xdist_group("faults")  # one process runs them all, many at the same time
HARNESSES = 12

# What is struck where, for which events; other pairs do not exist: no Update lists, no Delete creates.
STRUCK = {
    Point.TOKEN: {Event.CREATE, Event.UPDATE, Event.DELETE},
    Point.CREATE: {Event.CREATE, Event.UPDATE},
    Point.LIST: {Event.CREATE, Event.DELETE},
    Point.PATCH: {Event.CREATE, Event.UPDATE},
    Point.READ: {Event.UPDATE, Event.DELETE},
    Point.DELETE: {Event.UPDATE, Event.DELETE},
    Point.SECRET: {Event.CREATE, Event.UPDATE, Event.DELETE},
    Point.REGIONS: {Event.CREATE},
    Point.RECORD_READ: {Event.CREATE, Event.UPDATE, Event.DELETE},
    Point.RECORD_WRITE: {Event.CREATE, Event.UPDATE},
    Point.RESPONSE: {Event.CREATE, Event.UPDATE, Event.DELETE},
    Point.DELIVERY: {Event.CREATE, Event.UPDATE, Event.DELETE},
}


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, authority: Authority, package: bytes) -> Iterator[dict[str, Future[Run]]]:
    """Run every row that a selected test asks for. Most of them wait: for a retry, a time-out, a role."""
    assert package  # is built
    given = (getattr(item, "callspec", None) for item in request.session.items)
    rows = [row for each in given if each and isinstance(row := each.params.get("row"), Row)]
    rows.sort(key=lambda row: -row.remaining)  # what may take long begins first
    harnesses: SimpleQueue[Harness] = SimpleQueue()

    def run_row(row: Row) -> Run:
        harness = harnesses.get()
        try:
            return Run(harness, row)
        except Exception:
            harness.freeze()
            raise
        finally:
            harnesses.put(harness)

    with ExitStack() as stack, ThreadPoolExecutor(HARNESSES) as pool:
        for _ in range(min(HARNESSES, len(rows))):
            harnesses.put(stack.enter_context(Harness(authority)))
        yield {row.name: pool.submit(run_row, row) for row in rows}
        pool.shutdown(cancel_futures=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", [*MATRIX, *HOSTILE], ids=lambda row: row.name)
def test_a_fault_is_answered_once_truthfully_in_time_and_the_next_attempt_heals(
    row: Row, runs: dict[str, Future[Run]]
) -> None:
    observed = runs[row.name].result()
    found = problems(observed)

    assert found == [], "\n".join([*found, *observed.logs])


def test_every_point_is_struck_in_every_event_that_comes_by_it() -> None:
    struck: dict[Point, set[Event]] = {}
    for row in MATRIX:
        struck.setdefault(row.point, set()).add(row.event)

    missing = {point: events - struck.get(point, set()) for point, events in STRUCK.items()}
    assert {point: events for point, events in missing.items() if events} == {}


def test_no_two_rows_have_the_same_name() -> None:
    names = [row.name for row in (*MATRIX, *HOSTILE)]

    assert sorted(set(names)) == sorted(names)


def test_the_readme_shows_the_matrix() -> None:
    assert section(README.read_text(), "faults") == render(), "make tables writes it anew"
