"""The record: how events change it, what they find in it, and its text."""

import hashlib
import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.errors import RecordError, RegistrationError
from registry_connections.core.model import Outcome, OutcomeKind, Settings
from registry_connections.core.record import (
    BEGUN,
    LARGEST_RECORD,
    Applied,
    Event,
    Kind,
    Lease,
    Record,
    Request,
    after_run,
    as_json,
    begin,
    check_room,
    digest,
    end,
    from_json,
    is_applied,
    is_duplicate,
    remembered_report,
)
from registry_connections.core.report import Report
from tests.registry_connections.samples import EAST, SOUTH, WEST, managing
from tests.sandbox.known_regions import KNOWN_REGIONS

REGIONS = sorted({*KNOWN_REGIONS, "me-west-1", "sa-west-1"})
"""Two more than AWS has."""
NOW = 1_800_000_000.0
CHOICES = {"FalconCloud": "us-1", "DeleteConnections": "Stack"}
CREATE = Request(Kind.CREATE, "create-1", NOW + 0.9, Settings(choices=CHOICES), digest="digest-1")
UPDATE = replace(CREATE, kind=Kind.UPDATE, id="update-1", digest="digest-2")
REPAIR = Request(Kind.REPAIR, "repair-1", NOW)
K = OutcomeKind


def event(request: Request, outcome: str = "") -> Event:
    return Event(request.id, int(request.sent), outcome)


# An event begins and ends


def test_a_stack_event_begins_with_a_lease_a_dirty_record_and_its_own_entry() -> None:
    begun = begin(managing(EAST, version=3), CREATE, NOW, 630.0)

    lease = Lease("create-1", NOW + 630)
    assert begun == managing(EAST, dirty=True, lease=lease, events=(Event("create-1", int(NOW), BEGUN),))
    assert begun.version == 3


def test_a_repair_begins_with_a_lease_and_leaves_the_stacks_events_alone() -> None:
    record = managing(EAST, events=(event(CREATE),))

    assert begin(record, REPAIR, NOW, 300.0) == replace(record, dirty=True, lease=Lease("repair-1", NOW + 300))


def test_an_event_ends_without_a_lease_and_with_its_outcome() -> None:
    begun = begin(managing(), CREATE, NOW, 630.0)

    assert end(begun, CREATE) == managing(dirty=True, events=(event(CREATE),))
    assert end(begun, CREATE, "The secret is gone.").events == (event(CREATE, "The secret is gone."),)
    assert end(begin(managing(), REPAIR, NOW, 300.0), REPAIR, "failed") == managing(dirty=True)


def test_the_last_four_events_are_remembered_each_once_and_the_reason_of_the_latest_only() -> None:
    record = Record()
    for number in range(6):
        request = replace(UPDATE, id=f"update-{number}")
        record = end(begin(record, request, NOW, 1.0), request, "It failed." if number % 2 else "")

    assert [(known.request, known.outcome) for known in record.events] == [
        ("update-2", ""),
        ("update-3", "failed"),
        ("update-4", ""),
        ("update-5", "It failed."),
    ]


def test_an_earlier_event_that_never_ended_stays_known_as_one() -> None:
    cut_short = begin(Record(), CREATE, NOW, 1.0)

    assert end(begin(cut_short, UPDATE, NOW, 1.0), UPDATE).events == (event(CREATE, BEGUN), event(UPDATE))


def test_a_reason_is_kept_in_characters_that_json_does_not_lengthen() -> None:
    (kept,) = end(Record(), CREATE, 'say "no\\{{x}}" é\n' + "x" * 300).events

    assert kept.outcome.startswith("say 'no/((x))' ? xxx")
    assert len(kept.outcome) == 240
    assert len(json.dumps(kept.outcome)) == 242


# Duplicates, late events and leases


def known(request: Request, outcome: str = "", **more: Any) -> Record:
    return managing(events=(event(request, outcome),), **more)


def test_a_first_event_is_no_duplicate() -> None:
    assert is_duplicate(Record(), CREATE, NOW) is False


