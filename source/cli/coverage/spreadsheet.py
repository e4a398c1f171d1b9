"""The coverage report as a table for spreadsheets and other tools. Nothing in it is trusted."""

import csv as csv_format
import io
import re
from typing import Final

from cli.coverage.model import Coverage

# A reader whose separator is another than ours takes a field apart at it, and what follows may be a formula.
_FORMULA: Final = re.compile(r"(^|[;\t\r\n|])(\s*)(?=[=+\-@])")


def csv(coverage: Coverage) -> str:
    """Return one line for each registry, as spreadsheets read them; account numbers stay text."""
    written = io.StringIO()
    table = csv_format.writer(written)
    table.writerow(["account", "name", "region", "state", "reason", "detail", "version", "note"])
    for row in coverage.rows:
        for region, cell in sorted(row.cells.items()):
            texts = (row.name, region, cell.state, cell.reason, cell.detail, row.version, row.note)
            table.writerow([as_text(row.account), *map(harmless, texts)])
    return written.getvalue()


def as_text(number: str) -> str:
    """Return a number that spreadsheets keep as text: with its leading zeros, and not as 1.11E+11."""
    return f"'{number}"


def harmless(text: str) -> str:
    """Return what no spreadsheet takes for a formula, whatever its separator."""
    return _FORMULA.sub(r"\1\2'", text)
