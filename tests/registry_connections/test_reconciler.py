"""Whole runs in a world in memory: one test for each rule, and laws over every call that can fail or be the last."""

import json
import logging
from typing import Any

import pytest

from registry_connections.core.model import OutcomeKind
from registry_connections.core.record import CUT_SHORT, SUPERSEDED, Kind, Lease
from registry_connections.reconciler import (
    AT_WORK,
    DELETE_ADVICE,
    EVENT_AGE_SECONDS,
    NOTHING_APPLIED,
    RECORD_GONE,
    REPAIR_WAIT_SECONDS,
)
from tests.registry_connections.fakes import Effect, Fault
from tests.registry_connections.invariants import Invariants
from tests.registry_connections.samples import OTHER_ACCOUNT
from tests.registry_connections.tenant import Entry
from tests.registry_connections.world import ACCOUNT, SUFFIX, Invocation, Stack, World

A, B, C, D = "ap-south-1", "eu-west-1", "us-east-1", "us-west-2"
"""The first three are enabled at first."""
CHANGING = ("create", "refresh", "remove")
OUTAGES = {
    "wrong credentials, an IP allow-list, or a revoked client": Fault("log_in", Effect.DENIED, times=-1),
    "Falcon is down": Fault("log_in", Effect.REFUSED, times=-1),
    "the secret is deleted": Fault("secret", Effect.REFUSED, times=-1),
    "the scope to read is missing": Fault("read", Effect.DENIED, times=-1),
}
"""What makes an update fail, and is still so when it is rolled back."""


def new_world() -> tuple[World, Stack]:
    world = World()
    world.check = Invariants(world)
    return world, world.new_stack()


@pytest.fixture
def world() -> World:
    return new_world()[0]


@pytest.fixture
def stack(world: World) -> Stack:
    return world.new_stack()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is logged as a warning, with why."""
    logged: list[str] = []

    def log(level: int, text: str, *, why: str) -> None:
        assert level == logging.WARNING
        logged.append(f"{text}: {why}")

    monkeypatch.setattr("registry_connections.reconciler.log", log)
    return logged


def launched(world: World, stack: Stack, **changes: str) -> dict[str, str]:
    """Launch a stack, and return its properties."""
    properties = stack.properties(**changes)
    run = world.invoke(stack, Kind.CREATE, properties)
    assert run.succeeded, run.reason
    world.hold(stack, run, told=True)
    return properties


def in_falcon(world: World) -> set[str]:
    """Return the Regions of this account that are connected."""
    return {entry.shown().region for entry in world.tenant.entries.values() if ACCOUNT in entry.url}


def put_record(stack: Stack, **changes: Any) -> None:
    """Write the stack's record as somebody does who may."""
    stored = json.loads(stack.parameters.versions[-1])
    stack.parameters.versions.append(json.dumps({**stored, **changes, "base": len(stack.parameters.versions)}))


def theirs(world: World, region: str, account: str = ACCOUNT) -> Entry:
    return world.tenant.add(Entry(f"https://{account}.dkr.ecr.{region}.{SUFFIX}", role="their-role"))


def operations(run: Invocation, *left_out: str) -> list[str]:
    return sorted(operation for operation, _ in run.journal.calls if operation not in left_out)


# What a run does, and what it costs


def test_a_launch_connects_every_enabled_region_with_one_login_and_one_probe(world: World, stack: Stack) -> None:
    run = world.invoke(stack, Kind.CREATE, stack.properties())

    assert in_falcon(world) == set(stack.record.connections) == {A, B, C}
    assert (stack.record.lease, stack.record.dirty) == (None, False)
    assert operations(run, "region_use", "regions", "secret") == (
        ["create"] * 3 + ["get"] + ["log_in"] + ["probe"] + ["put"] * 2
    )


def test_a_repair_with_nothing_to_do_is_one_login_and_one_read(world: World, stack: Stack) -> None:
    launched(world, stack)
    run = world.invoke(stack, Kind.REPAIR, {})

    assert run.succeeded
    assert operations(run, "region_use", "regions", "secret", "get", "put") == ["log_in", "read"]
    assert run.report
    assert {outcome.kind for outcome in run.report.outcomes if outcome.region != D} == {OutcomeKind.UNCHANGED}


def test_a_delete_that_purges_the_stacks_own_is_one_login_and_one_read(world: World, stack: Stack) -> None:
    properties = launched(world, stack, DeleteConnections="Stack")
    other = theirs(world, D)
    run = world.invoke(stack, Kind.DELETE, properties)

    assert list(world.tenant.entries.values()) == [other]
    assert operations(run, "get", "put", "secret") == ["delete_parameter", "log_in", "read"] + ["remove"] * 3
    assert stack.parameters.versions == []


def test_a_repair_goes_by_what_the_stack_applied_and_by_nothing_else(world: World, stack: Stack) -> None:
    launched(world, stack, Regions=f"{A},{B}", DeleteConnections="Stack")
    world.tenant.entries.clear()
    world.invoke(stack, Kind.REPAIR, {"Regions": C})

    assert in_falcon(world) == {A, B}


