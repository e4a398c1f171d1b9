"""`make coverage-report`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cli.artifact import PROJECT
from cli.aws import READING, connect
from cli.coverage import page, spreadsheet
from cli.coverage.model import NEED_ATTENTION, Coverage, State, cover
from cli.coverage.sources import read
from cli.credentials import PARAMETERS
from cli.errors import AttentionError
from cli.request import Request
from cli.screen import Screen

DIRECTORY: Final = PROJECT / "build"
SHOWN_FINDINGS: Final = 5


def report(asked: Request, screen: Screen) -> None:
    """Show which registries of an organization Falcon has a connection to, and which it has not.

    Reads the accounts of the organization, the stacks of the stack set and Falcon's connections, once; changes
    nothing. The exit status is not 0 if anything needs attention, so that a timer can watch it.

    Raises CliError if something cannot be read, AttentionError if something needs attention.
    """
    given = asked.credentials
    missing = () if given or given.problems else PARAMETERS
    problems = [f"{name} is not set. Export it, from an API client of the Falcon console." for name in missing]
    aws = connect(asked.region, READING, (*asked.problems, *problems))
    screen.say(f"stack set {asked.name} (account {aws.account}, {aws.region})", "bold")
    screen.say("checking the organization, the stack set and Falcon's connections")
    facts = read(aws, asked, screen)
    coverage = cover(facts)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    write_private(DIRECTORY / "coverage.html", page.html(coverage, facts, datetime.now(UTC)))
    write_private(DIRECTORY / "coverage.csv", spreadsheet.csv(coverage))
    _summarize(coverage, screen)


def _summarize(coverage: Coverage, screen: Screen) -> None:
    rows = [("", (str(state), f"{coverage.totals[state]:,}")) for state in State if coverage.totals[state]]
    screen.table(("STATE", "REGISTRIES"), rows)
    worst = [each for each in coverage.findings() if each.state in NEED_ATTENTION][:SHOWN_FINDINGS]
    found = [("red", (str(each.state), each.reason, f"{len(each.accounts):,}")) for each in worst]
    screen.table(("STATE", "WHY", "ACCOUNTS"), found, title="What needs attention most")
    screen.say()
    screen.say(page.headline(coverage), "red" if coverage.attention else "green")
    for name in ("coverage.html", "coverage.csv"):
        screen.link(str(DIRECTORY / name))
    if coverage.attention:
        raise AttentionError


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else on this machine may read: it names every account."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
