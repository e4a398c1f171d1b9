"""Somebody who runs our commands, in this process: the same path as `make`, from variables to what is printed."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from cli import credentials, request, stack
from cli.__main__ import COMMANDS, execute
from cli.credentials import Credentials
from cli.errors import CliError
from cli.organization import stack_set
from cli.request import Request
from cli.screen import Screen
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator

WIDE = 2000
NOBODY = Credentials()


@dataclass(frozen=True)
class Ran:
    """What a command printed, whether all was well, and what it failed with if not."""

    text: str
    ok: bool
    problem: str = ""


def asked(command: str, credentials: Credentials = NOBODY, /, **given: str) -> Request:
    """Return what these variables of a command ask for, those that are not given being empty."""
    known = set(COMMANDS[command][1])
    assert given.keys() <= known, given.keys() - known
    return request.read(dict.fromkeys(known, "") | given, credentials)


def screen(*, terminal: bool = False, width: int = WIDE, wide: bool = False) -> tuple[Screen, io.StringIO]:
    """Return a screen and what is printed on it."""
    output = io.StringIO()
    console = Console(
        file=output, force_terminal=terminal, width=width, highlight=False, markup=False, emoji=False, color_system=None
    )
    return Screen(console, wide=wide), output


def attempt(act: Callable[[], None], output: io.StringIO) -> Ran:
    """Do something that a screen shows with this output."""
    try:
        act()
    except CliError as error:
        return Ran(output.getvalue(), ok=False, problem=str(error))
    return Ran(output.getvalue(), ok=True)


@dataclass
class Operator:
    """Somebody signed in to an account of the local AWS."""

    aws: LocalAws
    falcon: FalconSimulator
    monkeypatch: pytest.MonkeyPatch
    environment: dict[str, str] = field(default_factory=dict)
    """Beside, or instead of, what makes the management account's root."""

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.falcon.client_id, self.falcon.client_secret)

    def run(self, command: str, given: Credentials = NOBODY, /, *, typed: str | None = None, **variables: str) -> Ran:
        """Run a command, without Falcon credentials unless they are given; `typed` is what a terminal's user types."""
        self._prepare()
        terminal, output = screen(terminal=typed is not None, wide=bool(variables.get("WIDE")))
        if typed is not None:
            self.monkeypatch.setattr(sys, "stdin", Terminal(typed))
            self.monkeypatch.setattr(credentials, "getpass", lambda _: sys.stdin.readline().strip())
        return attempt(lambda: execute(command, asked(command, given, **variables), terminal), output)

    def _prepare(self) -> None:
        environment = self.aws.environment() | self.environment
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # a command sets it; what it was is put back
        self.monkeypatch.setattr(stack, "POLL_SECONDS", 0.1)
        self.monkeypatch.setattr(stack_set, "POLL_SECONDS", 0.1)


class Terminal(io.StringIO):
    """Somebody who types these lines."""

    def isatty(self) -> bool:
        return True
