"""The record: how events change it, what they find in it, and its text."""

import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core import record as core
from registry_connections.core.errors import RecordError, RegistrationError
from registry_connections.core.model import Outcome, OutcomeKind, Settings
from registry_connections.core.record import BEGUN, Applied, Event, Kind, Lease, Record, Request, as_json, from_json
from registry_connections.core.report import Report
from tests.registry_connections.samples import EAST, SOUTH, WEST, managing
from tests.sandbox.known_regions import KNOWN_REGIONS

REGIONS = sorted({*KNOWN_REGIONS, "me-west-1", "sa-west-1"})
"""Two more than AWS has."""
NOW = 1_800_000_000.0
CHOICES = {"FalconCloud": "us-1", "DeleteConnections": "Stack"}
CREATE = Request(Kind.CREATE, "create-1", NOW + 0.9, Settings(choices=CHOICES), digest="digest-1")
UPDATE = replace(CREATE, kind=Kind.UPDATE, id="update-1", digest="digest-2")
DELETE = replace(CREATE, kind=Kind.DELETE)
REPAIR = Request(Kind.REPAIR, "repair-1", NOW)
K = OutcomeKind


def event(request: Request, outcome: str = "") -> Event:
    return Event(request.id, int(request.sent), outcome)


# An event begins and ends


def test_an_event_begins_with_a_lease_and_a_dirty_record_and_ends_with_its_outcome() -> None:
    earlier = Event("earlier", 17, BEGUN)  # and it never ended
    before = managing(EAST, version=3, events=(earlier,))
    begun, at_work = core.begin(before, CREATE, NOW, 630.0), replace(before, dirty=True)

    assert begun == replace(at_work, lease=Lease("create-1", NOW + 630), events=(earlier, event(CREATE, BEGUN)))
    assert begun.version == 3
    assert core.end(begun, CREATE) == replace(at_work, events=(earlier, event(CREATE)))
    assert core.end(begun, CREATE, "It failed.").events == (earlier, event(CREATE, "It failed."))


def test_a_repair_begins_and_ends_with_a_lease_and_leaves_the_stacks_events_alone() -> None:
    before = managing(EAST, events=(event(CREATE),))
    begun = core.begin(before, REPAIR, NOW, 300.0)

    assert begun == replace(before, dirty=True, lease=Lease("repair-1", NOW + 300))
    assert core.end(begun, REPAIR, "It failed.") == replace(before, dirty=True)


def test_the_last_four_events_are_remembered_each_once_and_the_reason_of_the_latest_only() -> None:
    record = Record()
    for number in range(6):
        request = replace(UPDATE, id=f"update-{number}")
        record = core.end(core.begin(record, request, NOW, 1.0), request, "It failed." if number % 2 else "")

    outcomes = {"update-2": "", "update-3": "failed", "update-4": "", "update-5": "It failed."}
    assert [(known.request, known.outcome) for known in record.events] == list(outcomes.items())


def test_a_reason_is_kept_in_characters_that_json_does_not_lengthen() -> None:
    (kept,) = core.end(Record(), CREATE, 'say "no\\{{x}}" é\n' + "x" * 300).events

    assert kept.outcome == "say 'no/((x))' ? " + "x" * 220 + "..."
    assert len(json.dumps(kept.outcome)) == 242


# Duplicates, late events and leases


WORKING = Lease("create-1", NOW + 60)
CUT_SHORT = "The function ended before it could respond, and CloudFormation went on without it."
LATE = "This event was delivered after a later one, and nothing was done."


@pytest.mark.parametrize(
    ("record", "request_", "duplicate"),
    [
        (Record(), CREATE, False),
        (managing(events=(event(UPDATE), event(CREATE))), CREATE, True),
        (managing(events=(event(CREATE, "It failed."),)), CREATE, "It failed."),
        (managing(events=(event(CREATE, BEGUN),)), CREATE, CUT_SHORT),
        (managing(events=(event(CREATE, BEGUN),), lease=WORKING), CREATE, False),  # not answered before that ends
        (managing(events=(event(CREATE, BEGUN),), lease=replace(WORKING, until=NOW)), CREATE, CUT_SHORT),
        (managing(events=(event(CREATE),), lease=WORKING), CREATE, True),
        (managing(events=(event(CREATE, "It failed."),), lease=WORKING), CREATE, "It failed."),
        *((managing(events=(event(DELETE, outcome),)), DELETE, False) for outcome in ("", "It failed.", BEGUN)),
    ],
)
def test_a_duplicate_has_the_outcome_of_the_first_once_that_has_ended_and_a_delete_deletes_again(
    record: Record, request_: Request, duplicate: bool | str
) -> None:
    try:
        found: bool | str = core.is_duplicate(record, request_, NOW)
    except RegistrationError as error:
        found = str(error)

    assert found == duplicate


