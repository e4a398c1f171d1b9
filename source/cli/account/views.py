"""The function's answers as tables that fit 80 columns, with what is wrong in the second one."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from cli.screen import Screen, counted

Answer = Mapping[str, Any]


def show_plan(answer: Answer, screen: Screen) -> None:
    """Print what a repair would do."""
    found = answer["preflight"]
    if found["cloud"]:
        screen.say(f"Falcon cloud {found['cloud']}: credentials {found['credentials']}, reading {found['read']}")
    rows = [("yellow", (row["region"], row["why"], row["change"], row["connection"])) for row in answer["changes"]]
    screen.table(("REGION", "WHY", "CHANGE"), rows, more=("CONNECTION",))
    screen.say()
    screen.group("unchanged", answer["unchanged"])
    _groups("left", answer["left"], "why", screen)
    _groups("skipped", answer["skipped"], "why", screen)
    changes = len(answer["changes"])
    well = f"{counted(changes, 'change')} to make: make reconcile" if changes else "Nothing to do."
    _verdict(answer, well, screen)


def show_status(answer: Answer, screen: Screen) -> None:
    """Print each Region's connection."""
    if answer["cloud"]:
        screen.say(f"Falcon cloud {answer['cloud']}")
    shown = [row for row in answer["regions"] if row["wanted"] is not False or row["connection"]]
    rows = [("red" if row["problem"] else "", _status(row)) for row in shown]
    more = ("CONNECTION", "LAST REFRESH", "NEXT REFRESH")
    screen.table(("REGION", "WHAT IS WRONG", "STATE", "CREDENTIAL"), rows, more=more)
    screen.say()
    _groups("skipped", [row for row in answer["regions"] if row not in shown], "skipped", screen)
    for text in answer.get("attention", ()):
        screen.say(f"attention: {text}", "yellow")
    wrong = sum(row["problem"] is not None for row in answer["regions"])
    if wrong:
        verb = "needs" if wrong == 1 else "need"
        screen.say(f"{counted(wrong, 'Region')} {verb} attention. make reconcile repairs what it can.", "red")
        return
    connected = sum(row["connection"] is not None for row in answer["regions"] if row["wanted"])
    _verdict(answer, f"{counted(connected, 'Region')} connected, and nothing is wrong.", screen)


def _status(row: Answer) -> tuple[str | None, ...]:
    expiry = _moment(row["credential_expires_at"])
    credential = {
        None: None,
        True: f"expired {expiry or ''}".strip(),
        False: f"to {expiry[:10]}" if expiry else "valid",
    }
    left = "left: " + (row["skipped"] or "no longer wanted")
    note = row["problem"] or {True: None, False: left, None: "not known"}[row["wanted"]]
    cells = row["region"], note, row["state"], credential[row["credential_expired"]]
    return *cells, row["connection"], _moment(row["last_refresh"]), _moment(row["next_refresh"])


def show_reconcile(answer: Answer, screen: Screen) -> None:
    """Print what a repair did."""
    if answer["cloud"]:
        screen.say(f"Falcon cloud {answer['cloud']}")
    shown = [row for row in answer["regions"] if row["outcome"] not in {"unchanged", "skipped"}]
    done = [row for row in shown if row["outcome"] != "left"]
    cells = itemgetter("region", "message", "outcome", "connection")
    rows = [("green" if row in done else "", cells(row)) for row in shown]
    screen.table(("REGION", "WHY", "OUTCOME"), rows, more=("CONNECTION",))
    screen.say()
    screen.group("unchanged", [row["region"] for row in answer["regions"] if row["outcome"] == "unchanged"])
    _groups("skipped", [row for row in answer["regions"] if row["outcome"] == "skipped"], "message", screen)
    repaired = f"{counted(len(done), 'Region')} repaired." if done else ""
    note = answer.get("message")  # of a run that did not do all of the work, such as: another run is at work
    well = "\n".join(filter(None, (repaired, note))) or "Nothing was to be repaired."
    _verdict(answer, well, screen)


def _verdict(answer: Answer, well: str, screen: Screen) -> None:
    """Print the last words: all is well, or what is not."""
    if answer["ok"]:
        screen.say(well, "green")
        return
    for problem in answer.get("problems") or [answer.get("message") or "It failed; every line is in the log."]:
        screen.say(problem, "red")


def _groups(title: str, rows: Sequence[Answer], key: str, screen: Screen) -> None:
    """Print Regions by the reason that they have in common."""
    reason = itemgetter(key)
    for why, group in groupby(sorted(rows, key=lambda row: str(reason(row))), key=reason):
        screen.group(f"{title} ({why})", [row["region"] for row in group])


def _moment(text: str | None) -> str | None:
    """Return a moment without its seconds, as Falcon writes it."""
    return text and f"{text[:10]} {text[11:16]}"
