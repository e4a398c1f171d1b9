"""Functions: the runtime and its limits, logs, and that there is no way out of this machine."""

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from tests.sandbox import processor_share
from tests.sandbox.lambda_runtime import LambdaRuntime
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import FUNCTION, function, invoke, launch, package


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[LambdaRuntime]:
    path = tmp_path / "function.zip"
    path.write_bytes(package())
    with LambdaRuntime(path, "sample.handler", memory_mb=512, processor_share=True) as runtime:
        yield runtime


def test_a_function_has_its_package_and_the_runtime_alone_and_reaches_nothing_but_this_machine(
    runtime: LambdaRuntime,
) -> None:
    first, second = runtime.invoke({}, remaining_seconds=3), runtime.invoke({"import": "boto3"})

    assert (first.status, first.cold, second.status, second.cold) == ("response", True, "response", False)
    assert 2000 < first.payload["milliseconds"] <= 3000
    assert runtime.invoke({"import": "requests"}).payload["errorType"] == "ModuleNotFoundError"
    assert "The sandbox has no way to" in runtime.invoke({"get": "http://192.0.2.1/"}).payload["errorMessage"]


def test_a_function_has_the_share_of_a_processor_that_its_memory_pays_for(
    runtime: LambdaRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown with files in the place of control groups, which not every machine lets us make."""
    monkeypatch.setattr(processor_share, "V1", tmp_path)
    (tmp_path / "cpu.cfs_quota_us").touch()

    runtime.invoke({})

    (group,) = tmp_path.glob("sandbox-*")
    limit = {each.name: int(each.read_text()) for each in group.iterdir()}
    assert limit == {"cpu.cfs_period_us": 20_000, "cpu.cfs_quota_us": 5788, "cgroup.procs": runtime.pid}


def test_a_function_knows_itself_trusts_the_public_authorities_and_logs_as_configured(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALCON_SECRET_LEAK", "secret")
    launch(aws, Function=function(LoggingConfig={"LogFormat": "JSON"}))
    first = invoke(aws)["environment"]
    aws.set_log_level(FUNCTION, "DEBUG")
    later = invoke(aws)["environment"]

    assert [each["AWS_LAMBDA_LOG_LEVEL"] for each in (first, later)] == ["INFO", "DEBUG"]
    assert first["AWS_LAMBDA_FUNCTION_NAME"] == FUNCTION
    assert Path(first["SSL_CERT_FILE"]).read_bytes().startswith(Path(certifi.where()).read_bytes())
    assert not first.keys() & {"FALCON_SECRET_LEAK", "AUTH", "GATEWAY_PORT", "SANDBOX_TOKEN", "VIRTUAL_ENV"}
