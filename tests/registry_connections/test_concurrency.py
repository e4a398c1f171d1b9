"""Work is done at the same time, its errors are results, and nobody waits for it longer than the deadline.

The threads are real and wait for events; the deadline is on a clock that stands still or has run out.
"""

import threading
from collections.abc import Iterator

import pytest

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import DeadlineError, FalconError, NoResponseError
from registry_connections.core.model import Deadline

AMPLE = Deadline(60, lambda: 0.0)
SHORT = Deadline(0.05, lambda: 0.0)
OVER = Deadline(0, lambda: 0.0)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Return what hanging work waits for; it comes when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(4)
    yield pool
    pool.shutdown()


def test_work_is_done_at_the_same_time_and_its_results_come_in_the_order_of_the_items(pool: ThreadPool) -> None:
    together = threading.Barrier(4)

    def work(item: int) -> int:
        together.wait(30)
        return item * item

    assert pool.map(work, range(4), AMPLE) == [0, 1, 4, 9]
    assert pool.map(work, [], AMPLE) == []


def test_an_error_is_the_result_of_its_item_only_and_what_is_no_exception_ends_no_thread(pool: ThreadPool) -> None:
    errors = {1: FalconError("refused", status=403), 2: SystemExit(3)}

    def work(item: int) -> int:
        if item in errors:
            raise errors[item]
        return item

    done, refused, ended = pool.map(work, [0, 1, 2], AMPLE)

    assert (done, refused) == (0, errors[1])
    assert repr(ended) == "RuntimeError('SystemExit')"


def test_what_hangs_is_left_behind_and_what_has_not_begun_is_not_begun(release: threading.Event) -> None:
    pool, begun = ThreadPool(1), []

    def work(item: int) -> None:
        begun.append(item)
        release.wait(30)

    hung, waiting = pool.map(work, [0, 1], SHORT)
    release.set()
    pool.shutdown()

    assert (type(hung), type(waiting)) == (NoResponseError, DeadlineError)
    assert begun == [0]


def test_nothing_is_begun_after_the_deadline_or_in_a_pool_that_was_shut_down(pool: ThreadPool) -> None:
    begun: list[int] = []

    assert [type(result) for result in pool.map(begun.append, range(3), OVER)] == [DeadlineError] * 3
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.map(begun.append, range(3), AMPLE)
    assert begun == []


def test_one_work_returns_or_raises_and_is_named_if_it_hangs(pool: ThreadPool, release: threading.Event) -> None:
    def refused() -> None:
        raise FalconError("refused")

    assert pool.run(lambda: "done", AMPLE) == "done"
    with pytest.raises(FalconError, match="refused"):
        pool.run(refused, AMPLE)
    with pytest.raises(NoResponseError, match="Reading the secret: no response"):
        pool.run(lambda: release.wait(30), SHORT, "Reading the secret")
