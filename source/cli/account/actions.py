"""Asks the function of a launched stack: what a repair would do, how each Region is, and to repair now."""

import json
from collections.abc import Callable
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from cli.account import views
from cli.account.deploy import header
from cli.aws import READING, Aws, connect
from cli.errors import AttentionError, CliError
from cli.request import Request
from cli.screen import Screen
from cli.stack import GOOD, LEFTOVERS, Snapshot, Stack

LONGEST_SECONDS: Final = 910
"""What the function may take, 900 seconds, and a little for the way."""

# Once only: a second request would be a second run. The connection is kept alive, for NAT gateways drop idle ones.
_INVOKING: Final = Config(
    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=LONGEST_SECONDS, tcp_keepalive=True
)


def plan(asked: Request, screen: Screen) -> None:
    """Show what a repair would do now, and change nothing."""
    _act("plan", views.show_plan, asked, screen)


def status(asked: Request, screen: Screen) -> None:
    """Show each Region's connection, and what is wrong with it."""
    _act("status", views.show_status, asked, screen)


def reconcile(asked: Request, screen: Screen) -> None:
    """Repair what drifted, now."""
    _act("reconcile", views.show_reconcile, asked, screen)


def _act(action: str, show: Callable[[views.Answer, Screen], None], asked: Request, screen: Screen) -> None:
    """Have the function do `action` and show its response.

    Raises CliError if it cannot be asked or failed, AttentionError if not all is well.
    """
    aws = connect(asked.region, READING, asked.problems)
    stack = Stack(aws.client("cloudformation"), asked.name, screen)
    now = stack.existing()
    if "FunctionName" not in now.outputs:
        advice = "Wait for its end, then ask again." if now.is_moving else "Is it this one?"
        advice = "Its launch failed: make deploy launches anew." if now.status in LEFTOVERS else advice
        raise CliError(f"the stack {stack.name} is in {now.status} and has no function to ask. {advice}")
    if "JSON" in asked.flags:
        text = _invoke(aws, now, action)
    else:
        header(screen, stack.name, now, aws)
        if now.status not in GOOD:
            screen.say(f"warning: the stack itself is in {now.status}. {stack.remedy(now.status)}", "yellow")
        with screen.waiting("checking: the function is at work, and Falcon may be slow; waiting", LONGEST_SECONDS):
            text = _invoke(aws, now, action)
    answer: Any = json.loads(text)
    if "ok" not in answer:
        more = "Each Region: make status. " if action == "reconcile" else ""
        problem = answer.get("errorMessage") or answer
        raise CliError(f"{problem}\n  {more}Every line: the log group {now.log_group}")
    if "JSON" in asked.flags:
        screen.raw(text)
    else:
        show(answer, screen)
    if not answer["ok"]:
        raise AttentionError


def _invoke(aws: Aws, stack: Snapshot, action: str) -> str:
    payload = json.dumps({"action": action}).encode()
    try:
        answer = aws.client("lambda", _INVOKING).invoke(FunctionName=stack.outputs["FunctionName"], Payload=payload)
        text: str = answer["Payload"].read().decode()
    except BotoCoreError as error:
        raise CliError(
            f"the connection to the function broke: {error}\n  It may still be at work. Look at the log group "
            f"{stack.log_group}, then at: make status"
        ) from None
    return text
