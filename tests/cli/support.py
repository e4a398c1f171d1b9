"""Somebody who runs our commands, in this process: the same path as `make`, from variables to what is printed."""

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from cli import credentials, request
from cli.__main__ import COMMANDS, execute
from cli.credentials import Credentials
from cli.errors import CliError
from cli.request import Request
from cli.screen import Screen
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import Connection, FalconSimulator

NOBODY = Credentials()
STACK_SET = "falcon"
MANAGEMENT = ACCOUNT
MEMBERS = tuple(f"20000000000{number}" for number in range(1, 7))


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


def screen(*, terminal: bool = False, width: int = 2000, wide: bool = False) -> tuple[Screen, io.StringIO]:
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


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, "Operation")


def described(status: str = "CREATE_COMPLETE", outputs: Mapping[str, str] | None = None, **parameters: str) -> Any:
    """Return a stack as CloudFormation describes it."""
    held = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    shown = [{"OutputKey": key, "OutputValue": value} for key, value in (outputs or {}).items()]
    return {"StackId": "arn", "StackStatus": status, "Parameters": held, "Outputs": shown}


@dataclass
class Operator:
    """Somebody signed in to an account of the local AWS, which may manage an organization."""

    aws: LocalAws
    falcon: FalconSimulator
    monkeypatch: pytest.MonkeyPatch
    units: Mapping[str, str] = field(default_factory=dict)
    """The organization's."""
    environment: dict[str, str] = field(default_factory=dict)
    """Beside, or instead of, what makes the management account's root."""

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.falcon.client_id, self.falcon.client_secret)

    def run(self, command: str, given: Credentials = NOBODY, /, *, typed: str | None = None, **variables: str) -> Ran:
        """Run a command, without Falcon credentials unless they are given; `typed` is what a terminal's user types."""
        for name, value in (self.aws.environment() | self.environment).items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # a command sets it; what it was is put back
        terminal, output = screen(terminal=typed is not None, wide=bool(variables.get("WIDE")))
        if typed is not None:
            self.monkeypatch.setattr(sys, "stdin", Terminal(typed))
            self.monkeypatch.setattr(credentials, "getpass", lambda _: sys.stdin.readline().strip())
        return attempt(lambda: execute(command, asked(command, given, **variables), terminal), output)

    def deploy_org(self, parameters: str = "", given: Credentials = NOBODY, **variables: str) -> Ran:
        """Run `make deploy-org` for both units; the functions find Falcon on this machine."""
        asked = {
            "STACK_SET": STACK_SET,
            "OU_IDS": ",".join(self.units.values()),
            "PARAMETERS": f"FalconApiUrl={self.falcon.url} Regions=us-east-1,eu-west-1 {parameters}",
        }
        return self.run("deploy-org", given, **asked | variables)

    def launch_org(self, **variables: str) -> Ran:
        """Run `make deploy-org` for the first time, for the unit with one member; it must succeed.

        Afterwards no account is at work: the repairs that the schedules begin with would meet what a test arms.
        """
        ran = self.deploy_org("", self.credentials, **{"OU_IDS": self.units["security"]} | variables)
        assert ran.ok, ran.text + ran.problem
        for account in MEMBERS:
            self.aws.settle(account)
        return ran

    def delete_org(self, **variables: str) -> Ran:
        """Run `make delete-org`, agreeing in advance."""
        return self.run("delete-org", **{"STACK_SET": STACK_SET, "YES": "1"} | variables)

    def report(self, **variables: str) -> Ran:
        """Run `make coverage-report`."""
        return self.run("coverage-report", self.credentials, **{"STACK_SET": STACK_SET} | variables)

    def connected(self) -> dict[str, list[Connection]]:
        """Return the connections of each account that has some."""
        accounts = (MANAGEMENT, *MEMBERS)
        return {account: found for account in accounts if (found := self.falcon.connections_of(account))}


class Terminal(io.StringIO):
    """Somebody who types these lines."""

    def isatty(self) -> bool:
        return True