@pytest.mark.parametrize(
    ("kind", "sent", "known", "late"),
    [
        *((kind, NOW - 1, NOW, True) for kind in (Kind.CREATE, Kind.UPDATE, Kind.DELETE)),
        *((kind, NOW + 0.1, NOW + 0.9, False) for kind in (Kind.UPDATE, Kind.DELETE)),  # of one second
        (Kind.CREATE, NOW + 0.9, NOW + 0.1, True),  # a Create is the first of all
        (Kind.CREATE, NOW + 1, NOW, False),
        (Kind.UPDATE, NOW, NOW + 60, True),
        (Kind.UPDATE, NOW, NOW + 61, False),  # sent later than any run can have recorded one
    ],
)
def test_an_event_sent_before_a_known_one_changes_nothing(kind: Kind, sent: float, known: float, late: bool) -> None:
    record, request = managing(events=(Event("another", int(known)),)), replace(UPDATE, kind=kind, sent=sent)
    with pytest.raises(RegistrationError, match=f"^{LATE}$") if late else nullcontext():
        assert core.is_duplicate(record, request, NOW) is False


@pytest.mark.parametrize(
    ("until", "holds"), [(-1, False), (0, False), (1, True), (690, True), (750, True), (751, False), (1e9, False)]
)
def test_a_lease_is_waited_for_unless_it_ends_later_than_any_run_can_hold_one(until: float, holds: bool) -> None:
    assert Lease("somebody", NOW + until).holds_at(NOW) is holds


def test_nothing_can_be_in_falcon_of_a_stack_that_applied_and_began_nothing() -> None:
    traces = (Record(Applied()), Record(dirty=True), Record(connections={EAST: "id"}))

    assert Record().is_empty
    assert Record(events=(event(CREATE, BEGUN),)).is_empty
    assert not any(record.is_empty for record in traces)


def test_an_update_to_what_is_applied_is_a_rollback_and_nothing_else_is() -> None:
    applied = Record(Applied({}, UPDATE.digest))

    assert core.is_applied(applied, UPDATE) is True
    assert core.is_applied(applied, replace(UPDATE, kind=Kind.CREATE)) is False
    assert core.is_applied(applied, replace(UPDATE, digest="another")) is False
    assert core.is_applied(Record(), replace(UPDATE, digest="")) is False


def test_the_digest_is_of_all_properties_whatever_their_order() -> None:
    one = {"Package": "a", "CredentialsVersion": "1"}

    assert core.digest(one) == core.digest(dict(reversed(one.items())))
    assert core.digest(one) == hashlib.sha256(b'{"CredentialsVersion": "1", "Package": "a"}').hexdigest()


# After a run


BEFORE = managing(
    EAST, WEST, applied=Applied({"Regions": WEST}, "digest-0"), dirty=True, skipped=("b",), failed=("b",), cloud="us-1"
)


