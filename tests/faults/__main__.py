"""Prints the fault matrix as a Markdown table; with --write, puts it into the README."""

import sys

from tests.faults.table import render, write_readme

if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write_readme()
    else:
        sys.stdout.write(f"{render()}\n")
