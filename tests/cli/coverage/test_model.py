"""What is known of each registry, and what a reader must know about how it was found out."""

from typing import Any

import pytest

from cli.coverage import page
from cli.coverage.model import HAVE_CONNECTION, NEED_ATTENTION, Cell, Coverage, Row, State, cover
from cli.coverage.report import report
from cli.errors import CliError
from cli.organization.members import Account
from tests.cli.coverage.sample import DENIED, MANAGEMENT, MARK, connection, definition, facts, instance
from tests.cli.support import asked, screen

A, B = "200000000001", "200000000002"
HERE = "us-east-1"
REGIONS = frozenset({HERE, "eu-west-1"})


def states(coverage: Coverage, account: str = A) -> dict[str, State]:
    (row,) = (row for row in coverage.rows if row.account == account)
    return {region: cell.state for region, cell in row.cells.items()}


def covered(*connections: Any, status: str = "ACTIVE", **given: Any) -> Coverage:
    """Return the coverage of one account, which has a stack unless told otherwise."""
    one = {"accounts": [Account(A, "one", status)], "instances": [instance(A)], "named": REGIONS}
    return cover(facts(connections=connections, **one | given))


# What is known


@pytest.mark.parametrize(
    ("fields", "shown", "reason"),
    [
        # URLs are compared as the function does, and the mark is what counts.
        ({}, State.CONNECTED, ""),
        ({"url": f"https://{A}.dkr.ecr.us-east-1.amazonaws.com/"}, State.CONNECTED, ""),
        ({"url": f"HTTPS://{A}.DKR.ECR.us-east-1.amazonaws.com"}, State.CONNECTED, ""),
        ({"alias": f"ecr-adopted-{MARK}-{A}-us-east-1"}, State.CONNECTED, ""),
        ({"alias": f"ecr-{MARK}-{A}-us-"}, State.CONNECTED, ""),  # cut short
        # Another alias or form of URL is not managed by us.
        ({"alias": "made by hand"}, State.UNMANAGED, "made by somebody else (alias made by hand)"),
        ({"alias": ""}, State.UNMANAGED, "(without an alias)"),
        ({"alias": f"ecr-{A}-us-east-1"}, State.UNMANAGED, ""),
        ({"alias": f"ecr-0000aaaa-{A}-us-east-1"}, State.UNMANAGED, ""),  # of another stack of this account
        ({"url": f"https://{A}.dkr-ecr.us-east-1.on.aws"}, State.UNMANAGED, ""),
        # What only looks like a connection of the account is none.
        ({"type": "docker"}, State.MISSING, ""),
        ({"url": f"https://{A}4.dkr.ecr.us-east-1.amazonaws.com"}, State.MISSING, ""),
        ({"url": f"https://harbor.example.com/{A}"}, State.MISSING, ""),
        ({"url": f"https://{A}.dkr.ecr.us-east-1.amazonaws.com.cn"}, State.MISSING, ""),
        ({"url": f"https://mirror.{A}.dkr.ecr.us-east-1.amazonaws.com"}, State.MISSING, ""),
        ({"url": ""}, State.MISSING, ""),
        # Falcon's state.
        ({"state": "pending"}, State.CONNECTED, ""),
        ({"state": "Active"}, State.CONNECTED, ""),
        ({"state": "Paused"}, State.PAUSED, "Falcon gives its state as Paused"),
        ({"state": "offline"}, State.BROKEN, "Falcon gives its state as offline"),
        ({"state": "failed"}, State.BROKEN, "Falcon gives its state as failed"),
        ({"expired": True}, State.EXPIRED, "the credential has expired"),
    ],
)
def test_a_connection_is_what_its_url_alias_and_state_say(fields: dict[str, str], shown: State, reason: str) -> None:
    found = covered(connection(A, HERE, **fields), named=frozenset({HERE}))

    cell = found.rows[0].cells[HERE]
    assert cell.state == shown
    assert reason in cell.reason
    assert (found.connected, found.expected) == (shown in HAVE_CONNECTION, 1)
    assert found.attention == (shown in NEED_ATTENTION)
    assert len(found.findings()) == (shown != State.CONNECTED)


def test_of_two_connections_one_that_works_counts_and_ours_before_others() -> None:
    by_hand = connection(A, HERE, id="x", alias="by hand")
    expired = connection(A, HERE, expired=True, expired_at="2026-11-20T04:00:00Z")

    assert states(covered(by_hand, connection(A, HERE)))[HERE] == State.CONNECTED
    assert states(covered(expired, by_hand))[HERE] == State.UNMANAGED
    assert covered(expired).rows[0].cells[HERE].detail == "since 2026-11-20T04:00:00Z"


