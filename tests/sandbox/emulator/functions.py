"""Lambda functions: how they are run, kept, replaced and logged."""

import hashlib
import os
import tempfile
import threading
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.logs import InvocationLog
from tests.sandbox.emulator.patching import replacing
from tests.sandbox.emulator.state import state
from tests.sandbox.lambda_runtime import LambdaRuntime

# Idle processes that are kept: a few dozen megabytes each, one for every account of an organization.
KEPT_WARM = 64

_packages: dict[str, Path] = {}
_packages_lock = threading.Lock()


@replacing(lambda_runtime, "_worker_class_for")
def run_python_with_the_runtime_of_aws(original: Any, config: Any) -> Any:
    """Run a package with AWS's own runtime client, in an environment of its own, within its memory.

    MiniStack runs it inside its own virtual environment and with its own environment variables: a package without
    `requests` works, and secrets of the developer leak in. Here `awslambdaric` of .venv-lambda runs the package.
    """
    return PythonWorker if is_python(config) else original(config)


@replacing(lambda_svc, "_execute_function_warm")
def hand_on_errors_as_reported(original: Any, function: Any, event: Any, request_id: str) -> Any:
    """Return an error of the function as its runtime reported it, for which MiniStack has another path."""
    run = lambda_svc._execute_function_provided_warm if is_python(function.get("config") or function) else original
    return run(function, event, request_id)


class PythonWorker(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment as MiniStack's pool knows it, run by LambdaRuntime."""

    doomed = False  # its function changed or is gone: not to be used again

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._runtime = LambdaRuntime(
            unpacked(code_zip),
            config["Handler"],
            environment=function_environment(config),
            timeout_seconds=float(config.get("Timeout", 3)),
            memory_mb=int(config.get("MemorySize", 128)),
            function_arn=config["FunctionArn"],
            processor_share=True,
        )

    def invoke(self, event: Any, request_id: str, *, trace_id: str | None = None, **_: Any) -> dict[str, Any]:
        """Run one invocation and answer as MiniStack's workers do."""
        runtime = self._runtime
        with self._lock, InvocationLog(self.config, request_id, runtime.log_file, runtime.log_stream) as log:
            invocation = runtime.invoke(event, request_id=request_id, trace_id=trace_id)
            payload = invocation.payload
            if invocation.status == "response":
                log.end(memory_mb=runtime.peak_memory_mb)
                return {"status": "ok", "result": payload, "cold_start": invocation.cold}
            payload = payload if isinstance(payload, dict) else {"errorMessage": payload}
            message = str(payload.get("errorMessage"))
            logged_by_aws = str(payload.get("errorType")).startswith(("Runtime.", "Sandbox."))
            log.end(*[message] * logged_by_aws, memory_mb=runtime.peak_memory_mb)
        return {"status": "error", "error": message, "error_payload": payload, "cold_start": invocation.cold}

    def _spawn(self) -> None:
        """Nothing: the first invocation starts the process."""

    def _discard_tmpdir(self) -> None:
        self._runtime.close()


def is_python(config: dict[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


def unpacked(package: bytes) -> Path:
    """Unpack a package once, however many accounts run it."""
    digest = hashlib.sha256(package).hexdigest()
    with _packages_lock:
        if digest not in _packages:
            directory = Path(tempfile.mkdtemp(prefix="package-"))
            with zipfile.ZipFile(BytesIO(package)) as archive:
                archive.extractall(directory)
            _packages[digest] = directory
        return _packages[digest]


def function_environment(config: dict[str, Any]) -> dict[str, str]:
    """Return the credentials of the function's role, its own variables, and the way to the local AWS.

    The function trusts our authority beside the public ones, so that its trust store takes as long to load as the
    real one.
    """
    logging = config.get("LoggingConfig") or {}
    in_json = logging.get("LogFormat") == "JSON"
    variables = (config.get("Environment") or {}).get("Variables") or {}
    return {
        **lambda_runtime.execution_credentials(config),
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        **({"AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", "INFO")} if in_json else {}),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        **dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), os.environ["SANDBOX_CA_BUNDLE"]),
        **state.function_environment,
        **{name: str(value) for name, value in variables.items()},
    }


@replacing(lambda_runtime, "invalidate_worker")
def end_idle_workers_of_the_account(
    _original: Any, func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
) -> None:
    """Touch no other account's functions, and no running invocation.

    On AWS a function is known by account, Region and name, and an invocation that runs while its function is changed
    or deleted runs to its end. MiniStack kills the processes of every function of that name, in all accounts and in
    mid-invocation: the stacks of an organization, whose functions share a name, would kill each other's; and a launch
    that is cancelled deletes the function while Create still runs, which is a race it must survive.
    """
    scope = [account or responses.get_account_id(), region or responses.get_region(), func_name]
    with lambda_runtime._lock:
        keys = [
            key
            for key in lambda_runtime._workers
            if key.split(":", 3)[:3] == scope and qualifier in {None, key.split(":", 3)[3]}
        ]
        workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
        for worker in workers:
            worker.doomed = worker.in_use
    lambda_runtime.kill_workers([worker for worker in workers if not worker.doomed])


@replacing(lambda_runtime, "release_worker")
def end_workers_that_are_done(original: Any, worker: Any) -> None:
    """End an environment whose function has changed meanwhile, and the longest idle when there are many.

    MiniStack keeps one process for each function of each account until it exits, gigabytes with hundreds of accounts.
    """
    original(worker)
    with lambda_runtime._lock:
        pools = lambda_runtime._workers
        idle = [(each.last_used, key, each) for key in pools for each in pools[key] if not each.in_use]
        surplus = sorted(idle, key=lambda each: each[0])[: max(0, len(idle) - KEPT_WARM)]
        for _, key, each in surplus:
            pools[key].remove(each)
    lambda_runtime.kill_workers([each for _, _, each in surplus] + [worker] * getattr(worker, "doomed", False))


@replacing(lambda_svc, "_update_config")
def start_anew_with_another_configuration(original: Any, name: str, request: dict[str, Any]) -> Any:
    """Run no invocation in an environment with the old configuration; MiniStack keeps it."""
    answer = original(name, request)
    lambda_runtime.invalidate_worker(name)
    return answer


@replacing(provisioners, "_lambda_delete")
def end_the_processes_of_a_deleted_function(original: Any, physical_id: str, properties: Any) -> None:
    """MiniStack keeps them until it exits itself."""
    original(physical_id, properties)
    lambda_runtime.invalidate_worker(physical_id)
