"""How the demo looks: in colour and live in a terminal, plain lines in a pipe; NO_COLOR is rich's to honour."""

import sys
import time
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 120  # columns, where there is no terminal to ask

STYLES = {"COMPLETE": "green", "IN_PROGRESS": "yellow", "FAILED": "red"}


class Stage:
    """Prints headings, events, tables and verdicts."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._console = Console(highlight=False, markup=False, width=None if self._terminal else PLAIN_WIDTH)
        self._started = time.monotonic()
        self._checks: list[tuple[bool, str]] = []

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(Text(text, style="bold cyan"))

    def say(self, text: str) -> None:
        """Explain what is seen."""
        self._console.print(Text(f"  {text}", style="dim"))

    def event(self, status: str, resource: str, reason: str = "") -> None:
        """Show one event of a stack."""
        style = next((style for ending, style in STYLES.items() if status.endswith(ending)), "")
        moment = f"  {time.monotonic() - self._started:5.1f} s  "
        line = Text.assemble(
            (moment, "dim"), (f"{status:<28}", style), resource, (f"  {reason}" if reason else "", "red")
        )
        self._console.print(line, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Show a table."""
        table = Table(box=box.ROUNDED if self._terminal else None, pad_edge=self._terminal, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        if self._terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:  # without the blanks that fill the last column
            self._console.print(table)
        for line in captured.get().splitlines():
            self._console.print(Text(f"  {line}".rstrip()), soft_wrap=True)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Show names and values; in a pipe, where no line is too long, a value is never broken."""
        if self._terminal:
            # Where a line must end, let it end between the members of a list.
            self.table(("Name", "Value"), [(name, value.replace(",", ", ")) for name, value in pairs])
            return
        for name, value in pairs:
            self._console.print(f"  {name + ':':<20}{value}", soft_wrap=True)

    def check(self, passed: bool, text: str) -> None:
        """Hold what was seen against what was promised."""
        self._checks.append((passed, text))
        mark, style = ("ok   ", "green") if passed else ("WRONG", "bold red")
        self._console.print(Text.assemble("  ", (mark, style), f" {text}"))

    def verdict(self) -> int:
        """Say how it went; return the exit status."""
        wrong = [text for passed, text in self._checks if not passed]
        seconds = time.monotonic() - self._started
        self._console.print()
        failed = bool(wrong or not self._checks)
        result = f"FAILED: {len(wrong)} of" if failed else "PASSED: all"
        text = f"{result} {len(self._checks)} checks, in {seconds:.0f} s"
        self._console.print(Text(text, style="bold red" if failed else "bold green"))
        return int(failed)
