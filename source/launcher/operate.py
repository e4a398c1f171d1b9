"""Asks the function of a launched stack: `make plan`, `make status` and `make reconcile`."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from launcher import preflight
from launcher.aws_cli import AwsCli
from launcher.errors import LauncherError, exit_status
from launcher.request import read_place
from launcher.screen import Screen
from launcher.stack import Stack

VARIABLES: Final = """\
actions:
  plan                    show what a repair would do now, and change nothing
  status                  show each Region's connection, and what is wrong with it
  reconcile               repair what drifted, now

environment:
  STACK                   name of the stack (crowdstrike-ecr-registry-connections)
  REGION                  Region of the stack (AWS_REGION, AWS_DEFAULT_REGION, or the profile's)
  JSON                    1 prints the function's JSON instead of a table, for jq
  NO_COLOR                1 prints no colours

The exit status is 0 if all is well. AWS credentials come from where the AWS CLI finds them.
"""

PIPED_BYTES: Final = "fileb:///dev/stdin"
"""The value of an option that takes bytes; version 2 of the AWS CLI would take text for base64."""

Answer = Mapping[str, Any]


def operate(action: str, environment: Mapping[str, str], screen: Screen) -> bool:
    """Have the function do `action`, print what it answers, and return whether all is well.

    Raises LauncherError if it cannot be asked, or failed.
    """
    name, region = read_place(environment)
    problems: list[str] = []
    aws = preflight.connect(region, problems)
    if aws is None or problems:
        raise LauncherError(*problems)
    outputs = _outputs(Stack(aws, name))
    failed, text = _invoke(aws, outputs["FunctionName"], action)
    if environment.get("JSON"):
        screen.say(text)
    answer = json.loads(text)
    if failed:
        raise LauncherError(_failure(action, answer, outputs))
    if not environment.get("JSON"):
        account = outputs["ConnectionRoleArn"].split(":")[4]
        screen.say(f"{action} of {name}, account {account}, {aws.region}")
        SHOWN[action](answer, screen)
    return bool(answer["ok"])


def _outputs(stack: Stack) -> Mapping[str, str]:
    """Return the outputs of a stack that has been launched."""
    now = stack.now()
    if now is None:
        raise LauncherError(f"there is no stack {stack.name} in {stack.aws.region}. Name it: STACK=... REGION=...")
    if not {"FunctionName", "ConnectionRoleArn"} <= now.outputs.keys():
        raise LauncherError(f"the stack {stack.name} is in {now.status} and has no function to ask. Is it this one?")
    return now.outputs


def _invoke(aws: AwsCli, function: str, action: str) -> tuple[bool, str]:
    """Return whether the function failed, and the text that it answered."""
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "answer.json"
        # No limit to the wait: a repair may take minutes, and the AWS CLI would ask for another one meanwhile.
        options = ["--function-name", function, "--payload", PIPED_BYTES, "--cli-read-timeout", "0"]
        told = aws.call("lambda", "invoke", *options, str(answer), piped={"action": action})
        return "FunctionError" in told, answer.read_text(encoding="utf-8")


def _failure(action: str, answer: Answer, outputs: Mapping[str, str]) -> str:
    """Return what a function error says, and where more is told."""
    more = "Each Region: make status. " if action == "reconcile" else ""
    log = outputs.get("LogGroup", f"/aws/lambda/{outputs['FunctionName']}")
    return f"{answer.get('errorMessage') or answer}\n  {more}Every line: the log group {log}"


def show_plan(answer: Answer, screen: Screen) -> None:
    """Print what a repair would do."""
    found = answer["preflight"]
    if found["cloud"]:
        screen.say(f"Falcon cloud {found['cloud']}: credentials {found['credentials']}, reading {found['read']}")
    rows = [("yellow", (row["region"], row["change"], row["connection"], row["why"])) for row in answer["changes"]]
    screen.table(("REGION", "CHANGE", "CONNECTION", "WHY"), rows)
    screen.say()
    screen.group("unchanged", answer["unchanged"])
    _groups("left", answer["left"], "why", screen)
    _groups("skipped", answer["skipped"], "why", screen)
    changes = len(answer["changes"])
    well = f"{_counted(changes, 'change')} to make: make reconcile" if changes else "Nothing to do."
    _verdict(answer, well, screen)


def show_status(answer: Answer, screen: Screen) -> None:
    """Print each Region's connection."""
    if answer["cloud"]:
        screen.say(f"Falcon cloud {answer['cloud']}")
    shown = [row for row in answer["regions"] if row["wanted"] is not False or row["connection"]]
    rows = [("red" if row["problem"] else "", _status(row)) for row in shown]
    screen.table(("REGION", "CONNECTION", "STATE", "CREDENTIAL", "LAST REFRESH", "NEXT REFRESH", "WHAT IS WRONG"), rows)
    screen.say()
    _groups("skipped", [row for row in answer["regions"] if row not in shown], "skipped", screen)
    wrong = sum(row["problem"] is not None for row in answer["regions"])
    if wrong:
        screen.say(f"{_counted(wrong, 'Region')} to repair: make reconcile", "red")
        return
    connected = sum(row["connection"] is not None for row in answer["regions"] if row["wanted"])
    _verdict(answer, f"{_counted(connected, 'Region')} connected, and nothing is wrong.", screen)


def _status(row: Answer) -> tuple[str | None, ...]:
    expiry = _moment(row["credential_expires_at"])
    credential = {
        None: None,
        True: f"expired {expiry or ''}".strip(),
        False: f"valid to {expiry}" if expiry else "valid",
    }
    left = "left: " + (row["skipped"] or "no longer wanted")
    note = row["problem"] or {True: None, False: left, None: "not known"}[row["wanted"]]
    times = _moment(row["last_refresh"]), _moment(row["next_refresh"])
    return row["region"], row["connection"], row["state"], credential[row["credential_expired"]], *times, note


def show_reconcile(answer: Answer, screen: Screen) -> None:
    """Print what a repair did."""
    if answer["cloud"]:
        screen.say(f"Falcon cloud {answer['cloud']}")
    shown = [row for row in answer["regions"] if row["outcome"] not in {"unchanged", "skipped"}]
    done = [row for row in shown if row["outcome"] != "left"]
    cells = itemgetter("region", "outcome", "connection", "message")
    rows = [("green" if row in done else "", cells(row)) for row in shown]
    screen.table(("REGION", "OUTCOME", "CONNECTION", "WHY"), rows)
    screen.say()
    screen.group("unchanged", [row["region"] for row in answer["regions"] if row["outcome"] == "unchanged"])
    _groups("skipped", [row for row in answer["regions"] if row["outcome"] == "skipped"], "message", screen)
    _verdict(answer, f"{_counted(len(done), 'Region')} repaired." if done else "Nothing was to be repaired.", screen)


SHOWN: Final[Mapping[str, Callable[[Answer, Screen], None]]] = {
    "plan": show_plan,
    "status": show_status,
    "reconcile": show_reconcile,
}


def _verdict(answer: Answer, well: str, screen: Screen) -> None:
    """Print the last words: all is well, or what is not."""
    if answer["ok"]:
        screen.say(well, "green")
        return
    for problem in answer["problems"]:
        screen.say(problem, "red")


def _groups(title: str, rows: list[Answer], key: str, screen: Screen) -> None:
    """Print Regions by the reason that they have in common."""
    reason = itemgetter(key)
    for why, group in groupby(sorted(rows, key=lambda row: str(reason(row))), key=reason):
        screen.group(f"{title} ({why})", [row["region"] for row in group])


def _moment(text: str | None) -> str | None:
    """Return a moment without its seconds, as Falcon tells it."""
    return text and f"{text[:10]} {text[11:16]}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make",
        usage="make plan|status|reconcile [STACK=...] [REGION=...] [JSON=1]",
        description=__doc__,
        epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=SHOWN, help=argparse.SUPPRESS)
    action = parser.parse_args().action
    if not operate(action, os.environ, Screen(sys.stdout, os.environ)):
        raise LauncherError  # which has been printed


if __name__ == "__main__":
    sys.exit(exit_status(main))
