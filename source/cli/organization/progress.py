"""What an operator sees while a stack set works, and which accounts failed in the end."""

import time
from collections.abc import Mapping
from typing import Final

from cli.organization.stack_set import UNDER_WAY, StackSet
from cli.screen import Screen, counted

POLL_SECONDS: Final = 5.0
SHARE_OF_TIME: Final = 4.0
"""A large organization's results take many calls to read: rest this many times as long as reading took."""

NAMED: Final = 5
"""Accounts that are named of many that failed for the same reason."""


def follow(stack_set: StackSet, operation: str, title: str, screen: Screen, expected: int = 0) -> None:
    """Show an operation until it ends; `expected` accounts take part."""
    with screen.progress(title, expected) as show:
        while True:
            begun = time.monotonic()
            under_way = stack_set.operation_status(operation) in UNDER_WAY  # asked first, so that no result is missed
            results = stack_set.results(operation)
            over = sum(status not in {"PENDING", "RUNNING"} for status in results)
            show(over, len(results), sum(status in {"FAILED", "CANCELLED"} for status in results))
            if not under_way:
                return
            time.sleep(max(POLL_SECONDS, (time.monotonic() - begun) * SHARE_OF_TIME))


def show_failures(failed: Mapping[str, str], names: Mapping[str, str], screen: Screen) -> None:
    """Print the accounts that failed with their reasons; those that share one are one line, with their number."""
    by_reason: dict[str, list[str]] = {}
    for account, reason in sorted(failed.items()):
        common = (reason or "StackSets gives no reason.").replace(account, "<account>")
        by_reason.setdefault(common, []).append(account)
    rows = [_row(accounts, reason, names) for reason, accounts in by_reason.items()]
    screen.table(
        ("ACCOUNT", "WHY"), [("red", row) for row in rows], title=f"Failed in {counted(len(failed), 'account')}"
    )
    screen.say()
    for reason, accounts in by_reason.items():
        if len(accounts) > 1 and screen.wide:
            screen.group(f"with {reason}", accounts)


def _row(accounts: list[str], reason: str, names: Mapping[str, str]) -> tuple[str, str]:
    first = f"{accounts[0]} {names.get(accounts[0], '')}".strip()
    if len(accounts) == 1:
        return first, reason.replace("<account>", accounts[0])
    shown = ", ".join(accounts[:NAMED]) + (", ..." if len(accounts) > NAMED else "")
    return counted(len(accounts), "account"), f"{reason} ({shown})"