def test_a_duplicate_of_what_succeeded_is_one() -> None:
    assert is_duplicate(managing(events=(event(UPDATE), event(CREATE))), CREATE, NOW) is True


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("It failed.", "It failed."),
        (BEGUN, "The function ended before it could respond, and CloudFormation went on without it."),
    ],
)
def test_a_duplicate_of_what_did_not_succeed_fails_for_the_same_reason(outcome: str, reason: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        is_duplicate(known(CREATE, outcome), CREATE, NOW)

    assert str(caught.value) == reason


def test_a_duplicate_of_an_event_at_work_is_not_answered_before_that_ends() -> None:
    at_work = known(CREATE, BEGUN, lease=Lease("create-1", NOW + 60))

    assert is_duplicate(at_work, CREATE, NOW) is False
    with pytest.raises(RegistrationError):
        is_duplicate(at_work, CREATE, NOW + 60)
    assert is_duplicate(replace(at_work, events=(event(CREATE),)), CREATE, NOW) is True


def test_a_second_delete_deletes_again() -> None:
    delete = replace(CREATE, kind=Kind.DELETE)

    assert is_duplicate(known(delete), delete, NOW) is False
    assert is_duplicate(known(delete, "It failed."), delete, NOW) is False


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.UPDATE, Kind.DELETE])
def test_an_event_that_was_sent_before_one_that_is_known_changes_nothing(kind: Kind) -> None:
    late = replace(UPDATE, kind=kind, sent=NOW - 1)
    with pytest.raises(RegistrationError) as caught:
        is_duplicate(known(CREATE), late, NOW)

    assert str(caught.value) == "This event was delivered after a later one, and nothing was done."


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE])
def test_events_of_one_second_are_not_late_but_for_a_create_which_is_the_first_of_all(kind: Kind) -> None:
    same_second = replace(UPDATE, sent=float(int(NOW)))

    assert is_duplicate(known(CREATE), replace(same_second, kind=kind), NOW) is False
    with pytest.raises(RegistrationError):
        is_duplicate(known(CREATE), replace(same_second, kind=Kind.CREATE), NOW)
    assert is_duplicate(known(CREATE), replace(same_second, kind=Kind.CREATE, sent=NOW + 1), NOW) is False


def test_an_event_sent_later_than_any_run_can_have_recorded_one_makes_no_other_late() -> None:
    with pytest.raises(RegistrationError):
        is_duplicate(known(replace(CREATE, sent=NOW + 60)), UPDATE, NOW)
    assert is_duplicate(known(replace(CREATE, sent=NOW + 61)), UPDATE, NOW) is False


@pytest.mark.parametrize(
    ("until", "holds"), [(-1, False), (0, False), (1, True), (690, True), (750, True), (751, False), (1e9, False)]
)
def test_a_lease_is_waited_for_until_it_ends_unless_it_ends_later_than_any_run_can_hold_one(
    until: float, *, holds: bool
) -> None:
    assert Lease("somebody", NOW + until).holds_at(NOW) is holds


@pytest.mark.parametrize(
    ("record", "empty"),
    [
        (Record(), True),
        (Record(events=(event(CREATE, BEGUN),)), True),
        (Record(Applied()), False),
        (Record(dirty=True), False),
        (Record(connections={EAST: "id"}), False),
    ],
)
def test_nothing_can_be_in_falcon_of_a_stack_that_applied_and_began_nothing(record: Record, *, empty: bool) -> None:
    assert record.is_empty is empty


def test_an_update_to_what_is_applied_is_a_rollback_and_nothing_else_is() -> None:
    record = Record(Applied({}, "digest-2"))

    assert is_applied(record, UPDATE) is True
    assert is_applied(record, replace(UPDATE, digest="digest-1")) is False
    assert is_applied(record, replace(UPDATE, kind=Kind.CREATE)) is False
    assert is_applied(Record(), replace(UPDATE, digest="")) is False


def test_the_digest_is_of_all_properties_whatever_their_order() -> None:
    one = {"Package": "a", "CredentialsVersion": "1"}

    assert digest(one) == digest(dict(reversed(one.items())))
    assert digest(one) == hashlib.sha256(b'{"CredentialsVersion": "1", "Package": "a"}').hexdigest()
    assert len({digest(one), digest({**one, "Package": "b"}), digest({**one, "CredentialsVersion": "2"})}) == 3


