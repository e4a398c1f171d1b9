"""Lambda functions: how they are run, kept and replaced, and where their code comes from."""

import hashlib
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime, responses
from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.control import state
from tests.sandbox.emulator.identity import request_of
from tests.sandbox.emulator.patching import replace, replacing
from tests.sandbox.lambda_runtime import LambdaRuntime

REFUSED = "Error occurred while GetObject. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"

_packages_lock = threading.Lock()


# Running


@replacing(lambda_runtime, "_worker_class_for")
def run_python_with_the_runtime_of_aws(*_: Any) -> type["PythonWorker"]:
    """Run a package with AWS's own runtime client, in an environment of its own, within its memory.

    MiniStack runs it inside its own virtual environment and with its own environment variables: a package without
    `requests` works, and secrets of the developer leak in.
    """
    return PythonWorker


# An error of a function is handed on as its runtime reported it; MiniStack does so for other runtimes.
replace(lambda_svc, "_execute_function_warm", lambda_svc._execute_function_provided_warm)


class PythonWorker(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment as MiniStack's pool knows it, run by LambdaRuntime."""

    doomed = False  # its function changed or is gone: not to be used again

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._runtime = LambdaRuntime(
            package_of(code_zip),
            config["Handler"],
            environment=function_environment(config),
            timeout_seconds=float(config.get("Timeout", 3)),
            memory_mb=int(config.get("MemorySize", 128)),
            function_arn=config["FunctionArn"],
            processor_share=True,
        )

    def invoke(self, event: Any, request_id: str, **_: Any) -> dict[str, Any]:
        """Run one invocation and answer as MiniStack's workers do."""
        with self._lock:
            done = self._runtime.invoke(event, request_id=request_id)
            if self.doomed:
                self._runtime.close()
        lines = list(done.logs)
        if done.status != "response" and done.payload["errorType"].startswith(("Runtime.", "Sandbox.")):
            lines.append(done.payload["errorMessage"])  # what AWS says, and the function could not
        log = "\n".join(lines)
        if done.status == "response":
            return {"status": "ok", "result": done.payload, "log": log}
        return {"status": "error", "error_payload": done.payload, "log": log}

    def _spawn(self) -> None:
        """Nothing: the first invocation starts the process."""

    def _discard_tmpdir(self) -> None:
        self._runtime.close()


def package_of(code: bytes) -> Path:
    """Return a file with the package, one however many accounts run it."""
    path = Path(tempfile.gettempdir(), f"{hashlib.sha256(code).hexdigest()}.zip")
    with _packages_lock:
        if not path.exists():
            path.write_bytes(code)
    return path


def function_environment(config: dict[str, Any]) -> dict[str, str]:
    """Return the credentials of the function's role, its own variables, and the way to the local AWS.

    The function trusts our authority beside the public ones: its trust store takes as long to load as the real one.
    """
    logging = {"LogFormat": "Text", "ApplicationLogLevel": "INFO"} | (config.get("LoggingConfig") or {})
    in_json = {"AWS_LAMBDA_LOG_LEVEL": logging["ApplicationLogLevel"]} if logging["LogFormat"] == "JSON" else {}
    variables = (config.get("Environment") or {}).get("Variables") or {}
    return {
        **lambda_runtime.execution_credentials(config),
        **in_json,
        "AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        **dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), os.environ["SANDBOX_CA_BUNDLE"]),
        **state.function_environment,
        **{name: str(value) for name, value in variables.items()},
    }


# Replacing


@replacing(lambda_runtime, "invalidate_worker")
def end_idle_workers_of_the_account(
    _original: Any, func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
) -> None:
    """Touch no other account's functions, and no running invocation, which on AWS runs to its end.

    MiniStack kills the processes of every function of that name: the stacks of an organization would kill each
    other's functions, and a deletion would end what the function does after its answer.
    """
    scope = [account or responses.get_account_id(), region or responses.get_region(), func_name]
    with lambda_runtime._lock:
        pools = lambda_runtime._workers
        keys = [key for key in pools if key.split(":", 3)[:3] == scope and qualifier in {None, key.split(":", 3)[3]}]
        workers = [worker for key in keys for worker in pools.pop(key)]
        for worker in workers:
            worker.doomed = worker.in_use
    lambda_runtime.kill_workers([worker for worker in workers if not worker.doomed])


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


# Code


@replacing(lambda_svc, "_fetch_code_from_s3")
def fail_without_code(_original: Any, bucket: str, key: str, version_id: str | None = None) -> bytes:
    """Read the package from any bucket that lets the caller in, and fail when it cannot be read.

    MiniStack reads only buckets of the same account, and makes a function without code when it finds none, which is
    a silent mock: a wrong key shows up as a custom resource that times out. Organizations share one bucket.
    """
    account = responses.get_account_id()
    owner = next((account for account, name in s3._buckets.to_dict() if name == bucket), None)
    code: bytes | None = None
    if owner and (owner == account or _lets_in(owner, account, bucket, key)):
        with responses.request_scope(owner, responses.get_region()):
            code = s3._get_object_data(bucket, key, version_id=version_id)
    if code is None:
        raise ValueError(REFUSED)
    return code


def _lets_in(owner: str, account: str, bucket: str, key: str) -> bool:
    """Whether the bucket's policy lets the other account read the object; Lambda reads over TLS."""
    caller, resource = iam_evaluator.caller_arn(), f"arn:aws:s3:::{bucket}/{key}"
    request = request_of("Root", caller, account, "s3:GetObject", resource, secure_transport=True)
    policy: Any = s3._bucket_policies.get_scoped(owner, None, bucket)
    return bool(iam_evaluator.evaluate_resource_policy(policy, request).decision == "Allow")
