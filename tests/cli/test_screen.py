"""What is printed: nothing that steers a terminal, tables that fit, answers that are asked for."""

import pytest

from cli.errors import CliError
from cli.screen import printable
from tests.cli.support import Terminal, screen

HOSTILE = "red \x1b[31m\x07\x9b2J \u202e[bold]:boom:"


def test_text_of_others_steers_no_terminal_and_is_no_markup() -> None:
    shown, output = screen(terminal=True)

    shown.say(HOSTILE)
    shown.table(("A", "B"), [("", ("x", HOSTILE))])
    shown.group(HOSTILE, [HOSTILE])
    shown.link(HOSTILE)

    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(output.getvalue())
    assert output.getvalue().count("[bold]:boom:") == 5
    assert printable("a\nb", lines=True) == "a\nb"
    assert printable("a\nb") == "a b"


def test_a_pipe_gets_one_line_for_each_row() -> None:
    shown, output = screen()

    shown.table(("REGION", "WHY"), [("", ("us-east-1", "x" * 500)), ("", ("us-east-2", None))])

    assert [line.rstrip() for line in output.getvalue().splitlines()[2:]] == [f"us-east-1  {'x' * 500}", "us-east-2  -"]


@pytest.mark.parametrize(
    ("terminal", "typed", "problem"),
    [
        (False, "falcon\n", r"this needs an answer, and there is no terminal\. YES=1 agrees in advance\."),
        (True, "falcom\n", r"that is not its name\. Nothing was changed\."),
    ],
)
def test_a_name_is_typed_on_a_terminal_unless_it_was_agreed_in_advance(
    monkeypatch: pytest.MonkeyPatch, typed: str, problem: str, *, terminal: bool
) -> None:
    shown, _ = screen(terminal=terminal)
    monkeypatch.setattr("sys.stdin", Terminal(typed))

    shown.confirm("falcon", agreed=True)
    with pytest.raises(CliError, match=problem):
        shown.confirm("falcon", agreed=False)


@pytest.mark.parametrize(
    ("terminal", "shown"),
    [
        (False, ["Deploying: 0 of 4 accounts\nDeploying: 4 of 4 accounts, 1 failed\n"]),
        (True, ["Deploying", "4/4", "1 failed"]),
    ],
    ids=["a line for each change in a pipe", "a bar on a terminal"],
)
def test_progress_shows_how_many_accounts_are_over_and_how_many_failed(shown: list[str], *, terminal: bool) -> None:
    printed, output = screen(terminal=terminal, width=100)

    with printed.progress("Deploying", 4) as show:
        for over, failed in ((0, 0), (0, 0), (4, 1)):
            show(over, 3, failed)

    assert [text for text in shown if text not in output.getvalue()] == []
    assert terminal or output.getvalue() == shown[0]
