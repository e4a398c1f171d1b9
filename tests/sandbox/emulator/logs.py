"""Repairs of CloudWatch Logs: who may write, and what policies must name."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import cloudwatch_logs, iam, lambda_svc

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.state import state

TAGGING = {"logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource"}


def repair() -> None:
    """Apply the repairs of this module."""
    name_the_streams_of_a_group()
    write_what_the_role_may_write()


def name_the_streams_of_a_group() -> None:
    """Authorize calls on a log group as calls on its streams, as AWS does for all but tags.

    On AWS a policy must name `log-group:NAME:*`; `log-group:NAME` allows nothing. With MiniStack it is the other
    way round, so that the right policy would fail here and the wrong one on AWS.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """

    def resource(original: Callable[..., str]) -> Callable[..., str]:
        def resource(service: str, method: str, path: str, headers: dict[str, str], *rest: Any) -> str:
            arn = original(service, method, path, headers, *rest)
            action = "logs:" + headers.get("x-amz-target", "").rsplit(".", 1)[-1]
            if service != "logs" or ":log-group:" not in arn or action in TAGGING:
                return arn
            stream = iam_actions._safe_json_field(rest[0], "logStreamName") or ""
            return f"{arn}:log-stream:{stream}"

        return resource

    patching.replace(iam_actions, "extract_resource_arn", resource)


def write_what_the_role_may_write() -> None:
    """Write a function's log while it runs, with the permissions of its role.

    On AWS a role that may not create its log group, or not write to it, leaves no log. MiniStack always writes, once
    the invocation has ended; a missing permission would go unnoticed until the log is needed.
    """

    def emit(original: Callable[..., None]) -> Callable[..., None]:
        def emit(function: dict[str, Any], *rest: Any, **named: Any) -> None:
            if not str(function["config"].get("Runtime")).startswith("python"):
                original(function, *rest, **named)  # a Python function's InvocationLog has written it already

        return emit

    def read(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def read(request: Any) -> Any:
            with _lock:
                running = list(_running)
            for log in running:
                log.copy()
            return original(request)

        return read

    patching.replace(lambda_svc, "_emit_lambda_logs", emit)
    for reader in ("_filter_log_events", "_get_log_events", "_describe_log_streams"):
        patching.replace(cloudwatch_logs, reader, read)


class InvocationLog:
    """The log of one invocation, copied to CloudWatch when somebody reads there, and when the invocation ends."""

    def __init__(self, config: dict[str, Any], request_id: str, file: Path, stream: str) -> None:
        self._config, self._request_id, self._file, self._stream = config, request_id, file, stream
        self._offset, self._began = file.stat().st_size, time.monotonic()
        self._scope = responses.get_account_id(), responses.get_region()
        self._group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        self._lock, self._over = threading.Lock(), state.over
        self._may_create = _may(config["Role"], "logs:CreateLogGroup", self._group)
        self._may_write = all(
            _may(config["Role"], action, self._group) for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        )

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

    def _write(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        with responses.request_scope(*self._scope):
            groups = cloudwatch_logs._log_groups
            if (
                self._over.is_set()
                or not lines
                or not self._may_write
                or (self._group not in groups and not self._may_create)
            ):
                return
            if self._group not in groups:
                cloudwatch_logs._create_log_group({"logGroupName": self._group})
            if self._stream not in groups[self._group]["streams"]:
                cloudwatch_logs._create_log_stream({"logGroupName": self._group, "logStreamName": self._stream})
            events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
            cloudwatch_logs._append_log_events(groups[self._group]["streams"][self._stream], events)


_running: list[InvocationLog] = []
_lock = threading.Lock()


def _may(role_arn: str, action: str, group: str) -> bool:
    account, region, role = responses.get_account_id(), responses.get_region(), role_arn.rsplit("/", 1)[-1]
    request = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:any",
        region=region,
    )
    policies = iam_evaluator._gather_role_policies(role, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, role, account)
    return bool(iam_evaluator.evaluate(request, policies, *limits).decision == "Allow")
