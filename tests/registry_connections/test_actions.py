"""What events ask for, and that looking changes nothing."""

import json
from typing import Any

import pytest

from registry_connections import actions
from registry_connections.core.errors import RegistrationError
from registry_connections.core.model import Deadline
from registry_connections.core.record import Kind, Request
from tests.registry_connections.fakes import Effect, Fault
from tests.registry_connections.world import Invocation, Stack, World

REGION_EVENT = {"source": "aws.account", "detail-type": "Region Opt-In Status Change", "detail": {"status": "ENABLED"}}


def test_an_action_is_asked_for_by_its_name_or_by_a_region_that_was_enabled() -> None:
    assert [actions.action({"action": name, "more": 1}) for name in actions.ACTIONS] == list(actions.ACTIONS)
    assert actions.action(REGION_EVENT) == "reconcile"
    assert actions.repair("request-1", 5.0) == Request(Kind.REPAIR, "request-1", 5.0)
    assert str(Kind.REPAIR) == "reconcile"


@pytest.mark.parametrize(
    "event",
    [
        *({}, None, [], "plan", {"action": "purge"}, {"action": ["plan"]}, {"action": None}),
        {**REGION_EVENT, "detail": {"status": "DISABLED"}},
        {**REGION_EVENT, "detail": "ENABLED"},
        {**REGION_EVENT, "source": "aws.ec2"},
        {"RequestType": "Create", "ResponseURL": "https://responses.example"},
    ],
)
def test_anything_else_is_refused_with_a_list_of_what_is_accepted(event: Any) -> None:
    with pytest.raises(RegistrationError) as caught:
        actions.action(event)

    for accepted in ('{"action": "plan"}', '{"action": "status"}', '{"action": "reconcile"}', "CloudFormation"):
        assert accepted in str(caught.value)


def look(stack: Stack, name: str, *faults: Fault) -> tuple[Any, Invocation]:
    """Return what is shown, and the run that looked, which changed nothing."""
    world = stack.world
    run = stack.begin(Kind.REPAIR, {}, faults)
    before = (list(stack.parameters.versions), list(world.tenant.entries))
    deadline = Deadline(world.clock.now + 800, world.clock)
    shown = json.loads(json.dumps(actions.view(name, world.reconciler(run), deadline)))
    assert (list(stack.parameters.versions), list(world.tenant.entries)) == before
    return shown, run


@pytest.fixture
def stack() -> Stack:
    """Return a stack that manages three Regions."""
    stack = World().new_stack()
    assert stack.launch().succeeded
    return stack


def test_a_plan_is_what_a_repair_would_do(stack: Stack) -> None:
    stack.world.tenant.remove(stack.record.connections["eu-west-1"])
    shown, run = look(stack, "plan")

    assert shown["ok"]
    assert [(each["region"], each["change"]) for each in shown["changes"]] == [("eu-west-1", "create")]
    assert run.journal.made("probe") == [""]


@pytest.mark.parametrize("name", ["plan", "status"])
@pytest.mark.parametrize("operation", ["get", "secret", "log_in", "regions", "read"])
def test_what_does_not_let_us_look_is_part_of_what_is_shown(stack: Stack, name: str, operation: str) -> None:
    shown, _ = look(stack, name, Fault(operation, Effect.REFUSED))

    assert shown["ok"] is False
    assert len(shown["problems"]) == 1


@pytest.mark.parametrize("name", ["plan", "status"])
def test_a_look_at_a_stack_without_a_record_that_can_be_used_says_so(stack: Stack, name: str) -> None:
    nothing, _ = look(World().new_stack(), name)
    stack.parameters.versions.append("falcon")
    overwritten, _ = look(stack, name)

    assert nothing["problems"] == ["The stack has not applied anything yet: create or update it first."]
    assert overwritten["problems"][0].startswith("The stack's record cannot be used: ")