def test_a_repair_that_fails_in_a_region_fails_even_if_the_stack_reports_only(world: World, stack: Stack) -> None:
    launched(world, stack, OnRegionFailure="Report")
    world.tenant.entries.clear()
    run = world.invoke(stack, Kind.REPAIR, {}, [Fault("create", Effect.DENIED)])

    assert not run.succeeded
    assert in_falcon(world) == {B, C}


def test_an_update_with_other_credentials_tries_them_although_no_choice_changed(world: World, stack: Stack) -> None:
    launched(world, stack, CredentialsVersion="1")
    again = stack.properties(CredentialsVersion="2")
    wrong = world.invoke(
        stack, Kind.UPDATE, again, [OUTAGES["wrong credentials, an IP allow-list, or a revoked client"]]
    )
    right = world.invoke(stack, Kind.UPDATE, again)

    assert (wrong.succeeded, right.succeeded) == (False, True)
    assert operations(right, "get", "put", "secret", "regions", "region_use") == ["log_in", "read"]


def test_a_stack_that_reports_failures_succeeds_with_some_regions_and_tells_every_other(
    world: World, stack: Stack
) -> None:
    wanted = stack.properties(OnRegionFailure="Report", ExcludedRegions=B)
    run = world.invoke(stack, Kind.CREATE, wanted, [Fault("create", Effect.DENIED)])

    assert run.succeeded
    assert run.report
    assert run.report.cloud == "us-1"
    assert {outcome.region: outcome.kind for outcome in run.report.outcomes} == {
        A: OutcomeKind.FAILED, B: OutcomeKind.SKIPPED, C: OutcomeKind.CREATED
    }  # fmt: skip


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.REPAIR])
def test_a_role_that_falcon_does_not_know_yet_is_waited_for_by_a_stack_event_only(
    world: World, stack: Stack, kind: Kind
) -> None:
    launched(world, stack, Regions=A)
    world.tenant.entries.clear()
    world.tenant.first_named.clear()
    world.tenant.role_delay = 30
    run = world.invoke(stack, kind, stack.properties(Regions=A, CredentialsVersion="2"))

    assert run.succeeded is (kind is Kind.UPDATE)


# Rollbacks


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_a_rollback_succeeds_from_the_record_alone_whatever_made_the_update_fail(
    world: World, stack: Stack, outage: Fault
) -> None:
    before = launched(world, stack, Regions=A)
    failed = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=f"{A},{B}"), [outage])
    rollback = world.invoke(stack, Kind.UPDATE, before, [outage])

    assert (failed.succeeded, rollback.succeeded) == (False, True)
    assert rollback.report
    assert (A, OutcomeKind.UNCHANGED) in {(outcome.region, outcome.kind) for outcome in rollback.report.outcomes}
    assert operations(rollback, "get", "put") == []
    assert in_falcon(world) == {A}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_a_rollback_that_cannot_put_falcon_right_succeeds_and_the_next_repair_does(
    world: World, stack: Stack, outage: Fault
) -> None:
    before = launched(world, stack, Regions=A)
    cut_short = [Fault("create", Effect.KILLED_APPLIED)]
    update = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=f"{A},{B}"), cut_short)
    listing = Fault("list", Effect.DENIED, times=-1)
    rollback = world.invoke(stack, Kind.UPDATE, before, [outage, listing])
    still = (stack.record.dirty, in_falcon(world))
    repair = world.invoke(stack, Kind.REPAIR, {})

    assert (update.answered, rollback.succeeded, repair.succeeded) == (False, True, True)
    assert still == (True, {A, B})
    assert (stack.record.dirty, in_falcon(world)) == (False, {A})


def test_a_failed_update_undoes_what_it_created_leaves_what_it_adopted_and_removes_nothing(
    world: World, stack: Stack
) -> None:
    launched(world, stack, Regions=A, DeleteConnections="Stack")
    adopted = theirs(world, B)
    wanted = stack.properties(Regions=f"{B},{C}", DeleteConnections="Stack")
    run = world.invoke(stack, Kind.UPDATE, wanted, [Fault("refresh", Effect.DENIED)])

    assert not run.succeeded
    assert in_falcon(world) == {A, B}
    assert adopted.id in world.tenant.entries
    assert (set(stack.record.connections), stack.record.dirty) == ({A}, False)


def test_an_undo_that_fails_keeps_the_record_dirty_and_whoever_comes_next_removes_the_rest(
    world: World, stack: Stack
) -> None:
    launched(world, stack, Regions=A)
    faults = [Fault("create", Effect.DENIED), Fault("remove", Effect.REFUSED)]
    run = world.invoke(stack, Kind.UPDATE, stack.properties(), faults)
    after = (stack.record.dirty, in_falcon(world))
    world.invoke(stack, Kind.REPAIR, {})

    assert not run.succeeded
    assert after == (True, {A, C})
    assert (stack.record.dirty, in_falcon(world)) == (False, {A})


