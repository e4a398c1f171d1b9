"""The report: what fits where CloudFormation shows it, whatever became of the Regions."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections import __version__
from registry_connections.core.model import UNSUCCESSFUL, Outcome, OutcomeKind, RegionFailurePolicy
from registry_connections.core.report import (
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


def report(*outcomes: tuple[str, OutcomeKind], message: str = CAUSE, cause: str = "") -> Report:
    concerned = UNSUCCESSFUL | {K.LEFT, K.SKIPPED}
    found = [Outcome(region, kind, message=message if kind in concerned else "") for region, kind in outcomes]
    return Report(tuple(sorted(found)), cause, "us-1")


outcomes = st.builds(
    Outcome,
    region=st.sampled_from(REGIONS),
    kind=st.sampled_from(OutcomeKind),
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


ALL = [("c", K.NOT_ATTEMPTED), ("b", K.FAILED), ("a", K.LEFT)]


@pytest.mark.parametrize(
    ("outcomes", "message", "cause", "told"),
    [
        (ALL, CAUSE, "", f"1 Region failed. b: {CAUSE}. Left in Falcon: a. Not attempted: c."),
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


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("x" * 168, ". Also: ap-east-1, ap-east-2 and 33 more."),
        ("x" * 169, ". Also: ap-east-1 and 34 more."),
        ("x" * 190, ". Also: 35 Regions."),
        ("x" * 189 + ".", " Also: 35 Regions."),
        ("x" * 191, ""),
    ],
)
def test_if_every_region_failed_the_reason_keeps_the_cause_and_names_as_many_as_fit(message: str, more: str) -> None:
    told = report(*((region, K.FAILED) for region in REGIONS), message=message)

    assert reason(told) == f"36 Regions failed. af-south-1: {message}{more}"


def test_an_advice_is_added_only_if_there_is_room_beside_the_cause() -> None:
    assert with_room_for("It failed", "Do this.") == "It failed. Do this."
    assert with_room_for("x" * 231, "Do this.") == f"{'x' * 231}"
    assert with_room_for("x" * 230, "Do this.") == f"{'x' * 230}. Do this."
    assert with_room_for("x" * 300) == "x" * 237 + "..."


@given(reports)
def test_law_the_reason_fits_and_names_a_region_that_failed_or_tells_the_cause(told: Report) -> None:
    failed = told.of({K.FAILED}) or told.of({K.NOT_ATTEMPTED})

    assert len(reason(told)) <= 240
    if told.cause:
        assert reason(told).startswith(told.cause[:100])
    elif failed:
        assert f". {failed[0].region}: {failed[0].message[:180]}" in reason(told)
    else:
        assert reason(told).startswith("nothing failed")


ANYWAY, NEVER = (True, True), (False, False)
ONLY_UNDER_REPORT = (False, True)


@pytest.mark.parametrize(
    ("became", "succeeded"),
    [
        ([K.CREATED, K.SKIPPED], ANYWAY),
        ([K.UNCHANGED, K.ADOPTED, K.REFRESHED], ANYWAY),
        ([K.REMOVED, K.LEFT], ANYWAY),
        ([], ANYWAY),
        ([K.CREATED, K.FAILED], ONLY_UNDER_REPORT),
        ([K.CREATED, K.NOT_ATTEMPTED], ONLY_UNDER_REPORT),
        ([K.FAILED, K.SKIPPED], NEVER),
        ([K.NOT_ATTEMPTED, K.LEFT], NEVER),
    ],
)
def test_under_report_one_connected_region_suffices(became: list[K], succeeded: tuple[bool, bool]) -> None:
    told = report(*zip(REGIONS, became, strict=False))
    policies = (RegionFailurePolicy.FAIL, RegionFailurePolicy.REPORT)
    caused = replace(told, cause="The state cannot be written.")  # which concerns no Region: a failure under any

    assert tuple(told.succeeded(policy) for policy in policies) == succeeded
    assert not any(caused.succeeded(policy) for policy in policies)


def test_the_data_name_the_regions_by_what_became_of_them() -> None:
    kinds = {"a": K.FAILED, "b": K.REMOVED, "c": K.UNCHANGED, "d": K.CREATED, "e": K.LEFT, "f": K.SKIPPED}
    told = report(*kinds.items())

    assert data(told) == {
        "ConnectedRegions": "c,d",
        "FailedRegions": "a",
        "SkippedRegions": "b,e,f",
        "ConnectedCount": "2",
        "FailedCount": "1",
        "SkippedCount": "3",
        "FalconCloud": "us-1",
        "Version": __version__,
    }
    # After a failure, what was removed or left was not skipped.
    assert data(replace(told, failure="It failed."))["SkippedRegions"] == "f"


@given(reports)
def test_law_the_data_are_text_never_empty_and_count_what_they_name_as_the_metrics_do(told: Report) -> None:
    shown, counted = data(told), metrics(told, {"milliseconds": 1200, "falcon_calls": 7})

    assert all(isinstance(value, str) and value for value in shown.values())  # an output may not be empty
    assert len(json.dumps(shown).encode()) < 1024  # of the 4 kilobytes that a response may have
    for name in ("Connected", "Failed", "Skipped"):
        named = [] if shown[f"{name}Regions"] == "none" else shown[f"{name}Regions"].split(",")
        assert len(named) == int(shown[f"{name}Count"]) == counted[f"{name}Count"]
    assert (counted["Duration"], counted["FalconCalls"]) == (1200, 7)


BARE = Outcome("ap-south-1", K.SKIPPED)
FULL = Outcome("eu-west-1", K.FAILED, "an-id", "It failed.", 400, "a-trace", 12)
ROW: dict[str, object] = {"region": "eu-west-1", "outcome": "failed", "connection": "an-id", "message": "It failed."}
ROW |= {"status": 400, "trace_id": "a-trace", "milliseconds": 12}


def test_a_log_record_has_nothing_empty_and_an_action_has_null_for_what_does_not_apply() -> None:
    told, bare = Report((BARE, FULL)), {"region": "ap-south-1", "outcome": "skipped"}

    assert records(told) == [bare, ROW]
    assert action_result("reconcile", told)["regions"] == [{**dict.fromkeys(ROW), **bare}, ROW]


@pytest.mark.parametrize(
    ("failure", "note", "message"),
    [("", "", None), ("", "another run is at work", "another run is at work"), ("It failed.", "", "It failed.")],
)
def test_an_action_is_ok_unless_it_counts_as_a_failure(failure: str, note: str, message: str | None) -> None:
    shown = action_result("reconcile", Report(cloud="us-1", failure=failure, note=note))

    assert (shown.pop("ok"), shown.pop("message")) == (not failure, message)
    assert shown == {"action": "reconcile", "version": __version__, "cloud": "us-1", "regions": []}
    assert action_result("reconcile", Report())["cloud"] is None


def test_cloudwatch_is_told_the_name_and_unit_of_each_metric() -> None:
    counted = metrics(Report(), {"milliseconds": 1, "falcon_calls": 1})
    shown = embedded(counted, 1_790_000_000.5)["_aws"]
    units = {**dict.fromkeys(counted, "Count"), "Duration": "Milliseconds"}
    named = [{"Name": name, "Unit": unit} for name, unit in units.items()]

    assert shown["Timestamp"] == 1_790_000_000_500
    assert shown["CloudWatchMetrics"] == [{"Namespace": "FalconECR", "Dimensions": [["function"]], "Metrics": named}]
