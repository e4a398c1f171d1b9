"""The Falcon credentials: taken out of the environment, asked for, and compared without being shown."""

import pytest

from cli import credentials
from cli.credentials import Credentials
from cli.errors import CliError
from tests.cli.support import Terminal, screen

GIVEN = Credentials("client-id-1", "client-secret-1")


def test_they_leave_the_environment_that_other_programs_inherit() -> None:
    environ = {"FALCON_CLIENT_ID": " id\n", "FALCON_CLIENT_SECRET": "invented", "FALCON_CLOUD": "us-1", "PATH": "/bin"}

    taken = Credentials.take(environ)

    assert taken == Credentials("id", "invented")
    assert environ == {"PATH": "/bin"}
    assert "invented" not in repr(taken)
    assert taken.parameters == {"FalconClientID": "id", "FalconSecret": "invented"}


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ([], []),
        (["a"], ["only one of FALCON_CLIENT_ID and FALCON_CLIENT_SECRET is set"]),
        (["a", ""], ["FALCON_CLIENT_SECRET is set, but empty"]),
        ([" ", ""], ["FALCON_CLIENT_ID is set, but empty", "FALCON_CLIENT_SECRET is set, but empty"]),
    ],
)
def test_empty_values_and_halves_are_refused(values: list[str], problems: list[str]) -> None:
    found = Credentials.take(dict(zip(credentials.PARAMETERS, values, strict=False))).problems

    assert [problem.partition(".")[0] for problem in found] == problems


def test_their_version_changes_with_them_and_only_with_them() -> None:
    first = GIVEN.version("1")

    assert GIVEN.version(first) == first
    assert Credentials("client-id-1", "mistyped").version(first) != first
    assert GIVEN.version("1") != first  # a salt of its own: equal credentials of two stacks look different
    assert "secret" not in first


def test_they_are_typed_on_a_terminal_and_nothing_typed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(["my-id", " my-secret ", "", ""])
    monkeypatch.setattr(credentials, "getpass", lambda _: next(lines))
    monkeypatch.setattr("sys.stdin", Terminal())

    assert credentials.ask(screen(terminal=True)[0]) == Credentials("my-id", "my-secret")
    with pytest.raises(CliError, match="nothing was typed"):
        credentials.ask(screen(terminal=True)[0])
    with pytest.raises(CliError, match=r"FALCON_CLIENT_SECRET is not set\. Export it"):
        credentials.ask(screen()[0])