def test_an_event_that_cannot_record_its_end_is_undone_and_fails(world: World, stack: Stack) -> None:
    run = world.invoke(stack, Kind.CREATE, stack.properties(), [Fault("put", Effect.REFUSED, skip=1, times=-1)])

    assert not run.succeeded
    assert "cannot be written" in run.reason
    assert in_falcon(world) == set()


def test_what_was_created_and_never_recorded_is_taken_up_with_its_credential(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=A)
    wanted = stack.properties(Regions=f"{A},{B}")
    world.invoke(stack, Kind.UPDATE, wanted, [Fault("create", Effect.KILLED_APPLIED)])
    run = world.invoke(stack, Kind.UPDATE, wanted)
    again = world.invoke(stack, Kind.UPDATE, before)

    assert (run.succeeded, again.succeeded) == (True, True)
    assert run.journal.made("refresh", "create") == run.journal.made("refresh")
    assert len(run.journal.made("refresh")) == 1
    assert set(stack.record.connections) == {A, B}


INCOMPLETE = "rolled back, but not all of it: the next repair goes on"
UNREACHABLE = "rolled back, but Falcon could not be asked: the next repair goes on"


@pytest.mark.parametrize(
    ("dirty", "fault", "logged"),
    [
        (True, Fault("create", Effect.DENIED), f"{INCOMPLETE}: 1 Region failed."),
        (True, OUTAGES["the secret is deleted"], f"{UNREACHABLE}: The secret cannot be read."),
        (False, Fault("put", Effect.REFUSED, times=-1), "the stack's record could not be written: The stack's record"),
    ],
)
def test_a_rollback_succeeds_whatever_it_cannot_do_and_says_so_in_the_log(
    world: World, stack: Stack, warnings: list[str], fault: Fault, logged: str, *, dirty: bool
) -> None:
    before = launched(world, stack)
    if dirty:
        world.tenant.remove(stack.record.connections[A])
        put_record(stack, dirty=True)
    rollback = world.invoke(stack, Kind.UPDATE, before, [fault])
    (warning,) = warnings

    assert rollback.report
    assert (rollback.succeeded, rollback.report.failure, rollback.report.cause) == (True, "", "")
    assert warning.startswith(logged)


def test_a_rollback_whose_record_cannot_be_read_fails(world: World, stack: Stack) -> None:
    before = launched(world, stack)

    assert not world.invoke(stack, Kind.UPDATE, before, [Fault("get", Effect.REFUSED, times=-1)]).succeeded


def cut_short(world: World, stack: Stack, kind: Kind, properties: dict[str, str], region: str) -> Invocation:
    """Run an event that dies when it has created the connection of the first Region that it lacks."""
    run = world.invoke(stack, kind, properties, [Fault("create", Effect.KILLED_APPLIED)])
    assert not run.answered
    assert region in in_falcon(world)
    return run


def test_what_a_failed_update_took_up_again_is_not_forgotten(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=A, DeleteConnections="Stack")
    wanted = stack.properties(Regions=f"{A},{B}", DeleteConnections="Stack")
    cut_short(world, stack, Kind.UPDATE, wanted, B)
    world.invoke(stack, Kind.UPDATE, before, [OUTAGES["Falcon is down"]])
    wider = stack.properties(Regions=f"{A},{B},{C}", DeleteConnections="Stack")
    update = world.invoke(stack, Kind.UPDATE, wider, [Fault("create", Effect.DENIED)])
    rollback = world.invoke(stack, Kind.UPDATE, before)
    repair = world.invoke(stack, Kind.REPAIR, {})

    assert (update.succeeded, rollback.succeeded, repair.succeeded) == (False, True, True)
    assert in_falcon(world) == {A}


def test_what_a_launch_that_is_tried_again_finds_of_the_first_try_is_not_forgotten(world: World, stack: Stack) -> None:
    wanted = stack.properties(Regions=f"{A},{B}")
    cut_short(world, stack, Kind.CREATE, wanted, A)
    again = world.invoke(stack, Kind.CREATE, wanted, [Fault("create", Effect.DENIED)])
    failed = world.hold(stack, again, told=True)
    delete = world.invoke(stack, Kind.DELETE, wanted, physical_id=failed)

    assert (again.succeeded, delete.succeeded) == (False, True)
    assert in_falcon(world) == set()