def test_a_request_tells_what_kind_it_is() -> None:
    assert (REPAIR.is_repair, CREATE.is_repair) == (True, False)
    assert replace(CREATE, physical_id="falcon-ecr-uuid-failed").is_after_failure is True
    assert replace(CREATE, physical_id="falcon-ecr-uuid").is_after_failure is False


# After a run


def report(*outcomes: tuple[str, OutcomeKind], failure: str = "", cloud: str = "eu-1") -> Report:
    found = tuple(Outcome(region, kind, f"id-{region}") for region, kind in outcomes)
    return Report(found, cloud=cloud, failure=failure)


BEFORE = managing(
    EAST,
    WEST,
    applied=Applied({"Regions": WEST}, "digest-0"),
    dirty=True,
    skipped=("before",),
    failed=("before",),
    cloud="us-1",
)
FOUND = {EAST: f"id-{EAST}", WEST: f"id-{WEST}"}


@pytest.mark.parametrize("request_", [CREATE, UPDATE])
def test_an_event_that_succeeded_is_applied_and_the_record_is_clean(request_: Request) -> None:
    became = report((EAST, K.UNCHANGED), (WEST, K.REMOVED), (SOUTH, K.CREATED), ("us-west-2", K.SKIPPED))

    assert after_run(BEFORE, request_, became, FOUND, ()) == Record(
        applied=Applied(CHOICES, request_.digest),
        connections={EAST: f"id-{EAST}", SOUTH: f"id-{SOUTH}"},
        cloud="eu-1",
        skipped=(WEST, "us-west-2"),
    )


def test_a_connection_that_falcon_no_longer_has_is_forgotten_and_one_that_is_left_is_not() -> None:
    after = after_run(BEFORE, UPDATE, report((EAST, K.LEFT)), {EAST: f"id-{EAST}"}, ())

    assert after.connections == {EAST: f"id-{EAST}"}


def test_a_repair_that_failed_records_what_it_did_and_what_failed_and_applies_nothing() -> None:
    became = report((EAST, K.FAILED), (WEST, K.REMOVED), (SOUTH, K.REFRESHED), failure="It failed.")

    assert after_run(BEFORE, REPAIR, became, FOUND, ()) == Record(
        applied=BEFORE.applied,
        connections={EAST: f"id-{EAST}", SOUTH: f"id-{SOUTH}"},
        cloud="eu-1",
        failed=(EAST,),
    )


def test_an_event_that_failed_leaves_the_record_as_it_was_and_clean_if_falcon_is() -> None:
    became = report((EAST, K.ADOPTED), (SOUTH, K.FAILED), ("us-west-2", K.REMOVED), failure="It failed.")
    after = after_run(BEFORE, UPDATE, became, {EAST: "another"}, ())

    assert after == replace(BEFORE, dirty=False, cloud="eu-1")


def test_an_event_that_failed_after_it_removed_something_stays_dirty_and_forgets_that() -> None:
    after = after_run(BEFORE, UPDATE, report((WEST, K.REMOVED), failure="It failed."), FOUND, ())

    assert (after.connections, after.dirty) == ({EAST: f"id-{EAST}"}, True)


@pytest.mark.parametrize("request_", [UPDATE, REPAIR])
@pytest.mark.parametrize("failure", ["", "It failed."])
def test_a_region_of_which_nobody_knows_what_falcon_has_keeps_the_record_dirty(request_: Request, failure: str) -> None:
    assert after_run(BEFORE, request_, report(failure=failure), FOUND, iter([SOUTH])).dirty is True
    assert after_run(BEFORE, request_, report(failure=failure), FOUND, iter([])).dirty is False


