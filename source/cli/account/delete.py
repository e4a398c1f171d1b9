"""`make delete`."""

from collections.abc import Mapping
from typing import Final

from cli import bucket
from cli.account.deploy import header
from cli.aws import connect
from cli.errors import CliError
from cli.request import Request
from cli.screen import Screen
from cli.stack import LEFTOVERS, UPDATABLE, Snapshot, Stack

PARAMETER: Final = "DeleteConnections"
DEFAULT: Final = "Keep"
"""The template's, which a stack that never had another need not show."""

MEANING: Final = {
    "Keep": "All connections stay in Falcon, but Falcon can no longer read the registries: the role goes.",
    "Stack": "The connections that the stack manages are removed from Falcon.",
    "Account": "EVERY ECR connection of the account is removed from Falcon, whoever made it.",
}


def delete(asked: Request, screen: Screen) -> None:
    """Delete the stack, and its connections from Falcon if asked.

    It shows what will be removed, asks, updates the stack to the choice, deletes it and follows its events.

    Raises CliError if that cannot be done, or the stack failed.
    """
    aws, takes_bucket = connect(asked.region, found=asked.problems), "DELETE_BUCKET" in asked.flags
    stack = Stack(aws.client("cloudformation"), asked.name, screen)
    header(screen, stack.name, stack.now() if takes_bucket else stack.existing(), aws)
    if before := stack.settle():
        _delete_stack(asked, stack, before, screen)
    if takes_bucket and bucket.delete(aws, screen, of_organization=False):
        screen.say("The bucket with the packages is deleted.")
    elif not takes_bucket and (holder := Stack(aws.client("cloudformation"), bucket.STACK, screen).now()):
        advice = "" if holder.parameters.get("OrganizationId") else " DELETE_BUCKET=1 deletes it."
        screen.say(f"The bucket with the packages is kept.{advice}")


def _delete_stack(asked: Request, stack: Stack, before: Snapshot, screen: Screen) -> None:
    if before.status in LEFTOVERS:
        screen.say("Its launch failed: what is left of it is deleted.")
        screen.confirm(stack.name, agreed="YES" in asked.flags)
        stack.delete()
        screen.say(f"\nThe stack {stack.name} is deleted.", "green")
        return
    policy = policy_of(asked, before.parameters)
    updates = needs_update(stack, before, policy)
    screen.say(f"{PARAMETER}={policy}: {MEANING[policy]}")
    if regions := before.outputs.get("ConnectedRegions"):
        screen.group("connected Regions", regions.split(","))
    screen.say("This deletes the function, its roles, its schedule and the secret that the stack made.")
    screen.confirm(stack.name, agreed="YES" in asked.flags)
    if updates:
        screen.say(f"setting {PARAMETER}={policy}: a stack deletes as its parameter says")
        set_policy(stack, before, policy)
    stack.delete()
    screen.say(f"\nThe stack {stack.name} is deleted. Its log stays: {before.log_group}", "green")


def policy_of(asked: Request, held: Mapping[str, str]) -> str:
    """Return what is to become of the connections: what is asked, else what these parameters say."""
    return asked.policy or held.get(PARAMETER, DEFAULT)


def needs_update(stack: Stack, before: Snapshot, policy: str) -> bool:
    """Return whether a stack must be updated to a policy before it is deleted; what never launched need not be.

    Raises CliError if it must, and is in no state to take an update.
    """
    held = before.parameters.get(PARAMETER, DEFAULT)
    if policy == held or before.status in LEFTOVERS:
        return False
    if before.status not in UPDATABLE:
        raise CliError(
            f"the stack is in {before.status}, takes no update, and deletes with {PARAMETER}={held}, its last choice. "
            f"To delete it so, leave DELETE_CONNECTIONS out. {stack.remedy(before.status)}"
        )
    return True


def set_policy(stack: Stack, before: Snapshot, policy: str) -> None:
    """Update a stack to a policy, and change nothing else. Raises CliError if that fails."""
    try:
        stack.deploy({"UsePreviousTemplate": True}, {PARAMETER: policy}, before.parameters.keys())
    except CliError as error:
        held = before.parameters.get(PARAMETER, DEFAULT)
        advice = (
            f"the stack {stack.name} was not deleted. Correct the cause and delete again, or leave DELETE_CONNECTIONS "
            f"out: then it deletes with {PARAMETER}={held}."
        )
        raise CliError(*error.problems, advice) from None
