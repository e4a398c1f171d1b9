"""CloudWatch Logs: who may write, and what policies must name."""

import threading
import time
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, responses
from ministack.services import cloudwatch_logs, lambda_svc

from tests.sandbox.emulator.identity import role_may
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state

TAGGING = {"logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource"}


@replacing(iam_actions, "extract_resource_arn")
def name_the_streams_of_a_group(
    original: Any, service: str, method: str, path: str, headers: dict[str, str], *rest: Any
) -> Any:
    """Authorize calls on a log group as calls on its streams, as AWS does for all but tags.

    On AWS a policy must name `log-group:NAME:*`; `log-group:NAME` allows nothing. With MiniStack it is the other way
    round, so that the right policy would fail here and the wrong one on AWS.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    arn = original(service, method, path, headers, *rest)
    action = "logs:" + headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if service != "logs" or ":log-group:" not in arn or action in TAGGING:
        return arn
    stream = iam_actions._safe_json_field(rest[0], "logStreamName") or ""
    return f"{arn}:log-stream:{stream}"


@replacing(lambda_svc, "_emit_lambda_logs")
def leave_logs_to_the_function(original: Any, function: dict[str, Any], *rest: Any, **named: Any) -> None:
    """Write a function's log while it runs, with the permissions of its role (see InvocationLog).

    On AWS a role that may not create its log group, or not write to it, leaves no log. MiniStack always writes, once
    the invocation has ended; a missing permission would go unnoticed until the log is needed.
    """
    if not str(function["config"].get("Runtime")).startswith("python"):
        original(function, *rest, **named)


@replacing(cloudwatch_logs, "_filter_log_events", "_get_log_events", "_describe_log_streams")
def read_what_is_written(original: Any, request: Any) -> Any:
    """Copy what running functions have written before somebody reads it."""
    with _lock:
        running = list(_running)
    for log in running:
        log.copy()
    return original(request)


class InvocationLog:
    """The log of one invocation, copied to CloudWatch when somebody reads there, and when the invocation ends."""

    def __init__(self, config: dict[str, Any], request_id: str, file: Path, stream: str) -> None:
        self._config, self._request_id, self._file, self._stream = config, request_id, file, stream
        self._offset, self._began = file.stat().st_size, time.monotonic()
        self._scope = responses.get_account_id(), responses.get_region()
        self._group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        self._lock, self._over = threading.Lock(), state.over
        self._may_create = self._may("logs:CreateLogGroup")
        self._may_write = self._may("logs:CreateLogStream") and self._may("logs:PutLogEvents")

    def __enter__(self) -> "InvocationLog":
        self._write([f"START RequestId: {self._request_id} Version: $LATEST"])
        with _lock:
            _running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _running.remove(self)

    def copy(self) -> None:
        """Copy the lines that were written since the last time."""
        with self._lock, self._file.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._offset += len(whole) + len(newline)
            self._write(whole.decode(errors="replace").splitlines())

    def end(self, *last: str, memory_mb: int) -> None:
        """Copy the rest, and write what AWS writes when an invocation has ended."""
        self.copy()
        spent = f"{(time.monotonic() - self._began) * 1000:.2f} ms"
        report = (
            f"REPORT RequestId: {self._request_id}\tDuration: {spent}\tBilled Duration: {spent}\t"
            f"Memory Size: {self._config.get('MemorySize', 128)} MB\tMax Memory Used: {memory_mb} MB"
        )
        self._write([*last, f"END RequestId: {self._request_id}", report])

    def _may(self, action: str) -> bool:
        account, region = self._scope
        resource = f"arn:aws:logs:{region}:{account}:log-group:{self._group}:log-stream:any"
        return role_may(self._config["Role"], action, resource)

    def _write(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        with responses.request_scope(*self._scope):
            groups = cloudwatch_logs._log_groups
            missing = self._group not in groups
            if self._over.is_set() or not lines or not self._may_write or (missing and not self._may_create):
                return
            if missing:
                cloudwatch_logs._create_log_group({"logGroupName": self._group})
            if self._stream not in groups[self._group]["streams"]:
                cloudwatch_logs._create_log_stream({"logGroupName": self._group, "logStreamName": self._stream})
            events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
            cloudwatch_logs._append_log_events(groups[self._group]["streams"][self._stream], events)


_running: list[InvocationLog] = []
_lock = threading.Lock()
