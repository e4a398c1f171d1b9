"""A thread pool that never waits longer than the deadline."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, TypeVar

from registry_connections.core.errors import TIME_IS_UP, DeadlineError, NoResponseError
from registry_connections.core.model import Deadline

WORKERS: Final = 48
"""Threads: every Region of the largest account at once (36 are known), with a little to spare."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """A bounded number of threads that live as long as one invocation."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="pool")

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], deadline: Deadline
    ) -> list[Result | Exception]:
        """Return, for each item in its order, what the work on it returned or raised.

        Work that has not begun by the deadline counts as a DeadlineError, work that has not ended as a
        NoResponseError; the thread of what hangs is abandoned.
        """
        if not deadline.left():
            return [DeadlineError(TIME_IS_UP) for _ in items]
        return self.submit_each(work, items)(deadline)

    def submit_each(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Callable[[Deadline], list[Result | Exception]]:
        """Begin work on each item; the function returned gives, by a deadline, what `map` would return."""
        futures: list[Future[Result]] = [self._executor.submit(work, item) for item in items]

        def results(deadline: Deadline) -> list[Result | Exception]:
            wait(futures, timeout=deadline.left())
            return [_result(future) for future in futures]  # type: ignore[arg-type] # the list's union is too wide

        return results

    def run(self, work: Callable[[], Result], deadline: Deadline, what: str = "") -> Result:
        """Return what the work returns; raise what it raises, or DeadlineError, which names `what` had no result."""
        result = self.submit(work, what)(deadline)
        if isinstance(result, Exception):
            raise result
        return result

    def submit(self, work: Callable[[], Result], what: str = "") -> Callable[[Deadline], Result | Exception]:
        """Begin one piece of work; the function returned gives, by a deadline, what it returned or raised."""
        results = self.submit_each(lambda _: work(), [None])

        def outcome(deadline: Deadline) -> Result | Exception:
            (result,) = results(deadline)
            return NoResponseError(f"{what}: {result}") if what and isinstance(result, NoResponseError) else result

        return outcome

    def shutdown(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _result(future: "Future[Result]") -> Result | Exception:
    if future.cancel():
        return DeadlineError(TIME_IS_UP)
    if not future.done():
        return NoResponseError("no response before the time was up")
    error = future.exception()
    if error is None:
        return future.result()
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


@dataclass(frozen=True)
class Clock:
    """Seconds as a process measures them, seconds since the epoch, and how to wait for them to pass."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
