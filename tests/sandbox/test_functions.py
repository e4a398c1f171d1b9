"""Functions: the runtime and its limits, packages, logs, and the only way out."""

import json
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from tests.sandbox import processor_share, stacks
from tests.sandbox.egress import Attempt, EgressProxy
from tests.sandbox.lambda_runtime import LambdaRuntime
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.processes import running
from tests.sandbox.samples import (
    FUNCTION,
    KEY,
    ROLE,
    allowing,
    function,
    invoke,
    launch,
    package,
    role,
    said,
    upload,
    wait_for,
)
from tests.sandbox.tls import Authority
from tests.simulator import HOSTS, FalconSimulator


@pytest.fixture
def sample_package(tmp_path: Path) -> Path:
    path = tmp_path / "function.zip"
    path.write_bytes(package())
    return path


@pytest.fixture
def runtime(sample_package: Path) -> Iterator[LambdaRuntime]:
    with LambdaRuntime(sample_package, "sample.handler", environment={"MINE": "1"}, timeout_seconds=5) as runtime:
        yield runtime


# The runtime


def test_the_runtime_runs_the_package_as_aws_does(runtime: LambdaRuntime, sample_package: Path) -> None:
    first, second = runtime.invoke({}, remaining_seconds=3), runtime.invoke({})

    assert (first.status, first.cold, second.cold) == ("response", True, False)
    assert first.payload["environment"]["MINE"] == "1"
    assert 2000 < first.payload["milliseconds"] <= 3000
    assert runtime.invoke({"import": "boto3"}).status == "response"
    assert runtime.invoke({"import": "requests"}).payload["errorType"] == "ModuleNotFoundError"
    with LambdaRuntime(sample_package, "absent.handler") as broken:
        assert broken.invoke({}).payload["errorType"] == "Runtime.ImportModuleError"


def test_an_error_an_exit_and_a_timeout_are_reported_as_aws_does(runtime: LambdaRuntime) -> None:
    raised, exited = runtime.invoke({"raise": "no"}), runtime.invoke({"exit": 3})
    late = runtime.invoke({"sleep": 5}, remaining_seconds=0.3)

    assert (raised.payload["errorType"], raised.payload["errorMessage"]) == ("RuntimeError", "no")
    assert exited.payload["errorType"] == "Runtime.ExitError"
    assert (late.status, runtime.pid) == ("timeout", None)
    assert "Task timed out after 0.30 seconds" in late.payload["errorMessage"]
    assert runtime.invoke({}).cold


def test_a_function_has_the_share_of_a_processor_that_its_memory_pays_for(
    sample_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown with files in the place of control groups, which not every machine lets us make."""
    monkeypatch.setattr(processor_share, "V1", tmp_path)
    (tmp_path / "cpu.cfs_quota_us").touch()

    with LambdaRuntime(sample_package, "sample.handler", memory_mb=512, processor_share=True) as runtime:
        runtime.invoke({})
        (group,) = tmp_path.glob("sandbox-*")
        limit = {each.name: int(each.read_text()) for each in group.iterdir()}
        process = runtime.pid

    assert process
    assert limit == {"cpu.cfs_period_us": 20_000, "cpu.cfs_quota_us": 5788, "cgroup.procs": process}
    assert running([process]) == []


# Functions of the local AWS


def test_a_function_knows_itself_trusts_the_public_authorities_and_logs_as_configured(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALCON_SECRET_LEAK", "secret")
    account, region = "444455556666", "eu-west-1"
    stacks.upload(aws.client("s3", account, region), f"packages-{account}", KEY, package(), region)
    json_logs = {"LogFormat": "JSON"}
    launch(aws, account, region, Function=function(LoggingConfig=json_logs))

    def answer() -> dict[str, object]:
        client = aws.client("lambda", account, region)
        return dict(json.loads(client.invoke(FunctionName=FUNCTION)["Payload"].read()))

    first = answer()
    aws.set_log_level(FUNCTION, "DEBUG", account, region)
    second = answer()

    environment, later = first["environment"], second["environment"]
    assert isinstance(environment, dict)
    assert isinstance(later, dict)
    assert first["arn"] == f"arn:aws:lambda:{region}:{account}:function:{FUNCTION}"
    assert [each["AWS_LAMBDA_LOG_LEVEL"] for each in (environment, later)] == ["INFO", "DEBUG"]
    assert Path(environment["SSL_CERT_FILE"]).read_bytes().startswith(Path(certifi.where()).read_bytes())
    assert "FALCON_SECRET_LEAK" not in environment
    assert not environment.keys() & {"AUTH", "GATEWAY_PORT", "SANDBOX_TOKEN", "VIRTUAL_ENV"}


def test_an_invocation_that_runs_while_its_function_is_deleted_runs_to_its_end(aws: LocalAws) -> None:
    upload(aws)
    launch(aws)
    aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps({"sleep": 1}))
    wait_for(lambda: len(said(aws)) == 1)  # the log can be read while the function runs

    stacks.delete(aws.client("cloudformation"), "sample").wait()

    wait_for(lambda: any(line.startswith("END") for line in aws.function_logs(FUNCTION)))
    wait_for(lambda: len(aws.processes()) == 1)


def test_a_function_logs_only_what_its_role_may_log(aws: LocalAws) -> None:
    upload(aws)
    launch(aws, Role=role(RoleName=ROLE, ManagedPolicyArns=[]))
    invoke(aws)
    before = aws.function_logs(FUNCTION)
    streams = allowing(
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        resource=f"arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/{FUNCTION}:*",
    )
    document = json.dumps(streams[0]["PolicyDocument"])
    aws.client("iam").put_role_policy(RoleName=ROLE, PolicyName="log", PolicyDocument=document)
    invoke(aws, mark="logged")

    assert before == []
    assert [line["event"] for line in said(aws)] == [{"mark": "logged"}]


# The way out


def test_a_function_reaches_falcon_by_its_real_name_and_nobody_else(
    aws: LocalAws, runtime: LambdaRuntime, authority: Authority
) -> None:
    upload(aws)
    with FalconSimulator(authority) as falcon, EgressProxy({HOSTS["us-1"]: int(falcon.url.split(":")[-1])}) as egress:
        aws.set_function_environment(**egress.environment)
        launch(aws)

        assert "HTTP Error 401" in invoke(aws, get=f"https://{HOSTS['us-1']}/")["errorMessage"]
        assert "403" in invoke(aws, get="https://example.com/")["errorMessage"]
        assert invoke(aws, call=["sts", "get_caller_identity", {}])["Account"] == "111122223333"
        assert egress.attempts == [
            Attempt(f"{HOSTS['us-1']}:443", allowed=True),
            Attempt("example.com:443", allowed=False),
        ]
    without_proxy = runtime.invoke({"get": "http://192.0.2.1/"})
    assert "The sandbox has no way to" in without_proxy.payload["errorMessage"]
