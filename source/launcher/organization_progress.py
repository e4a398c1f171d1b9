"""What an operator sees while a stack set works, and which accounts failed in the end."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from launcher.organization_stack_set import UNDER_WAY, Result, StackSet

POLL_SECONDS: Final = 5.0
SHARE_OF_TIME: Final = 4.0
"""A large organization's results take many calls to read: rest this many times as long as reading took."""

_WIDE: Final = 2000  # characters; what is piped is not folded

Show = Callable[[Sequence[Result]], None]


def console(*, stderr: bool = False) -> Console:
    """Return a console that folds lines on a terminal only, and takes no text for markup."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def follow(stack_set: StackSet, operation: str, title: str, shown: Console, expected: int = 0) -> list[Result]:
    """Show an operation until it ends, and return how each account fared; `expected` accounts take part."""
    with _display(title, shown, expected) as show:
        while True:
            begun = time.monotonic()
            under_way = stack_set.operation_status(operation) in UNDER_WAY  # asked first, so that no result is missed
            results = stack_set.results(operation)
            show(results)
            if not under_way:
                return results
            time.sleep(max(POLL_SECONDS, (time.monotonic() - begun) * SHARE_OF_TIME))


@contextmanager
def _display(title: str, shown: Console, expected: int) -> Iterator[Show]:
    if not shown.is_terminal:
        yield _lines(title, shown, expected)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"))
    with Progress(*columns, TimeElapsedColumn(), console=shown) as progress:
        task = progress.add_task(title, total=expected or None, failed="")

        def show(results: Sequence[Result]) -> None:
            over, failed = sum(each.is_over for each in results), sum(each.failed for each in results)
            total = max(expected, len(results)) or None
            progress.update(task, completed=over, total=total, failed=f"{failed} failed" if failed else "")

        yield show


def _lines(title: str, shown: Console, expected: int) -> Show:
    """Return what prints a line whenever the figures change."""
    said: list[str] = []

    def show(results: Sequence[Result]) -> None:
        over, failed = sum(each.is_over for each in results), sum(each.failed for each in results)
        figures = f"{title}: {over} of {max(expected, len(results))} accounts"
        figures += f", {failed} failed" if failed else ""
        if said[-1:] != [figures]:
            said.append(figures)
            shown.print(figures)

    return show


def failures(failed: Mapping[str, str], names: Mapping[str, str]) -> Table:
    """Return the table of the accounts that failed, with their reasons and, as far as known, their names."""
    table = Table(title=f"Failed in {len(failed)} account{'s'[: len(failed) != 1]}", title_justify="left")
    table.add_column("Account", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("Reason", overflow="fold")
    for account, reason in sorted(failed.items()):
        table.add_row(account, Text(names.get(account, "")), Text(reason or "StackSets gives no reason."))
    return table
