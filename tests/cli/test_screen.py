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


def test_progress_in_a_pipe_is_a_line_for_each_change() -> None:
    shown, output = screen()

    with shown.progress("Deploying", 4) as show:
        for over, failed in ((0, 0), (0, 0), (3, 1)):
            show(over, 3, failed)

    assert output.getvalue().splitlines() == ["Deploying: 0 of 4 accounts", "Deploying: 3 of 4 accounts, 1 failed"]
