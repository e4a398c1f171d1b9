"""Does things at the same time, and never waits for them longer than the deadline."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from registry_connections.errors import DeadlineError, UnansweredError
from registry_connections.model import Deadline

WORKERS: Final = 48
"""Threads: every Region of the largest account at once (36 are known), with a little to spare."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """A bounded number of threads that live as long as one invocation."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="crew")

    def each(
        self, work: Callable[[Item], Result], items: Sequence[Item], deadline: Deadline
    ) -> list[Result | Exception]:
        """Return, for each item in its order, what the work on it returned or raised.

        Work that has not begun by the deadline counts as a DeadlineError, work that has not ended as an
        UnansweredError; what hangs is left behind.
        """
        if not deadline.left():
            return [DeadlineError("the time of this invocation is used up") for _ in items]
        return self.begin_each(work, items)(deadline)

    def begin_each(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Callable[[Deadline], list[Result | Exception]]:
        """Begin work on each item; the function returned gives, by a deadline, what `each` would return."""
        futures: list[Future[Result]] = [self._executor.submit(work, item) for item in items]

        def outcomes(deadline: Deadline) -> list[Result | Exception]:
            wait(futures, timeout=deadline.left())
            return [_result(future) for future in futures]  # type: ignore[arg-type] # the list's union is too wide

        return outcomes

    def one(self, work: Callable[[], Result], deadline: Deadline, what: str = "") -> Result:
        """Return what the work returns; raise what it raises, or DeadlineError, which says `what` has no answer."""
        result = self.begin(work, what)(deadline)
        if isinstance(result, Exception):
            raise result
        return result

    def begin(self, work: Callable[[], Result], what: str = "") -> Callable[[Deadline], Result | Exception]:
        """Begin one piece of work; the function returned gives, by a deadline, what it returned or raised."""
        outcomes = self.begin_each(lambda _: work(), [None])

        def outcome(deadline: Deadline) -> Result | Exception:
            (result,) = outcomes(deadline)
            return UnansweredError(f"{what}: {result}") if what and isinstance(result, UnansweredError) else result

        return outcome

    def dismiss(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _result(future: "Future[Result]") -> Result | Exception:
    if future.cancel():
        return DeadlineError("the time of this invocation is used up")
    if not future.done():
        return UnansweredError("no answer before the time was up")
    error = future.exception()
    if error is None:
        return future.result()
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
