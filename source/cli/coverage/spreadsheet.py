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
        number = f"'{row.account}"  # with its leading zeros, and not as 1.11E+11
        for region, cell in sorted(row.cells.items()):
            texts = (row.name, region, cell.state, cell.reason, cell.detail, row.version, row.note)
            table.writerow([number, *(_FORMULA.sub(r"\1\2'", text) for text in texts)])
    return written.getvalue()
