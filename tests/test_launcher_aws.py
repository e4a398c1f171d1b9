"""`make deploy` and `make publish` from end to end: the real AWS CLI, template and package, in the local AWS."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import CLIENT_ID, CLIENT_SECRET, FalconSimulator
from tests.tls import Authority

PROJECT = Path(__file__).resolve().parent.parent
BUCKET = "packages"
CREDENTIALS = {"FALCON_CLIENT_ID": CLIENT_ID, "FALCON_CLIENT_SECRET": CLIENT_SECRET}


class Operator:
    """Somebody at a shell in the project's directory, with an AWS account and nothing else in the environment."""

    def __init__(self, aws: LocalAws, falcon: FalconSimulator) -> None:
        self._falcon = falcon
        self.environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": os.environ["HOME"],
            **aws.environment(),
        }

    def make(self, goal: str, parameters: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a goal for the stack "falcon", whose function finds Falcon on this machine."""
        given = f"FalconApiUrl={self._falcon.url} {parameters}"
        arguments = [f"S3_BUCKET={BUCKET}", "STACK=falcon", f"PARAMETERS={given}"]
        return self.run(["make", goal, *arguments], **environment)

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as simulator:
        yield simulator


@pytest.fixture
def operator(aws: LocalAws, falcon: FalconSimulator) -> Operator:
    aws.client("s3").create_bucket(Bucket=BUCKET)
    return Operator(aws, falcon)


def outputs(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the outputs of the stack that a command has printed."""
    _, _, table = ran.stdout.partition("is up to date")
    lines = (line.strip().split(None, 1) for line in table.splitlines()[1:])
    return {words[0]: words[1] if len(words) > 1 else "" for words in lines if words}


def test_launch_again_and_update(falcon: FalconSimulator, operator: Operator) -> None:
    launch = operator.make("deploy", **CREDENTIALS)

    assert launch.returncode == 0, launch.stdout + launch.stderr
    assert f"account {ACCOUNT}, us-east-1: launch of falcon" in launch.stdout
    assert "CREATE_COMPLETE              RegistryConnections  (Custom::" in launch.stdout
    assert len(falcon.connections_of(ACCOUNT)) == int(outputs(launch)["ConnectedCount"]) > 10

    again = operator.make("deploy")

    assert again.returncode == 0, again.stdout + again.stderr
    assert "lambda_function.zip (is there already)" in again.stdout
    assert "The stack falcon is up to date: there was nothing to change." in again.stdout
    assert outputs(again) == outputs(launch)

    update = operator.make("deploy", "DeleteConnections=Stack Regions='us-east-1, us-west-2'")

    assert update.returncode == 0, update.stdout + update.stderr
    assert "UPDATE_COMPLETE              RegistryConnections  (Custom::" in update.stdout
    assert outputs(update)["ConnectedCount"] == "2"
    assert len(falcon.connections_of(ACCOUNT)) == 2


def test_the_secret_arrives_and_no_list_of_processes_ever_shows_it(aws: LocalAws, operator: Operator) -> None:
    with Processes() as processes:
        ran = operator.make("deploy", "Regions=us-east-1", **CREDENTIALS)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    (secret,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    held = json.loads(aws.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"])
    assert CLIENT_SECRET in held.values()
    assert "create-stack" in processes.seen  # it was looked at while the AWS CLI had the secret
    assert CLIENT_SECRET not in processes.seen + ran.stdout + ran.stderr


class Processes:
    """Gathers the command lines of all processes while its block runs."""

    def __init__(self) -> None:
        self.seen = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Processes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            listed = subprocess.run(["ps", "-Aww", "-o", "args="], capture_output=True, text=True, check=True)
            self.seen += listed.stdout


def test_a_failed_launch_tells_falcons_reason_and_how_to_try_again(aws: LocalAws, operator: Operator) -> None:
    failed = operator.make("deploy", **CREDENTIALS | {"FALCON_CLIENT_SECRET": "wrong-secret"})

    assert failed.returncode != 0
    assert "the stack falcon failed and is in ROLLBACK_COMPLETE. The cause:\n  RegistryConnections (" in failed.stderr
    assert "the client secret is wrong" in failed.stderr
    assert "wrong-secret" not in failed.stdout + failed.stderr

    refused = operator.make("deploy", **CREDENTIALS)

    assert "the stack falcon is in ROLLBACK_COMPLETE, which takes no update" in refused.stderr

    (command,) = re.findall(r"aws cloudformation delete-stack .*(?= &&)", refused.stderr)
    assert operator.run(shlex.split(command)).returncode == 0
    stacks_gone(aws, "falcon")
    assert operator.make("deploy", **CREDENTIALS).returncode == 0


def stacks_gone(aws: LocalAws, name: str) -> None:
    """Wait until a stack is deleted."""
    waiter = aws.client("cloudformation").get_waiter("stack_delete_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_a_failed_update_leaves_the_stack_as_it_was(falcon: FalconSimulator, operator: Operator) -> None:
    operator.make("deploy", "Regions=us-east-1", **CREDENTIALS)

    failed = operator.make("deploy", "Regions=us-east-1,xx-nowhere-1")

    assert failed.returncode != 0
    assert "the stack falcon failed and is in UPDATE_ROLLBACK_COMPLETE." in failed.stderr
    assert "xx-nowhere-1" in failed.stderr.partition("The cause:")[2]
    assert [connection.url for connection in falcon.connections_of(ACCOUNT)] == [
        f"https://{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
    ]


def test_publish_prints_a_link_that_lacks_only_the_credentials(aws: LocalAws, operator: Operator) -> None:
    ran = operator.make("publish", "Regions=us-east-1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    (address,) = re.findall(r"https://us-east-1\.console\.\S+", ran.stdout)
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).fragment.partition("?")[2]).items()}
    template = aws.client("s3").get_object(Bucket=BUCKET, Key=urlsplit(fields["templateURL"]).path[1:])["Body"].read()
    filled = {name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")}
    typed = {"FalconClientID": CLIENT_ID, "FalconSecret": CLIENT_SECRET}
    launched = stacks.create(
        aws.client("cloudformation"), fields["stackName"], template.decode(), filled | typed
    ).wait()
    assert launched.status == "CREATE_COMPLETE", launched.failures


def test_a_bucket_in_another_region_and_missing_credentials_are_told_at_once(aws: LocalAws, operator: Operator) -> None:
    elsewhere = aws.client("s3", region="eu-west-1")
    elsewhere.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    ran = operator.run(["make", "deploy", "S3_BUCKET=elsewhere", "PARAMETERS=Colour=blue"])

    assert "the bucket elsewhere is in eu-west-1 and the stack is to be in us-east-1" in ran.stderr
    assert "FALCON_CLIENT_SECRET is not set" in ran.stderr
    assert "PARAMETERS names Colour, which the template does not have" in ran.stderr
    assert aws.client("s3").list_objects_v2(Bucket="elsewhere")["KeyCount"] == 0


def test_an_operator_without_aws_credentials_is_told_so(operator: Operator) -> None:
    without = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

    ran = operator.make("deploy", **CREDENTIALS, **without)

    assert ran.returncode != 0
    assert "error: AWS does not know who you are: Unable to locate credentials" in ran.stderr
