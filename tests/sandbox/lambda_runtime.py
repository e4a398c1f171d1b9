"""A deployment package, run as AWS Lambda runs it: by AWS's own runtime client, with nothing else to lean on.

    with LambdaRuntime(Path("build/lambda_function.zip"), "module.lambda_handler", environment={...}) as function:
        invocation = function.invoke({"action": "plan"}, remaining_seconds=60)
        assert invocation.status == "response"

The process sees the package, what .venv-lambda holds (boto3 and the runtime client) and the environment that is
named here. A dependency that is missing from the package fails as it would on AWS.
"""

import atexit
import functools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from tests.sandbox import processor_share as share
from tests.sandbox.runtime_api import RuntimeApi, Signal

PROJECT = Path(__file__).resolve().parents[2]
RUNTIME_PYTHON = PROJECT / ".venv-lambda" / "bin" / "python"
BOOTSTRAP = Path(__file__).with_name("lambda_bootstrap.py")

INIT_SECONDS = 10.0  # AWS's own limit of the init phase
POLL_SECONDS = 0.02  # how soon a process that died is noticed


@dataclass(frozen=True)
class Invocation:
    """What came of one invocation."""

    status: Literal["response", "error", "timeout"]
    payload: Any
    seconds: float
    cold: bool
    logs: list[str] = field(repr=False)


class LambdaRuntime:
    """One execution environment: started by the first invocation, kept warm, started anew after it was lost."""

    def __init__(
        self,
        package: Path,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
        memory_mb: int = 256,
        function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:function",
        processor_share: bool = False,
    ) -> None:
        """Prepare to run `package`, a zip.

        With `processor_share` the function has, once it is initialized, as much of a processor as its memory entitles
        it to on Lambda, where this machine can do that.
        """
        if not RUNTIME_PYTHON.exists():
            raise FileNotFoundError(f"{RUNTIME_PYTHON} is missing: `make dev` makes it")
        self._handler, self._timeout_seconds, self._memory_mb = handler, timeout_seconds, memory_mb
        self._function_arn = function_arn
        self._directory = Path(tempfile.mkdtemp(prefix="lambda-"))
        self._task_root = unpacked(package, package.stat().st_mtime_ns)
        self._environment = dict(environment or {})
        self._log_file = self._directory / "log"
        self._log_file.touch()
        self._lines_read = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._api: RuntimeApi | None = None
        self._lifeline = -1
        self._has_share = processor_share
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def logs(self) -> list[str]:
        """Every line that the function wrote so far, of all invocations."""
        return self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    def invoke(self, event: Any, *, remaining_seconds: float | None = None, request_id: str = "") -> Invocation:
        """Invoke the function and wait for its end, its death or its deadline, whichever comes first."""
        with self._lock:  # an environment does one thing at a time
            return self._invoke(event, remaining_seconds or self._timeout_seconds, request_id or str(uuid.uuid4()))

    def _invoke(self, event: Any, limit: float, request_id: str) -> Invocation:
        cold = self._process is None or self._process.poll() is not None
        if cold and (failure := self._start()):
            self.stop()
            return Invocation("error", failure, 0.0, cold, self._new_lines())
        started = time.monotonic()
        assert self._api
        self._api.offer(request_id, json.dumps(event).encode(), time.time() + limit, self._function_arn)
        signal = self._next_signal(request_id, started, limit)
        while signal.kind == "ready":  # the poll for this event, after the one before
            signal = self._next_signal(request_id, started, limit)
        if signal.kind == "timeout" or (self._process and self._process.poll() is not None):
            self.stop()
        return Invocation(signal.kind, signal.payload, time.monotonic() - started, cold, self._new_lines())

    def stop(self) -> None:
        """Kill the process; the next invocation starts cold."""
        process, api, self._process, self._api = self._process, self._api, None, None
        if process:
            process.kill()
            process.wait()
            os.close(self._lifeline)
            share.release()
        if api:
            api.stop()

    def close(self) -> None:
        """Kill the process and remove its files."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> Any:
        """Start the process; return None once it polls for events, else the error as AWS words it."""
        self.stop()
        self._api = RuntimeApi().start()
        lifeline, self._lifeline = os.pipe()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [RUNTIME_PYTHON, "-s", BOOTSTRAP, self._handler, str(self._memory_mb), str(lifeline)],
                cwd=self._task_root,
                env=self._process_environment(self._api.address),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lifeline],
            )
        os.close(lifeline)
        # AWS tries init a second time, within the time of the invocation.
        signal = self._next_signal("init", time.monotonic(), INIT_SECONDS + self._timeout_seconds)
        if signal.kind != "ready":
            return signal.payload
        if self._has_share:
            share.limit(self._process.pid, self._memory_mb)  # the init phase has a whole processor
        return None

    def _next_signal(self, request_id: str, started: float, limit: float) -> Signal:
        """Return what the process says next, or, as AWS words it, that it died or that its time is up."""
        assert self._api
        assert self._process
        while True:
            dead = self._process.poll() is not None  # asked first: a process may answer and die
            left = started + limit - time.monotonic()
            try:
                return self._api.signals.get(timeout=max(0.0, min(POLL_SECONDS, left)))
            except queue.Empty:
                if dead:
                    code = self._process.returncode
                    how = f"exit status {code}" if code >= 0 else "signal: killed"
                    return _failed("error", "Runtime.ExitError", request_id, f"Error: Runtime exited with error: {how}")
                if left <= 0:
                    text = f"Error: Task timed out after {limit:.2f} seconds"
                    return _failed("timeout", "Sandbox.Timedout", request_id, text)

    def _new_lines(self) -> list[str]:
        lines = self.logs[self._lines_read :]
        self._lines_read += len(lines)
        return lines

    def _process_environment(self, api_address: str) -> dict[str, str]:
        """Return what AWS sets, then what the function was given; nothing of ours."""
        region, name = self._function_arn.split(":")[3], self._function_arn.split(":")[6]
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._directory),  # not a home with somebody's AWS configuration
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{uuid.uuid4().hex}",
            "AWS_EC2_METADATA_DISABLED": "true",
            **self._environment,
            "LAMBDA_TASK_ROOT": str(self._task_root),
            "AWS_LAMBDA_RUNTIME_API": api_address,
            "_HANDLER": self._handler,
        }


@functools.cache
def unpacked(package: Path, _changed_ns: int) -> Path:
    """Unpack a package once for all environments of this process, so that its modules are compiled once."""
    directory = Path(tempfile.mkdtemp(prefix="package-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    return directory


def _failed(kind: Literal["error", "timeout"], error_type: str, request_id: str, text: str) -> Signal:
    return Signal(kind, {"errorType": error_type, "errorMessage": f"RequestId: {request_id} {text}"})
