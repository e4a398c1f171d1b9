"""Whole runs in a world in memory: one test for each rule, and laws over every call that can fail or be the last."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from registry_connections import logs
from registry_connections.core.model import OutcomeKind
from registry_connections.core.record import SUPERSEDED, Kind, Lease
from registry_connections.reconciler import (
    AT_WORK,
    DELETE_ADVICE,
    EVENT_AGE_SECONDS,
    NOTHING_APPLIED,
    REPAIR_WAIT_SECONDS,
)
from tests.registry_connections import invariants
from tests.registry_connections.conftest import Lines
from tests.registry_connections.fakes import Effect, Fault
from tests.registry_connections.samples import ACCOUNT, SUFFIX
from tests.registry_connections.tenant import Entry
from tests.registry_connections.world import Invocation, Stack, World

A, B, C, D = "ap-south-1", "eu-west-1", "us-east-1", "us-west-2"
"""The first three are enabled at first."""
CHANGING = ("create", "refresh", "remove")
READING = ("region_use", "regions", "secret", "get", "put")
"""What every run does that goes to Falcon."""
NOT_CREATED = Fault("create", Effect.DENIED)
ROLE_REFUSED = Fault("create", Effect.REJECTED)
DIES = Fault("create", Effect.KILLED_APPLIED)
"""The function ends when it has created the connection of the first Region that it lacks."""
WRONG_CREDENTIALS = Fault("log_in", Effect.DENIED, times=-1)
NO_SECRET = Fault("secret", Effect.REFUSED, times=-1)
OUTAGES = {
    "wrong credentials, an IP allow-list, or a revoked client": WRONG_CREDENTIALS,
    "Falcon is down": Fault("log_in", Effect.REFUSED, times=-1),
    "the secret is deleted": NO_SECRET,
    "the scope to read is missing": Fault("read", Effect.DENIED, times=-1),
}
"""What makes an update fail, and is still so when it is rolled back."""


@pytest.fixture
def stack() -> Stack:
    return new_stack()


def new_stack() -> Stack:
    return World(check=invariants.check).new_stack()


def in_falcon(stack: Stack) -> set[str]:
    """Return the Regions of this account that are connected."""
    return {entry.shown().region for entry in stack.world.tenant.entries.values() if ACCOUNT in entry.url}


def put_record(stack: Stack, **changes: Any) -> None:
    """Write the stack's record as somebody does who may."""
    stored = json.loads(stack.parameters.versions[-1])
    stack.parameters.versions.append(json.dumps({**stored, **changes, "base": len(stack.parameters.versions)}))


def theirs(stack: Stack, region: str) -> Entry:
    return stack.world.tenant.add(Entry(f"https://{ACCOUNT}.dkr.ecr.{region}.{SUFFIX}", role="their-role"))


def operations(run: Invocation, *left_out: str) -> list[str]:
    return sorted(operation for operation, _ in run.journal.calls if operation not in left_out)


def succeeded(*runs: Invocation) -> list[bool]:
    return [run.succeeded for run in runs]


def note(run: Invocation) -> str:
    """Return why a run that succeeded did nothing."""
    assert run.report
    assert run.succeeded
    return run.report.note


# What a run does, and what it costs


def test_a_run_makes_the_calls_that_it_needs_and_no_others(stack: Stack) -> None:
    launch, repair, kept = stack.launch(DeleteConnections="Stack"), stack.repair(), new_stack()
    again = stack.invoke(Kind.CREATE, stack.applied, request=launch.request.id)
    connected, record, other = in_falcon(stack), stack.record, theirs(stack, D)
    delete = stack.delete()
    kept.launch()

    assert connected == set(record.connections) == {A, B, C}
    assert (record.lease, record.dirty) == (None, False)
    asked = operations(launch, "region_use", "regions", "secret")
    assert asked == [*["create"] * 3, "get", "log_in", "probe", *["put"] * 2]
    assert operations(repair, *READING) == ["log_in", "read"]
    assert operations(again) == ["get"]
    assert again.report
    assert {each.region: each.connection_id for each in again.report.outcomes} == record.connections
    assert operations(kept.delete()) == ["delete_parameter"]
    assert operations(delete, "get", "put", "secret") == ["delete_parameter", "log_in", "read", *["remove"] * 3]
    assert list(stack.world.tenant.entries.values()) == [other]
    assert stack.parameters.versions == []


