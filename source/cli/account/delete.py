"""`make delete`."""

from typing import Final

from cli import bucket, request
from cli.account.deploy import header
from cli.aws import Aws, connect, translated
from cli.credentials import Credentials
from cli.errors import CliError
from cli.request import Request, Values
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


def delete(values: Values, _: Credentials, screen: Screen) -> None:
    """Delete the stack, and its connections from Falcon if asked.

    It shows what will be removed, asks, updates the stack to the choice, deletes it and follows its events.

    Raises CliError if that cannot be done, or the stack failed.
    """
    asked = request.read(values)
    if asked.problems:
        raise CliError(*asked.problems)
    with translated():
        aws = connect(asked.region)
        stack = Stack(aws.client("cloudformation"), asked.name, screen)
        header(screen, stack.name, stack.now(), aws)
        before = stack.settle()
        if before:
            _delete_stack(asked, stack, before, screen)
        elif "DELETE_BUCKET" not in asked.flags:
            raise CliError(f"there is no stack {stack.name} in {aws.region}. Name it: STACK=... REGION=...")
        _conclude(asked, aws, screen)


def _delete_stack(asked: Request, stack: Stack, before: Snapshot, screen: Screen) -> None:
    held = before.parameters.get(PARAMETER, DEFAULT)
    policy = asked.policy or held
    differs = policy != held
    if differs and before.status not in UPDATABLE | LEFTOVERS:
        raise CliError(
            f"the stack is in {before.status}, takes no update, and deletes with {PARAMETER}={held}, its last choice. "
            f"To delete it so, leave DELETE_CONNECTIONS out. {stack.remedy(before.status)}"
        )
    _announce(policy, before, screen)
    screen.confirm(stack.name, agreed="YES" in asked.flags)
    if differs and before.status in UPDATABLE:
        screen.say(f"setting {PARAMETER}={policy}: a stack deletes as its parameter says")
        stack.deploy({"UsePreviousTemplate": True}, {PARAMETER: policy}, before.parameters.keys())
    stack.delete()
    screen.say(f"\nThe stack {stack.name} is deleted. Its log stays: {before.outputs.get('LogGroup', 'none')}", "green")


def _announce(policy: str, before: Snapshot, screen: Screen) -> None:
    """Print what will be removed."""
    screen.say(f"{PARAMETER}={policy}: {MEANING[policy]}")
    if regions := before.outputs.get("ConnectedRegions"):
        screen.group("connected Regions", regions.split(","))
    screen.say("The function, its roles, its schedule and the secret that the stack made are deleted.")


def _conclude(asked: Request, aws: Aws, screen: Screen) -> None:
    if "DELETE_BUCKET" not in asked.flags:
        if Stack(aws.client("cloudformation"), bucket.STACK, screen).now():
            screen.say("The bucket with the packages is kept: DELETE_BUCKET=1 deletes it.")
    elif bucket.delete(aws, screen, of_organization=False):
        screen.say("The bucket with the packages is deleted.")
