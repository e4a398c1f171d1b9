"""Prints the fault matrix as a Markdown table; with --write, puts it into the README."""

import sys

from tests.docs.tables import with_section
from tests.faults.table import README, render

if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        README.write_text(with_section(README.read_text(), "faults", render()))
    else:
        sys.stdout.write(f"{render()}\n")
