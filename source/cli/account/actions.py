"""Asks the function of a launched stack: what a repair would do, how each Region is, and to repair now."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from cli import request
from cli.account import views
from cli.account.deploy import header
from cli.aws import READING, Aws, connect, translated
from cli.credentials import Credentials
from cli.errors import AttentionError, CliError
from cli.request import Values
from cli.screen import Screen
from cli.stack import GOOD, Snapshot, Stack

LONGEST_SECONDS: Final = 910
"""What the function may take, 900 seconds, and a little for the way."""

_AT_WORK: Final = "checking: the function is at work, and Falcon may be slow; waiting"

# Once only: a second request would be a second run. The connection is kept alive, for NAT gateways drop idle ones.
_INVOKING: Final = Config(
    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=LONGEST_SECONDS, tcp_keepalive=True
)


def plan(values: Values, _: Credentials, screen: Screen) -> None:
    """Show what a repair would do now, and change nothing."""
    _act("plan", values, screen)


def status(values: Values, _: Credentials, screen: Screen) -> None:
    """Show each Region's connection, and what is wrong with it."""
    _act("status", values, screen)


def reconcile(values: Values, _: Credentials, screen: Screen) -> None:
    """Repair what drifted, now."""
    _act("reconcile", values, screen)


def _act(action: str, values: Values, screen: Screen) -> None:
    """Have the function do `action` and print what it answers.

    Raises CliError if it cannot be asked or failed, AttentionError if not all is well.
    """
    asked = request.read(values)
    if asked.problems:
        raise CliError(*asked.problems)
    as_json = "JSON" in asked.flags
    with translated():
        aws = connect(asked.region, READING)
        stack = Stack(aws.client("cloudformation"), asked.name, screen)
        now = _launched(stack, aws)
        if not as_json:
            _introduce(stack, now, aws, screen)
        failed, text = _invoke(aws, now, action, None if as_json else screen)
    if as_json:
        screen.raw(text)
    answer = json.loads(text)
    if failed:
        raise CliError(_failure(action, answer, now))
    if not as_json:
        views.SHOWN[action](answer, screen)
    if not answer["ok"]:
        raise AttentionError


def _launched(stack: Stack, aws: Aws) -> Snapshot:
    """Return a stack that has been launched."""
    now = stack.now()
    if now is None:
        raise CliError(f"there is no stack {stack.name} in {aws.region}. Name it: STACK=... REGION=...")
    if "FunctionName" not in now.outputs:
        raise CliError(f"the stack {stack.name} is in {now.status} and has no function to ask. Is it this one?")
    return now


def _introduce(stack: Stack, now: Snapshot, aws: Aws, screen: Screen) -> None:
    header(screen, stack.name, now, aws)
    if now.status not in GOOD:
        screen.say(f"warning: the stack itself is in {now.status}. {stack.remedy(now.status)}", "yellow")


def _invoke(aws: Aws, stack: Snapshot, action: str, screen: Screen | None) -> tuple[bool, str]:
    """Return whether the function failed, and the text that it answered."""
    function = stack.outputs["FunctionName"]
    try:
        with screen.waiting(_AT_WORK, LONGEST_SECONDS) if screen else nullcontext():
            answer = aws.client("lambda", _INVOKING).invoke(
                FunctionName=function, Payload=json.dumps({"action": action}).encode()
            )
            return "FunctionError" in answer, answer["Payload"].read().decode()
    except BotoCoreError as error:
        raise CliError(
            f"the connection to the function broke: {error}\n  It may still be at work. Look at the log group "
            f"{log_group(stack)}, then at: make status"
        ) from None


def _failure(action: str, answer: Mapping[str, Any], stack: Snapshot) -> str:
    """Return the text of a function error, and where more is to be found."""
    more = "Each Region: make status. " if action == "reconcile" else ""
    return f"{answer.get('errorMessage') or answer}\n  {more}Every line: the log group {log_group(stack)}"


def log_group(stack: Snapshot) -> str:
    """Return the name of the function's log group."""
    return stack.outputs.get("LogGroup") or f"/aws/lambda/{stack.outputs['FunctionName']}"
