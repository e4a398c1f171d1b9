"""What one event leaves half done, the next finds: runs cut short, lost answers, late duplicates."""

import pytest

from registry_connections.turns import CUT_SHORT, Kind
from tests.fake_tenant import Record
from tests.fakes import Effect, Fault
from tests.histories import ACCOUNT, REMAINING, SUFFIX, Stack, World

A, B, C, D = "ap-south-1", "eu-west-1", "us-east-1", "us-west-2"
"""The first three are enabled at first."""


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


def made_by(world: World, stack: Stack) -> set[str]:
    """Return the Regions of what is left in Falcon of all that the stack made."""
    return {r.shown().region for r in world.tenant.records.values() if r.maker.startswith(f"{stack.name}/")}


def in_falcon(world: World) -> set[str]:
    return {record.shown().region for record in world.tenant.records.values()}


# Launches


@pytest.mark.parametrize(
    "effect",
    [Effect.LOST, Effect.HANGS_APPLIED, Effect.REPEATED, Effect.KILLED, Effect.KILLED_APPLIED, Effect.REJECTED],
)
@pytest.mark.parametrize("policy", ["Keep", "Stack"])
def test_of_a_launch_that_did_not_succeed_its_delete_leaves_nothing(
    world: World, stack: Stack, effect: Effect, policy: str
) -> None:
    world.tenant.rejects_leave_record = True
    properties = stack.properties(DeleteConnections=policy)
    faults = [Fault("create", effect, skip=1), Fault("create", Effect.DENIED)]
    launch = world.invoke(stack, Kind.CREATE, properties, faults)
    delete = world.invoke(stack, Kind.DELETE, properties, ours=launch.answered)

    assert not launch.succeeded
    assert delete.succeeded
    assert world.tenant.records == {}


def test_what_a_region_made_whose_answer_was_lost_while_another_failed_is_undone_by_the_launch_itself(
    world: World, stack: Stack
) -> None:
    faults = [Fault("create", Effect.REPEATED), Fault("create", Effect.DENIED)]
    launch = world.invoke(stack, Kind.CREATE, stack.properties(), faults)

    assert not launch.succeeded
    assert world.tenant.records == {}


def test_what_may_have_been_made_while_nothing_could_be_listed_is_left_to_the_delete(
    world: World, stack: Stack
) -> None:
    faults = [Fault("create", Effect.REPEATED), Fault("list", Effect.DENIED)]
    launch = world.invoke(stack, Kind.CREATE, stack.properties(), faults)
    delete = world.invoke(stack, Kind.DELETE, stack.properties())

    assert (launch.succeeded, delete.succeeded) == (False, True)
    assert launch.removed
    assert delete.removed
    assert world.tenant.records == {}


def test_beside_an_older_connection_of_the_same_registry_what_was_made_is_known_as_such(
    world: World, stack: Stack
) -> None:
    theirs = world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{A}.{SUFFIX}", key="theirs"))
    world.clock.sleep(60)
    faults = [Fault("create", Effect.REPEATED), Fault("create", Effect.DENIED)]
    launch = world.invoke(stack, Kind.CREATE, stack.properties(), faults)

    assert not launch.succeeded
    assert list(world.tenant.records) == [theirs.id]


def test_a_launch_that_was_cut_short_and_delivered_again_knows_what_it_had_made(world: World, stack: Stack) -> None:
    request, properties = world.new_id(), stack.properties()
    world.invoke(stack, Kind.CREATE, properties, [Fault("create", Effect.KILLED_APPLIED)], request=request)
    again = world.invoke(stack, Kind.CREATE, properties, request=request)
    delete = world.invoke(stack, Kind.DELETE, properties, ours=False)

    assert again.succeeded
    assert delete.succeeded
    assert made_by(world, stack) == set()


def test_a_launch_that_succeeded_unheard_leaves_what_was_there_before(world: World, stack: Stack) -> None:
    theirs = world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{A}.{SUFFIX}"))
    launch = world.invoke(stack, Kind.CREATE, stack.properties(DeleteConnections="Account"))
    delete = world.invoke(stack, Kind.DELETE, stack.properties(DeleteConnections="Account"), ours=False)

    assert launch.succeeded
    assert delete.succeeded
    assert list(world.tenant.records) == [theirs.id]


