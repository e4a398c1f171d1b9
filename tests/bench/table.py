"""The rows of the result and how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. `target` is the most that it may be; figures without one are for information."""

    name: str
    what: str
    value: float
    target: float | None
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.target is None or self.value <= self.target

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row in a table."""
        target = "" if self.target is None else f"{_shown(self.target)} {self.unit}".strip()
        verdict = "" if self.target is None else "met" if self.met else "missed"
        return self.name, self.what, f"{_shown(self.value)} {self.unit}".strip(), target, verdict


def _shown(value: float) -> str:
    return f"{value:,.0f}" if (value == round(value) and value >= 1) or value >= 100 else f"{value:.2f}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    lines = [("Benchmark", "What", "Measured", "Target", ""), ("---", "---", "--:", "--:", "---")]
    return "\n".join(
        f"| {' | '.join(line)} |".replace("|  |", "| |") for line in [*lines, *(row.cells() for row in rows)]
    )
