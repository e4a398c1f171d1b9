"""The log: one JSON object a line on standard output. Nothing else in this package logs."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry_connections.report import Report, data, embedded, metrics, records

log = logging.getLogger("registry_connections")


def set_up(level: str) -> None:
    """Write our own lines to standard output, apart from what libraries log."""
    if not log.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonLines())
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(level if level in {"INFO", "WARNING", "ERROR"} else "INFO")


def tell(level: int, text: str, **fields: Any) -> None:
    """Log a text and its fields, none of which may be a secret."""
    log.log(level, text, extra={"fields": fields})


def tell_report(
    report: Report, about: Mapping[str, Any], figures: Mapping[str, int], published_at: float | None
) -> None:
    """Log one line for each Region and one for the whole.

    `figures` are those of `report.metrics`; with `published_at`, a time in seconds since the epoch, CloudWatch takes
    metrics from the last line.
    """
    for record in records(report):
        failed = record["outcome"] == "failed"
        tell(logging.ERROR if failed else logging.INFO, "region", **about, **record)
    counts = metrics(report, figures)
    published = {} if published_at is None else embedded(counts, published_at)
    level = logging.ERROR if report.failure else logging.INFO
    tell(level, report.failure or "done", **{**about, **data(report), **counts, **published})


class JsonLines(logging.Formatter):
    """Formats a record as its time, level and text, and the `fields` that came with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "text": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line)
