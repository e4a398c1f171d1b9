"""What `plan` and `status` return: every Region in one place, every key always, and JSON throughout."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.errors import (
    AuthenticationError,
    AwsError,
    DeadlineError,
    FalconError,
    RegistrationError,
    ScopeError,
    SecretError,
    SettingsError,
    StateError,
)
from registry_connections.model import Connection, DeletePolicy, Outcome, OutcomeKind, Settings
from registry_connections.plan import Scope, plan
from registry_connections.reading import Prepared
from registry_connections.state import State
from registry_connections.views import WRITE, failure_view, plan_view, status_view

ACCOUNT = "111122223333"
SETTINGS = Settings(
    ACCOUNT,
    "aws",
    "amazonaws.com",
    "arn:aws:iam::111122223333:role/r",
    "external",
    delete_connections=DeletePolicy.STACK,
)
APPLIED = {"AccountId": ACCOUNT, "ConnectionRoleArn": SETTINGS.role_arn, "ExternalId": SETTINGS.external_id}
EAST, WEST, SOUTH = "us-east-1", "eu-west-1", "ap-south-1"
PLAN_KEYS = {"ok", "account", "preflight", "changes", "unchanged", "left", "skipped", "problems"}
STATUS_KEYS = {"ok", "account", "cloud", "regions", "problems"}
ROW_KEYS = {
    "region", "wanted", "skipped", "connection", "alias", "state", "credential_expired", "credential_expires_at",
    "last_refresh", "next_refresh", "problem",
}  # fmt: skip
PREFLIGHT_KEYS = {"credentials", "cloud", "read", "write", "regions"}


@dataclass
class LoggedIn:
    """As much of Falcon as a view asks for."""

    cloud: str = "us-2"


def found(region: str, **more: Any) -> Connection:
    url = f"https://{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    return Connection(**{"id": f"id-{region}", "url": url, "type": "ecr", **more})


def prepared(
    wanted: tuple[str, ...] = (),
    existing: dict[str, Connection] | None = None,
    skipped: dict[str, str] | None = None,
    managed: tuple[str, ...] = (),
    settings: Settings = SETTINGS,
    **state: Any,
) -> Prepared:
    there = existing or {}
    known = State(settings=APPLIED, connections={region: f"id-{region}" for region in (*there, *managed)}, **state)
    left_out = tuple(Outcome(name, OutcomeKind.SKIPPED, message=why) for name, why in sorted((skipped or {}).items()))
    falcon: Any = LoggedIn()
    return Prepared(known, falcon, Scope(wanted, left_out), there, plan(wanted, there, known, settings))


def shown_plan(given: Prepared, settings: Settings = SETTINGS, read_problem: str = "") -> Any:
    return json.loads(json.dumps(plan_view(given, settings, read_problem=read_problem)))


def shown_status(given: Prepared) -> Any:
    return json.loads(json.dumps(status_view(given, SETTINGS)))


def row(given: Prepared, region: str) -> Any:
    (one,) = [each for each in shown_status(given)["regions"] if each["region"] == region]
    return one


# plan


def test_a_plan_shows_each_change_with_its_reason() -> None:
    there = {SOUTH: found(SOUTH), EAST: found(EAST, expired=True)}

    assert shown_plan(prepared((WEST, EAST), there))["changes"] == [
        {"region": SOUTH, "change": "remove", "connection": f"id-{SOUTH}", "why": "the Region is no longer wanted"},
        {"region": WEST, "change": "create", "connection": None, "why": "wanted, and not in Falcon"},
        {
            "region": EAST,
            "change": "refresh",
            "connection": f"id-{EAST}",
            "why": "Falcon says that its credential expired",
        },
    ]


def test_a_plan_shows_what_stays_and_what_is_left_out() -> None:
    keeping = Settings(ACCOUNT, "aws", "amazonaws.com", SETTINGS.role_arn, "external")
    there = {EAST: found(EAST), WEST: found(WEST)}
    shown = shown_plan(prepared((EAST,), there, {SOUTH: "in ExcludedRegions"}, settings=keeping), keeping)

    assert shown["changes"] == []
    assert shown["unchanged"] == [EAST]
    assert [(each["region"], each["connection"]) for each in shown["left"]] == [(WEST, f"id-{WEST}")]
    assert shown["skipped"] == [{"region": SOUTH, "why": "in ExcludedRegions"}]


def test_a_region_that_is_left_out_and_still_connected_is_told_once_by_what_becomes_of_it() -> None:
    shown = shown_plan(prepared((EAST,), {WEST: found(WEST)}, {WEST: "not in Regions"}))

    assert [each["region"] for each in shown["changes"]] == [WEST, EAST]
    assert shown["skipped"] == []


def test_a_plan_tells_what_the_preflight_found() -> None:
    shown = shown_plan(prepared((EAST, WEST)))

    assert shown["ok"] is True
    assert shown["problems"] == []
    assert shown["preflight"] == {
        "credentials": "accepted", "cloud": "us-2", "read": "allowed", "write": WRITE, "regions": 2
    }  # fmt: skip


def test_a_client_that_may_not_read_is_a_problem_of_the_plan() -> None:
    shown = shown_plan(prepared((EAST,)), read_problem="the scope is missing")

    assert (shown["ok"], shown["preflight"]["read"], shown["problems"]) == (False, "denied", ["the scope is missing"])


# status


def test_the_status_of_a_region_is_what_falcon_says_of_its_connection() -> None:
    there = found(
        EAST, alias="an-alias", state="active", expired_at="2027", last_refreshed_at="2025", next_refresh_at="2026"
    )

    assert row(prepared((EAST,), {EAST: there}), EAST) == {
        "region": EAST,
        "wanted": True,
        "skipped": None,
        "connection": f"id-{EAST}",
        "alias": "an-alias",
        "state": "active",
        "credential_expired": False,
        "credential_expires_at": "2027",
        "last_refresh": "2025",
        "next_refresh": "2026",
        "problem": None,
    }


def test_what_falcon_does_not_say_is_null() -> None:
    one = row(prepared((EAST,), {EAST: found(EAST)}), EAST)

    assert {one[name] for name in ("credential_expires_at", "last_refresh", "next_refresh")} == {None}


@pytest.mark.parametrize(
    ("there", "managed", "problem"),
    [
        ({EAST: found(EAST)}, (), None),
        ({}, (), "not connected"),
        ({}, (EAST,), "its connection is gone from Falcon"),
        ({EAST: found(EAST, expired=True)}, (), "its credential expired"),
        ({EAST: found(WEST)}, (), "the state names a connection of another registry"),
        ({EAST: found(EAST, type="acr")}, (), "the state names a connection of another registry"),
    ],
)
def test_what_is_wrong_with_a_region_is_told_in_its_row_and_among_the_problems(
    there: dict[str, Connection], managed: tuple[str, ...], problem: str | None
) -> None:
    given = prepared((EAST,), there, managed=managed)
    shown = shown_status(given)

    assert row(given, EAST)["problem"] == problem
    assert shown["ok"] is (problem is None)
    assert shown["problems"] == ([] if problem is None else [f"{EAST}: {problem}"])


@pytest.mark.parametrize("there", [{}, {EAST: found(EAST, expired=True)}])
def test_a_region_that_is_not_wanted_is_no_problem(there: dict[str, Connection]) -> None:
    given = prepared((), there, {EAST: "in ExcludedRegions"}, managed=(EAST,))

    assert row(given, EAST)["problem"] is None
    assert (row(given, EAST)["wanted"], row(given, EAST)["skipped"]) == (False, "in ExcludedRegions")
    assert shown_status(given)["ok"] is True


names = st.sampled_from([EAST, WEST, SOUTH, "eu-north-1", "me-south-1"])


@given(st.frozensets(names), st.frozensets(names), st.frozensets(names), st.frozensets(names), st.data())
def test_law_every_region_is_in_one_place_of_a_plan_and_in_one_row_of_a_status(
    wanted: frozenset[str], there: frozenset[str], skipped: frozenset[str], gone: frozenset[str], data: st.DataObject
) -> None:
    connections = {name: found(name, expired=data.draw(st.booleans())) for name in sorted(there)}
    left_out = dict.fromkeys(skipped - wanted, "not in Regions")
    given = prepared(tuple(sorted(wanted)), connections, left_out, tuple(sorted(gone - there)))
    planned, status = shown_plan(given), shown_status(given)
    places = [each["region"] for group in ("changes", "left", "skipped") for each in planned[group]]
    rows = [each["region"] for each in status["regions"]]

    assert sorted([*places, *planned["unchanged"]]) == sorted(wanted | there | left_out.keys())
    assert rows == sorted(wanted | there | left_out.keys() | gone)
    assert (planned.keys(), planned["preflight"].keys(), status.keys()) == (PLAN_KEYS, PREFLIGHT_KEYS, STATUS_KEYS)
    assert all(each.keys() == ROW_KEYS for each in status["regions"])


# When one may not even look


ERRORS = [
    (AuthenticationError("no token"), "refused", None),
    (SecretError("no secret"), "refused", None),
    (ScopeError("no scope"), "accepted", "denied"),
    (FalconError("no answer"), None, None),
    (AwsError("no Regions"), None, None),
    (StateError("no state"), None, None),
    (DeadlineError("no time"), None, None),
    (SettingsError(["One.", "Two."]), None, None),
]


@pytest.mark.parametrize(("error", "credentials", "read"), ERRORS, ids=lambda each: type(each).__name__)
def test_a_plan_that_fails_tells_how_far_the_preflight_came_under_the_same_keys(
    error: RegistrationError, credentials: str | None, read: str | None
) -> None:
    shown = json.loads(json.dumps(failure_view("plan", State(settings=APPLIED), error)))

    assert shown.keys() == PLAN_KEYS
    assert shown["ok"] is False
    assert shown["account"] == ACCOUNT
    assert shown["preflight"] == {
        "credentials": credentials, "cloud": None, "read": read, "write": WRITE, "regions": None
    }  # fmt: skip


@pytest.mark.parametrize(("error", "_credentials", "_read"), ERRORS, ids=lambda each: type(each).__name__)
def test_a_status_that_fails_tells_what_the_state_remembers_under_the_same_keys(
    error: RegistrationError, _credentials: str | None, _read: str | None
) -> None:
    state = State(settings=APPLIED, connections={EAST: "id-1", SOUTH: "id-2"}, cloud="us-2")
    shown = json.loads(json.dumps(failure_view("status", state, error)))

    assert shown.keys() == STATUS_KEYS
    assert (shown["ok"], shown["account"], shown["cloud"]) == (False, ACCOUNT, "us-2")
    assert [(each["region"], each["connection"]) for each in shown["regions"]] == [(SOUTH, "id-2"), (EAST, "id-1")]
    assert all(each.keys() == ROW_KEYS for each in shown["regions"])


def test_every_problem_of_the_settings_is_told_and_of_others_the_one() -> None:
    assert failure_view("plan", None, SettingsError(["One.", "Two."]))["problems"] == ["One.", "Two."]
    assert failure_view("plan", None, FalconError("no answer"))["problems"] == ["no answer"]


@pytest.mark.parametrize("state", [None, State()])
def test_without_a_state_nothing_is_remembered(state: State | None) -> None:
    shown = failure_view("status", state, StateError("no state"))

    assert (shown["account"], shown["cloud"], shown["regions"]) == (None, None, [])
