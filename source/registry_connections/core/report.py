"""Outcomes as the operator meets them: the response's Data, its reason, the log record and the action's JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry_connections import __version__
from registry_connections.core.errors import shorten
from registry_connections.core.model import (
    CONNECTED,
    UNSUCCESSFUL,
    Outcome,
    OutcomeKind,
    RegionFailurePolicy,
)

LONGEST_REASON: Final = 240  # characters; crhelper keeps the last 240 of a longer one, CloudFormation shows 256
METRICS_NAMESPACE: Final = "FalconECR"
NONE: Final = "none"  # an output of a stack may not be empty


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every Region.

    `cause` is a failure that concerns no single one; `note` tells why a success did nothing.
    """

    outcomes: tuple[Outcome, ...] = ()
    cause: str = ""
    cloud: str = ""
    failure: str = ""  # the reason, if this counts as a failure
    note: str = ""

    def of(self, kinds: Iterable[OutcomeKind]) -> tuple[Outcome, ...]:
        """Return the outcomes of these kinds."""
        return tuple(outcome for outcome in self.outcomes if outcome.kind in kinds)

    def succeeded(self, policy: RegionFailurePolicy) -> bool:
        """Whether this counts as success: under Report, one connected Region suffices."""
        if self.cause:
            return False
        failed = self.of(UNSUCCESSFUL)
        return not failed or (policy is RegionFailurePolicy.REPORT and bool(self.of(CONNECTED)))


def data(report: Report) -> dict[str, str]:
    """Return the response's Data, which the stack's outputs show: under 4 KB with every Region that AWS has."""
    groups = {
        "Connected": report.of(CONNECTED),
        "Failed": report.of(UNSUCCESSFUL),
        "Skipped": left_out(report),
    }
    lists = {f"{name}Regions": _names(outcomes) or NONE for name, outcomes in groups.items()}
    counts = {f"{name}Count": str(len(outcomes)) for name, outcomes in groups.items()}
    return {**lists, **counts, "FalconCloud": report.cloud or NONE, "Version": __version__}


def left_out(report: Report) -> tuple[Outcome, ...]:
    """Return the Regions that are not wanted, also those that were until this run.

    After a failure, what was removed or left may be what the failed run itself had made.
    """
    formerly_wanted = set() if report.failure else {OutcomeKind.LEFT, OutcomeKind.REMOVED}
    return report.of({OutcomeKind.SKIPPED} | formerly_wanted)


def reason(report: Report) -> str:
    """Return why it failed, in at most 240 characters: the first cause whole, then as much else as there is room."""
    failed, untried = report.of({OutcomeKind.FAILED}), report.of({OutcomeKind.NOT_ATTEMPTED})
    concerned = failed or untried
    if report.cause or not concerned:
        text, others = report.cause or "nothing failed", concerned[:0]
    else:
        verb = "failed" if failed else "not attempted"
        count = f"{len(concerned)} Region{'s' * (len(concerned) > 1)} {verb}"
        text, others = f"{count}. {concerned[0].region}: {concerned[0].message}", concerned[1:]
    lists = {"Left in Falcon": report.of({OutcomeKind.LEFT}), "Also": others, "Not attempted": untried * bool(failed)}
    return with_room_for(text, *(_list(title, outcomes) for title, outcomes in lists.items()))


def with_room_for(text: str, *more: Callable[[int], str] | str) -> str:
    """Return a reason with those additions, in their order, for which there is room beside the cause."""
    text = shorten(text, LONGEST_REASON)
    for addition in more:
        start = text if text.endswith(".") else f"{text}."
        room = LONGEST_REASON - len(start) - 1
        added = addition if isinstance(addition, str) else addition(room)
        if added and len(added) <= room:
            text = f"{start} {added}"
    return text


def _list(title: str, outcomes: Sequence[Outcome]) -> Callable[[int], str]:
    """Return what names Regions in so much room as there is."""
    return lambda room: f"{title}: {_fit(outcomes, room - len(title) - 3)}." if outcomes else ""


def action_result(action: str, report: Report) -> dict[str, Any]:
    """Return the JSON of an action, with every key for every Region; what does not apply is null."""
    rows = [{name: value or None for name, value in _fields(outcome).items()} for outcome in report.outcomes]
    return {
        "action": action,
        "version": __version__,
        "ok": not report.failure,
        "cloud": report.cloud or None,
        "regions": rows,
        "message": report.failure or report.note or None,
    }


def metrics(report: Report, measured: Mapping[str, int]) -> dict[str, int]:
    """Return the metrics of a run; `measured` holds milliseconds and falcon_calls."""
    return {
        "ConnectedCount": len(report.of(CONNECTED)),
        "FailedCount": len(report.of(UNSUCCESSFUL)),
        "SkippedCount": len(left_out(report)),
        "Duration": measured["milliseconds"],
        "FalconCalls": measured["falcon_calls"],
    }


def embedded(counts: Iterable[str], moment: float) -> dict[str, Any]:
    """Return what makes CloudWatch take metrics from a log line (embedded metric format, CloudWatch user guide)."""
    units = [{"Name": name, "Unit": "Milliseconds" if name == "Duration" else "Count"} for name in counts]
    directive = {"Namespace": METRICS_NAMESPACE, "Dimensions": [["function"]], "Metrics": units}
    return {"_aws": {"Timestamp": round(moment * 1000), "CloudWatchMetrics": [directive]}}


def records(report: Report) -> list[dict[str, Any]]:
    """Return one log record for each Region."""
    return [_record(outcome) for outcome in report.outcomes]


def _record(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in _fields(outcome).items() if value not in {"", 0}}


def _fields(outcome: Outcome) -> dict[str, Any]:
    return {
        "region": outcome.region,
        "outcome": str(outcome.kind),
        "connection": outcome.connection_id,
        "message": outcome.message,
        "status": outcome.status,
        "trace_id": outcome.trace_id,
        "milliseconds": outcome.milliseconds,
    }


def _names(outcomes: Sequence[Outcome]) -> str:
    return ",".join(outcome.region for outcome in outcomes)


def _fit(outcomes: Sequence[Outcome], room: int) -> str:
    """Return as many Regions as fit, and how many more there are."""
    names = [outcome.region for outcome in outcomes]
    for shown in range(len(names), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        if len(text := ", ".join(names[:shown]) + more) <= room:
            return text
    return f"{len(names)} Regions"