def test_a_repair_goes_by_what_the_stack_applied_and_fails_for_a_region_even_if_that_reports_only(stack: Stack) -> None:
    stack.launch(Regions=f"{A},{B}", DeleteConnections="Stack", OnRegionFailure="Report")
    stack.world.tenant.entries.clear()
    run = stack.invoke(Kind.REPAIR, {"Regions": C}, [NOT_CREATED])

    assert (run.succeeded, in_falcon(stack)) == (False, {B})
    assert run.report
    assert [outcome.region for outcome in run.report.of({OutcomeKind.SKIPPED})] == [C]


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.REPAIR])
def test_a_role_that_falcon_does_not_know_yet_is_waited_for_by_a_stack_event_only(stack: Stack, kind: Kind) -> None:
    stack.launch(Regions=A)
    stack.world.tenant.entries.clear()
    stack.world.tenant.first_named.clear()
    stack.world.tenant.role_delay = 30
    run = stack.invoke(kind, stack.properties(Regions=A, CredentialsVersion="2"))

    assert run.succeeded is (kind is Kind.UPDATE)


# Rollbacks


def test_a_failed_update_undoes_what_it_created_leaves_what_it_adopted_and_removes_nothing(stack: Stack) -> None:
    stack.launch(Regions=A, DeleteConnections="Stack")
    theirs(stack, B)
    run = stack.update(Fault("refresh", Effect.DENIED), Regions=f"{B},{C}", DeleteConnections="Stack")

    assert not run.succeeded
    assert in_falcon(stack) == {A, B}
    assert (set(stack.record.connections), stack.record.dirty) == ({A}, False)


INCOMPLETE = "rolled back, but not all of it: the next repair goes on"
UNREACHABLE = "rolled back, but Falcon could not be asked: the next repair goes on"
UNWRITTEN = "the stack's record could not be written"
UNDELETED = "the record could not be deleted"
IDLE = "nothing is done, because CloudFormation does not say what it holds"
Event = Callable[[Stack, Fault], Invocation]


@pytest.mark.parametrize(
    ("event", "dirty", "fault", "told"),
    [
        (Stack.roll_back, True, NOT_CREATED, f"{INCOMPLETE}: 1 Region failed."),
        (Stack.roll_back, True, NO_SECRET, f"{UNREACHABLE}: The secret cannot be read."),
        (Stack.roll_back, False, Fault("put", Effect.REFUSED, times=-1), f"{UNWRITTEN}: The stack's record "),
        (Stack.delete, False, Fault("delete_parameter", Effect.REFUSED), f"{UNDELETED}: The stack's record "),
        (partial(Stack.delete, physical_id="made-up"), False, Fault("holds", Effect.REFUSED), f"{IDLE}: The stack's r"),
    ],
)
def test_a_rollback_or_a_delete_succeeds_whatever_it_cannot_do_and_says_so_in_the_log(
    stack: Stack, logged: Lines, event: Event, fault: Fault, told: str, *, dirty: bool
) -> None:
    logs.set_up("INFO")
    stack.launch()
    if dirty:
        stack.world.tenant.remove(stack.record.connections[A])
        put_record(stack, dirty=True)
    run = event(stack, fault)
    (line,) = logged()

    assert run.report
    assert (run.succeeded, run.report.failure, run.report.cause) == (True, "", "")
    assert line["level"] == "WARNING"
    assert f"{line['text']}: {line['why']}".startswith(told)


