"""CloudWatch Logs: a function's log, written while it runs, with the permissions of its role.

On AWS a role that may not create its log group, or not write to it, leaves no log. MiniStack always writes, once the
invocation has ended; a missing permission would go unnoticed until the log is needed.
"""

import threading
import time
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch_logs, lambda_svc

from tests.sandbox.emulator.identity import role_may
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state
from tests.sandbox.lambda_runtime import LambdaRuntime


@replacing(lambda_svc, "_emit_lambda_logs")
def leave_logs_to_the_function(original: Any, function: dict[str, Any], *rest: Any, **named: Any) -> None:
    """Write nothing in the end: InvocationLog has written already."""
    if not str(function["config"].get("Runtime")).startswith("python"):
        original(function, *rest, **named)


@replacing(cloudwatch_logs, "_filter_log_events", "_get_log_events", "_describe_log_streams")
def read_what_is_written(original: Any, request: Any) -> Any:
    """Copy what running functions have written before somebody reads it."""
    for log in _running:
        log.copy()
    return original(request)


class InvocationLog:
    """The log of one invocation, copied to CloudWatch when somebody reads there, and when the invocation ends."""

    def __init__(self, config: dict[str, Any], request_id: str, runtime: LambdaRuntime) -> None:
        self._request_id, self._file, self._stream = request_id, runtime.log_file, runtime.log_stream
        self._offset = self._file.stat().st_size
        self._scope = account, region = responses.get_account_id(), responses.get_region()
        self._group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        self._lock, self._over = threading.Lock(), state.over
        stream = f"arn:aws:logs:{region}:{account}:log-group:{self._group}:log-stream:any"
        actions = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
        self._may_create, *may_write = (role_may(config["Role"], action, stream) for action in actions)
        self._may_write = all(may_write)

    def __enter__(self) -> "InvocationLog":
        self._write([f"START RequestId: {self._request_id} Version: $LATEST"])
        _running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _running.remove(self)

    def copy(self) -> None:
        """Copy the lines that were written since the last time."""
        with self._lock, self._file.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._offset += len(whole) + len(newline)
            self._write(whole.decode(errors="replace").splitlines())

    def end(self, *last: str) -> None:
        """Copy the rest, and write what AWS writes when an invocation has ended."""
        self.copy()
        self._write([*last, f"END RequestId: {self._request_id}"])

    def _write(self, lines: list[str]) -> None:
        now, groups = int(time.time() * 1000), cloudwatch_logs._log_groups
        with responses.request_scope(*self._scope):
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
