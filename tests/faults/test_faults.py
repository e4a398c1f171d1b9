"""Every row of the fault matrix, and every hostile response, against the real package."""

import pytest

from tests.faults.hostile import HOSTILE
from tests.faults.matrix import MATRIX
from tests.faults.pool import shared_pool
from tests.faults.rows import Event, Point, Row
from tests.faults.table import in_readme, render

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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", [*MATRIX, *HOSTILE], ids=lambda row: row.name)
def test_a_fault_is_answered_once_truthfully_in_time_and_the_next_attempt_heals(
    row: Row, request: pytest.FixtureRequest
) -> None:
    wrong = shared_pool(request).result(row)

    assert not wrong, wrong


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
    assert in_readme() == render(), "python -m tests.faults --write"