def test_what_a_failed_update_took_up_again_is_not_forgotten(stack: Stack) -> None:
    stack.launch(Regions=A, DeleteConnections="Stack")
    stack.update(DIES, Regions=f"{A},{B}", DeleteConnections="Stack")
    stack.roll_back(OUTAGES["Falcon is down"])
    update = stack.update(NOT_CREATED, Regions=f"{A},{B},{C}", DeleteConnections="Stack")

    assert succeeded(update, stack.roll_back(), stack.repair()) == [False, True, True]
    assert in_falcon(stack) == {A}


def test_what_a_launch_that_is_tried_again_finds_of_the_first_try_is_not_forgotten(stack: Stack) -> None:
    stack.launch(DIES, Regions=f"{A},{B}")
    assert in_falcon(stack) == {A}

    assert succeeded(stack.launch(NOT_CREATED, Regions=f"{A},{B}"), stack.delete()) == [False, True]
    assert in_falcon(stack) == set()


def test_an_event_whose_call_hangs_keeps_time_to_undo_the_others(stack: Stack) -> None:
    run = stack.launch(Fault("create", Effect.HANGS))

    assert not run.succeeded
    assert len(run.journal.made("remove")) == 2
    assert in_falcon(stack) == set()


@pytest.mark.parametrize(
    ("faults", "recorded"),
    [
        ([Fault("put", Effect.REFUSED, skip=1)], True),
        ([Fault("put", Effect.LOST, skip=1), Fault("get", Effect.REFUSED, skip=1)], True),
        ([Fault("put", Effect.REFUSED, skip=1, times=-1)], False),
    ],
    ids=["at the second try", "it is not known whether at the first", "never"],
)
def test_an_event_that_cannot_record_its_end_is_undone(stack: Stack, faults: list[Fault], *, recorded: bool) -> None:
    assert "cannot be written" in stack.launch(*faults).reason
    assert in_falcon(stack) == set()
    assert (stack.record.applied, stack.record.dirty, stack.record.lease is None) == (None, not recorded, recorded)


# A Region in which Falcon refuses the connection role

REPORTING: dict[str, Any] = {"OnRegionFailure": "Report", "DeleteConnections": "Stack"}


def refused(stack: Stack) -> str:
    """Launch a stack that reports failures, with one Region in which the role is refused; return that Region."""
    run = stack.launch(ROLE_REFUSED, **REPORTING)
    assert (run.reason, stack.record.dirty) == ("", False)
    (region,) = stack.record.refused
    return region


def test_a_region_that_is_refused_costs_no_listing_of_the_tenant_unless_a_choice_changes(stack: Stack) -> None:
    region = refused(stack)
    for _ in range(3):
        assert operations(stack.repair(ROLE_REFUSED), *READING) == ["create", "log_in", "read"]
        assert (stack.record.refused, stack.record.dirty) == ((region,), False)
    update, rollback = (stack.update(fault, Package="new", **REPORTING) for fault in (ROLE_REFUSED, NO_SECRET))
    stack.repair()

    assert update.journal.made(*CHANGING, "list") == [region]
    assert operations(rollback) == ["get", "put"]
    assert (stack.record.refused, in_falcon(stack)) == ((), {A, B, C})


def test_what_falcon_kept_of_a_create_that_it_refused_gets_its_credential_without_another_listing(stack: Stack) -> None:
    stack.world.tenant.rejects_leave_entry = True
    region, never = refused(stack), Fault("refresh", Effect.REJECTED, times=-1)
    first, *others = (stack.repair(never) for _ in range(3))
    kept = stack.record.connections[region]

    assert first.journal.made(*CHANGING, "list") == [region, "", kept]
    assert [repair.journal.made(*CHANGING, "list") for repair in others] == [[kept]] * 2
    assert (stack.record.refused, stack.record.dirty) == ((region,), False)
    assert stack.repair().succeeded
    assert stack.record.refused == ()


def test_what_falcon_kept_of_a_create_that_it_refused_is_found_by_the_next_stack_event(stack: Stack) -> None:
    stack.world.tenant.rejects_leave_entry = True
    region = refused(stack)
    denied = stack.update(Fault("list", Effect.DENIED), ExcludedRegions=region, **REPORTING)
    update = stack.update(ExcludedRegions=region, **REPORTING)

    assert succeeded(denied, update) == [False, True]
    assert in_falcon(stack) == {A, B, C} - {region}
    assert (stack.record.refused, stack.record.dirty) == ((), False)


