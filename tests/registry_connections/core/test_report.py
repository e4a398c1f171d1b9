"""The report: what fits where CloudFormation shows it, whatever became of the Regions."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import __version__
from registry_connections.core.model import UNSUCCESSFUL, Outcome, OutcomeKind, RegionFailurePolicy
from registry_connections.core.report import (
    LONGEST_REASON,
    NONE,
    Report,
    action_result,
    data,
    embedded,
    metrics,
    reason,
    records,
    with_room_for,
)
from tests.sandbox.known_regions import KNOWN_REGIONS

REGIONS = sorted({*KNOWN_REGIONS, "me-west-1", "sa-west-1"})
CAUSE = "HTTP 403: the API client lacks the scope Falcon Container Image: WRITE"
K = OutcomeKind


def report(*outcomes: tuple[str, OutcomeKind], message: str = CAUSE, cause: str = "", failure: str = "") -> Report:
    concerned = UNSUCCESSFUL | {K.LEFT, K.SKIPPED}
    return Report(
        tuple(sorted(Outcome(region, kind, message=message if kind in concerned else "") for region, kind in outcomes)),
        cause,
        "us-1",
        failure,
    )


def everywhere(kind: OutcomeKind, message: str = CAUSE) -> Report:
    return report(*((region, kind) for region in REGIONS), message=message)


kinds = st.sampled_from(OutcomeKind)
outcomes = st.builds(
    Outcome,
    region=st.sampled_from(REGIONS),
    kind=kinds,
    connection_id=st.sampled_from(["", "2f6b1c3e-9d0a-4e55-8c7b-0123456789ab"]),
    message=st.text(max_size=300),
    status=st.sampled_from([0, 400, 503]),
)
reports = st.builds(
    Report,
    outcomes=st.lists(outcomes, max_size=36, unique_by=lambda each: each.region).map(lambda each: tuple(sorted(each))),
    cause=st.just("") | st.text(max_size=400),
    cloud=st.sampled_from(["", "us-1", "us-gov-1"]),
)


# The reason


@pytest.mark.parametrize(
    ("outcomes", "message", "cause", "told"),
    [
        (
            [("ap-south-1", K.NOT_ATTEMPTED), ("eu-west-1", K.FAILED), ("us-east-1", K.LEFT)],
            CAUSE,
            "",
            f"1 Region failed. eu-west-1: {CAUSE}. Left in Falcon: us-east-1. Not attempted: ap-south-1.",
        ),
        ([("a", K.FAILED), ("b", K.FAILED)], "One.", "", "2 Regions failed. a: One. Also: b."),
        ([("a", K.NOT_ATTEMPTED), ("b", K.CREATED)], "no time.", "", "1 Region not attempted. a: no time."),
        ([("a", K.FAILED)], CAUSE, "The record is lost.", "The record is lost."),
        ([("a", K.LEFT)], CAUSE, "No", "No. Left in Falcon: a."),
    ],
)
def test_the_first_cause_comes_whole_and_then_what_else_there_is_room_for(
    outcomes: list[tuple[str, OutcomeKind]], message: str, cause: str, told: str
) -> None:
    assert reason(report(*outcomes, message=message, cause=cause)) == told


@pytest.mark.parametrize("kind", [K.FAILED, K.NOT_ATTEMPTED])
@pytest.mark.parametrize("message", ["", CAUSE, "x" * 1000, "ends with a stop."], ids=lambda each: each[:9])
def test_if_every_region_failed_the_reason_fits_and_keeps_the_cause(kind: OutcomeKind, message: str) -> None:
    told = reason(everywhere(kind, message))
    word = "failed" if kind is K.FAILED else "not attempted"

    assert len(REGIONS) == 36
    assert len(told) <= LONGEST_REASON == 240
    assert told.startswith(f"36 Regions {word}. af-south-1: {message[:180]}")
    if "Also: " in told:
        named, _, more = told.partition("Also: ")[2].removesuffix(".").partition(" and ")
        assert len(named.split(", ")) + int(more.removesuffix(" more")) == len(REGIONS) - 1


def test_an_advice_is_added_only_if_there_is_room_beside_the_cause() -> None:
    assert with_room_for("It failed", "Do this.") == "It failed. Do this."
    assert with_room_for("x" * 231, "Do this.") == f"{'x' * 231}"
    assert with_room_for("x" * 230, "Do this.") == f"{'x' * 230}. Do this."
    assert with_room_for("x" * 300) == "x" * 237 + "..."


@given(reports)
def test_law_the_reason_fits_and_is_never_empty(told: Report) -> None:
    assert 0 < len(reason(told)) <= LONGEST_REASON


@given(reports)
def test_law_the_reason_names_a_region_that_failed_or_tells_the_cause(told: Report) -> None:
    failed = told.of({K.FAILED}) or told.of({K.NOT_ATTEMPTED})
    if told.cause:
        assert reason(told).startswith(told.cause[:100])
    elif failed:
        assert f". {failed[0].region}: {failed[0].message[:180]}" in reason(told)
    else:
        assert reason(told).startswith("nothing failed")


# What counts as success


@pytest.mark.parametrize(
    ("became", "fail", "report_"),
    [
        ([K.CREATED], True, True),
        ([K.UNCHANGED, K.ADOPTED, K.REFRESHED], True, True),
        ([K.CREATED, K.SKIPPED], True, True),
        ([K.CREATED, K.FAILED], False, True),
        ([K.CREATED, K.NOT_ATTEMPTED], False, True),
        ([K.FAILED], False, False),
        ([K.NOT_ATTEMPTED], False, False),
        ([K.FAILED, K.SKIPPED], False, False),
        ([K.FAILED, K.LEFT], False, False),
        ([K.REMOVED, K.LEFT], True, True),
        ([], True, True),
    ],
)
def test_under_report_one_connected_region_suffices_and_under_fail_every_one_counts(
    became: list[OutcomeKind], *, fail: bool, report_: bool
) -> None:
    told = report(*zip(REGIONS, became, strict=False))

    assert told.succeeded(RegionFailurePolicy.FAIL) is fail
    assert told.succeeded(RegionFailurePolicy.REPORT) is report_
    for policy in RegionFailurePolicy:  # a cause that concerns no Region is a failure under any
        assert not replace(told, cause="The state cannot be written.").succeeded(policy)


# Data of the answer


def test_the_data_name_the_regions_by_what_became_of_them() -> None:
    told = report(
        ("ap-south-1", K.FAILED), ("eu-north-1", K.REMOVED), ("eu-west-1", K.UNCHANGED), ("us-east-1", K.CREATED),
        ("us-west-1", K.LEFT), ("us-west-2", K.SKIPPED),
    )  # fmt: skip

    assert data(told) == {
        "ConnectedRegions": "eu-west-1,us-east-1",
        "FailedRegions": "ap-south-1",
        "SkippedRegions": "eu-north-1,us-west-1,us-west-2",
        "ConnectedCount": "2",
        "FailedCount": "1",
        "SkippedCount": "3",
        "FalconCloud": "us-1",
        "Version": __version__,
    }
    # After a failure, what was removed or left was not skipped.
    assert data(replace(told, failure="It failed."))["SkippedRegions"] == "us-west-2"


@given(reports)
def test_law_the_data_are_text_never_empty_and_count_what_they_name(told: Report) -> None:
    shown = data(told)

    assert all(isinstance(value, str) and value for value in shown.values())  # an output may not be empty
    assert len(json.dumps(shown).encode()) < 1024  # of the 4 kilobytes that a response may have
    for name in ("Connected", "Failed", "Skipped"):
        named = [] if shown[f"{name}Regions"] == NONE else shown[f"{name}Regions"].split(",")
        assert len(named) == int(shown[f"{name}Count"])


# The log, the metrics and the JSON of an action


FULL = Outcome("eu-west-1", K.FAILED, "an-id", "It failed.", 400, "a-trace", 12)


def test_a_record_has_what_is_known_and_nothing_empty() -> None:
    bare, full = records(Report((Outcome("ap-south-1", K.SKIPPED), FULL)))

    assert bare == {"region": "ap-south-1", "outcome": "skipped"}
    assert full == {
        "region": "eu-west-1",
        "outcome": "failed",
        "connection": "an-id",
        "message": "It failed.",
        "status": 400,
        "trace_id": "a-trace",
        "milliseconds": 12,
    }


@given(reports)
def test_law_an_action_has_every_key_for_every_region_and_null_for_what_does_not_apply(told: Report) -> None:
    shown = json.loads(json.dumps(action_result("reconcile", told)))

    assert [row["region"] for row in shown["regions"]] == [outcome.region for outcome in told.outcomes]
    assert {frozenset(row) for row in shown["regions"]} <= {frozenset(records(Report((FULL,)))[0])}
    assert not {value for row in shown["regions"] for value in row.values() if value in {"", 0}}


@pytest.mark.parametrize(
    ("failure", "note", "message"),
    [("", "", None), ("", "another run is at work", "another run is at work"), ("It failed.", "", "It failed.")],
)
def test_an_action_is_ok_unless_it_counts_as_a_failure(failure: str, note: str, message: str | None) -> None:
    shown = action_result("reconcile", Report(cloud="us-1", failure=failure, note=note))

    assert shown == {
        "action": "reconcile", "version": __version__, "ok": not failure, "cloud": "us-1", "regions": [],
        "message": message,
    }  # fmt: skip


@given(reports)
def test_law_the_metrics_count_what_the_data_count(told: Report) -> None:
    counted = metrics(told, {"milliseconds": 1200, "falcon_calls": 7})

    assert {name: str(counted[name]) for name in counted if name.endswith("Count")} == {
        name: value for name, value in data(told).items() if name.endswith("Count")
    }
    assert (counted["Duration"], counted["FalconCalls"]) == (1200, 7)


def test_cloudwatch_is_told_the_name_and_unit_of_each_metric() -> None:
    counted = metrics(Report(), {"milliseconds": 1, "falcon_calls": 1})
    shown = embedded(counted, 1_790_000_000.5)["_aws"]
    (directive,) = shown["CloudWatchMetrics"]

    assert shown["Timestamp"] == 1_790_000_000_500
    assert (directive["Namespace"], directive["Dimensions"]) == ("FalconECR", [["function"]])
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {**dict.fromkeys(counted, "Count"), "Duration": "Milliseconds"}
