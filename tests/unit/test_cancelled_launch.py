"""A launch that is cancelled: its Delete comes, under an id that CloudFormation made up, while Create is at work."""

import pytest

from registry_connections.reconcile import CANCELLED
from registry_connections.state import Run, State, render_state
from registry_connections.turns import Kind, confirm
from tests.fake_tenant import Record
from tests.fakes import LATENCY, Clock, Effect, FakeAccount, Fault, Journal, Parameter
from tests.histories import ACCOUNT, REGIONS, SUFFIX, Invocation, World

AT_WORK = 1.75
"""Seconds that a launch takes with these fakes, until it answers."""


def cancelled(world: World, apart: float, *faults: Fault, latency: float = LATENCY) -> tuple[Invocation, Invocation]:
    """Launch, and delete so many seconds later; CloudFormation's storage takes any answer, also one that comes late."""
    stack = world.new_stack()
    create = world.begin(stack, Kind.CREATE, stack.properties(), faults, heard=True)
    delete = world.begin(stack, Kind.DELETE, stack.properties(), ours=False)
    delete.journal.latency = latency
    world.invoke_both(create, delete, apart)
    return create, delete


@pytest.mark.parametrize("latency", [0.01, 0.1, 0.25, 0.6])
@pytest.mark.parametrize("effect", [None, Effect.LOST, Effect.REPEATED, Effect.REJECTED])
@pytest.mark.parametrize("twentieths", range(5, 36))  # from when the launch has read the state
def test_of_a_launch_that_is_cancelled_at_any_moment_of_its_work_nothing_is_left(
    twentieths: int, effect: Effect | None, latency: float
) -> None:
    world = World()
    world.tenant.rejects_leave_record = True
    theirs = world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{REGIONS[0]}.{SUFFIX}"))
    faults = [Fault("create", effect, skip=1)] if effect else []
    create, delete = cancelled(world, min(twentieths / 20, AT_WORK - 0.01), *faults, latency=latency)

    assert delete.succeeded, delete.reason
    assert list(world.tenant.records) == [theirs.id]
    assert create.stack.parameter.state.settings is None
    assert create.stack.parameter.state.connections == {}


@pytest.mark.parametrize("apart", [1.0, 100.0])
def test_of_a_cancelled_launch_that_was_cut_short_the_last_delete_leaves_nothing(apart: float) -> None:
    world = World()
    create, delete = cancelled(world, apart, Fault("create", Effect.KILLED_APPLIED))
    again = world.invoke(create.stack, Kind.DELETE, create.properties, ours=False)

    assert delete.succeeded is (apart == 100.0), "the first waits for the launch, and may have no time left then"
    assert again.succeeded
    assert again.seconds < 10
    assert world.tenant.records == {}


def test_a_launch_that_sees_in_time_that_it_is_cancelled_undoes_what_it_made_and_says_so() -> None:
    world = World()
    create, _ = cancelled(world, 0.8, Fault("create", Effect.HANGS))

    assert create.reason.startswith(CANCELLED)
    assert world.tenant.records == {}


def test_a_launch_that_had_its_answer_taken_before_is_not_touched() -> None:
    world = World()
    _, delete = cancelled(world, 3.0)

    assert delete.succeeded
    assert delete.removed == []
    assert len(world.tenant.records) == 3


@pytest.mark.parametrize("latency", [0.01, 0.1, 0.25, 0.6])
@pytest.mark.parametrize("twentieths", range(30, 50))
def test_a_delete_that_meets_the_note_of_the_answer_does_not_wait(twentieths: int, latency: float) -> None:
    world = World()
    _, delete = cancelled(world, twentieths / 20, latency=latency)

    assert delete.succeeded, delete.reason
    assert delete.seconds < 20


def test_that_the_answer_was_taken_is_not_noted_over_a_delete_at_work() -> None:
    at_work = State(settings={}, unconfirmed=True, run=Run("Delete:2", 1e10), handled=(("1", ""),))
    parameter = Parameter(render_state(at_work))
    confirm(FakeAccount(parameter, Journal(Clock())), "1")

    assert parameter.state == at_work
