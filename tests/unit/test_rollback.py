"""Updates and repairs that fail or are cut short, and what their rollback, or the next repair, makes of that."""

import pytest

from registry_connections.turns import Kind
from tests.fake_tenant import Record
from tests.fakes import Effect, Fault
from tests.histories import ACCOUNT, SUFFIX, Stack, World

A, B, C, D = "ap-south-1", "eu-west-1", "us-east-1", "us-west-2"
"""The first three are enabled at first."""
ROLE = "arn:aws:iam::111122223333:role/another"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return world.new_stack()


def launched(world: World, stack: Stack, **changes: str) -> dict[str, str]:
    """Launch, and update once, so that it is known that CloudFormation heard of the launch; return the properties."""
    properties = stack.properties(**changes)
    for kind in (Kind.CREATE, Kind.UPDATE):
        assert world.invoke(stack, kind, properties).succeeded
    return properties


def in_falcon(world: World) -> set[str]:
    return {record.shown().region for record in world.tenant.records.values()}


def test_what_an_update_made_that_was_cut_short_is_removed_by_its_rollback(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=f"{A},{B}")
    update = world.invoke(stack, Kind.UPDATE, stack.properties(), [Fault("create", Effect.KILLED_APPLIED)])
    rollback = world.invoke(stack, Kind.UPDATE, before)

    assert not update.answered
    assert rollback.succeeded
    assert in_falcon(world) == set(stack.parameter.state.connections) == {A, B}


def test_a_failed_update_and_its_rollback_leave_what_the_update_adopted(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=A, DeleteConnections="Stack")
    theirs = world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{B}.{SUFFIX}"))
    update = world.invoke(
        stack, Kind.UPDATE, stack.properties(DeleteConnections="Stack"), [Fault("create", Effect.DENIED, skip=1)]
    )
    rollback = world.invoke(stack, Kind.UPDATE, before)

    assert not update.succeeded
    assert rollback.succeeded
    assert theirs.id in world.tenant.records
    assert in_falcon(world) == {A, B}


@pytest.mark.parametrize("faults", [[], [Fault("create", Effect.DENIED)]])
def test_what_the_launch_made_is_the_policys_once_an_update_came(
    world: World, stack: Stack, faults: list[Fault]
) -> None:
    world.invoke(stack, Kind.CREATE, stack.properties())
    world.enabled.add(D)
    world.invoke(stack, Kind.UPDATE, stack.properties(), faults)
    narrowed = world.invoke(stack, Kind.UPDATE, stack.properties(ExcludedRegions=A))

    assert narrowed.succeeded
    assert in_falcon(world) == {A, B, C, D}


def test_with_keep_the_first_update_leaves_what_it_no_longer_wants(world: World, stack: Stack) -> None:
    world.invoke(stack, Kind.CREATE, stack.properties())
    world.invoke(stack, Kind.UPDATE, stack.properties(ExcludedRegions=A))

    assert in_falcon(world) == {A, B, C}


def test_what_a_failed_update_made_is_the_policys_once_a_repair_found_it_wanted(world: World, stack: Stack) -> None:
    properties = launched(world, stack)
    world.enabled.add(D)
    failed = stack.properties(ConnectionRoleArn=ROLE)
    world.invoke(stack, Kind.UPDATE, failed, [Fault("refresh", Effect.DENIED)])
    world.invoke(stack, Kind.REPAIR, properties)
    world.invoke(stack, Kind.UPDATE, stack.properties(ExcludedRegions=D))

    assert in_falcon(world) == {A, B, C, D}


def test_an_update_that_fails_removes_nothing(world: World, stack: Stack) -> None:
    launched(world, stack, DeleteConnections="Stack")
    world.enabled.add(D)
    changed = stack.properties(DeleteConnections="Stack", ExcludedRegions=A)
    update = world.invoke(stack, Kind.UPDATE, changed, [Fault("create", Effect.DENIED)])

    assert not update.succeeded
    assert update.removed == []
    assert in_falcon(world) == {A, B, C}


