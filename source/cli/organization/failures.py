"""Which accounts failed in the end, and why."""

from collections.abc import Mapping
from typing import Final

from cli.screen import Screen, counted

NAMED: Final = 5
"""Accounts that are named of many that failed for the same reason."""


def show_failures(failed: Mapping[str, str], screen: Screen, names: Mapping[str, str] | None = None) -> None:
    """Print the accounts that failed with their reasons, if any; those that share one are one line."""
    if not failed:
        return
    by_reason: dict[str, list[str]] = {}
    for account, reason in sorted(failed.items()):
        common = (reason or "StackSets gives no reason.").replace(account, "<account>")
        by_reason.setdefault(common, []).append(account)
    rows = [_row(accounts, reason, names or {}) for reason, accounts in by_reason.items()]
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
