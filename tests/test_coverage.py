"""The coverage report: what is known of each registry, and a page and a table that say so."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from launcher import coverage_page
from launcher.coverage import read_request, remarks, scope_of
from launcher.coverage_model import Cell, Coverage, Row, Scope, State, cover
from launcher.coverage_sources import Facts
from launcher.errors import LauncherError
from launcher.organization_members import Account
from launcher.organization_stack_set import Definition
from tests.coverage_sample import DENIED, MANAGEMENT, SUFFIX, about, connection, instance, sample

A, B = "200000000001", "200000000002"
REGIONS = frozenset({"us-east-1", "eu-west-1"})
SCOPE = Scope(SUFFIX, MANAGEMENT, {}, REGIONS)
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{rows}}=1"


def states(coverage: Coverage, account: str = A) -> dict[str, State]:
    (row,) = (row for row in coverage.rows if row.account == account)
    return {region: cell.state for region, cell in row.cells.items()}


def covered(*connections: Any, instances: Any = None, scope: Scope = SCOPE, status: str = "ACTIVE") -> Coverage:
    """Return the coverage of one account, which has a stack unless told otherwise."""
    instances = [instance(A)] if instances is None else instances
    return cover([Account(A, "one", status)], instances, connections, scope)


# What is known


def test_a_connection_of_ours_is_connected_and_none_is_missing() -> None:
    found = covered(connection(A, "us-east-1"))

    assert states(found) == {"us-east-1": State.CONNECTED, "eu-west-1": State.MISSING}
    assert (found.scanned, found.expected) == (1, 2)
    (finding,) = found.findings()
    assert "the account's own status tells why" in finding.reason


@pytest.mark.parametrize(
    "fields",
    [
        {"alias": "made by hand"},
        {"alias": ""},
        {"url": f"https://{A}.dkr.ecr.us-east-1.amazonaws.com/"},
        {"url": f"https://{A}.dkr-ecr.us-east-1.on.aws"},
    ],
)
def test_a_connection_with_another_alias_or_form_of_url_is_not_managed_by_us(fields: dict[str, str]) -> None:
    found = covered(connection(A, "us-east-1", **fields))

    assert states(found)["us-east-1"] == State.UNMANAGED
    assert found.scanned == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "docker"},
        {"url": f"https://{A}4.dkr.ecr.us-east-1.amazonaws.com"},
        {"url": f"https://harbor.example.com/{A}"},
        {"url": f"https://{A}.dkr.ecr.us-east-1.amazonaws.com.cn"},
        {"url": f"https://mirror.{A}.dkr.ecr.us-east-1.amazonaws.com"},
        {"url": ""},
    ],
)
def test_what_only_looks_like_a_connection_of_the_account_is_none(fields: dict[str, str]) -> None:
    assert states(covered(connection(A, "us-east-1", **fields)))["us-east-1"] == State.MISSING


def test_of_two_connections_one_that_works_counts_and_ours_before_others() -> None:
    by_hand = connection(A, "us-east-1", id="x", alias="by hand")
    expired = connection(A, "us-east-1", expired=True)

    assert states(covered(by_hand, connection(A, "us-east-1")))["us-east-1"] == State.CONNECTED
    assert states(covered(expired, by_hand))["us-east-1"] == State.UNMANAGED


def test_an_expired_credential_scans_nothing() -> None:
    found = covered(connection(A, "us-east-1", expired=True, expired_at="2026-11-20T04:00:00Z"))

    assert states(found)["us-east-1"] == State.EXPIRED
    assert found.rows[0].cells["us-east-1"].detail == "since 2026-11-20T04:00:00Z"
    assert found.scanned == 0


def test_a_failed_stack_fails_what_is_not_connected_and_says_why() -> None:
    found = covered(connection(A, "us-east-1"), instances=[instance(A, "OUTDATED", DENIED)])

    assert states(found) == {"us-east-1": State.CONNECTED, "eu-west-1": State.FAILED}
    assert found.rows[0].cells["eu-west-1"].reason == DENIED
    assert DENIED in found.rows[0].note


def test_an_account_without_a_stack_and_the_management_account_are_told_apart() -> None:
    accounts = [Account(A, "one", "ACTIVE"), Account(MANAGEMENT, "root", "ACTIVE")]

    found = cover(accounts, [], [], SCOPE)

    reasons = {finding.accounts[0][0]: finding.reason for finding in found.findings()}
    assert "none of the stack set's units" in reasons[A]
    assert "INCLUDE_MANAGEMENT=1" in reasons[MANAGEMENT]


@pytest.mark.parametrize("status", ["SUSPENDED", "PENDING_CLOSURE"])
def test_a_closed_account_lacks_nothing_and_its_connections_are_orphans(status: str) -> None:
    found = covered(connection(A, "us-east-1"), connection(A, "eu-west-1", alias="x"), instances=[], status=status)

    assert states(found) == {"us-east-1": State.ORPHAN, "eu-west-1": State.ORPHAN}
    assert found.expected == 0
    assert coverage_page.percent(found) == "none"


def test_ours_of_an_account_outside_the_organization_is_an_orphan_and_others_are_only_counted() -> None:
    found = covered(
        connection(A, "us-east-1"), connection(B, "us-east-1"), connection("200000000003", "us-east-1", alias="theirs")
    )

    assert states(found, B) == {"us-east-1": State.ORPHAN}
    assert {row.account for row in found.rows} == {A, B}
    assert found.foreign == 1


def test_regions_that_are_not_enabled_or_left_out_have_no_cell() -> None:
    scope = replace(SCOPE, regions={A: REGIONS | {"af-south-1"}}, excluded=frozenset({"eu-west-1"}))

    assert states(covered(scope=scope)).keys() == {"us-east-1", "af-south-1"}
    assert states(covered(scope=replace(scope, wanted=frozenset({"us-east-1"})))).keys() == {"us-east-1"}
    assert states(covered(connection(A, "eu-west-1"), scope=scope))["eu-west-1"] == State.CONNECTED


def test_findings_gather_accounts_with_the_same_reason_the_worst_first() -> None:
    accounts = [Account(each, "", "ACTIVE") for each in (A, B)]
    instances = [instance(each, "OUTDATED", DENIED) for each in (A, B)]

    found = cover(accounts, instances, [connection(A, "us-east-1", expired=True)], SCOPE)

    failed, expired = found.findings()
    assert (failed.state, failed.registries, [account for account, _ in failed.accounts]) == (State.FAILED, 3, [B, A])
    assert expired.state == State.EXPIRED
    assert found.rows[0].worst == State.FAILED


@pytest.mark.parametrize(
    ("scanned", "missing", "shown"),
    [(1, 0, "100 %"), (9999, 1, "99.9 %"), (1, 9999, "0.1 %"), (0, 5, "0 %"), (1, 1, "50 %")],
)
def test_the_share_is_never_rounded_to_all_or_to_none(scanned: int, missing: int, shown: str) -> None:
    found = [State.CONNECTED] * scanned + [State.MISSING] * missing
    cells = {f"region-{number}": Cell(state) for number, state in enumerate(found)}

    assert coverage_page.percent(Coverage([Row(A, "", cells)])) == shown


# The scope


def facts(**fields: Any) -> Facts:
    made: dict[str, Any] = {
        "organization": "o-exampleorgid",
        "management": MANAGEMENT,
        "accounts": [Account(A, "one", "ACTIVE")],
        "definition": Definition("", {"ExcludedRegions": "eu-west-1, sa-east-1"}, True, True, frozenset()),
        "instances": [instance(A)],
        "connections": [connection(A, "eu-west-1")],
        "cloud": "us-1",
        "url_suffix": SUFFIX,
        "regions": {},
        "unread": "",
    }
    return Facts(**made | fields)


def test_regions_that_cannot_be_read_are_those_seen_and_the_page_says_so() -> None:
    unread = facts(unread="AccessDeniedException")

    assert scope_of(unread, frozenset()).otherwise == {"us-east-1", "eu-west-1"}
    (said, _) = remarks(unread, frozenset(), "falcon")
    assert "1 accounts could not be read (AccessDeniedException" in said
    assert "seen in Falcon, which may be more or fewer" in said


def test_regions_that_are_named_stand_in_for_those_that_cannot_be_read() -> None:
    named = frozenset({"ca-central-1"})

    assert scope_of(facts(), named).otherwise == named
    assert "those named in REGIONS" in remarks(facts(unread="x"), named, "falcon")[0]


def test_the_stack_sets_own_limits_are_heeded_and_told() -> None:
    assert scope_of(facts(), frozenset()).excluded == {"eu-west-1", "sa-east-1"}
    assert remarks(facts(), frozenset(), "falcon") == [
        "The stack set is limited by ExcludedRegions=eu-west-1, sa-east-1."
    ]
    assert "There is no stack set falcon here" in remarks(facts(definition=None), frozenset(), "falcon")[0]


def test_every_problem_of_a_request_is_told_at_once() -> None:
    with pytest.raises(LauncherError) as error:
        read_request({"FALCON_CLOUD": "mars-1", "FALCON_API_URL": "http://x", "CALL_AS": "me"})

    assert len(error.value.problems) == 5


# The page and the table


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


def hostile() -> Coverage:
    rows = [
        Row(A, HOSTILE, {HOSTILE: Cell(State.FAILED, HOSTILE, HOSTILE)}, HOSTILE),
        Row(
            B,
            '=HYPERLINK("https://evil.example")',
            {
                "us-east-1": Cell(
                    State.MISSING,
                    "@SUM(1)",
                    "+1",
                )
            },
            "-1",
        ),
    ]
    return Coverage(rows)


def test_hostile_text_is_shown_and_never_obeyed() -> None:
    described = replace(about(HOSTILE), organization=HOSTILE, stack_set=HOSTILE, cloud=HOSTILE)

    page = coverage_page.html(hostile(), described)
    shown = Shown(page)

    assert "img" not in {tag for tag, _ in shown.tags}
    assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)
    assert page.count("<script>") == page.count("</script>") == 1
    assert shown.text.count(HOSTILE) >= 6
    assert page.count("<tr data-groups") == 2  # what looks like a place to fill was not filled


def test_a_spreadsheet_finds_no_formula_in_the_table() -> None:
    lines = list(csv.reader(io.StringIO(coverage_page.csv(hostile()))))

    assert lines[0] == ["account", "name", "region", "state", "reason", "detail", "note"]
    assert lines[1][1] == HOSTILE
    assert lines[2] == [B, '\'=HYPERLINK("https://evil.example")', "us-east-1", "missing", "'@SUM(1)", "'+1", "'-1"]


def test_the_table_has_a_line_for_every_registry() -> None:
    coverage = sample(60)

    lines = list(csv.DictReader(io.StringIO(coverage_page.csv(coverage))))

    assert len(lines) == sum(coverage.totals.values())
    assert {line["state"] for line in lines} <= set(State)


def test_the_page_loads_nothing_and_says_everything_without_colour() -> None:
    page = coverage_page.html(sample(60), about())
    shown = Shown(page)

    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in shown.tags}
    assert not any({"src", "href", "style"} & attributes.keys() for _, attributes in shown.tags)
    assert not re.search(r"url\(|@import|https?://(?!.*w3\.org)", page)
    assert "default-src 'none'" in page
    cells = re.findall(r"<td(?: class=\"(\w)\")?>(?:<abbr title=\"[^\"]+\">)?([^<]*)", page.partition('id="map"')[2])
    assert {mark for _, mark in cells} >= {"✓", "M", ""}
    assert all(bool(kind) == bool(mark) for kind, mark in cells)


def test_the_headline_is_the_figures() -> None:
    assert coverage_page.headline(sample(60)) in coverage_page.html(sample(60), about())
    assert coverage_page.headline(Coverage([Row(A, "", {"us-east-1": Cell(State.MISSING)})])) == (
        "0 of 1 registries are scanned by Falcon. 1 account needs attention."
    )
    assert "0 of 0 registries" in coverage_page.html(Coverage([]), about())