def test_an_event_whose_call_hangs_keeps_time_to_undo_the_others(world: World, stack: Stack) -> None:
    run = world.invoke(stack, Kind.CREATE, stack.properties(), [Fault("create", Effect.HANGS)])

    assert not run.succeeded
    assert len(run.journal.made("remove")) == 2
    assert in_falcon(world) == set()


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("put", Effect.REFUSED, skip=1)],
        [Fault("put", Effect.LOST, skip=1), Fault("get", Effect.REFUSED, skip=1)],
    ],
    ids=["refused", "unknown"],
)
def test_an_end_that_is_recorded_at_the_second_try_is_that_of_what_was_undone(
    world: World, stack: Stack, faults: list[Fault]
) -> None:
    run = world.invoke(stack, Kind.CREATE, stack.properties(), faults)

    assert not run.succeeded
    assert in_falcon(world) == set()
    assert (stack.record.applied, stack.record.dirty, stack.record.lease) == (None, False, None)


# A Region in which Falcon refuses the connection role


def refused(world: World, stack: Stack) -> str:
    """Launch a stack that reports failures, with one Region in which the role is refused; return that Region."""
    properties = stack.properties(OnRegionFailure="Report", DeleteConnections="Stack")
    run = world.invoke(stack, Kind.CREATE, properties, [Fault("create", Effect.REJECTED)])
    world.hold(stack, run, told=True)
    assert run.succeeded, run.reason
    assert not stack.record.dirty
    (region,) = stack.record.refused
    return region


def test_a_region_that_is_refused_at_each_repair_costs_no_listing_of_the_tenant(world: World, stack: Stack) -> None:
    region = refused(world, stack)
    for _ in range(3):
        repair = world.invoke(stack, Kind.REPAIR, {}, [Fault("create", Effect.REJECTED)])

        assert operations(repair, "secret", "regions", "region_use", "get", "put") == ["create", "log_in", "read"]
        assert (stack.record.refused, stack.record.dirty) == ((region,), False)
    world.invoke(stack, Kind.REPAIR, {})

    assert (stack.record.refused, in_falcon(world)) == ((), {A, B, C})


def test_what_falcon_kept_of_a_create_that_it_refused_gets_its_credential_without_another_listing(
    world: World, stack: Stack
) -> None:
    world.tenant.rejects_leave_entry = True
    region, never = refused(world, stack), [Fault("refresh", Effect.REJECTED, times=-1)]
    first, *others = (world.invoke(stack, Kind.REPAIR, {}, never) for _ in range(3))
    kept = stack.record.connections[region]

    assert first.journal.made(*CHANGING, "list") == [region, "", kept]
    assert [repair.journal.made(*CHANGING, "list") for repair in others] == [[kept]] * 2
    assert (stack.record.refused, stack.record.dirty) == ((region,), False)
    assert world.invoke(stack, Kind.REPAIR, {}).succeeded
    assert stack.record.refused == ()


def test_an_update_that_changes_no_choice_lists_nothing_for_a_region_that_is_refused(
    world: World, stack: Stack
) -> None:
    region = refused(world, stack)
    choices = {"OnRegionFailure": "Report", "DeleteConnections": "Stack"}
    update = world.invoke(
        stack, Kind.UPDATE, stack.properties(Package="new", **choices), [Fault("create", Effect.REJECTED)]
    )
    rollback = world.invoke(stack, Kind.UPDATE, stack.properties(Package="new", **choices))

    assert update.journal.made(*CHANGING, "list") == [region]
    assert operations(rollback) == ["get", "put"]


def test_what_falcon_kept_of_a_create_that_it_refused_is_found_by_the_next_stack_event(
    world: World, stack: Stack
) -> None:
    world.tenant.rejects_leave_entry = True
    region = refused(world, stack)
    without = stack.properties(ExcludedRegions=region, OnRegionFailure="Report", DeleteConnections="Stack")
    denied = world.invoke(stack, Kind.UPDATE, without, [Fault("list", Effect.DENIED)])
    update = world.invoke(stack, Kind.UPDATE, without)

    assert (denied.succeeded, update.succeeded) == (False, True)
    assert in_falcon(world) == {A, B, C} - {region}
    assert (stack.record.refused, stack.record.dirty) == ((), False)


@pytest.mark.parametrize("disabled", [False, True])
def test_what_falcon_kept_of_a_create_that_it_refused_goes_with_the_stack(
    world: World, stack: Stack, *, disabled: bool
) -> None:
    world.tenant.rejects_leave_entry = True
    region = refused(world, stack)
    world.enabled -= {region} if disabled else set()
    world.invoke(stack, Kind.REPAIR, {}, [Fault("refresh", Effect.REJECTED)])
    delete = world.invoke(stack, Kind.DELETE, stack.properties(DeleteConnections="Stack"))

    assert delete.succeeded
    assert in_falcon(world) == set()


# Laws over every call of a run


STRIKES = (Effect.KILLED, Effect.KILLED_APPLIED, Effect.REFUSED, Effect.LOST, Effect.DENIED)
ANYWHERE = [Fault("*", effect, skip=number) for effect in STRIKES for number in range(16)]


