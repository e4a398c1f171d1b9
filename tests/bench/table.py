"""The rows of the result and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. `target` is the most that it may be."""

    name: str
    what: str
    value: float
    target: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row in a table."""
        measured, target = (f"{_shown(each)} {self.unit}".strip() for each in (self.value, self.target))
        return self.name, self.what, measured, target, "met" if self.met else "missed"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if (value == round(value) and value >= 1) or value >= 100 else f"{value:.2f}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    lines = [("Benchmark", "What", "Measured", "Target", "Verdict"), ("---", "---", "--:", "--:", "---")]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *(row.cells() for row in rows)])
