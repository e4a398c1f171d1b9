"""The log: one JSON object a line, and nothing of the libraries below a warning."""

import logging

import pytest

from registry_connections import logs
from registry_connections.core.model import Outcome, OutcomeKind
from registry_connections.core.report import Report
from tests.registry_connections.conftest import Lines

MEASURED = {"milliseconds": 12, "falcon_calls": 3}
OUTCOMES = (Outcome("eu-west-1", OutcomeKind.CREATED, "id-1"), Outcome("us-east-1", OutcomeKind.FAILED, message="No."))


def test_a_line_has_time_level_text_and_fields(logged: Lines) -> None:
    logs.set_up("INFO")
    logs.set_up("INFO")
    logs.log(logging.WARNING, "two\nlines", request_id="r-1")
    (line,) = logged()

    assert str(line.pop("timestamp")).endswith("+00:00")
    assert line == {"level": "WARNING", "text": "two\nlines", "request_id": "r-1"}
    assert logs.logger.propagate is False


@pytest.mark.parametrize(
    ("asked", "level"),
    [*((level, level) for level in ("INFO", "WARNING", "ERROR")), *((it, "INFO") for it in ("DEBUG", "nonsense", ""))],
)
@pytest.mark.usefixtures("logged")
def test_no_level_that_is_asked_for_makes_us_or_a_library_log_details(asked: str, level: str) -> None:
    for name in (*logs.LIBRARIES, "crhelper"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logs.set_up(asked)

    assert logging.getLevelName(logs.logger.level) == level
    inner = ("botocore.parsers", "botocore.endpoint", "urllib3.connectionpool", "boto3.resources", "requests.sessions")
    assert not any(logging.getLogger(name).isEnabledFor(logging.INFO) for name in (*logs.LIBRARIES, *inner))
    assert not logging.getLogger("crhelper.resource_helper").isEnabledFor(logging.ERROR)


def test_a_report_is_one_line_for_each_region_and_one_for_the_whole(logged: Lines) -> None:
    logs.set_up("INFO")
    logs.log_report(Report(OUTCOMES, failure="It failed."), {"action": "Create"}, MEASURED, None)
    created, failed, whole = logged()

    assert (created["level"], created["region"], created["outcome"]) == ("INFO", "eu-west-1", "created")
    assert (failed["level"], failed["region"], failed["message"]) == ("ERROR", "us-east-1", "No.")
    assert (whole["level"], whole["text"]) == ("ERROR", "It failed.")
    assert (whole["ConnectedCount"], whole["FalconCalls"]) == (1, 3)
    assert {line["action"] for line in (created, failed, whole)} == {"Create"}
    assert "_aws" not in whole


@pytest.mark.parametrize(("note", "text"), [("", "done"), ("another run is at work", "another run is at work")])
def test_metrics_are_embedded_where_a_time_is_given(logged: Lines, note: str, text: str) -> None:
    logs.set_up("INFO")
    logs.log_report(Report(note=note), {}, MEASURED, 1_800_000_000.5)
    (whole,) = logged()

    assert (whole["level"], whole["text"]) == ("INFO", text)
    assert whole["_aws"]["Timestamp"] == 1_800_000_000_500
