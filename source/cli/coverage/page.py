"""The coverage report as a page that stands alone. Nothing in it is trusted."""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from cli.coverage.model import NEED_ATTENTION, Coverage, Facts, Finding, Row, State

TEMPLATE: Final = Path(__file__).with_name("page.html")
SHOWN: Final = (*(state for state in reversed(State) if state != State.ORPHAN), State.ORPHAN)
"""From good to bad to odd, as a bar is read."""

CLASSES: Final = {state: "c" if state == State.CONNECTED else state.mark.lower() for state in State}
LONGEST_TITLE: Final = 200  # characters of a reason in a cell; the findings have all of it
_PLACE: Final = re.compile(r"{{(\w+)}}")


def headline(coverage: Coverage) -> str:
    """Return the report in two sentences."""
    number = coverage.attention
    attention = f"{number:,} accounts need attention." if number != 1 else "1 account needs attention."
    return f"Falcon has a connection to {coverage.connected:,} of {coverage.expected:,} registries. {attention}"


def percent(coverage: Coverage) -> str:
    """Return the share that is connected, never rounded up to all or down to none."""
    if not coverage.expected:
        return "none"
    tenths = coverage.connected * 1000 // coverage.expected
    tenths = max(tenths, 1) if coverage.connected else tenths
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 10 else f"{tenths // 10} %"


def html(coverage: Coverage, facts: Facts, at: datetime) -> str:
    """Return the page on what was read at this time."""
    regions = sorted({region for row in coverage.rows for region in row.cells})
    findings = coverage.findings()
    # Ours, and part of the script: it must be there before the script's digest is taken.
    needs = json.dumps(sorted(CLASSES[state] for state in NEED_ATTENTION))
    template = TEMPLATE.read_text(encoding="utf-8").replace("{{attention_classes}}", needs)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, finding in enumerate(findings):
        for account, _ in finding.accounts:
            groups[account].append(number)
    parts = {
        "organization": escape(facts.organization),
        "stack_set": escape(facts.stack_set),
        "version": escape(facts.definition.version or "unknown"),
        "cloud": escape(facts.cloud),
        "at": at.strftime("%Y-%m-%d %H:%M UTC"),
        "percent": percent(coverage),
        "headline": headline(coverage),
        "bar": _bar(coverage),
        "bar_label": ", ".join(f"{coverage.totals[state]:,} {state}" for state in SHOWN),
        "tiles": "".join(_tile(state, coverage.totals[state]) for state in SHOWN),
        "findings": "".join(_finding(number, finding) for number, finding in enumerate(findings))
        or '<tr><td colspan="5">Nothing: every registry has a connection of ours.</td></tr>',
        "options": "".join(f"<option>{escape(region)}</option>" for region in regions),
        "count": f"{len(coverage.rows):,} accounts",
        "heads": "".join(f'<th scope="col"><span>{escape(region)}</span></th>' for region in regions),
        "rows": "\n".join(_row(row, regions, groups.get(row.account, ())) for row in coverage.rows),
        "remarks": "".join(f"<li>{escape(remark)}</li>" for remark in [*_legend(coverage), *facts.remarks()]),
        "style_hash": _hash(template, "style"),
        "script_hash": _hash(template, "script"),
    }
    return _PLACE.sub(lambda place: parts[place[1]], template)


def _bar(coverage: Coverage) -> str:
    """Return a rectangle for each state, with a width that can be seen however rare it is."""
    counts = [(state, coverage.totals[state]) for state in SHOWN if coverage.totals[state]]
    total = sum(count for _, count in counts) or 1
    widths = [max(count * 1000 / total, 5.0) for _, count in counts]
    at, drawn = 0.0, []
    for (state, _), width in zip(counts, widths, strict=True):
        scaled = width * 1000 / sum(widths)
        drawn.append(f'<rect class="{CLASSES[state]}" x="{at:.1f}" width="{scaled:.1f}" height="10"/>')
        at += scaled
    return "".join(drawn)


def _chip(state: State) -> str:
    return f'<span class="chip {CLASSES[state]}" aria-hidden="true">{state.mark}</span>'


def _tile(state: State, count: int) -> str:
    disabled = "" if count else " disabled"
    return (
        f'<button type="button" class="tile" data-state="{CLASSES[state]}" aria-pressed="false"'
        f' title="{escape(state.meaning)}"{disabled}><b>{count:,}</b>{_chip(state)}{state}</button>'
    )


def _finding(number: int, finding: Finding) -> str:
    (account, name), *others = finding.accounts
    accounts = f"{account} {name}".strip() + (f" and {len(others):,} more" if others else "")
    return (
        f"<tr><td>{_chip(finding.state)}{finding.state}</td><td>{escape(finding.reason)}</td>"
        f'<td class="number" data-label="Registries">{finding.registries:,}</td>'
        f'<td class="number" data-label="Accounts">{len(finding.accounts):,}</td>'
        f'<td><button type="button" class="link" data-group="{number}" aria-pressed="false">{escape(accounts)}</button>'
        "</td></tr>"
    )


def _row(row: Row, regions: Iterable[str], groups: Iterable[int]) -> str:
    note = f"<i>{escape(row.note)}</i>" if row.note else ""
    note += f"<small>{escape(row.version)}</small>" if row.version else ""
    grouped = " ".join(map(str, groups))
    attributes = f' data-groups="{grouped}"' if grouped else ""
    opened = f"<tr{attributes}{' data-attention' if row.worst in NEED_ATTENTION else ''}>"
    head = f'<th scope="row" title="{escape(row.note)}"><code>{escape(row.account)}</code>{escape(row.name)}{note}</th>'
    return opened + head + "".join(_cell(row, region) for region in regions) + "</tr>"


def _cell(row: Row, region: str) -> str:
    cell = row.cells.get(region)
    if cell is None:
        return "<td></td>"
    if cell.state == State.CONNECTED:
        return f'<td class="c">{cell.state.mark}</td>'
    title = escape(f"{cell.state}: {cell.reason[:LONGEST_TITLE]} {cell.detail}".rstrip())
    return f'<td class="{CLASSES[cell.state]}"><abbr title="{title}">{cell.state.mark}</abbr></td>'


def _legend(coverage: Coverage) -> list[str]:
    lines = [f"{state.mark} {state}: {state.meaning}." for state in SHOWN]
    lines.append("A hatched cell is a Region that the account has not enabled, or that is left out.")
    lines.append(
        "A connection counts as ours if its URL is the registry's and its alias begins with the mark of the account's "
        "stack: Falcon records no owner, and what each stack has recorded is in its own account."
    )
    if coverage.foreign:
        lines.append(
            f"The tenant also has {coverage.foreign:,} ECR connections of accounts outside this organization that are "
            "not ours. They are not shown."
        )
    return lines


def _hash(template: str, element: str) -> str:
    """Return what the page's own policy knows the element's content by, so that no other content runs."""
    found = re.search(f"<{element}>(.*?)</{element}>", template, re.DOTALL)
    content = found[1] if found else ""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