def test_an_update_that_is_to_report_failures_removes_what_is_not_wanted(world: World, stack: Stack) -> None:
    launched(world, stack, DeleteConnections="Stack")
    world.enabled.add(D)
    changed = stack.properties(DeleteConnections="Stack", ExcludedRegions=A, OnRegionFailure="Report")
    update = world.invoke(stack, Kind.UPDATE, changed, [Fault("create", Effect.DENIED)])

    assert update.succeeded
    assert in_falcon(world) == {B, C}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("refresh", Effect.DENIED, skip=1),
        Fault("refresh", Effect.KILLED, skip=1),
        Fault("create", Effect.DENIED),
        Fault("swap", Effect.REFUSED, skip=1, times=9),
    ],
)
def test_an_update_of_the_role_that_fails_is_taken_back_in_every_region(
    world: World, stack: Stack, fault: Fault
) -> None:
    before = launched(world, stack)
    world.enabled.add(D)
    update = world.invoke(stack, Kind.UPDATE, stack.properties(ConnectionRoleArn=ROLE), [fault])
    rollback = world.invoke(stack, Kind.UPDATE, before)

    assert not update.succeeded
    assert rollback.succeeded
    assert {record.role for record in world.tenant.records.values()} == {before["ConnectionRoleArn"]}


def test_a_region_that_could_not_be_given_the_new_role_is_given_it_by_the_next_repair(
    world: World, stack: Stack
) -> None:
    launched(world, stack)
    changed = stack.properties(ConnectionRoleArn=ROLE, OnRegionFailure="Report")
    update = world.invoke(stack, Kind.UPDATE, changed, [Fault("refresh", Effect.DENIED)])
    repair = world.invoke(stack, Kind.REPAIR, changed)

    assert update.succeeded
    assert repair.journal.made("refresh") == [A]
    assert {record.role for record in world.tenant.records.values()} == {ROLE}


def test_a_region_that_is_wanted_again_is_given_the_role_that_changed_meanwhile(world: World, stack: Stack) -> None:
    launched(world, stack)
    for changes in ({"ExcludedRegions": A}, {}):
        update = world.invoke(stack, Kind.UPDATE, stack.properties(ConnectionRoleArn=ROLE, **changes))
        assert update.succeeded

    assert update.journal.made("refresh") == [A]
    assert {record.role for record in world.tenant.records.values()} == {ROLE}


def test_a_success_that_could_not_be_written_for_sure_is_a_failure_in_the_state_as_well(
    world: World, stack: Stack
) -> None:
    theirs = world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{A}.{SUFFIX}"))
    properties = stack.properties(DeleteConnections="Stack")
    launch = world.invoke(stack, Kind.CREATE, properties, [Fault("swap", Effect.LOST, skip=1)])
    delete = world.invoke(stack, Kind.DELETE, properties)

    assert not launch.succeeded
    assert delete.succeeded
    assert list(world.tenant.records) == [theirs.id]


# Repairs


def test_what_a_repair_made_that_was_cut_short_is_known_to_a_purge(world: World, stack: Stack) -> None:
    properties = launched(world, stack, DeleteConnections="Stack")
    world.tenant.remove(stack.parameter.state.connections[A])
    world.invoke(stack, Kind.REPAIR, properties, [Fault("create", Effect.KILLED_APPLIED)])
    delete = world.invoke(stack, Kind.DELETE, properties)

    assert delete.succeeded
    assert world.tenant.records == {}


@pytest.mark.parametrize("repaired", [False, True])
def test_what_a_repair_made_that_was_cut_short_is_left_with_keep(world: World, stack: Stack, *, repaired: bool) -> None:
    properties = launched(world, stack)
    world.enabled.add(D)
    world.invoke(stack, Kind.REPAIR, properties, [Fault("create", Effect.KILLED_APPLIED)])
    if repaired:
        world.invoke(stack, Kind.REPAIR, properties)
    update = world.invoke(stack, Kind.UPDATE, stack.properties(ExcludedRegions=D))

    assert update.succeeded
    assert in_falcon(world) == {A, B, C, D}


def test_a_repair_forgets_connections_that_are_neither_wanted_nor_there(world: World, stack: Stack) -> None:
    launched(world, stack)
    properties = stack.properties(ExcludedRegions=A)
    world.invoke(stack, Kind.UPDATE, properties)
    world.tenant.remove(stack.parameter.state.connections[A])
    repair = world.invoke(stack, Kind.REPAIR, properties)
    again = world.invoke(stack, Kind.REPAIR, properties)

    assert (repair.succeeded, again.succeeded) == (True, True)
    assert set(stack.parameter.state.connections) == {B, C}
    assert "swap" not in {operation for operation, _ in again.journal.calls}


def test_a_repair_that_waited_for_an_update_does_what_was_applied_by_then(world: World, stack: Stack) -> None:
    before = launched(world, stack, Regions=A, DeleteConnections="Stack")
    wider = stack.properties(DeleteConnections="Stack")
    update = world.begin(stack, Kind.UPDATE, wider)
    repair = world.begin(stack, Kind.REPAIR, before)
    world.invoke_both(update, repair, 1.3)

    assert (update.succeeded, repair.succeeded) == (True, True)
    assert in_falcon(world) == {A, B, C}