@pytest.mark.parametrize("policy", ["Keep", "Stack", "Account"])
def test_law_a_launch_that_ends_anywhere_is_undone_by_its_delete_but_for_what_was_there_before(policy: str) -> None:
    for fault in ANYWHERE:
        world, stack = new_world()
        before = theirs(world, C)
        create = world.invoke(stack, Kind.CREATE, stack.properties(DeleteConnections=policy), [fault])
        physical_id = world.hold(stack, create, told=not create.succeeded)
        delete = world.invoke(stack, Kind.DELETE, create.properties, physical_id=physical_id)

        assert delete.succeeded, (fault, delete.reason)
        assert list(world.tenant.entries) == [before.id], fault
        assert stack.parameters.versions == [], fault


@pytest.mark.parametrize("faults", [[], [Fault("create", Effect.DENIED)], [Fault("remove", Effect.REFUSED)]])
def test_law_a_launch_that_is_cancelled_at_any_moment_leaves_only_what_was_there_before(faults: list[Fault]) -> None:
    for eighths in range(32):
        world, stack = new_world()
        before = theirs(world, C)
        stack.held = "made-up"
        create = world.begin(stack, Kind.CREATE, stack.properties(), faults)
        delete = world.begin(stack, Kind.DELETE, stack.properties(), physical_id=stack.held)
        world.invoke_both(create, delete, eighths / 8)
        if not delete.succeeded:
            delete = world.invoke(stack, Kind.DELETE, stack.properties(), physical_id=stack.held)

        assert delete.succeeded, (eighths, delete.reason)
        assert list(world.tenant.entries) == [before.id], eighths
        assert stack.parameters.versions == [], eighths


@pytest.mark.parametrize("policy", ["Keep", "Stack"])
def test_law_an_update_that_ends_anywhere_is_rolled_back_and_repaired_to_what_was(policy: str) -> None:
    for fault in ANYWHERE:
        world, stack = new_world()
        before = launched(world, stack, Regions=f"{A},{B}", DeleteConnections=policy)
        update = world.invoke(
            stack, Kind.UPDATE, stack.properties(Regions=f"{B},{C}", DeleteConnections=policy), [fault]
        )
        if update.succeeded:
            continue
        rollback = world.invoke(stack, Kind.UPDATE, before)
        repair = world.invoke(stack, Kind.REPAIR, {})

        assert (rollback.succeeded, repair.succeeded) == (True, True), fault
        assert in_falcon(world) - ({C} if policy == "Keep" and not update.answered else set()) == {A, B}, fault
        assert not stack.record.dirty, fault


def test_law_a_repair_that_ends_anywhere_is_finished_by_the_next() -> None:
    for fault in ANYWHERE:
        world, stack = new_world()
        launched(world, stack)
        for entry in world.tenant.entries.values():
            entry.expired = entry.shown().region == A
        world.tenant.remove(stack.record.connections[B])
        world.invoke(stack, Kind.REPAIR, {}, [fault])
        run = world.invoke(stack, Kind.REPAIR, {})
        quiet = world.invoke(stack, Kind.REPAIR, {})

        assert (run.succeeded, in_falcon(world)) == (True, {A, B, C}), fault
        assert quiet.journal.made(*CHANGING, "list") == [], fault


# Deletes


def test_a_delete_that_keeps_needs_neither_record_nor_secret_nor_falcon(world: World, stack: Stack) -> None:
    properties = launched(world, stack)
    faults = [OUTAGES["the secret is deleted"], Fault("get", Effect.REFUSED, times=-1)]
    run = world.invoke(stack, Kind.DELETE, properties, [*faults, Fault("delete_parameter", Effect.REFUSED)])

    assert run.succeeded
    assert operations(run) == ["delete_parameter"]
    assert in_falcon(world) == {A, B, C}


@pytest.mark.parametrize("text", ["falcon", "{}", "{{resolve:ssm:x}}"])
@pytest.mark.parametrize("policy", ["Stack", "Account"])
def test_a_delete_whose_record_somebody_overwrote_finds_its_connections_by_their_marks(
    world: World, stack: Stack, text: str, policy: str
) -> None:
    theirs(world, B)
    properties = launched(world, stack, DeleteConnections=policy)
    stack.parameters.versions.append(text)
    world.check = lambda _: None
    repair = world.invoke(stack, Kind.REPAIR, {})
    delete = world.invoke(stack, Kind.DELETE, properties)

    assert "Update the stack" in repair.reason
    assert delete.succeeded
    assert in_falcon(world) == set()


@pytest.mark.parametrize("policy", ["Stack", "Account"])
def test_a_delete_without_a_record_never_succeeds_over_connections_that_it_was_to_remove(
    world: World, stack: Stack, policy: str
) -> None:
    properties = launched(world, stack, DeleteConnections=policy)
    stack.parameters.versions.clear()
    failed = world.invoke(stack, Kind.DELETE, properties, [Fault("list", Effect.DENIED)])
    done = world.invoke(stack, Kind.DELETE, properties)

    assert (failed.succeeded, done.succeeded) == (False, True)
    assert failed.reason.endswith(DELETE_ADVICE)
    assert in_falcon(world) == set()


