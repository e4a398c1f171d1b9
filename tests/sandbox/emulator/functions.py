"""Repairs of Lambda functions: how they are run, kept, replaced and logged."""

import hashlib
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator import patching
from tests.sandbox.emulator.control import verb
from tests.sandbox.emulator.logs import InvocationLog
from tests.sandbox.emulator.state import state
from tests.sandbox.lambda_runtime import LambdaRuntime

# What a function may see of the emulator's own environment: where the local AWS is and whom to trust.
PASSED_ON = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

_packages: dict[str, Path] = {}
_packages_lock = threading.Lock()


def repair() -> None:
    """Apply the repairs of this module."""
    run_python_functions_with_the_runtime_of_aws()
    invalidate_only_idle_workers_of_the_account()
    end_the_processes_of_deleted_functions()
    keep_few_environments_warm()


def run_python_functions_with_the_runtime_of_aws() -> None:
    """Run a package with AWS's own runtime client, in an environment of its own, within a memory limit.

    MiniStack runs it inside its own virtual environment and with its own environment variables: a package without
    `requests` works, and secrets of the developer leak in. Here `awslambdaric` of .venv-lambda runs the package.
    """

    def worker_class_for(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda config: PythonWorker if _is_python(config) else original(config)

    def execute(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(function: Any, event: Any, request_id: str) -> Any:
            config = function.get("config") or function
            # The path for provided runtimes hands on the error as the runtime reported it.
            run = lambda_svc._execute_function_provided_warm if _is_python(config) else original
            return run(function, event, request_id)

        return execute

    patching.replace(lambda_runtime, "_worker_class_for", worker_class_for)
    patching.replace(lambda_svc, "_execute_function_warm", execute)


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
    """Return the credentials of the function's role, its own variables, and the way to the local AWS."""
    logging = config.get("LoggingConfig") or {}
    variables = (config.get("Environment") or {}).get("Variables") or {}
    return {
        **lambda_runtime.execution_credentials(config),
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", ""),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        **{name: os.environ[name] for name in PASSED_ON},
        **state.function_environment,
        **{name: str(value) for name, value in variables.items()},
    }


def _is_python(config: dict[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


def invalidate_only_idle_workers_of_the_account() -> None:
    """Touch no other account's functions, and no running invocation.

    On AWS a function is known by account, Region and name, and an invocation that runs while its function is
    changed or deleted runs to its end.
    MiniStack kills the processes of every function of that name, in all accounts and in mid-invocation. The
    template has a fixed function name, so the stacks of an organization would kill each other's functions; and a
    launch that is cancelled deletes the function while Create still runs, which is a race it must survive.
    """

    def invalidate(_original: Callable[..., None]) -> Callable[..., None]:
        def invalidate(
            func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
        ) -> None:
            scope = (account or responses.get_account_id(), region or responses.get_region(), func_name)
            with lambda_runtime._lock:
                keys = [key for key in lambda_runtime._workers if _is_of(key, scope, qualifier)]
                workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
                for worker in workers:
                    worker.doomed = worker.in_use
            lambda_runtime.kill_workers([worker for worker in workers if not worker.doomed])

        return invalidate

    def release(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def release(worker: Any) -> None:
            original(worker)
            if getattr(worker, "doomed", False):
                lambda_runtime.kill_workers([worker])

        return release

    patching.replace(lambda_runtime, "invalidate_worker", invalidate)
    patching.replace(lambda_runtime, "release_worker", release)


def _is_of(key: str, scope: tuple[str, str, str], qualifier: str | None) -> bool:
    account, region, name, key_qualifier = key.split(":", 3)
    return (account, region, name) == scope and qualifier in {None, key_qualifier}


def end_the_processes_of_deleted_functions() -> None:
    """End the execution environments of a function that is gone.

    MiniStack keeps the processes of functions that CloudFormation deleted until it exits itself: a hundred accounts
    would leave a hundred processes behind.
    """

    def delete(original: Callable[..., None]) -> Callable[..., None]:
        def delete(physical_id: str, properties: Any) -> None:
            original(physical_id, properties)
            lambda_runtime.invalidate_worker(physical_id)

        return delete

    patching.replace(provisioners, "_lambda_delete", delete)


def keep_few_environments_warm() -> None:
    """End the environments that have been idle for the longest time when there are many.

    AWS ends them after some minutes, too. MiniStack keeps one process for each function of each account until it
    exits, which hundreds of accounts would turn into gigabytes.
    """

    def release(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def release(worker: Any) -> None:
            original(worker)
            lambda_runtime.kill_workers(_surplus())

        return release

    patching.replace(lambda_runtime, "release_worker", release)


def _surplus() -> list[Any]:
    """Take the environments that are too many out of the pool."""
    with lambda_runtime._lock:
        pools = lambda_runtime._workers
        idle = [(worker.last_used, key, worker) for key in pools for worker in pools[key] if not worker.in_use]
        surplus = sorted(idle, key=lambda each: each[0])[: max(0, len(idle) - state.kept_warm)]
        for _, key, worker in surplus:
            pools[key].remove(worker)
        return [worker for _, _, worker in surplus]


@verb
def keep_warm(request: dict[str, Any]) -> None:
    """Keep so many idle environments at most."""
    state.kept_warm = request["count"]
