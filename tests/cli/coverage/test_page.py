"""The coverage report as a page and as a table for spreadsheets. What others wrote is shown, and never obeyed."""

import csv
import io
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

from cli.coverage import page as coverage_page
from cli.coverage import spreadsheet
from cli.coverage.model import Cell, Coverage, Row, State
from cli.coverage.report import write_private
from tests.cli.coverage.sample import AT, definition, facts, sample

A, B = "200000000001", "200000000002"
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{rows}}=1"


class Shown(HTMLParser):
    """What a browser would see: tags, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_text_is_shown_and_never_obeyed() -> None:
    rows = [
        Row(A, HOSTILE, {HOSTILE: Cell(State.FAILED, HOSTILE, HOSTILE)}, HOSTILE),
        Row(B, '=HYPERLINK("https://evil.example")', {"us-east-1": Cell(State.MISSING, "@SUM(1)", "+1")}, "-1"),
    ]
    others = dict.fromkeys(("organization", "stack_set", "cloud", "unread"), HOSTILE)

    page = coverage_page.html(Coverage(rows), facts(definition=definition(HOSTILE), **others), AT)
    shown = Shown(page)

    assert "img" not in {tag for tag, _ in shown.tags}
    assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)
    assert page.count("<script>") == page.count("</script>") == 1
    assert shown.text.count(HOSTILE) >= 7
    assert page.count("<tr data-groups") == 2  # what looks like a place to fill was not filled


def test_the_table_has_a_line_for_every_registry_and_a_spreadsheet_finds_no_formula_in_it() -> None:
    cells = {"us-east-1": Cell(State.MISSING, "x\t@SUM(1)", "; +1"), "eu-west-1": Cell(State.CONNECTED)}
    rows = [Row(A, "a;=1+1", cells, "=2", "1.0.0"), Row(B, "-1 and a-b = c", {"us-east-1": Cell(State.FAILED)})]

    lines = list(csv.reader(io.StringIO(spreadsheet.csv(Coverage(rows)))))

    assert lines == [
        ["account", "name", "region", "state", "reason", "detail", "version", "note"],
        [f"'{A}", "a;'=1+1", "eu-west-1", "connected", "", "", "1.0.0", "'=2"],
        [f"'{A}", "a;'=1+1", "us-east-1", "missing", "x\t'@SUM(1)", "; '+1", "1.0.0", "'=2"],
        [f"'{B}", "'-1 and a-b = c", "us-east-1", "failed", "", "", "", ""],
    ]


def test_only_its_owner_may_read_the_report(tmp_path: Path) -> None:
    path = tmp_path / "coverage.html"
    path.write_text("of an earlier version")
    path.chmod(0o644)

    write_private(path, "new")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "new"


def test_the_page_loads_nothing_and_says_everything_without_colour() -> None:
    page = coverage_page.html(sample(60), facts(), AT)
    shown = Shown(page)

    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in shown.tags}
    assert not any({"src", "href", "style"} & attributes.keys() for _, attributes in shown.tags)
    assert not re.search(r"url\(|@import|https?://(?!.*w3\.org)", page)
    assert "default-src 'none'" in page
    cells = re.findall(r"<td(?: class=\"(\w)\")?>(?:<abbr title=\"[^\"]+\">)?([^<]*)", page.partition('id="map"')[2])
    assert {mark for _, mark in cells} >= {"✓", "M", ""}
    assert all(bool(kind) == bool(mark) for kind, mark in cells)


def test_the_headline_is_the_figures() -> None:
    assert coverage_page.headline(sample(60)) in coverage_page.html(sample(60), facts(), AT)
    assert coverage_page.headline(Coverage([Row(A, "", {"us-east-1": Cell(State.MISSING)})])) == (
        "Falcon has a connection to 0 of 1 registries. 1 account needs attention."
    )
    assert "0 of 0 registries. 0 accounts need attention." in coverage_page.html(Coverage([]), facts(), AT)
