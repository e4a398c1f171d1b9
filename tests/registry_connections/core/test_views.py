"""What `plan` and `status` return: every Region in one place, every key always, and JSON throughout."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.errors import (
    AuthenticationError,
    AwsError,
    DeadlineError,
    FalconError,
    RegistrationError,
    ScopeError,
    SecretError,
    SettingsError,
)
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

PLAN_KEYS = {"ok", "account", "preflight", "changes", "unchanged", "left", "skipped", "problems"}
STATUS_KEYS = {"ok", "account", "cloud", "regions", "problems", "attention"}
ROW_KEYS = {
    "region", "wanted", "skipped", "connection", "alias", "state", "credential_expired", "credential_expires_at",
    "last_refresh", "next_refresh", "problem",
}  # fmt: skip
PREFLIGHT_KEYS = {"credentials", "cloud", "read", "write", "regions"}


def seen(
    *found: Connection,
    wanted: tuple[str, ...] = (),
    skipped: dict[str, str] | None = None,
    managed: tuple[str, ...] = (),
    policy: DeletePolicy = DeletePolicy.STACK,
    dirty: bool = False,
) -> View:
    """Return what is seen of a stack that manages what is found, and `managed`."""
    record = managing(*(each.id.removeprefix("id-") for each in found), *managed, dirty=dirty)
    left_out = tuple(Outcome(name, OutcomeKind.SKIPPED, message=why) for name, why in sorted((skipped or {}).items()))
    settings = Settings(delete_connections=policy)
    todo = plan(wanted, found, record, IDENTITY, settings, repair=True)
    return View(IDENTITY, record, Scope(wanted, left_out), found, todo, "us-2")


def shown_plan(view: View, read_problem: str = "") -> Any:
    return json.loads(json.dumps(plan_view(view, read_problem=read_problem)))


def shown_status(view: View) -> Any:
    return json.loads(json.dumps(status_view(view)))


def row(view: View, region: str) -> Any:
    (one,) = [each for each in shown_status(view)["regions"] if each["region"] == region]
    return one


# plan


def test_a_plan_shows_each_change_with_its_reason() -> None:
    shown = shown_plan(seen(created(SOUTH), created(EAST, expired=True), wanted=(WEST, EAST)))["changes"]
    create = "wanted, and not known to be connected: create, or adopt if it is connected already"

    assert [tuple(each[name] for name in ("region", "change", "connection", "why")) for each in shown] == [
        (SOUTH, "remove", f"id-{SOUTH}", "the Region is no longer wanted"),
        (WEST, "create", None, create),
        (EAST, "refresh", f"id-{EAST}", "Falcon says that its credential expired"),
    ]
    assert {frozenset(each) for each in shown} == {frozenset({"region", "change", "connection", "why"})}


def test_a_plan_shows_what_stays_and_what_is_left_out_and_each_region_once() -> None:
    skipped = {SOUTH: "in ExcludedRegions", WEST: "not in Regions"}
    shown = shown_plan(seen(created(EAST), created(WEST), wanted=(EAST,), skipped=skipped, policy=DeletePolicy.KEEP))

    assert (shown["changes"], shown["unchanged"]) == ([], [EAST])
    assert [(each["region"], each["connection"]) for each in shown["left"]] == [(WEST, f"id-{WEST}")]
    assert shown["skipped"] == [{"region": SOUTH, "why": "in ExcludedRegions"}]


@pytest.mark.parametrize(("problem", "read"), [("", "allowed"), ("the scope is missing", "denied")])
def test_a_plan_tells_what_the_preflight_found(problem: str, read: str) -> None:
    shown = shown_plan(seen(wanted=(EAST, WEST)), problem)

    assert shown["ok"] is (problem == "")
    assert shown["problems"] == [problem] * bool(problem)
    assert shown["preflight"] == {
        "credentials": "accepted", "cloud": "us-2", "read": read, "write": WRITE, "regions": 2
    }  # fmt: skip


# status


def test_the_status_of_a_region_is_what_falcon_says_of_its_connection() -> None:
    found = created(EAST, state="active", expired_at="2027", last_refreshed_at="2025", next_refresh_at="2026")
    expected = {
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
    silent = dict.fromkeys(("credential_expires_at", "last_refresh", "next_refresh"))

    assert row(seen(found, wanted=(EAST,)), EAST) == expected
    assert row(seen(created(EAST, state="active"), wanted=(EAST,)), EAST) == {**expected, **silent}


@pytest.mark.parametrize(
    ("found", "managed", "problem"),
    [
        ((created(EAST),), (), None),
        ((), (), "not connected"),
        ((), (EAST,), "its connection is gone from Falcon"),
        ((created(EAST, expired=True),), (), "its credential expired"),
        ((created(EAST, state="paused"),), (), created(EAST, state="paused").problem),
        ((created(EAST, state="failed"),), (), "its state is failed"),
        ((created(EAST, type="acr"),), (), "the stack's record names a connection of another registry"),
        (
            (anothers(EAST),),
            (),
            f"another stack took it over (alias {anothers(EAST).alias}): another CredentialsVersion here takes it back",
        ),
    ],
)
def test_what_is_wrong_with_a_region_is_told_in_its_row_and_among_the_problems(
    found: tuple[Connection, ...], managed: tuple[str, ...], problem: str | None
) -> None:
    view = seen(*found, wanted=(EAST,), managed=managed)
    shown = shown_status(view)

    assert row(view, EAST)["problem"] == problem
    assert shown["ok"] is (problem is None)
    assert shown["problems"] == ([] if problem is None else [f"{EAST}: {problem}"])


@pytest.mark.parametrize("found", [(), (created(EAST, expired=True),)])
def test_a_region_that_is_not_wanted_is_no_problem(found: tuple[Connection, ...]) -> None:
    view = seen(*found, skipped={EAST: "in ExcludedRegions"}, managed=() if found else (EAST,))
    one = row(view, EAST)

    assert (one["problem"], one["wanted"], one["skipped"]) == (None, False, "in ExcludedRegions")
    assert shown_status(view)["ok"] is True


def test_an_alias_that_a_person_wrote_and_a_run_that_was_cut_short_are_worth_attention_and_no_problem() -> None:
    shown = shown_status(seen(by_hand(EAST), created(WEST), created(SOUTH, alias=""), wanted=(EAST, WEST), dirty=True))

    assert (shown["ok"], shown["problems"]) == (True, [])
    assert shown["attention"] == [
        f"{EAST}: its alias was changed to 'registry of the shop'; it stays so",
        "A run is at work, or ended before it could record what it did: then a repair puts it right.",
    ]


names = st.sampled_from([EAST, WEST, SOUTH, "eu-north-1", "me-south-1"])


@given(st.frozensets(names), st.frozensets(names), st.frozensets(names), st.frozensets(names), st.data())
def test_law_every_region_is_in_one_place_of_a_plan_and_in_one_row_of_a_status(
    wanted: frozenset[str], there: frozenset[str], skipped: frozenset[str], gone: frozenset[str], data: st.DataObject
) -> None:
    found = [created(name, expired=data.draw(st.booleans())) for name in sorted(there)]
    left_out = dict.fromkeys(skipped - wanted, "not in Regions")
    view = seen(*found, wanted=tuple(sorted(wanted)), skipped=left_out, managed=tuple(sorted(gone - there)))
    planned, status = shown_plan(view), shown_status(view)
    places = [each["region"] for group in ("changes", "left", "skipped") for each in planned[group]]
    rows = [each["region"] for each in status["regions"]]

    assert sorted([*places, *planned["unchanged"]]) == sorted(wanted | there | left_out.keys())
    assert rows == sorted(wanted | there | left_out.keys() | gone)
    assert (planned.keys(), planned["preflight"].keys(), status.keys()) == (PLAN_KEYS, PREFLIGHT_KEYS, STATUS_KEYS)
    assert all(each.keys() == ROW_KEYS for each in status["regions"])


# When AWS or Falcon does not let us look


@pytest.mark.parametrize(
    ("error", "credentials", "read"),
    [
        (AuthenticationError("no token"), "refused", None),
        (SecretError("no secret"), "refused", None),
        (ScopeError("no scope"), "accepted", "denied"),
        (FalconError("no response"), None, None),
        (AwsError("no Regions"), None, None),
        (DeadlineError("no time"), None, None),
        (SettingsError(["One.", "Two."]), None, None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_look_that_fails_tells_what_is_known_under_the_same_keys(
    error: RegistrationError, credentials: str | None, read: str | None
) -> None:
    def shown(action: str, record: Record) -> Any:
        return json.loads(json.dumps(failure_view(action, IDENTITY, record, error)))

    planned, bare = shown("plan", Record()), shown("status", Record())
    status = shown("status", Record(Applied(), {EAST: "id-1", SOUTH: "id-2"}, cloud="us-2"))

    assert (planned.keys(), status.keys()) == (PLAN_KEYS, STATUS_KEYS)
    assert (planned["ok"], planned["account"], status["ok"], status["account"]) == (False, ACCOUNT) * 2
    assert planned["problems"] == list(error.problems if isinstance(error, SettingsError) else [str(error)])
    assert planned["preflight"] == {
        "credentials": credentials, "cloud": None, "read": read, "write": WRITE, "regions": None
    }  # fmt: skip
    assert [(each["region"], each["connection"]) for each in status["regions"]] == [(SOUTH, "id-2"), (EAST, "id-1")]
    assert all(each.keys() == ROW_KEYS for each in status["regions"])
    assert (status["cloud"], bare["cloud"], bare["regions"]) == ("us-2", None, [])
