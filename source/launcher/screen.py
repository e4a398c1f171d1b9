"""Aligned tables and a little colour, for people; plain text for everything else."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

WIDTH: Final = 110
ABSENT: Final = "-"

_CODES: Final = {"red": "31", "green": "32", "yellow": "33", "bold": "1"}


class Screen:
    """Where a command prints. In colour on a terminal, unless NO_COLOR asks for none (https://no-color.org)."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._colours = stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def say(self, text: str = "", colour: str = "") -> None:
        """Print a line."""
        print(self._painted(text, colour), file=self._stream, flush=True)

    def table(self, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str | None]]]) -> None:
        """Print rows, each with its colour, under their heads; nothing if there are none."""
        filled = [(colour, [cell or ABSENT for cell in cells]) for colour, cells in rows]
        if not filled:
            return
        widths = [max(map(len, column)) for column in zip(heads, *(cells for _, cells in filled), strict=True)]
        self.say()
        for colour, cells in (("bold", heads), *filled):
            self.say("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip(), colour)

    def group(self, title: str, names: Sequence[str]) -> None:
        """Print many names in few lines; nothing if there are none."""
        if names:
            text = f"{len(names)} {title}: {', '.join(names)}"
            self.say(textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False))

    def _painted(self, text: str, colour: str) -> str:
        return f"\033[{_CODES[colour]}m{text}\033[0m" if colour and self._colours else text
