"""The Lambda runtime without AWS, and the function's way out."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.sandbox.egress import Attempt, EgressProxy
from tests.sandbox.lambda_runtime import PROJECT, LambdaRuntime
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.processes import running
from tests.sandbox.samples import invoke, launch, package, upload, wait_for
from tests.tls import Authority


@pytest.fixture
def sample_package(tmp_path: Path) -> Path:
    path = tmp_path / "function.zip"
    path.write_bytes(package())
    return path


@pytest.fixture
def function(sample_package: Path) -> Iterator[LambdaRuntime]:
    with LambdaRuntime(sample_package, "sample.handler", environment={"MINE": "1"}, timeout_seconds=5) as runtime:
        yield runtime


# The Lambda runtime without AWS


def test_the_runtime_runs_the_package_as_aws_does(function: LambdaRuntime) -> None:
    first, second = function.invoke({}, remaining_seconds=3), function.invoke({})

    assert (first.status, first.cold, second.cold) == ("response", True, False)
    assert first.payload["environment"]["MINE"] == "1"
    assert first.payload["environment"]["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert first.payload["directory"] == first.payload["environment"]["LAMBDA_TASK_ROOT"]
    assert 2000 < first.payload["milliseconds"] <= 3000
    assert len(first.logs) == 1
    assert len(function.logs) == 2


def test_a_dependency_that_is_not_in_the_package_is_not_there(function: LambdaRuntime) -> None:
    provided, missing = function.invoke({"import": "boto3"}), function.invoke({"import": "requests"})

    assert provided.status == "response"
    assert (missing.status, missing.payload["errorType"]) == ("error", "ModuleNotFoundError")


def test_an_error_is_reported_as_the_runtime_reports_it(function: LambdaRuntime, sample_package: Path) -> None:
    raised, exited, again = function.invoke({"raise": "no"}), function.invoke({"exit": 3}), function.invoke({})

    assert (raised.status, raised.payload["errorType"], raised.payload["errorMessage"]) == (
        "error",
        "RuntimeError",
        "no",
    )
    assert (exited.status, exited.payload["errorType"]) == ("error", "Runtime.ExitError")
    assert (again.status, again.cold) == ("response", True)
    with LambdaRuntime(sample_package, "absent.handler") as broken:
        assert broken.invoke({}).payload["errorType"] == "Runtime.ImportModuleError"


def test_an_invocation_ends_when_its_time_is_up(function: LambdaRuntime) -> None:
    invocation = function.invoke({"sleep": 5}, remaining_seconds=0.3)

    assert invocation.status == "timeout"
    assert invocation.seconds < 1
    assert "Task timed out after 0.30 seconds" in invocation.payload["errorMessage"]
    assert function.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
def test_memory_is_limited(function: LambdaRuntime) -> None:
    assert function.invoke({"allocate_mb": 100}).status == "response"
    assert function.invoke({"allocate_mb": 400}).payload["errorType"] == "MemoryError"
    assert function.peak_memory_mb > 100


def test_environments_run_side_by_side(sample_package: Path) -> None:
    with LambdaRuntime(sample_package, "sample.handler") as one, LambdaRuntime(sample_package, "sample.handler") as two:
        for runtime in (one, two):
            runtime.invoke({})
        with ThreadPoolExecutor(2) as pool:
            invocations = list(pool.map(lambda runtime: runtime.invoke({"sleep": 1}), (one, two)))

    began = sorted(json.loads(invocation.logs[0])["at"] for invocation in invocations)
    assert began[1] < began[0] + 1


def test_closing_the_runtime_kills_its_process(sample_package: Path) -> None:
    with LambdaRuntime(sample_package, "sample.handler") as runtime:
        runtime.invoke({})
        process = runtime.pid

    assert process
    assert running([process]) == []


def test_the_process_ends_with_its_owner_even_in_the_middle_of_an_invocation(
    sample_package: Path, tmp_path: Path
) -> None:
    owner_code = (
        "import sys, threading, time; from pathlib import Path\n"
        "from tests.sandbox.lambda_runtime import LambdaRuntime\n"
        "runtime = LambdaRuntime(Path(sys.argv[1]), 'sample.handler'); runtime.invoke({})\n"
        "threading.Thread(target=runtime.invoke, args=({'sleep': 20},), daemon=True).start(); time.sleep(0.2)\n"
        "print(runtime.pid, flush=True); time.sleep(20)"
    )
    command, own = [sys.executable, "-c", owner_code, str(sample_package)], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=PROJECT, env=own, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        process = int(owner.stdout.readline())
        owner.kill()

    wait_for(lambda: not running([process]))


# The way out


@pytest.fixture
def simulator(authority: Authority) -> Iterator[int]:
    """Serve one line to whoever comes, as api.crowdstrike.com."""
    context = authority.server_context("api.crowdstrike.com")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with (
                        contextlib.suppress(OSError, ssl.SSLError),
                        context.wrap_socket(client, server_side=True) as tls,
                    ):
                        tls.recv(4096)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nfalcon")

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def test_the_function_reaches_falcon_by_its_real_name_and_nobody_else(
    sample_package: Path, simulator: int, authority: Authority
) -> None:
    trust = {"SSL_CERT_FILE": str(authority.ca_file)}
    with EgressProxy({"api.crowdstrike.com": simulator}) as egress:
        with LambdaRuntime(sample_package, "sample.handler", environment=trust | egress.environment) as function:
            falcon = function.invoke({"get": "https://api.crowdstrike.com/anything"})
            other = function.invoke({"get": "https://example.com/"})
            plain = function.invoke({"get": "http://example.com/"})

        assert (falcon.status, falcon.payload) == ("response", "falcon")
        assert "403" in other.payload["errorMessage"]
        assert "403" in plain.payload["errorMessage"]
        assert egress.attempts == [
            Attempt("api.crowdstrike.com:443", allowed=True),
            Attempt("example.com:443", allowed=False),
            Attempt("example.com:80", allowed=False),
        ]


@pytest.mark.parametrize("url", ["https://api.crowdstrike.com/", "http://192.0.2.1/"])
def test_without_a_proxy_there_is_no_way_out(function: LambdaRuntime, url: str) -> None:
    refused = function.invoke({"get": url})

    assert "The sandbox has no way to" in refused.payload["errorMessage"]


def test_functions_of_the_local_aws_use_the_proxy_that_the_test_gives_them(aws: LocalAws, simulator: int) -> None:
    upload(aws)
    with EgressProxy({"api.crowdstrike.com": simulator}) as egress:
        aws.set_function_environment(**egress.environment)
        launch(aws)

        assert invoke(aws, get="https://api.crowdstrike.com/") == "falcon"
        assert invoke(aws, call=["sts", "get_caller_identity", {}])["Account"] == "111122223333"
        assert egress.destinations == {"api.crowdstrike.com:443"}
