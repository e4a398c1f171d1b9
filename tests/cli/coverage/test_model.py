"""What is known of each registry, and what a reader must know about how it was found out."""

from dataclasses import replace
from typing import Any

import pytest

from cli.coverage import page
from cli.coverage.model import Cell, Coverage, Row, Scope, State, cover
from cli.coverage.report import remarks, report, scope_of
from cli.coverage.sources import Facts
from cli.errors import CliError
from cli.organization.members import Account
from cli.organization.stack_set import Definition
from tests.cli.coverage.sample import DENIED, MANAGEMENT, MARK, SUFFIX, connection, instance
from tests.cli.support import asked, screen

A, B = "200000000001", "200000000002"
REGIONS = frozenset({"us-east-1", "eu-west-1"})
SCOPE = Scope(SUFFIX, MANAGEMENT, {}, REGIONS)


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
    assert (found.connected, found.expected) == (1, 2)
    (finding,) = found.findings()
    assert "the account's own status says why" in finding.reason


@pytest.mark.parametrize(
    "fields",
    [
        {"alias": "made by hand"},
        {"alias": ""},
        {"alias": f"ecr-{A}-us-east-1"},
        {"alias": f"ecr-0000aaaa-{A}-us-east-1"},  # of another stack of this account
        {"url": f"https://{A}.dkr-ecr.us-east-1.on.aws"},
    ],
)
def test_a_connection_with_another_alias_or_form_of_url_is_not_managed_by_us(fields: dict[str, str]) -> None:
    found = covered(connection(A, "us-east-1", **fields))

    assert states(found)["us-east-1"] == State.UNMANAGED
    assert found.connected == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"url": f"https://{A}.dkr.ecr.us-east-1.amazonaws.com/"},
        {"url": f"HTTPS://{A}.DKR.ECR.us-east-1.amazonaws.com"},
        {"alias": f"ecr-adopted-{MARK}-{A}-us-east-1"},
        {"alias": f"ecr-{MARK}-{A}-us-"},  # cut short
    ],
)
def test_urls_are_compared_as_the_function_does_and_the_mark_is_what_counts(fields: dict[str, str]) -> None:
    assert states(covered(connection(A, "us-east-1", **fields)))["us-east-1"] == State.CONNECTED


@pytest.mark.parametrize(
    ("state", "shown", "attention"),
    [
        ("", State.CONNECTED, 0),
        ("pending", State.CONNECTED, 0),
        ("Active", State.CONNECTED, 0),
        ("paused", State.PAUSED, 0),
        ("offline", State.BROKEN, 1),
        ("failed", State.BROKEN, 1),
    ],
)
def test_a_connection_that_does_not_work_is_named_with_its_state(state: str, shown: State, attention: int) -> None:
    scope = replace(SCOPE, otherwise=frozenset({"us-east-1"}))

    found = covered(connection(A, "us-east-1", state=state), scope=scope)

    cell = found.rows[0].cells["us-east-1"]
    assert cell.state == shown
    assert found.attention == attention
    assert shown == State.CONNECTED or state in cell.reason


def test_what_somebody_wanted_so_needs_no_attention() -> None:
    by_hand = covered(*(connection(A, region, alias="by hand") for region in REGIONS))

    assert (by_hand.attention, by_hand.connected) == (0, 2)
    assert page.headline(by_hand).endswith("0 accounts need attention.")
    assert by_hand.findings()


def test_an_accounts_version_is_the_stack_sets_if_its_stack_is_current() -> None:
    scope = replace(SCOPE, version="1.2.3")

    assert covered(scope=scope).rows[0].version == "1.2.3"
    assert covered(instances=[instance(A, "OUTDATED", DENIED)], scope=scope).rows[0].version == ""
    assert covered(instances=[], scope=scope).rows[0].version == ""


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
    assert found.connected == 0


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
    assert page.percent(found) == "none"


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

    assert page.percent(Coverage([Row(A, "", cells)])) == shown


# The scope


def facts(**fields: Any) -> Facts:
    made: dict[str, Any] = {
        "organization": "o-exampleorgid",
        "management": MANAGEMENT,
        "accounts": [Account(A, "one", "ACTIVE")],
        "definition": Definition("", {"ExcludedRegions": "eu-west-1, sa-east-1"}, True, frozenset(), {}),
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
    (said, _) = remarks(unread, frozenset())
    assert "1 accounts could not be read (AccessDeniedException" in said
    assert "seen in Falcon, which may be more or fewer" in said


def test_regions_that_are_named_stand_in_for_those_that_cannot_be_read() -> None:
    named = frozenset({"ca-central-1"})

    assert scope_of(facts(), named).otherwise == named
    assert "those named in REGIONS" in remarks(facts(unread="x"), named)[0]


def test_the_stack_sets_own_limits_are_heeded_and_told() -> None:
    assert scope_of(facts(), frozenset()).excluded == {"eu-west-1", "sa-east-1"}
    assert remarks(facts(), frozenset()) == ["The stack set is limited by ExcludedRegions=eu-west-1, sa-east-1."]


def test_every_problem_of_a_request_is_told_at_once() -> None:
    given = asked("coverage-report", FALCON_CLOUD="mars-1", FALCON_API_URL="http://x", CALL_AS="me", REGION="us-east-1")

    with pytest.raises(CliError) as error:
        report(given, screen()[0])

    assert len(error.value.problems) == 6  # that AWS does not know who asks, too