DONE: dict[str, Any] = {"applied": Applied(CHOICES, UPDATE.digest), "dirty": False, "skipped": (), "failed": ()}
FAILED: dict[str, Any] = {"failure": "It failed."}
EAST_ONLY, EAST_AND_SOUTH = managing(EAST).connections, managing(EAST, SOUTH).connections
AFTER: dict[str, tuple[Request, list[tuple[str, K]], dict[str, Any], dict[str, Any]]] = {
    "an Update that succeeded is applied, and the record is clean": (
        UPDATE, [(EAST, K.UNCHANGED), (WEST, K.REMOVED), (SOUTH, K.CREATED), ("us-west-2", K.SKIPPED)], {},
        {**DONE, "connections": EAST_AND_SOUTH, "skipped": (WEST, "us-west-2")},
    ),
    "so is a Create": (CREATE, [], {}, {**DONE, "applied": Applied(CHOICES, CREATE.digest)}),
    "what Falcon no longer has is forgotten, and what is left is not": (
        UPDATE, [(EAST, K.LEFT)], {"found": EAST_ONLY}, {**DONE, "connections": EAST_ONLY, "skipped": (EAST,)}
    ),
    "a repair that failed records what it did and what failed, and applies nothing": (
        REPAIR, [(EAST, K.FAILED), (WEST, K.REMOVED), (SOUTH, K.REFRESHED)], FAILED,
        {"connections": EAST_AND_SOUTH, "dirty": False, "skipped": (), "failed": (EAST,)},
    ),
    "so does one that succeeded": (REPAIR, [], {}, {"dirty": False, "skipped": (), "failed": ()}),
    "an event that failed leaves the record as it was, and clean if Falcon is": (
        UPDATE, [(EAST, K.ADOPTED), (SOUTH, K.FAILED), ("us-west-2", K.REMOVED)], FAILED, {"dirty": False}
    ),
    "but for what it removed": (UPDATE, [(WEST, K.REMOVED)], FAILED, {"connections": EAST_ONLY}),
    "where nobody knows what Falcon has, it is dirty": (UPDATE, [], {"unknown": (SOUTH,)}, {**DONE, "dirty": True}),
    "also after a failure": (UPDATE, [], {**FAILED, "unknown": (SOUTH,)}, {}),
    "also after a repair": (REPAIR, [], {**FAILED, "unknown": (SOUTH,)}, {"skipped": (), "failed": ()}),
    "where a create was refused, that is remembered until it is connected": (
        UPDATE, [(WEST, K.REFRESHED)], {"refused": (WEST, SOUTH)}, {**DONE, "refused": (SOUTH,)}
    ),
    "and a failure leaves it dirty": (UPDATE, [], {**FAILED, "refused": (SOUTH,)}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "outcomes", "more", "changed"), AFTER.values(), ids=AFTER)
def test_after_a_run(
    request_: Request, outcomes: list[tuple[str, K]], more: dict[str, Any], changed: dict[str, Any]
) -> None:
    became = tuple(Outcome(region, kind, f"id-{region}") for region, kind in outcomes)
    report = Report(became, "", "eu-1", more.get("failure", ""))
    lost = {name: iter(more.get(name, ())) for name in ("unknown", "refused")}

    record = core.after_run(BEFORE, request_, report, more.get("found", BEFORE.connections), **lost)
    assert record == replace(BEFORE, cloud="eu-1", **changed)


def test_the_report_of_what_succeeded_is_remembered() -> None:
    record = managing(WEST, EAST, cloud="us-2", skipped=(SOUTH,), failed=(EAST, "us-west-2"))
    skipped, unchanged = Outcome(SOUTH, K.SKIPPED), Outcome(WEST, K.UNCHANGED, f"id-{WEST}")
    failed = Outcome(EAST, K.FAILED, f"id-{EAST}"), Outcome("us-west-2", K.FAILED)

    assert core.remembered_report(record) == Report((skipped, unchanged, *failed), cloud="us-2")


# The text


FULL = Record(
    applied=Applied(CHOICES, "digest-1"),
    connections={EAST: "id-1", SOUTH: "id-2"},
    dirty=True,
    events=(Event("create-1", 17, "failed"), Event("update-1", 18), Event("update-2", 19, BEGUN)),
    lease=Lease("update-1", 1234.6),
    cloud="us-2",
    skipped=(SOUTH, "us-west-2"),
    failed=(EAST,),
    refused=(EAST, "us-west-2"),
)
STORED = {
    "format": 2,
    "applied": {"choices": CHOICES, "digest": "digest-1"},
    "connections": {SOUTH: "id-2", EAST: "id-1"},
    "dirty": True,
    "events": [["create-1", 17, "failed"], ["update-1", 18, ""], ["update-2", 19, "?"]],
    "lease": ["update-1", 1235],
    "cloud": "us-2",
    "last": [[0, "us-west-2"], [1]],
    "refused": [1, "us-west-2"],
}


def test_the_text_names_each_region_once_and_nothing_that_is_empty() -> None:
    read = from_json(STORED, 7)

    assert list(as_json(FULL)["connections"]) == [SOUTH, EAST]
    assert as_json(FULL) == STORED
    assert (read, read.version) == (replace(FULL, lease=Lease("update-1", 1235.0)), 7)
    assert as_json(Record()) == {"format": 2, "last": [[], []]}
    assert from_json({"format": 2}, 0) == Record()