def test_a_delete_that_removes_half_says_so_and_the_next_removes_the_rest(world: World, stack: Stack) -> None:
    properties = launched(world, stack, DeleteConnections="Stack")
    failed = world.invoke(stack, Kind.DELETE, properties, [Fault("remove", Effect.DENIED)])
    half, record = in_falcon(world), stack.record
    repair = world.invoke(stack, Kind.REPAIR, {})
    done = world.invoke(stack, Kind.DELETE, properties)

    assert (failed.succeeded, done.succeeded) == (False, True)
    assert failed.reason.startswith("1 Region failed. ap-south-1: ")
    assert (record.dirty, record.lease) == (True, None)
    assert (repair.report and repair.report.note, repair.journal.made(*CHANGING)) == (NOTHING_APPLIED, [])
    assert failed.reason.startswith(record.events[-1].outcome)
    assert record.events[-1].outcome
    assert (half, in_falcon(world)) == ({A}, set())


def test_what_a_delete_removed_before_it_died_is_not_made_again(world: World, stack: Stack) -> None:
    properties = launched(world, stack, DeleteConnections="Stack")
    died = world.invoke(stack, Kind.DELETE, properties, [Fault("remove", Effect.KILLED_APPLIED)])
    repair = world.invoke(stack, Kind.REPAIR, {})
    half = in_falcon(world)
    done = world.invoke(stack, Kind.DELETE, properties)

    assert (died.answered, repair.succeeded, done.succeeded) == (False, True, True)
    assert (len(half), in_falcon(world)) == (2, set())


def test_a_delete_that_finds_none_of_its_connections_asks_whether_falcon_knows_any(world: World, stack: Stack) -> None:
    properties = launched(world, stack, DeleteConnections="Stack")
    for identifier in stack.record.connections.values():
        world.tenant.remove(identifier)
    failed = world.invoke(stack, Kind.DELETE, properties, [Fault("probe", Effect.DENIED)])

    assert not failed.succeeded
    assert stack.record.connections
    assert world.invoke(stack, Kind.DELETE, properties).succeeded


@pytest.mark.parametrize("physical_id", ["made-up", "of-an-earlier-try"])
@pytest.mark.parametrize("policy", ["Keep", "Stack", "Account"])
def test_a_delete_that_is_not_of_the_resource_that_was_applied_removes_nothing(
    world: World, stack: Stack, physical_id: str, policy: str
) -> None:
    properties = launched(world, stack, DeleteConnections=policy)
    run = world.invoke(stack, Kind.DELETE, properties, physical_id=physical_id)

    assert run.succeeded
    assert in_falcon(world) == set(stack.record.connections) == {A, B, C}


@pytest.mark.parametrize("faults", [[], [Fault("holds", Effect.REFUSED)]], ids=["says", "does not say"])
def test_a_launch_whose_success_never_arrived_is_undone_if_cloudformation_says_so(
    world: World, stack: Stack, faults: list[Fault]
) -> None:
    create = world.invoke(stack, Kind.CREATE, stack.properties())
    made_up = world.hold(stack, create, told=False)
    identity = stack.identity  # and one that is not in the record
    stray = Entry(identity.registry(D).url, alias=identity.created_alias(D), maker=f"{stack.name}/another run")
    world.tenant.add(stray)
    run = world.invoke(stack, Kind.DELETE, create.properties, faults, physical_id=made_up)

    assert run.succeeded
    assert in_falcon(world) == (set() if not faults else {A, B, C, D})


def test_the_delete_of_a_launch_that_left_nothing_needs_neither_secret_nor_falcon(world: World, stack: Stack) -> None:
    create = world.invoke(stack, Kind.CREATE, stack.properties(), [OUTAGES["the secret is deleted"]])
    failed = world.hold(stack, create, told=True)
    run = world.invoke(stack, Kind.DELETE, create.properties, list(OUTAGES.values()), physical_id=failed)

    assert (create.succeeded, run.succeeded) == (False, True)
    assert operations(run, "get", "put") == ["delete_parameter"]


def test_a_launch_delivered_after_its_delete_was_answered_connects_nothing(world: World, stack: Stack) -> None:
    sent = world.clock.now
    world.clock.sleep(5)
    delete = world.begin(stack, Kind.DELETE, stack.properties(), physical_id="made-up")
    create = world.begin(stack, Kind.CREATE, stack.properties(), sent=sent)
    world.invoke_both(delete, create, EVENT_AGE_SECONDS - 6)

    assert delete.succeeded
    assert EVENT_AGE_SECONDS <= delete.seconds < EVENT_AGE_SECONDS + 10
    assert create.reason == SUPERSEDED
    assert in_falcon(world) == set()


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_delete_does_not_wait_for_a_launch_that_is_known_to_have_come(
    world: World, stack: Stack, *, forgotten: bool
) -> None:
    create = world.invoke(stack, Kind.CREATE, stack.properties(), [OUTAGES["the secret is deleted"]])
    physical_id = world.hold(stack, create, told=forgotten)
    if forgotten:
        stack.parameters.versions.clear()
    run = world.invoke(stack, Kind.DELETE, create.properties, physical_id=physical_id)

    assert run.succeeded
    assert run.seconds < 10


