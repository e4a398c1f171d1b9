"""Work is done at the same time, its errors are results, and nobody waits for it longer than the deadline."""

import threading
import time
from collections.abc import Iterator

import pytest

from registry_connections.crew import Crew
from registry_connections.errors import DeadlineError, FalconError, UnansweredError
from registry_connections.model import Deadline


def within(seconds: float) -> Deadline:
    return Deadline(time.monotonic() + seconds, time.monotonic)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Return what hanging work waits for; it comes when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(4)
    yield crew
    crew.dismiss()


def test_results_come_in_the_order_of_the_items(crew: Crew) -> None:
    gate = threading.Barrier(4)

    def work(item: int) -> int:
        gate.wait(10)
        time.sleep((4 - item) / 100)
        return item * item

    assert crew.each(work, range(4), within(10)) == [0, 1, 4, 9]


def test_no_more_than_its_workers_are_at_work(crew: Crew) -> None:
    lock, at_work, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.002)
        with lock:
            at_work -= 1

    crew.each(work, range(20), within(10))

    assert 1 < most <= 4


def test_an_error_is_the_result_of_its_item_only(crew: Crew) -> None:
    error = FalconError("refused", status=403)

    def work(item: int) -> int:
        if item == 1:
            raise error
        return item

    assert crew.each(work, [0, 1, 2], within(10)) == [0, error, 2]


def test_what_is_no_exception_does_not_end_the_crew(crew: Crew) -> None:
    def work(_: int) -> None:
        raise SystemExit(3)

    (result,) = crew.each(work, [0], within(10))

    assert isinstance(result, RuntimeError)
    assert str(result) == "SystemExit"


def test_what_hangs_is_left_behind_and_what_has_not_begun_is_not_begun(release: threading.Event) -> None:
    crew, begun = Crew(1), []

    def work(item: int) -> None:
        begun.append(item)
        release.wait(10)

    started = time.monotonic()
    hung, waiting = crew.each(work, [0, 1], within(0.05))
    taken = time.monotonic() - started
    release.set()
    crew.dismiss()

    assert type(hung) is UnansweredError
    assert type(waiting) is DeadlineError
    assert begun == [0]
    assert taken < 5


def test_no_items_are_no_results_and_no_wait(crew: Crew) -> None:
    assert crew.each(lambda item: item, [], within(10)) == []


def test_one_returns_what_the_work_returns(crew: Crew) -> None:
    assert crew.one(lambda: "done", within(10)) == "done"


def test_one_raises_what_the_work_raises(crew: Crew) -> None:
    def work() -> None:
        raise FalconError("refused")

    with pytest.raises(FalconError, match="refused"):
        crew.one(work, within(10))


def test_one_that_hangs_is_named(crew: Crew, release: threading.Event) -> None:
    with pytest.raises(UnansweredError, match="Reading the secret"):
        crew.one(lambda: release.wait(10), within(0.02), "Reading the secret")


def test_work_that_was_begun_goes_on_while_something_else_is_done(crew: Crew) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        ended.wait(10)
        return "done"

    outcome = crew.begin(work)
    assert begun.wait(10)
    ended.set()

    assert outcome(within(10)) == "done"


def test_a_dismissed_crew_begins_nothing_more(crew: Crew) -> None:
    crew.dismiss()
    with pytest.raises(RuntimeError):
        crew.begin(lambda: None)


def test_nothing_is_begun_after_the_deadline(crew: Crew) -> None:
    begun: list[int] = []
    results = crew.each(begun.append, range(3), within(0))
    crew.one(lambda: None, within(10))

    assert [type(result) for result in results] == [DeadlineError] * 3
    assert begun == []
