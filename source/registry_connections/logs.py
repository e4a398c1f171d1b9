"""The log: one JSON object a line on standard output. Nothing else in this package logs.

Lambda takes `level` and an RFC 3339 `timestamp` from a JSON line (AWS Lambda developer guide, log levels).
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from registry_connections.core.report import Report, data, embedded, metrics, records

LIBRARIES: Final = ("boto3", "botocore", "urllib3", "requests", "s3transfer")
"""What these log below a warning may hold secrets, tokens and pre-signed URLs."""

logger = logging.getLogger("registry_connections")


def set_up(level: str) -> None:
    """Write our own lines to standard output, and cap what libraries log, whatever level Lambda was set to."""
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level if level in {"INFO", "WARNING", "ERROR"} else "INFO")
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("crhelper").setLevel(logging.CRITICAL)  # it logs tracebacks of what we log in one line


def log(level: int, text: str, **fields: Any) -> None:
    """Log a text and its fields, none of which may be a secret."""
    logger.log(level, text, extra={"fields": fields})


def log_report(
    report: Report, about: Mapping[str, Any], measured: Mapping[str, int], published_at: float | None
) -> None:
    """Log one line for each Region and one for the whole.

    `measured` are the figures of `report.metrics`; with `published_at`, a time in seconds since the epoch,
    CloudWatch takes metrics from the last line.
    """
    for record in records(report):
        failed = record["outcome"] == "failed"
        log(logging.ERROR if failed else logging.INFO, "region", **about, **record)
    counts = metrics(report, measured)
    published = {} if published_at is None else embedded(counts, published_at)
    level = logging.ERROR if report.failure else logging.INFO
    log(level, report.failure or report.note or "done", **{**about, **data(report), **counts, **published})


class JsonLines(logging.Formatter):
    """Formats a record as its time, level and text, and the `fields` that came with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "text": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)
