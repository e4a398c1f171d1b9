"""The matrix as a Markdown table for operators: rows that differ in the fault only share a line."""

from collections.abc import Iterable
from pathlib import Path

from tests.faults.matrix import MATRIX
from tests.faults.rows import Event, Have, Row

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = ("What goes wrong", "Where", "Event", "Response", "What Falcon holds then", "What to do")
RESPONSES = {"SUCCESS": "success", "FAILED": "failure", "none": "none is taken"}


def render(rows: Iterable[Row] = MATRIX) -> str:
    """Return the table, with a line for each response, remainder and advice, and all that leads there."""
    lines: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.listed:
            lines.setdefault((RESPONSES[row.status], left(row), row.do), []).append(row)
    cells = [
        (_list(row.fault for row in some), _list(row.point for row in some), _list(row.event for row in some), *rest)
        for rest, some in lines.items()
    ]
    return "\n".join(_line(each) for each in (HEAD, ("---",) * len(HEAD), *cells))


def _list(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(str(text) for text in texts))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def left(row: Row) -> str:
    """Return in words what Falcon holds after the response."""
    if row.event is Event.DELETE:
        if not row.falcon:
            return "nothing"
        return "everything" if row.status == "SUCCESS" else "what could not be removed"
    kinds = set(row.falcon.values())
    if row.status != "FAILED":
        return "every Region connected" if row.falcon.keys() >= row.wanted else "the other Regions connected"
    if Have.MADE in kinds:
        return "what was made, until the rollback"
    return "what was adopted, besides what was there before" if Have.SET in kinds else "what was there before"


def in_readme() -> str:
    """Return the table as the README beside this has it now."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0].strip("\n")


def write_readme() -> None:
    """Put the table into that README."""
    text = README.read_text()
    README.write_text(f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{render()}\n\n{END}{text.partition(END)[2]}")
