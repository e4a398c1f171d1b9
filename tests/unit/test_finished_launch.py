"""A launch is finished once CloudFormation took its answer: from then on a Delete with a foreign id touches nothing."""

import pytest

from registry_connections.turns import Kind, confirm
from tests.fake_tenant import Record
from tests.fakes import FakeAccount, Journal
from tests.histories import ACCOUNT, REGIONS, SUFFIX, Invocation, Stack, World

POLICIES = ("Keep", "Stack", "Account")


def launched(world: World, stack: Stack, policy: str) -> Invocation:
    """Launch beside a connection of the same account that the stack does not want, and one that it adopts."""
    for region in (REGIONS[1], REGIONS[3]):
        world.tenant.add(Record(f"https://{ACCOUNT}.dkr.ecr.{region}.{SUFFIX}"))
    launch = world.invoke(stack, Kind.CREATE, stack.properties(DeleteConnections=policy))
    assert launch.succeeded, launch.reason
    return launch


def taken(stack: Stack, launch: Invocation) -> None:
    """Do what follows the answer that CloudFormation took."""
    confirm(FakeAccount(stack.parameter, Journal(World().clock)), launch.request.id)


def delete_of_a_launch(world: World, stack: Stack, policy: str) -> Invocation:
    """Delete under an id that CloudFormation made up, as it does where it never heard of one."""
    return world.invoke(stack, Kind.DELETE, stack.properties(DeleteConnections=policy), ours=False)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_foreign_delete_after_the_answer_was_taken_touches_nothing(policy: str) -> None:
    world = World()
    stack = world.new_stack()
    taken(stack, launched(world, stack, policy))
    before, state = dict(world.tenant.records), stack.parameter.state
    delete = delete_of_a_launch(world, stack, policy)

    assert delete.succeeded
    assert world.tenant.records == before
    assert stack.parameter.state == state
    assert {operation for operation, _ in delete.journal.calls} == {"load"}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_foreign_delete_of_a_launch_whose_answer_was_lost_removes_what_it_made_and_nothing_else(policy: str) -> None:
    world = World()
    stack = world.new_stack()
    launch = launched(world, stack, policy)
    delete = delete_of_a_launch(world, stack, policy)

    assert delete.succeeded
    assert {record.maker for record in delete.removed} == {launch.maker}
    assert len(delete.removed) == 2
    assert {record.maker for record in world.tenant.records.values()} == {"somebody"}
    assert len(world.tenant.records) == 2


def test_an_answer_to_another_request_does_not_finish_the_launch() -> None:
    world = World()
    stack = world.new_stack()
    launched(world, stack, "Keep")
    confirm(FakeAccount(stack.parameter, Journal(World().clock)), "another-request")
    delete = delete_of_a_launch(world, stack, "Keep")

    assert len(delete.removed) == 2


def test_a_repair_between_the_answer_and_the_foreign_delete_changes_nothing_of_it() -> None:
    world = World()
    stack = world.new_stack()
    taken(stack, launched(world, stack, "Keep"))
    world.invoke(stack, Kind.REPAIR, {})
    before = dict(world.tenant.records)
    delete_of_a_launch(world, stack, "Keep")

    assert world.tenant.records == before


def test_the_deletion_of_a_finished_stack_under_its_own_id_follows_its_policy() -> None:
    world = World()
    stack = world.new_stack()
    launch = launched(world, stack, "Stack")
    taken(stack, launch)
    delete = world.invoke(stack, Kind.DELETE, stack.properties(DeleteConnections="Stack"))

    assert delete.succeeded
    assert launch.maker in {record.maker for record in delete.removed}
    assert stack.parameter.state.connections == {}
