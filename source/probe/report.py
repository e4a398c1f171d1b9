"""The answers beside the assumptions, for people and for programs, without secrets."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from probe.questions import QUESTIONS, Question

LONGEST = 200  # characters of an answer


def render(
    answers: Mapping[str, Collection[str]], *, cloud: str, stopped: str, secrets: Sequence[str]
) -> dict[str, Any]:
    """Return the report; `stopped` says why not all was asked, if so."""
    return {
        "cloud": cloud,
        "stopped": redact(stopped, secrets),
        "questions": [_row(question, answers.get(question.name, ()), secrets) for question in QUESTIONS],
    }


def _row(question: Question, answers: Collection[str], secrets: Sequence[str]) -> dict[str, Any]:
    verdict = "as assumed" if question.is_as_assumed(answers) else "differs"
    return {
        "name": question.name,
        "question": question.text,
        "assumed": sorted(question.assumed),
        "answers": sorted(redact(answer, secrets) for answer in answers),
        "verdict": verdict if answers else "not asked",
    }


def differs(report: Mapping[str, Any]) -> bool:
    """Whether any answer is not as assumed."""
    return any(row["verdict"] == "differs" for row in report["questions"])


def redact(text: str, secrets: Sequence[str]) -> str:
    """Return `text` on one line, cut, and without secrets."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST]


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    lines = [f"# What Falcon answered in {report['cloud']}", ""]
    if report["stopped"]:
        lines += [f"Not all was asked: {report['stopped']}", ""]
    lines += ["| Question | Assumed | Answer | Verdict |", "| --- | --- | --- | --- |"]
    for row in report["questions"]:
        cells = (row["question"], ", ".join(row["assumed"]), ", ".join(row["answers"]), row["verdict"])
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join([*lines, ""])
