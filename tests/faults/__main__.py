"""Writes the fault matrix as a Markdown table for operators into the README."""

from pathlib import Path

from tests.docs.tables import with_section
from tests.faults.matrix import MATRIX
from tests.faults.rows import Event, Have, Row

README = Path(__file__).with_name("README.md")
HEAD = ("What goes wrong", "Where", "Event", "Response", "What Falcon holds then", "What to do")
RESPONSES = {"SUCCESS": "success", "FAILED": "failure", "none": "none is taken"}


def render() -> str:
    """Return the table, with a line for each response, remainder and advice, and all faults that lead there."""
    lines: dict[tuple[str, str, str], list[tuple[str, ...]]] = {}
    for row in MATRIX:
        if row.listed:
            lines.setdefault((RESPONSES[row.status], _left(row), row.do), []).append((row.fault, row.point, row.event))
    cells = [
        (*("; ".join(dict.fromkeys(texts)) for texts in zip(*some, strict=True)), *rest) for rest, some in lines.items()
    ]
    return "\n".join(f"| {' | '.join(each)} |" for each in (HEAD, ("---",) * len(HEAD), *cells))


def _left(row: Row) -> str:
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


if __name__ == "__main__":
    README.write_text(with_section(README.read_text(), "faults", render()))