def test_a_second_delete_of_a_cancelled_launch_does_not_wait_for_the_first(world: World, stack: Stack) -> None:
    properties = stack.properties()
    world.invoke(stack, Kind.CREATE, properties)
    first = world.invoke(stack, Kind.DELETE, properties, [Fault("read", Effect.DENIED)], ours=False)
    second = world.invoke(stack, Kind.DELETE, properties, ours=False)

    assert not first.succeeded
    assert second.succeeded
    assert second.seconds < 10


def test_a_failed_purge_of_an_unheard_launch_is_tried_again(world: World, stack: Stack) -> None:
    properties = stack.properties()
    world.invoke(stack, Kind.CREATE, properties)
    first = world.invoke(stack, Kind.DELETE, properties, [Fault("remove", Effect.DENIED)], ours=False)
    second = world.invoke(stack, Kind.DELETE, properties, ours=False)

    assert (first.succeeded, second.succeeded) == (False, True)
    assert world.tenant.records == {}


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.0, 1.5, 3.0])
def test_an_event_delivered_twice_at_the_same_time_is_done_once(world: World, stack: Stack, apart: float) -> None:
    request, properties = world.new_id(), stack.properties()
    twice = [world.begin(stack, Kind.CREATE, properties, request=request) for _ in range(2)]
    world.invoke_both(twice[0], twice[1], apart)

    assert all(run.succeeded for run in twice)
    assert sorted(region for run in twice for region in run.journal.made("create")) == [A, B, C]


def test_of_two_deliveries_of_which_one_cannot_read_its_regions_both_succeed(world: World, stack: Stack) -> None:
    request, properties = world.new_id(), stack.properties()
    poor = world.begin(stack, Kind.CREATE, properties, [Fault("regions", Effect.REFUSED)], request=request)
    good = world.begin(stack, Kind.CREATE, properties, request=request)
    world.invoke_both(good, poor, 0.6)

    assert (good.succeeded, poor.succeeded) == (True, True)


# Late duplicates


def test_a_duplicate_of_an_update_that_was_cut_short_is_not_done_after_its_rollback(world: World, stack: Stack) -> None:
    before, request = launched(world, stack, DeleteConnections="Stack"), world.new_id()
    narrower = stack.properties(DeleteConnections="Stack", Regions=C)
    world.invoke(stack, Kind.UPDATE, narrower, [Fault("remove", Effect.KILLED)], request=request)
    world.invoke(stack, Kind.UPDATE, before)
    late = world.invoke(stack, Kind.UPDATE, narrower, request=request)

    assert late.reason in {CUT_SHORT, "failed"}
    assert in_falcon(world) == {A, B, C}


def test_a_duplicate_of_a_launch_that_was_cut_short_is_not_done_after_its_delete(world: World, stack: Stack) -> None:
    request, properties = world.new_id(), stack.properties()
    world.invoke(stack, Kind.CREATE, properties, [Fault("create", Effect.KILLED)], request=request)
    world.invoke(stack, Kind.DELETE, properties, ours=False)
    late = world.invoke(stack, Kind.CREATE, properties, request=request)

    assert late.answered
    assert not late.succeeded
    assert world.tenant.records == {}


# Time


def test_a_region_that_hangs_does_not_keep_the_others_from_being_told(world: World, stack: Stack) -> None:
    launch = world.invoke(
        stack, Kind.CREATE, stack.properties(OnRegionFailure="Report"), [Fault("create", Effect.HANGS_APPLIED)]
    )

    assert launch.succeeded
    assert launch.seconds < REMAINING + 10
    assert set(stack.parameter.state.connections) == {B, C}

    repair = world.invoke(stack, Kind.REPAIR, {})

    assert repair.succeeded
    assert set(stack.parameter.state.connections) == {A, B, C}