@pytest.mark.parametrize("disabled", [False, True])
def test_what_falcon_kept_of_a_create_that_it_refused_goes_with_the_stack(stack: Stack, *, disabled: bool) -> None:
    stack.world.tenant.rejects_leave_entry = True
    region = refused(stack)
    stack.world.enabled -= {region} if disabled else set()
    stack.repair(Fault("refresh", Effect.REJECTED))

    assert stack.delete().succeeded
    assert in_falcon(stack) == set()


# Laws over every call of a run


STRIKES = (Effect.KILLED, Effect.KILLED_APPLIED, Effect.REFUSED, Effect.LOST, Effect.DENIED)
ANYWHERE = [Fault("*", effect, skip=number) for effect in STRIKES for number in range(16)]


@pytest.mark.parametrize("policy", ["Keep", "Stack", "Account"])
def test_law_a_launch_that_ends_anywhere_is_undone_by_its_delete_but_for_what_was_there_before(policy: str) -> None:
    for fault in ANYWHERE:
        stack = new_stack()
        before = theirs(stack, C)
        create = stack.launch(fault, DeleteConnections=policy)
        stack.hold(create, told=not create.succeeded)
        delete = stack.delete()

        assert delete.succeeded, (fault, delete.reason)
        assert list(stack.world.tenant.entries) == [before.id], fault
        assert stack.parameters.versions == [], fault


@pytest.mark.parametrize("faults", [[], [NOT_CREATED], [Fault("remove", Effect.REFUSED)]])
def test_law_a_launch_that_is_cancelled_at_any_moment_or_comes_late_leaves_only_what_was_there_before(
    faults: list[Fault],
) -> None:
    """Its Delete comes so many seconds after it; before zero it comes first, and the launch is delivered late."""
    for moment in (*(eighths / 8 for eighths in range(32)), *range(-174, 0, 6)):
        stack = new_stack()
        before, sent = theirs(stack, C), stack.world.clock.now
        stack.held = "made-up"
        stack.world.clock.sleep(5)
        create, delete = stack.begin(Kind.CREATE, {}, faults, sent=sent), stack.begin(Kind.DELETE, {})
        stack.world.invoke_both(*((delete, create) if moment < 0 else (create, delete)), abs(moment))

        assert delete.succeeded or stack.delete().succeeded, (moment, delete.reason)
        assert list(stack.world.tenant.entries) == [before.id], moment
        assert stack.parameters.versions == [], moment
        if moment < 0:
            assert create.reason == SUPERSEDED
            assert EVENT_AGE_SECONDS <= delete.seconds < EVENT_AGE_SECONDS + 10


@pytest.mark.parametrize("outage", [None, *OUTAGES.values()], ids=["none", *OUTAGES])
@pytest.mark.parametrize("policy", ["Keep", "Stack"])
def test_law_an_update_that_ends_anywhere_is_rolled_back_and_repaired_to_what_was(
    policy: str, outage: Fault | None
) -> None:
    """A rollback succeeds also if it cannot put Falcon right: then the repair does."""
    still = [outage, Fault("list", Effect.DENIED, times=-1)] if outage else []
    for fault in ANYWHERE:
        stack = new_stack()
        stack.launch(Regions=f"{A},{B}", DeleteConnections=policy)
        before = stack.record.applied
        update = stack.update(fault, Regions=f"{B},{C}", DeleteConnections=policy)
        if update.succeeded or (outage and stack.record.applied != before):
            continue  # the latter ended after its last write

        assert succeeded(stack.roll_back(*still), stack.repair()) == [True, True], fault
        assert in_falcon(stack) - ({C} if policy == "Keep" and not update.answered else set()) == {A, B}, fault
        assert not stack.record.dirty, fault