def test_a_launch_whose_first_write_was_lost_can_be_deleted_even_if_another_write_is_refused(
    world: World, stack: Stack
) -> None:
    faults = [Fault("put", Effect.LOST), Fault("get", Effect.REFUSED, skip=1, times=-1)]
    create = world.invoke(stack, Kind.CREATE, stack.properties(), faults)
    made_up = world.hold(stack, create, told=False)
    delete = world.invoke(stack, Kind.DELETE, create.properties, [Fault("put", Effect.REFUSED)], physical_id=made_up)
    again = world.invoke(stack, Kind.DELETE, create.properties, physical_id=made_up)

    assert create.answered
    assert delete.succeeded or again.succeeded
    assert in_falcon(world) == set()


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("delete_parameter", "the record could not be deleted"),
        ("holds", "nothing is done, because CloudFormation does not say what it holds"),
    ],
)
def test_what_a_delete_leaves_undone_is_a_warning_in_the_log(
    world: World, stack: Stack, warnings: list[str], operation: str, text: str
) -> None:
    properties = launched(world, stack)
    physical_id = "made-up" if operation == "holds" else ""
    run = world.invoke(stack, Kind.DELETE, properties, [Fault(operation, Effect.REFUSED)], physical_id=physical_id)
    (warning,) = warnings

    assert run.succeeded
    assert warning.startswith(f"{text}: The stack's re")


# Who may work, and when


def test_a_repair_before_the_launch_ends_well_and_writes_nothing(world: World, stack: Stack) -> None:
    run = world.invoke(stack, Kind.REPAIR, {})

    assert run.report
    assert (run.report.note, run.reason) == (NOTHING_APPLIED, "")
    assert operations(run) == ["get", "holds"]


def test_a_repair_whose_record_is_gone_fails_until_an_update_makes_it_again(world: World, stack: Stack) -> None:
    launched(world, stack)
    stack.parameters.versions.clear()
    repair = world.invoke(stack, Kind.REPAIR, {})
    world.invoke(stack, Kind.UPDATE, stack.properties(CredentialsVersion="2"))

    assert (repair.reason, repair.journal.made(*CHANGING)) == (RECORD_GONE, [])
    assert len(stack.record.connections) == 3
    assert world.invoke(stack, Kind.REPAIR, {}).succeeded


def test_a_repair_during_the_launch_ends_well_and_leaves_it_alone(world: World, stack: Stack) -> None:
    create = world.begin(stack, Kind.CREATE, stack.properties())
    repair = world.begin(stack, Kind.REPAIR, {})
    world.invoke_both(create, repair, 0.4)

    assert (create.succeeded, repair.succeeded) == (True, True)
    assert repair.report
    assert repair.report.note == NOTHING_APPLIED


def leased(world: World, stack: Stack, seconds: float) -> None:
    put_record(stack, lease=["somebody", world.clock.wall() + seconds])


def test_a_repair_waits_two_minutes_for_another_run_and_ends_well(world: World, stack: Stack) -> None:
    launched(world, stack)
    leased(world, stack, 600)
    run = world.invoke(stack, Kind.REPAIR, {})

    assert run.report
    assert (run.report.note, run.reason) == (AT_WORK, "")
    assert REPAIR_WAIT_SECONDS - 5 < run.seconds <= REPAIR_WAIT_SECONDS


@pytest.mark.parametrize(("seconds", "waited"), [(100, 100), (1e8, 0)], ids=["died", "written by nobody of ours"])
@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE, Kind.REPAIR])
def test_whoever_waits_outlasts_a_run_that_died_and_a_lease_far_in_the_future_keeps_nobody(
    world: World, stack: Stack, kind: Kind, seconds: float, waited: float
) -> None:
    launched(world, stack)
    leased(world, stack, seconds)
    run = world.invoke(stack, kind, stack.properties(DeleteConnections="Stack"))

    assert run.succeeded
    assert waited <= run.seconds < waited + 20


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE])
def test_a_recorded_event_far_in_the_future_refuses_nobody(world: World, stack: Stack, kind: Kind) -> None:
    launched(world, stack)
    put_record(stack, events=[["forged", 9_999_999_999, ""]])

    assert world.invoke(stack, kind, stack.properties(DeleteConnections="Stack")).succeeded


def test_a_stack_event_that_waits_in_vain_fails_and_says_why(world: World, stack: Stack) -> None:
    launched(world, stack)
    world.clock.on_pass = lambda: leased(world, stack, 700)
    run = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=A))

    assert run.reason == f"{AT_WORK}: try again later"