texts = st.text(max_size=12)
names = st.sampled_from(REGIONS[:5])
records = st.builds(
    Record,
    applied=st.none() | st.builds(Applied, st.dictionaries(texts, texts, max_size=3), texts),
    connections=st.dictionaries(names, texts),
    dirty=st.booleans(),
    events=st.lists(st.builds(Event, texts, st.integers(0, 2**40), texts), max_size=4).map(tuple),
    lease=st.none() | st.builds(Lease, texts, st.integers(0, 2**40).map(float)),
    cloud=texts,
    skipped=st.lists(names, unique=True).map(tuple),
    failed=st.lists(names, unique=True).map(tuple),
    refused=st.lists(names, unique=True).map(tuple),
)


@given(records)
def test_law_what_is_written_is_read_again(record: Record) -> None:
    assert from_json(json.loads(json.dumps(as_json(record))), 1) == record


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({**STORED, "format": 1}, "it is of format 1, not 2"),
        ({"format": "\x1b" + "x" * 90}, f"it is of format {'x' * 17}..., not 2"),
        ({}, "it is of format None, not 2"),
        (None, "this package did not write it (AttributeError)"),
        ({**STORED, "applied": {"choices": {}}}, "this package did not write it (KeyError)"),
        ({**STORED, "applied": {"choices": {"Regions": 5}, "digest": ""}}, "this package did not write it (TypeError)"),
        ({**STORED, "connections": {EAST: 5}}, "this package did not write it (TypeError)"),
        ({**STORED, "connections": [EAST]}, "this package did not write it (AttributeError)"),
        ({**STORED, "events": [["id"]]}, "this package did not write it (ValueError)"),
        ({**STORED, "lease": ["id"]}, "this package did not write it (IndexError)"),
        ({**STORED, "lease": ["id", 1e999]}, "this package did not write it (OverflowError)"),
        ({**STORED, "last": [[7], []]}, "this package did not write it (IndexError)"),
    ],
)
def test_a_text_that_this_package_did_not_write_is_not_believed(stored: Any, problem: str) -> None:
    read = from_json(stored, 9)

    assert read == Record(dirty=True, unreadable=f"The stack's record cannot be used: {problem}.")
    assert read.version == 9


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(STORED)), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(STORED)), json_values))
def test_law_whatever_the_text_holds_it_is_a_record_or_says_why_not(stored: dict[str, Any]) -> None:
    read = from_json({**stored, "format": 2}, 1)

    assert read.unreadable == "" or read == Record(dirty=True, unreadable=read.unreadable)


# Its size


def test_a_record_with_every_region_there_is_has_room() -> None:
    """Something happened to every Region of the account."""
    name = str(UUID(int=7))
    choices = {
        "FalconPrincipalArn": f"arn:aws-us-gov:iam::444455556666:role/{'x' * 64}",
        "FalconCloud": "us-gov-1",
        "RegionScope": "WithRepositories",
        "OnRegionFailure": "Report",
        "DeleteConnections": "Account",
    }
    earlier, regions = (Event(name, int(NOW), "failed"),) * 3, tuple(REGIONS)
    small = Record(Applied(choices, "x" * 64), dirty=True, events=earlier, lease=Lease(name, NOW), cloud="us-gov-1")
    events = (*earlier, Event(name, int(NOW), "x" * 240))
    full = replace(small, connections=dict.fromkeys(REGIONS, name), events=events, failed=regions, refused=regions)
    core.check_room(small, REGIONS, choices)

    assert len(json.dumps(as_json(full))) < core.LARGEST_RECORD == 4096


def test_a_record_that_might_not_fit_is_refused_with_its_size_and_what_to_do() -> None:
    """The largest record has a connection in every wanted Region, and 400 characters for what an event adds."""
    record, wanted = managing(EAST, skipped=("us-west-2",)), REGIONS[:9]
    connections = {**dict.fromkeys(wanted, "x" * 36), **record.connections}
    largest = Record(
        Applied({"Regions": ""}, "x" * 64), connections, failed=tuple(connections), refused=tuple(connections)
    )
    room = 4096 - 400 - len(json.dumps(as_json(largest)))
    core.check_room(record, wanted, {"Regions": "x" * room})
    with pytest.raises(RecordError) as caught:
        core.check_room(record, iter(wanted), {"Regions": "x" * (room + 1)})

    assert str(caught.value) == (
        "The stack's record would be 4097 characters, and a parameter holds 4096: "
        "name fewer Regions in Regions and ExcludedRegions."
    )
