"""The commands as `make` runs them: options, help and exit status."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as cli
from cli.credentials import Credentials
from cli.errors import AttentionError, CliError
from cli.request import Request

PROJECT = Path(__file__).resolve().parent.parent.parent
README = (PROJECT / "source" / "cli" / "README.md").read_text(encoding="utf-8")
INTERRUPTED = "\nInterrupted. What AWS has begun, if anything, it finishes; the same command again follows it.\n"


def replace(monkeypatch: pytest.MonkeyPatch, command: str, function: Any) -> None:
    """Have a command run this function."""
    monkeypatch.setitem(cli.COMMANDS, command, (function, *cli.COMMANDS[command][1:]))


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_names_every_variable_of_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: make {command} [VARIABLE=value ...]")
    assert set(re.findall(r"^  ([A-Z0-9_]+)=", shown, re.MULTILINE)) == set(cli.COMMANDS[command][1])
    assert ("FALCON_CLIENT_SECRET" in shown) == bool(cli.COMMANDS[command][2])
    assert not re.search(r"--\S*(secret|client)", shown)  # which a list of processes would show


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("STAK", "Did you mean STACK?"),
        ("region", "Did you mean REGION?"),
        ("Regions", "Parameters of the template go into one variable: PARAMETERS='Regions=...'."),
        ("JSON", "make delete HELP=1 lists them."),
        ("PYTHON STACK YES", ""),
    ],
)
def test_a_variable_that_a_command_does_not_have_is_refused(
    given: str, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Request] = []
    replace(monkeypatch, "delete", lambda request, _: asked.append(request))
    monkeypatch.setenv("MAKE_VARIABLES", given)

    assert cli.main(["delete"]) == bool(advice)

    assert bool(asked) is not bool(advice)
    assert capsys.readouterr().err == (f"error: make delete has no variable {given}. {advice}\n" if advice else "")


def test_the_readme_documents_every_command_and_variable() -> None:
    commands = re.findall(r"^\| `make ([a-z-]+)` \|", README, re.MULTILINE)
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*) \|", README, re.MULTILINE)
    documented = {name: set(re.findall(r"`([a-z-]+)`", where)) for name, where in rows}

    assert set(commands) == {*cli.COMMANDS, "sandbox"}
    assert documented == {
        name: {command for command, (_, variables, _) in cli.COMMANDS.items() if name in variables}
        for name in cli.VARIABLES
    }


@pytest.mark.parametrize(
    ("raised", "status", "shown"),
    [
        (None, 0, ""),
        (AttentionError(), 1, ""),
        (CliError("one", "two \x1b[31m\nthree"), 1, "error: one\nerror: two  [31m\nthree\n"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
    ],
)
def test_the_exit_status_tells_how_it_went(
    raised: BaseException | None,
    status: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def plan(*_: object) -> None:
        if raised:
            raise raised

    replace(monkeypatch, "plan", plan)

    assert cli.main(["plan"]) == status
    assert capsys.readouterr().err == shown


def test_variables_come_from_the_environment_and_falcons_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str, Credentials]] = []

    def read(asked: Request, _: object) -> None:
        seen.append((asked.name, asked.region, asked.credentials))
        assert not [name for name in os.environ if name.startswith("FALCON_")]

    replace(monkeypatch, "plan", read)
    replace(monkeypatch, "deploy", read)
    both = {"FALCON_CLIENT_ID": "an-id", "FALCON_CLIENT_SECRET": "a-secret"}
    shell = {"STACK": "x", "REGION": "", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    for command in ("plan", "deploy"):
        for name, value in (shell | both).items():
            monkeypatch.setenv(name, value)
        assert cli.main([command]) == 0

    asked_without, asked_with = Credentials(), Credentials("an-id", "a-secret")  # as the command needs them
    assert seen == [("x", "eu-west-1", asked_without), ("x", "eu-west-1", asked_with)]


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--colour", "blue"]) == 2
    assert "No such option" in capsys.readouterr().err
