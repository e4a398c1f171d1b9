"""What `plan` and `status` return: every Region in one place, every key always, and JSON throughout."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core import errors
from registry_connections.core.model import Connection, DeletePolicy, Outcome, OutcomeKind, Settings
from registry_connections.core.plan import Scope, plan
from registry_connections.core.record import Applied, Record
from registry_connections.core.views import WRITE, View, failure_view, plan_view, status_view
from tests.registry_connections.samples import (
    ACCOUNT,
    EAST,
    IDENTITY,
    SOUTH,
    WEST,
    anothers,
    by_hand,
    created,
    managing,
)


def seen(
    *found: Connection,
    wanted: tuple[str, ...] = (),
    managed: tuple[str, ...] = (),
    skipped: dict[str, str] | None = None,
    read_problem: str = "",
    **more: Any,
) -> tuple[Any, Any]:
    """Return the plan and the status of a stack that manages what is found, and `managed`; `more` is in its record."""
    record = managing(*(each.id.removeprefix("id-") for each in found), *managed, **more)
    left_out = tuple(Outcome(name, OutcomeKind.SKIPPED, message=why) for name, why in sorted((skipped or {}).items()))
    todo = plan(wanted, found, record, IDENTITY, Settings(delete_connections=DeletePolicy.STACK), repair=True)
    view = View(IDENTITY, record, Scope(wanted, left_out), found, todo, "us-2")
    planned, status = plan_view(view, read_problem=read_problem), status_view(view)
    return json.loads(json.dumps(planned)), json.loads(json.dumps(status))


def change(kind: str, region: str, connection: str | None, why: str) -> dict[str, str | None]:
    return {"region": region, "change": kind, "connection": connection, "why": why}


# plan


@pytest.mark.parametrize(("problem", "read"), [("", "allowed"), ("the scope is missing", "denied")])
def test_a_plan_shows_what_the_preflight_found_and_each_region_once_with_what_is_done_and_why(
    problem: str, read: str
) -> None:
    create = "wanted, and not known to be connected: create, or adopt if it is connected already"
    found = created(SOUTH), created(EAST, expired=True), created("eu-north-1"), anothers("us-west-2")
    left_out = {SOUTH: "not in Regions", "me-south-1": "in ExcludedRegions"}
    shown, _ = seen(*found, wanted=(WEST, EAST, "eu-north-1", "us-west-2"), skipped=left_out, read_problem=problem)

    assert shown == {
        "ok": problem == "",
        "account": ACCOUNT,
        "preflight": {"credentials": "accepted", "cloud": "us-2", "read": read, "write": WRITE, "regions": 4},
        "changes": [
            change("remove", SOUTH, f"id-{SOUTH}", "the Region is no longer wanted"),
            change("create", WEST, None, create),
            change("refresh", EAST, f"id-{EAST}", "Falcon says that its credential expired"),
        ],
        "unchanged": ["eu-north-1"],
        "left": [{"region": "us-west-2", "connection": "id-us-west-2", "why": "another stack took it over"}],
        "skipped": [{"region": "me-south-1", "why": "in ExcludedRegions"}],
        "problems": [problem] * bool(problem),
    }


# status

MOMENTS = {"expired_at": "2027", "last_refreshed_at": "2025", "next_refresh_at": "2026"}
ROW: dict[str, Any] = {
    "region": EAST,
    "wanted": True,
    "skipped": None,
    "connection": f"id-{EAST}",
    "alias": IDENTITY.created_alias(EAST),
    "state": "active",
    "credential_expired": False,
    "credential_expires_at": "2027",
    "last_refresh": "2025",
    "next_refresh": "2026",
    "problem": None,
}


def test_the_status_of_a_region_is_what_falcon_says_of_its_connection() -> None:
    silent = dict.fromkeys(("credential_expires_at", "last_refresh", "next_refresh"))
    whole: dict[str, Any] = {"ok": True, "account": ACCOUNT, "cloud": "us-2", "problems": [], "attention": []}

    for moments, row in ((MOMENTS, ROW), ({}, ROW | silent)):
        assert seen(created(EAST, state="active", **moments), wanted=(EAST,))[1] == {**whole, "regions": [row]}


TAKEN = f"another stack took it over (alias {anothers(EAST).alias}): another CredentialsVersion here takes it back"


@pytest.mark.parametrize(
    ("found", "record", "problem"),
    [
        ([created(EAST)], {}, None),
        ([], {}, "not connected"),
        ([], {"managed": (EAST,)}, "its connection is gone from Falcon"),
        ([created(EAST, expired=True)], {}, "its credential expired"),
        ([created(EAST, state="paused")], {}, created(EAST, state="paused").problem),
        ([created(EAST, state="failed")], {}, "its state is failed"),
        ([created(EAST, type="acr")], {}, "the stack's record names a connection of another registry"),
        ([anothers(EAST)], {}, TAKEN),
        ([created(EAST)], {"refused": (EAST,)}, "it has no credential yet: the next repair sets it"),
    ],
)
def test_what_is_wrong_with_a_region_is_told_in_its_row_and_among_the_problems_if_it_is_wanted(
    found: list[Connection], record: dict[str, Any], problem: str | None
) -> None:
    _, shown = seen(*found, wanted=(EAST,), **record)
    _, unwanted = seen(*found, skipped={EAST: "in ExcludedRegions"}, **record)

    assert [row["problem"] for row in shown["regions"]] == [problem]
    assert (shown["ok"], shown["problems"]) == (problem is None, [f"{EAST}: {problem}"] * (problem is not None))
    assert (unwanted["ok"], unwanted["problems"]) == (True, [])
    assert [(row["problem"], row["wanted"], row["skipped"]) for row in unwanted["regions"]] == [
        (None, False, "in ExcludedRegions")
    ]


def test_an_alias_that_a_person_wrote_and_a_run_that_was_cut_short_are_worth_attention_and_no_problem() -> None:
    _, shown = seen(by_hand(EAST), created(WEST), created(SOUTH, alias=""), wanted=(EAST, WEST), dirty=True)

    assert (shown["ok"], shown["problems"]) == (True, [])
    assert shown["attention"] == [
        f"{EAST}: its alias was changed to 'registry of the shop'; it stays so",
        "A run is at work, or ended before it could record what it did: then a repair puts it right.",
    ]


names = st.frozensets(st.sampled_from([EAST, WEST, SOUTH, "eu-north-1", "me-south-1"]))


@given(names, names, names, names, names)
def test_law_every_region_is_in_one_place_of_a_plan_and_in_one_row_of_a_status(
    wanted: frozenset[str], there: frozenset[str], skipped: frozenset[str], gone: frozenset[str], old: frozenset[str]
) -> None:
    found = [created(name, expired=name in old) for name in sorted(there)]
    left_out = dict.fromkeys(skipped - wanted, "not in Regions")
    planned, status = seen(*found, wanted=tuple(sorted(wanted)), skipped=left_out, managed=tuple(sorted(gone - there)))
    places = [each["region"] for group in ("changes", "left", "skipped") for each in planned[group]]

    assert sorted([*places, *planned["unchanged"]]) == sorted(wanted | there | left_out.keys())
    assert [each["region"] for each in status["regions"]] == sorted(wanted | there | left_out.keys() | gone)


# When AWS or Falcon does not let us look


@pytest.mark.parametrize(
    ("error", "credentials", "read"),
    [
        (errors.AuthenticationError("no token"), "refused", None),
        (errors.SecretError("no secret"), "refused", None),
        (errors.ScopeError("no scope"), "accepted", "denied"),
        (errors.FalconError("no response"), None, None),
        (errors.AwsError("no Regions"), None, None),
        (errors.SettingsError(["One.", "Two."]), None, None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_look_that_fails_tells_what_is_known_under_the_same_keys(
    error: errors.RegistrationError, credentials: str | None, read: str | None
) -> None:
    def shown(action: str, record: Record) -> Any:
        return json.loads(json.dumps(failure_view(action, IDENTITY, record, error)))

    problems = ["One.", "Two."] if isinstance(error, errors.SettingsError) else [str(error)]
    failed, nothing = {"ok": False, "account": ACCOUNT, "problems": problems}, dict.fromkeys(ROW)
    preflight = {"credentials": credentials, "cloud": None, "read": read, "write": WRITE, "regions": None}
    lists: dict[str, Any] = {"changes": [], "unchanged": [], "left": [], "skipped": []}
    rows = [nothing | {"region": SOUTH, "connection": "id-2"}, nothing | {"region": EAST, "connection": "id-1"}]

    assert shown("plan", Record()) == {**failed, **lists, "preflight": preflight}
    for record, regions in ((Record(), []), (Record(Applied(), {EAST: "id-1", SOUTH: "id-2"}, cloud="us-2"), rows)):
        status = {**failed, "cloud": record.cloud or None, "regions": regions, "attention": []}
        assert shown("status", record) == status
