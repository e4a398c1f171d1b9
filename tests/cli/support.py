"""Somebody who runs our commands, in this process: the same path as `make`, from variables to what is printed."""

import io
import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from rich.console import Console

from cli import stack
from cli.__main__ import COMMANDS
from cli.credentials import Credentials
from cli.errors import CliError
from cli.organization import progress
from cli.screen import Screen
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator

WIDE = 2000


@dataclass(frozen=True)
class Ran:
    """What a command printed, whether all was well, and what it failed with if not."""

    text: str
    ok: bool
    problem: str = ""


def values(command: str, **given: str) -> dict[str, str]:
    """Return the variables of a command, those that are not given empty."""
    known = {*COMMANDS[command][1], "AWS_REGION", "AWS_DEFAULT_REGION"}
    assert given.keys() <= known, given.keys() - known
    return dict.fromkeys(known, "") | given


def screen(*, terminal: bool = False, width: int = WIDE, wide: bool = False) -> tuple[Screen, io.StringIO]:
    """Return a screen and what is printed on it."""
    output = io.StringIO()
    console = Console(
        file=output, force_terminal=terminal, width=width, highlight=False, markup=False, emoji=False, color_system=None
    )
    return Screen(console, wide=wide), output


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

    def run(self, command: str, given: Credentials | None = None, typed: str | None = None, **variables: str) -> Ran:
        """Run a command, without Falcon credentials unless they are given; `typed` is what a terminal's user types."""
        self._prepare()
        terminal, output = screen(terminal=typed is not None, wide=bool(variables.get("WIDE")))
        if typed is not None:
            self.monkeypatch.setattr(sys, "stdin", Terminal(typed))
            self.monkeypatch.setattr(Screen, "ask_secret", lambda _, __: sys.stdin.readline().strip())
        module, _, function = COMMANDS[command][0].partition(":")
        work: Any = getattr(import_module(module), function)
        try:
            work(values(command, **variables), given or Credentials(), terminal)
        except CliError as error:
            return Ran(output.getvalue(), ok=False, problem=str(error))
        return Ran(output.getvalue(), ok=True)

    def _prepare(self) -> None:
        environment = self.aws.environment() | self.environment
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # a command sets it; what it was is put back
        self.monkeypatch.setattr(stack, "POLL_SECONDS", 0.1)
        self.monkeypatch.setattr(progress, "POLL_SECONDS", 0.1)


class Terminal(io.StringIO):
    """Somebody who types these lines."""

    def isatty(self) -> bool:
        return True