def test_law_a_repair_that_ends_anywhere_is_finished_by_the_next() -> None:
    for fault in ANYWHERE:
        stack = new_stack()
        stack.launch()
        for entry in stack.world.tenant.entries.values():
            entry.expired = entry.shown().region == A
        stack.world.tenant.remove(stack.record.connections[B])
        stack.repair(fault)

        assert (stack.repair().succeeded, in_falcon(stack)) == (True, {A, B, C}), fault
        assert stack.repair().journal.made(*CHANGING, "list") == [], fault


@pytest.mark.parametrize("policy", ["Stack", "Account"])
def test_law_a_delete_that_ends_anywhere_is_finished_by_the_next_and_nothing_is_made_again(policy: str) -> None:
    for fault in ANYWHERE:
        stack = new_stack()
        stack.launch(DeleteConnections=policy)
        stack.delete(fault)

        assert stack.repair().journal.made("create") == [], fault
        assert stack.delete().succeeded, fault
        assert in_falcon(stack) == set(), fault


# Deletes


@pytest.mark.parametrize("texts", [["falcon"], ["{}"], ["{{resolve:ssm:x}}"], []], ids=repr)
@pytest.mark.parametrize("policy", ["Stack", "Account"])
def test_a_delete_whose_record_is_overwritten_or_gone_finds_its_connections_by_their_marks_or_fails(
    stack: Stack, texts: list[str], policy: str
) -> None:
    theirs(stack, B)
    stack.launch(DeleteConnections=policy)
    stack.parameters.versions[:] = texts
    stack.world.check = lambda _: None
    repair, failed = stack.repair(), stack.delete(Fault("list", Effect.DENIED))

    assert "Update the stack" in repair.reason
    assert repair.journal.made(*CHANGING) == []
    assert succeeded(failed, stack.delete()) == [False, True]
    assert failed.reason.endswith(DELETE_ADVICE)
    assert in_falcon(stack) == set()


def test_a_delete_that_removes_half_says_so_and_forbids_a_repair(stack: Stack) -> None:
    stack.launch(DeleteConnections="Stack")
    failed = stack.delete(Fault("remove", Effect.DENIED))
    record, repair = stack.record, stack.repair()

    assert failed.reason.startswith("1 Region failed. ap-south-1: ")
    assert failed.reason.startswith(record.events[-1].outcome)
    assert (record.dirty, record.lease, bool(record.events[-1].outcome)) == (True, None, True)
    assert (note(repair), in_falcon(stack)) == (NOTHING_APPLIED, {A})


def test_a_delete_that_finds_none_of_its_connections_asks_whether_falcon_knows_any(stack: Stack) -> None:
    stack.launch(DeleteConnections="Stack")
    stack.world.tenant.entries.clear()

    assert not stack.delete(Fault("probe", Effect.DENIED)).succeeded
    assert stack.record.connections
    assert stack.delete().succeeded


@pytest.mark.parametrize("faults", [[], [Fault("holds", Effect.REFUSED)]], ids=["says", "does not say"])
def test_a_launch_of_unheard_success_is_undone_if_cloudformation_says_so(stack: Stack, faults: list[Fault]) -> None:
    stack.launch(told=False)
    identity = stack.identity  # and one that is not in the record
    stray = Entry(identity.registry(D).url, alias=identity.created_alias(D), maker=f"{stack.name}/another run")
    stack.world.tenant.add(stray)

    assert stack.delete(*faults).succeeded
    assert in_falcon(stack) == (set() if not faults else {A, B, C, D})


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_delete_of_a_launch_that_is_known_to_have_left_nothing_needs_neither_time_nor_secret_nor_falcon(
    stack: Stack, *, forgotten: bool
) -> None:
    create = stack.launch(NO_SECRET, told=forgotten)
    if forgotten:
        stack.parameters.versions.clear()
    delete = stack.delete(*OUTAGES.values())

    assert succeeded(create, delete) == [False, True]
    assert operations(delete, "get", "put") == ["delete_parameter"]
    assert delete.seconds < 10


