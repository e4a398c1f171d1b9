"""Where the commands print: tables that fit the terminal, progress, questions, and text that cannot steer it."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.errors import CliError

ABSENT: Final = "-"
QUIET_SECONDS: Final = 5.0
"""After so long without an answer the operator sees what is waited for."""
PIPED_WIDTH: Final = 2000  # columns; what is piped is not folded


def printable(text: str, *, lines: bool = False) -> str:
    """Return text of somebody else's without control characters; line ends stay where `lines` says so.

    AWS, Falcon and stack events quote what others wrote, and a terminal obeys what it is sent.
    """
    kept = "\n" if lines else ""
    return "".join(char if char.isprintable() or char in kept else " " for char in text)


class Screen:
    """Prints for people; a terminal gets colours and folded lines, a pipe gets plain lines."""

    def __init__(self, console: Console | None = None, *, wide: bool = False) -> None:
        self.console = console or Console(highlight=False, markup=False, emoji=False)
        self.wide = wide
        if not self.console.is_terminal and console is None:
            self.console.width = PIPED_WIDTH

    @property
    def is_terminal(self) -> bool:
        """Whether somebody can be asked."""
        return self.console.is_terminal and sys.stdin.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """Print a paragraph, folded at words on a terminal."""
        self.console.print(Text(printable(text, lines=True), style=style))

    def link(self, text: str) -> None:
        """Print a line that must not be broken: an address, a command, a value to copy."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Print for programs: exactly this."""
        self.console.file.write(f"{text}\n")
        self.console.file.flush()

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[tuple[str, Sequence[str | None]]],
        *,
        more: Sequence[str] = (),
        title: str = "",
    ) -> None:
        """Print rows, each with its style, under their heads; nothing if there are none. The second column folds.

        The last columns, those of `more`, are printed with WIDE=1 only.
        """
        if not rows:
            return
        heads = [*heads, *more] if self.wide else heads
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title or None, title_justify="left")
        for number, head in enumerate(heads):
            table.add_column(head, overflow="fold", no_wrap=number != 1, header_style="bold")
        for style, cells in rows:
            table.add_row(*(Text(printable(cell or ABSENT)) for cell in cells[: len(heads)]), style=style)
        self.say()
        # What WIDE adds is wider than a terminal, and a cell that is cut short would be lost.
        width = self.console.width
        self.console.width = PIPED_WIDTH if self.wide else width
        self.console.print(table)
        self.console.width = width

    def group(self, title: str, names: Sequence[str]) -> None:
        """Print many names in few lines; nothing if there are none."""
        if names:
            self.say(f"{len(names)} {title}: {', '.join(names)}")

    def outputs(self, outputs: Mapping[str, str]) -> None:
        """Print names and values, each value unbroken."""
        width = max(map(len, outputs), default=0)
        for name, value in sorted(outputs.items()):
            self.link(f"  {name:<{width}}  {value}")

    def confirm(self, name: str, *, agreed: bool) -> None:
        """Let the operator type a name, unless they agreed in advance. Raises CliError if they do not."""
        if agreed:
            return
        if not self.is_terminal:
            raise CliError("this needs an answer, and there is no terminal. YES=1 agrees in advance.")
        if self.console.input(f"Type {name} to go on: ").strip() != name:
            raise CliError("that is not its name. Nothing was changed.")

    @contextmanager
    def waiting(self, what: str, seconds: float) -> Iterator[None]:
        """Print a line, with the time until which is waited, if what the block does takes a while."""
        until = datetime.now(UTC).astimezone() + timedelta(seconds=seconds)
        timer = threading.Timer(QUIET_SECONDS, self.say, [f"{what} until {until:%H:%M:%S}"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int, int, int], None]]:
        """Yield what shows that so many of so many accounts are over, and how many failed. A pipe gets lines."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("accounts")
        failures = TextColumn("[red]{task.fields[failed]}")
        terminal, last = self.console.is_terminal, ""
        with Progress(*columns, failures, TimeElapsedColumn(), console=self.console, disable=not terminal) as bar:
            task = bar.add_task(title, total=total or None, failed="")

            def show(over: int, known: int, failed: int) -> None:
                nonlocal last
                text, known = f"{failed} failed" if failed else "", max(total, known)
                bar.update(task, completed=over, total=known, failed=text)
                line = ", ".join(filter(None, (f"{title}: {over} of {known} accounts", text)))
                if line != last and not terminal:
                    self.say(line)
                last = line

            yield show


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