@pytest.mark.parametrize("operation", ["secret", "regions", "log_in", "read"])
@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.DELETE, Kind.REPAIR])
def test_a_run_that_fails_before_it_changes_anything_gives_its_lease_back_and_stays_clean(
    world: World, stack: Stack, kind: Kind, operation: str
) -> None:
    launched(world, stack, DeleteConnections="Stack")
    wanted = stack.properties(DeleteConnections="Stack", Regions=A)
    run = world.invoke(stack, kind, wanted, [Fault(operation, Effect.REFUSED)])

    assert run.succeeded is (kind is Kind.DELETE and operation == "regions")
    assert stack.record.lease is None
    assert stack.record.dirty is False


@pytest.mark.parametrize(("kind", "seconds"), [(Kind.UPDATE, 690), (Kind.REPAIR, 345)])
def test_a_lease_ends_after_its_run_can_write_no_more(world: World, stack: Stack, kind: Kind, seconds: float) -> None:
    launched(world, stack)
    begun = world.clock.wall()
    world.invoke(stack, kind, stack.properties(Regions=A), [Fault("secret", Effect.KILLED)])
    lease = stack.record.lease

    assert isinstance(lease, Lease)
    assert lease.until - begun == pytest.approx(seconds, abs=1)


def test_an_unforeseen_error_gives_the_lease_back_and_leaves_the_record_dirty(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(world, stack)
    world.check = lambda _: None
    monkeypatch.setattr("registry_connections.reconciler.plan", lambda *_, **__: 1 / 0)
    run = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=A))

    assert isinstance(run.problem, ZeroDivisionError)
    assert (stack.record.lease, stack.record.dirty) == (None, True)
    assert stack.record.events[-1].outcome == "unexpected ZeroDivisionError"


def test_an_event_without_time_fails_with_nothing_changed(world: World, stack: Stack) -> None:
    launched(world, stack)
    run = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=A), [Fault("read", Effect.HANGS)])

    assert (run.succeeded, run.journal.made(*CHANGING)) == (False, [])


# Duplicates and late events


@pytest.mark.parametrize("faults", [[], [Fault("create", Effect.DENIED)]], ids=["succeeded", "failed"])
def test_a_duplicate_changes_nothing_and_is_answered_as_the_first_was(
    world: World, stack: Stack, faults: list[Fault]
) -> None:
    first = world.invoke(stack, Kind.CREATE, stack.properties(), faults)
    there = set(world.tenant.entries)
    second = world.invoke(stack, Kind.CREATE, stack.properties(), request=first.request.id)

    assert (second.succeeded, second.reason) == (first.succeeded, first.reason)
    assert operations(second) == ["get"]
    assert set(world.tenant.entries) == there
    if first.report and second.report:
        assert {o.region for o in second.report.outcomes} == {o.region for o in first.report.outcomes}


def test_a_duplicate_of_an_event_that_was_cut_short_fails(world: World, stack: Stack) -> None:
    first = world.invoke(stack, Kind.CREATE, stack.properties(), [Fault("create", Effect.KILLED)])
    second = world.invoke(stack, Kind.CREATE, stack.properties(), request=first.request.id)

    assert second.reason == CUT_SHORT


def test_an_update_delivered_after_its_own_rollback_is_not_applied(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=A)
    sent = world.clock.now
    world.clock.sleep(60)
    rollback = world.invoke(stack, Kind.UPDATE, before)
    late = world.invoke(stack, Kind.UPDATE, stack.properties(Regions=f"{A},{B}"), sent=sent)  # type: ignore[arg-type]

    assert rollback.succeeded
    assert late.reason == SUPERSEDED
    assert in_falcon(world) == {A}


# What the record cannot make it do


def test_a_record_with_the_ids_of_another_account_reaches_none_of_its_connections(world: World, stack: Stack) -> None:
    foreign = [theirs(world, region, OTHER_ACCOUNT) for region in (A, B)]
    properties = launched(world, stack, DeleteConnections="Account")
    before = [(entry.role, entry.user) for entry in foreign]
    put_record(stack, connections={A: foreign[0].id, B: foreign[0].id, D: foreign[1].id}, dirty=True)
    world.invoke(stack, Kind.REPAIR, {})
    put_record(stack, connections={A: foreign[0].id, B: foreign[0].id, D: foreign[1].id})
    run = world.invoke(stack, Kind.DELETE, properties)

    assert run.succeeded
    assert [(entry.role, entry.user) for entry in foreign] == before
    assert list(world.tenant.entries.values()) == foreign


def test_a_record_that_would_not_fit_is_refused_before_falcon_is_changed(world: World, stack: Stack) -> None:
    many = {f"eu-nowhere-{number}" for number in range(70)}
    world.enabled = {A, *many}
    run = world.invoke(stack, Kind.CREATE, stack.properties())

    assert "name fewer Regions" in run.reason
    assert run.journal.made(*CHANGING) == []
    assert stack.record.lease is None