def test_a_launch_whose_first_write_was_lost_can_be_deleted_even_if_another_write_is_refused(stack: Stack) -> None:
    create = stack.launch(Fault("put", Effect.LOST), Fault("get", Effect.REFUSED, skip=1, times=-1), told=False)

    assert create.answered
    assert stack.delete(Fault("put", Effect.REFUSED)).succeeded or stack.delete().succeeded
    assert in_falcon(stack) == set()


# Who may work, and when


def test_a_repair_before_or_during_the_launch_ends_well_and_leaves_it_alone(stack: Stack) -> None:
    before = stack.repair()
    create, during = stack.begin(Kind.CREATE, {}), stack.begin(Kind.REPAIR, {})
    stack.world.invoke_both(create, during, 0.4)

    assert [note(before), note(during)] == [NOTHING_APPLIED] * 2
    assert operations(before) == ["get", "holds"]
    assert create.succeeded


def leased(stack: Stack, seconds: float) -> None:
    put_record(stack, lease=["somebody", stack.world.clock.wall() + seconds])


def test_who_waits_in_vain_for_another_run_says_so_and_a_repair_ends_well_after_two_minutes(stack: Stack) -> None:
    stack.launch()
    stack.world.clock.on_pass = lambda: leased(stack, 600)
    repair, update = stack.repair(), stack.update(Regions=A)

    assert (note(repair), update.reason) == (AT_WORK, f"{AT_WORK}: try again later")
    assert REPAIR_WAIT_SECONDS - 5 < repair.seconds <= REPAIR_WAIT_SECONDS


@pytest.mark.parametrize(("seconds", "waited"), [(100, 100), (1e8, 0)], ids=["died", "written by nobody of ours"])
@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE, Kind.REPAIR])
def test_whoever_waits_outlasts_a_run_that_died_and_nobody_waits_for_a_lease_or_an_event_far_in_the_future(
    stack: Stack, kind: Kind, seconds: float, waited: float
) -> None:
    stack.launch()
    leased(stack, seconds)
    put_record(stack, events=[["forged", 9_999_999_999, ""]])
    run = stack.invoke(kind, stack.properties(DeleteConnections="Stack"))

    assert run.succeeded
    assert waited <= run.seconds < waited + 20


@pytest.mark.parametrize("operation", ["secret", "regions", "log_in", "read"])
@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE, Kind.REPAIR])
def test_a_run_that_fails_before_any_change_gives_its_lease_back_clean(
    stack: Stack, kind: Kind, operation: str
) -> None:
    stack.launch(DeleteConnections="Stack")
    wanted = stack.properties(DeleteConnections="Stack", Regions=A)
    run = stack.invoke(kind, wanted, [Fault(operation, Effect.REFUSED)])

    assert run.succeeded is (kind is Kind.DELETE and operation == "regions")
    assert (stack.record.lease, stack.record.dirty) == (None, False)


@pytest.mark.parametrize(("run", "seconds"), [(Stack.update, 690), (Stack.repair, 345)])
def test_a_lease_outlasts_its_run(stack: Stack, run: Event, seconds: float) -> None:
    stack.launch(Regions=A)
    begun = stack.world.clock.wall()
    run(stack, Fault("secret", Effect.KILLED))
    lease = stack.record.lease

    assert isinstance(lease, Lease)
    assert lease.until - begun == pytest.approx(seconds, abs=1)


def test_an_unforeseen_error_ends_the_lease_with_a_dirty_record(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.launch()
    monkeypatch.setattr("registry_connections.reconciler.plan", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stack.update(Regions=A)

    assert (stack.record.lease, stack.record.dirty) == (None, True)
    assert stack.record.events[-1].outcome == "unexpected ZeroDivisionError"


# Duplicates and late events


def test_a_record_that_would_not_fit_is_refused_before_falcon_is_changed(stack: Stack) -> None:
    stack.world.enabled = {A, *(f"eu-nowhere-{number}" for number in range(70))}
    run = stack.launch()

    assert "name fewer Regions" in run.reason
    assert run.journal.made(*CHANGING) == []
    assert stack.record.lease is None
