"""Run the benchmarks: `python -m tests.bench [--write] [name ...]`; exit status 1 if a target is missed."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.bench import calls, footprint, launch, organization
from tests.bench.table import Row, markdown
from tests.docs.tables import with_section

README: Final = Path(__file__).with_name("README.md")

BENCHMARKS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "launch": launch.measure,
    "calls": calls.measure,
    "organization": organization.measure,
    "footprint": footprint.measure,
}


def main() -> int:
    """Measure, show, and write the section of the README beside this if asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which benchmarks; all without a name")
    parser.add_argument("--write", action="store_true", help="write the table into the README beside this")
    options = parser.parse_args()
    if options.write and options.names:
        parser.error("--write takes no names, because the table has all of them")
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)  # noqa: T201 - a command talks
        rows += BENCHMARKS[name]()
    print(markdown(rows))  # noqa: T201
    if options.write:
        heading = f"Measured on {datetime.now(UTC):%Y-%m-%d} with `make bench`, on {os.cpu_count()} cores."
        section = f"{heading}\n\n{markdown(rows)}"
        README.write_text(with_section(README.read_text(), "bench", section))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