@pytest.mark.parametrize(
    ("account", "instances", "state", "reason", "version"),
    [
        (A, [instance(A)], State.MISSING, "the account's own status says why", "1.0.0"),
        (A, [instance(A, "OUTDATED", DENIED)], State.FAILED, DENIED, ""),
        (A, [instance(A, "INOPERABLE")], State.FAILED, "the stack is INOPERABLE (FAILED)", ""),
        (A, [instance(B)], State.MISSING, "none of the stack set's units", ""),
        (MANAGEMENT, [], State.MISSING, "INCLUDE_MANAGEMENT=1", ""),
    ],
)
def test_why_an_account_has_no_connection_is_told_by_its_stack(
    account: str, instances: Any, state: State, reason: str, version: str
) -> None:
    found = covered(connection(account, HERE), accounts=[Account(account, "", "ACTIVE")], instances=instances)

    (row,) = found.rows
    assert states(found, account) == {HERE: State.CONNECTED, "eu-west-1": state}
    assert reason in row.cells["eu-west-1"].reason
    assert (DENIED in row.note, row.version) == (reason == DENIED, version)


@pytest.mark.parametrize("status", ["SUSPENDED", "PENDING_CLOSURE"])
def test_a_closed_account_lacks_nothing_and_its_connections_are_orphans(status: str) -> None:
    found = covered(connection(A, HERE), connection(A, "eu-west-1", alias="x"), instances=[], status=status)

    assert states(found) == {HERE: State.ORPHAN, "eu-west-1": State.ORPHAN}
    assert found.expected == 0
    assert page.percent(found) == "none"


def test_ours_of_an_account_outside_the_organization_is_an_orphan_and_others_are_only_counted() -> None:
    found = covered(connection(A, HERE), connection(B, HERE), connection("200000000003", HERE, alias="theirs"))

    assert states(found, B) == {HERE: State.ORPHAN}
    assert {row.account for row in found.rows} == {A, B}
    assert found.foreign == 1


def test_regions_that_are_not_enabled_or_left_out_have_no_cell() -> None:
    enabled = {A: REGIONS | {"af-south-1"}}
    excluded = definition(ExcludedRegions="EU-WEST-1, sa-east-1")

    assert states(covered(regions=enabled, definition=excluded)).keys() == {HERE, "af-south-1"}
    assert states(covered(regions=enabled, definition=definition(Regions=HERE))).keys() == {HERE}
    assert states(covered(connection(A, "eu-west-1"), definition=excluded))["eu-west-1"] == State.CONNECTED


def test_findings_gather_accounts_with_the_same_reason_the_worst_first() -> None:
    accounts = [Account(each, "", "ACTIVE") for each in (A, B)]
    instances = [instance(each, "OUTDATED", DENIED) for each in (A, B)]

    found = covered(connection(A, HERE, expired=True), accounts=accounts, instances=instances)

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


# How it was found out


@pytest.mark.parametrize(
    ("named", "stand_in", "said"),
    [
        (frozenset(), REGIONS, "seen in Falcon, which may be more or fewer"),
        (frozenset({"ca-central-1"}), {"ca-central-1"}, "those named in REGIONS"),
    ],
)
def test_what_stands_in_for_regions_that_cannot_be_read_is_told(
    named: frozenset[str], stand_in: set[str], said: str
) -> None:
    accounts = [Account(A, "one", "ACTIVE"), Account(B, "closed", "SUSPENDED")]
    seen = {"instances": [instance(A)], "connections": [connection(A, "eu-west-1")]}
    found = facts(unread="AccessDeniedException", named=named, accounts=accounts, **seen)

    assert found.expected(A) == stand_in
    (remark,) = found.remarks()
    assert "1 accounts could not be read (AccessDeniedException" in remark
    assert said in remark


def test_the_stack_sets_own_limits_are_told() -> None:
    limited = definition(ExcludedRegions="eu-west-1, sa-east-1", RegionScope="WithRepositories")

    limits, scope = facts(definition=limited).remarks()

    assert limits == "The stack set is limited by ExcludedRegions=eu-west-1, sa-east-1."
    assert scope.startswith("RegionScope=WithRepositories: ")


def test_every_problem_of_a_request_is_told_at_once() -> None:
    given = asked("coverage-report", FALCON_CLOUD="mars-1", FALCON_API_URL="http://x", CALL_AS="me", REGION=HERE)

    with pytest.raises(CliError) as error:
        report(given, screen()[0])

    assert len(error.value.problems) == 6  # that AWS does not know who asks, too