def test_the_report_of_what_succeeded_is_remembered() -> None:
    record = managing(WEST, EAST, cloud="us-2", skipped=(SOUTH,), failed=(EAST, "us-west-2"))

    assert remembered_report(record) == Report(
        (
            Outcome(SOUTH, K.SKIPPED),
            Outcome(WEST, K.UNCHANGED, f"id-{WEST}"),
            Outcome(EAST, K.FAILED, f"id-{EAST}"),
            Outcome("us-west-2", K.FAILED),
        ),
        cloud="us-2",
    )


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
}


def test_the_text_names_each_region_once() -> None:
    assert as_json(FULL) == STORED
    assert list(as_json(FULL)["connections"]) == [SOUTH, EAST]


def test_what_is_empty_is_not_in_the_text() -> None:
    assert as_json(Record()) == {"format": 2, "last": [[], []]}
    assert from_json({"format": 2}, 0) == Record()


def test_what_is_read_has_the_version_of_its_parameter() -> None:
    read = from_json(STORED, 7)

    assert read == replace(FULL, lease=Lease("update-1", 1235.0))
    assert read.version == 7


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
    version=st.integers(1, 10),
)


@given(records)
def test_law_what_is_written_is_read_again(record: Record) -> None:
    assert from_json(json.loads(json.dumps(as_json(record))), record.version) == record


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({**STORED, "format": 1}, "it is of format 1, not 2"),
        ({"format": "\x1b" + "x" * 90}, f"it is of format {'x' * 17}..., not 2"),
        ({}, "it is of format None, not 2"),
        (None, "this package did not write it (AttributeError)"),
        ([], "this package did not write it (AttributeError)"),
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
def test_a_text_that_this_package_did_not_write_is_not_believed_and_falcon_may_hold_anything(
    stored: Any, problem: str
) -> None:
    expected = Record(dirty=True, unreadable=f"The stack's record cannot be used: {problem}.")
    read = from_json(stored, 9)

    assert read == expected
    assert read.version == 9
    assert not read.is_empty


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


def everywhere(**more: Any) -> Record:
    """Return the record of an account in which something happened to every Region."""
    ids = {region: str(uuid5(UUID(int=7), region)) for region in REGIONS}
    events = tuple(
        Event(str(uuid5(UUID(int=7), str(n))), int(NOW), "x" * 240 if n == 3 else "failed") for n in range(4)
    )
    choices = {
        "FalconPrincipalArn": f"arn:aws-us-gov:iam::444455556666:role/{'x' * 64}",
        "FalconCloud": "us-gov-1",
        "RegionScope": "WithRepositories",
        "OnRegionFailure": "Report",
        "DeleteConnections": "Account",
    }
    record = Record(Applied(choices, "x" * 64), ids, dirty=True, events=events, cloud="us-gov-1")
    return replace(record, lease=Lease(str(UUID(int=7)), NOW), failed=tuple(REGIONS), **more)


def test_a_record_with_every_region_there_is_has_room() -> None:
    record = everywhere()
    assert record.applied
    check_room(replace(record, connections={}, failed=(), events=record.events[:3]), REGIONS, record.applied.choices)

    assert len(json.dumps(as_json(record))) < LARGEST_RECORD == 4096


def size_of_room(record: Record, wanted: list[str], choices: dict[str, str]) -> int:
    """Return what `check_room` must come to: the largest record, and 400 characters for what an event adds."""
    connections = {**dict.fromkeys(wanted, "x" * 36), **record.connections}
    full = replace(
        record, connections=connections, applied=Applied(choices, "x" * 64), skipped=(), failed=tuple(connections)
    )
    return len(json.dumps(as_json(full))) + 400


def test_a_record_that_might_not_fit_is_refused_with_its_size_and_what_to_do() -> None:
    record = managing(EAST, skipped=("us-west-2",))
    room = LARGEST_RECORD - size_of_room(record, REGIONS[:9], {"Regions": ""})
    check_room(record, REGIONS[:9], {"Regions": "x" * room})
    with pytest.raises(RecordError) as caught:
        check_room(record, iter(REGIONS[:9]), {"Regions": "x" * (room + 1)})

    assert str(caught.value) == (
        "The stack's record would be 4097 characters, and a parameter holds 4096: "
        "name fewer Regions in Regions and ExcludedRegions."
    )
