"""`make deploy` and `make publish`, with an AWS CLI that plays a part and writes down all that it is given."""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SECRET = 'it\'s $HOME "quoted" \\ secret'
CLIENT = "0123456789abcdef0123456789abcdef"
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/falcon/00000000-0000-0000-0000-000000000000"

# Answers from a file, in turn, the last for ever; an answer is JSON, plain text, or (a string) an error.
AWS = """#!{python}
import json, os, pathlib, sys
play = pathlib.Path(__file__).parent
command = " ".join(sys.argv[1:4] if sys.argv[1] == "configure" else sys.argv[1:3])
asked = sys.stdin.read()
with (play / "journal").open("a") as journal:
    journal.write(json.dumps(dict(argv=sys.argv[1:], stdin=asked, environment=dict(os.environ))) + "\\n")
script = json.loads((play / "script").read_text())
turns = script.get(command, [])
answer = turns.pop(0) if len(turns) > 1 else turns[0] if turns else ""
(play / "script").write_text(json.dumps(script))
if isinstance(answer, str):
    print(answer, file=sys.stderr)
    sys.exit(254 if answer else 0)
if "text" in answer:
    print(answer["text"])
    sys.exit()
if "--client-request-token" in sys.argv:
    (play / "token").write_text(sys.argv[sys.argv.index("--client-request-token") + 1])
for event in answer.get("StackEvents", []):
    event.setdefault("ClientRequestToken", (play / "token").read_text())
print(json.dumps(answer))
"""

TEMPLATE_PARAMETERS = ["S3Bucket", "S3Key", "FalconClientID", "FalconSecret", "Regions", "DeleteConnections"]


def error(code: str, message: str, operation: str = "DescribeStacks") -> str:
    """Return what the AWS CLI writes when AWS refuses a call."""
    return f"\nAn error occurred ({code}) when calling the {operation} operation: {message}"


NO_STACK = error("ValidationError", "Stack with id falcon does not exist")
NO_OBJECT = error("404", "Not Found", "HeadObject")


def stack(status: str = "CREATE_COMPLETE", parameters: tuple[str, ...] = (), **outputs: str) -> dict[str, Any]:
    """Return an answer of describe-stacks."""
    described = {
        "StackStatus": status,
        "Parameters": [{"ParameterKey": name, "ParameterValue": "****"} for name in parameters],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }
    return {"Stacks": [described]}


def events(*lines: tuple[str, str, str]) -> dict[str, Any]:
    """Return an answer of describe-stack-events to (resource, status, reason); the stack is named "falcon"."""
    raw = [
        {
            "EventId": f"{name}-{status}-{number}",
            "Timestamp": f"2026-01-02T03:04:{number:02}.000000+00:00",
            "StackId": STACK_ID,
            "LogicalResourceId": name,
            "PhysicalResourceId": STACK_ID if name == "falcon" else "physical",
            "ResourceType": "AWS::CloudFormation::Stack" if name == "falcon" else "AWS::Lambda::Function",
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
        }
        for number, (name, status, reason) in enumerate(lines)
    ]
    return {"StackEvents": raw[::-1]}


class Operator:
    """Somebody with a copy of the project, an environment, and an AWS CLI that plays `script`."""

    def __init__(self, directory: Path) -> None:
        self.project, self.bin = directory / "project", directory / "bin"
        self.disk = directory / "disk"  # home and temporary files
        for made in (self.bin, self.disk, self.project / "build", self.project / "source" / "registry_connections"):
            made.mkdir(parents=True)
        for name in ("cli", "launcher"):
            shutil.copytree(PROJECT / "source" / name, self.project / "source" / name)
        for name in ("Makefile", "pyproject.toml", "requirements-dev.txt", "source/requirements.txt"):
            shutil.copy2(PROJECT / name, self.project / name)
        (self.project / "template.yaml").write_text("Resources: {}\n")
        for name in (".venv", ".venv-installer"):
            (self.project / name).symlink_to(PROJECT / name)
        self.package = self.project / "build" / "lambda_function.zip"
        self.package.write_bytes(b"the package")
        (self.bin / "aws").write_text(AWS.format(python=sys.executable))
        (self.bin / "aws").chmod(0o755)
        self.environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.disk),
            "TMPDIR": str(self.disk),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.script: dict[str, list[dict[str, Any] | str]] = {
            "sts get-caller-identity": [{"Arn": "arn:aws:iam::111122223333:user/somebody"}],
            "s3api get-bucket-location": [{"LocationConstraint": None}],
            "cloudformation validate-template": [{"Parameters": [{"ParameterKey": n} for n in TEMPLATE_PARAMETERS]}],
            "cloudformation describe-stacks": [NO_STACK, stack(FunctionName="crowdstrike-ecr-function")],
            "s3api head-object": [NO_OBJECT],
            "s3api put-object": [{"ETag": '"x"'}],
            "cloudformation create-stack": [{"StackId": STACK_ID}],
            "cloudformation update-stack": [{"StackId": STACK_ID}],
            "cloudformation describe-stack-events": [events(("falcon", "CREATE_COMPLETE", ""))],
        }

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the launcher with `environment` and nothing else."""
        return self.execute([sys.executable, "-m", f"launcher.{command}"], environment | {"PYTHONPATH": "source"})

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make; what is older than the package does not make it build another."""
        self.package.touch()
        return self.execute(["make", *arguments], environment)

    def execute(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run any command with `environment`, this operator's AWS CLI, and nothing else."""
        (self.bin / "script").write_text(json.dumps(self.script))
        return subprocess.run(
            command,
            cwd=self.project,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, command: str = "") -> list[dict[str, Any]]:
        """Return the calls of the AWS CLI whose first words are `command`, in their order."""
        journal = self.bin / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [call for call in map(json.loads, lines) if " ".join(call["argv"]).startswith(command)]

    def parameters(self, command: str) -> dict[str, Any]:
        """Return the parameters that the last call of `command` was given: the value, or True for the previous one."""
        given = json.loads(self.calls(command)[-1]["stdin"])
        return {each["ParameterKey"]: each.get("ParameterValue", each.get("UsePreviousValue")) for each in given}

    def changed(self) -> bool:
        """Tell whether anything in AWS was written."""
        return any(self.calls(f"s3api {verb}") for verb in ("put", "delete", "create")) or any(
            self.calls(f"cloudformation {verb}") for verb in ("create", "update", "delete")
        )


def key(path: Path) -> str:
    """Return the key that a file must have in every bucket."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    return f"falcon-ecr/{version}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}/{path.name}"


CREDENTIALS = {"FALCON_CLIENT_ID": CLIENT, "FALCON_CLIENT_SECRET": SECRET}
USUAL = {"S3_BUCKET": "bucket", "REGION": "us-east-1", "STACK": "falcon"}


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


# Launch


def test_a_launch_uploads_the_package_shows_events_and_prints_the_outputs(operator: Operator) -> None:
    operator.script["cloudformation describe-stack-events"] = [
        events(("ECRLambda", "CREATE_IN_PROGRESS", "")),
        events(
            ("ECRLambda", "CREATE_IN_PROGRESS", ""),
            ("ECRLambda", "CREATE_COMPLETE", ""),
            ("falcon", "CREATE_COMPLETE", ""),
        ),
    ]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "account 111122223333, us-east-1: launch of falcon",
        f"package s3://bucket/{key(operator.package)} (uploaded)",
        "03:04:00  CREATE_IN_PROGRESS           ECRLambda  (AWS::Lambda::Function)",
        "03:04:01  CREATE_COMPLETE              ECRLambda  (AWS::Lambda::Function)",
        "03:04:02  CREATE_COMPLETE              falcon  (AWS::CloudFormation::Stack)",
        "",
        "The stack falcon is up to date.",
        "  FunctionName  crowdstrike-ecr-function",
    ]


def test_the_request_holds_what_was_given_and_leaves_the_rest_to_the_template(operator: Operator) -> None:
    given = "Regions=us-east-1,us-west-2 DeleteConnections='a value'"
    operator.run("deploy", **USUAL, **CREDENTIALS, PARAMETERS=given)

    assert operator.parameters("cloudformation create-stack") == {
        "S3Bucket": "bucket",
        "S3Key": key(operator.package),
        "FalconClientID": CLIENT,
        "FalconSecret": SECRET,
        "Regions": "us-east-1,us-west-2",
        "DeleteConnections": "a value",
    }
    (call,) = operator.calls("cloudformation create-stack")
    assert f"file://{operator.project}/template.yaml" in call["argv"]
    assert "CAPABILITY_NAMED_IAM" in call["argv"]


def test_credentials_are_in_no_argument_no_environment_of_the_aws_cli_no_file_and_no_output(operator: Operator) -> None:
    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert operator.parameters("cloudformation create-stack")["FalconSecret"] == SECRET
    for call in operator.calls():
        shown = json.dumps([call["argv"], call["environment"]])
        assert json.dumps(SECRET)[1:-1] not in shown
        assert CLIENT not in shown
    assert CLIENT not in ran.stdout + ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    for file in filter(Path.is_file, [*operator.project.rglob("*"), *operator.disk.rglob("*")]):
        assert CLIENT.encode() not in file.read_bytes(), file


def test_a_secret_in_an_error_of_aws_is_struck_out(operator: Operator) -> None:
    refused = error("ValidationError", f"Parameter FalconSecret failed: {SECRET}", "CreateStack")
    operator.script["cloudformation create-stack"] = [refused]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 1
    assert "ValidationError: Parameter FalconSecret failed: ****" in ran.stderr
    assert SECRET not in ran.stderr


def test_the_package_is_not_uploaded_twice(operator: Operator) -> None:
    operator.script["s3api head-object"] = [{"ContentLength": 11}]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "lambda_function.zip (is there already)" in ran.stdout
    assert operator.calls("s3api put-object") == []


def test_who_may_write_but_not_list_can_upload(operator: Operator) -> None:
    operator.script["s3api head-object"] = [error("403", "Forbidden", "HeadObject")]
    operator.script["s3api get-bucket-location"] = [error("AccessDenied", "Access Denied", "GetBucketLocation")]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 0, ran.stderr
    (call,) = operator.calls("s3api put-object")
    assert call["argv"][-1] == str(operator.package)


def test_another_package_has_another_key(operator: Operator) -> None:
    operator.run("deploy", **USUAL, **CREDENTIALS)
    before = operator.parameters("cloudformation create-stack")
    operator.script["cloudformation describe-stacks"] = [NO_STACK, stack()]
    operator.package.write_bytes(b"another package")
    operator.run("deploy", **USUAL, **CREDENTIALS)

    assert operator.parameters("cloudformation create-stack")["S3Key"] != before["S3Key"]


def test_events_of_other_operations_are_not_shown(operator: Operator) -> None:
    answer = events(("Old", "CREATE_FAILED", "long ago"), ("falcon", "CREATE_COMPLETE", ""))
    answer["StackEvents"][1]["ClientRequestToken"] = "of-another-operation"
    operator.script["cloudformation describe-stack-events"] = [answer]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 0
    assert "long ago" not in ran.stdout


def test_a_network_that_is_gone_for_a_moment_does_not_end_the_watch(operator: Operator) -> None:
    operator.script["cloudformation describe-stack-events"] = [
        'Could not connect to the endpoint URL: "https://cloudformation.us-east-1.amazonaws.com/"',
        events(("falcon", "CREATE_COMPLETE", "")),
    ]

    assert operator.run("deploy", **USUAL, **CREDENTIALS).returncode == 0


def test_a_network_that_stays_away_ends_the_watch_but_not_the_launch(operator: Operator) -> None:
    operator.script["cloudformation describe-stack-events"] = ["Could not connect to the endpoint URL"]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 1
    assert "Could not connect to the endpoint URL\nThe operation goes on unwatched." in ran.stderr


# Update


def test_an_update_needs_no_credentials_and_keeps_what_is_not_given(operator: Operator) -> None:
    had = ("S3Bucket", "S3Key", "FalconClientID", "FalconSecret", "Regions", "DroppedSince")
    operator.script["cloudformation describe-stacks"] = [stack(parameters=had)]
    operator.script["cloudformation describe-stack-events"] = [events(("falcon", "UPDATE_COMPLETE", ""))]

    ran = operator.run("deploy", **USUAL, PARAMETERS="DeleteConnections=Stack")

    assert ran.returncode == 0, ran.stderr
    assert operator.parameters("cloudformation update-stack") == {
        "S3Bucket": "bucket",
        "S3Key": key(operator.package),
        "DeleteConnections": "Stack",
        "FalconClientID": True,
        "FalconSecret": True,
        "Regions": True,
    }


def test_an_update_takes_new_credentials_and_an_empty_value(operator: Operator) -> None:
    operator.script["cloudformation describe-stacks"] = [stack(parameters=tuple(TEMPLATE_PARAMETERS))]
    operator.script["cloudformation describe-stack-events"] = [events(("falcon", "UPDATE_COMPLETE", ""))]

    operator.run("deploy", **USUAL, **CREDENTIALS, PARAMETERS="Regions=")

    given = operator.parameters("cloudformation update-stack")
    assert (given["FalconSecret"], given["Regions"], given["DeleteConnections"]) == (SECRET, "", True)


def test_a_launch_with_an_existing_secret_needs_no_credentials(operator: Operator) -> None:
    names = [*TEMPLATE_PARAMETERS, "SecretsManagerSecretName"]
    operator.script["cloudformation validate-template"] = [{"Parameters": [{"ParameterKey": name} for name in names]}]

    ran = operator.run("deploy", **USUAL, PARAMETERS="SecretsManagerSecretName=security/falcon")

    assert ran.returncode == 0, ran.stderr
    given = operator.parameters("cloudformation create-stack")
    assert given.keys() == {"S3Bucket", "S3Key", "SecretsManagerSecretName"}


def test_an_update_moves_to_an_existing_secret_by_emptying_the_credentials(operator: Operator) -> None:
    operator.script["cloudformation describe-stacks"] = [stack(parameters=tuple(TEMPLATE_PARAMETERS))]
    operator.script["cloudformation describe-stack-events"] = [events(("falcon", "UPDATE_COMPLETE", ""))]

    ran = operator.run("deploy", **USUAL, PARAMETERS="FalconClientID= FalconSecret=")

    assert ran.returncode == 0, ran.stderr
    given = operator.parameters("cloudformation update-stack")
    assert (given["FalconClientID"], given["FalconSecret"]) == ("", "")


def test_nothing_to_change_is_success(operator: Operator) -> None:
    operator.script["cloudformation describe-stacks"] = [stack(FunctionName="f")]
    refused = error("ValidationError", "No updates are to be performed.", "UpdateStack")
    operator.script["cloudformation update-stack"] = [refused]

    ran = operator.run("deploy", **USUAL)

    assert ran.returncode == 0, ran.stderr
    assert "The stack falcon is up to date: there was nothing to change.\n  FunctionName  f\n" in ran.stdout


# Failures of the stack


def test_a_failed_launch_names_the_first_cause_and_the_command_that_cleans_up(operator: Operator) -> None:
    operator.script["cloudformation describe-stack-events"] = [
        events(
            ("Registry", "CREATE_FAILED", "403: the API client lacks the scope Falcon Container Image:write"),
            ("Schedule", "CREATE_FAILED", "Resource creation cancelled"),
            ("falcon", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Registry, Schedule]."),
            ("falcon", "ROLLBACK_COMPLETE", ""),
        )
    ]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "error: the stack falcon failed and is in ROLLBACK_COMPLETE. The cause:",
        "  Registry (AWS::Lambda::Function): 403: the API client lacks the scope Falcon Container Image:write",
        "Correct the cause, then delete what is left of it and run this again:",
        "  aws cloudformation delete-stack --stack-name falcon --region us-east-1 && "
        "aws cloudformation wait stack-delete-complete --stack-name falcon --region us-east-1",
    ]


def test_a_failed_update_says_that_the_stack_is_as_before(operator: Operator) -> None:
    operator.script["cloudformation describe-stacks"] = [stack()]
    operator.script["cloudformation describe-stack-events"] = [
        events(
            ("Registry", "UPDATE_FAILED", "us-west-9 is not a Region"),
            ("falcon", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Registry]."),
            ("falcon", "UPDATE_ROLLBACK_COMPLETE", ""),
        )
    ]

    ran = operator.run("deploy", **USUAL)

    assert ran.returncode == 1
    assert "us-west-9 is not a Region\nIt is as it was before." in ran.stderr


def test_a_failure_without_a_failed_resource_shows_why_the_stack_went_back(operator: Operator) -> None:
    operator.script["cloudformation describe-stack-events"] = [
        events(("falcon", "ROLLBACK_IN_PROGRESS", "Stack creation time exceeded"), ("falcon", "ROLLBACK_COMPLETE", ""))
    ]

    assert "Stack creation time exceeded" in operator.run("deploy", **USUAL, **CREDENTIALS).stderr


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name falcon"),
        ("ROLLBACK_FAILED", "aws cloudformation delete-stack --stack-name falcon"),
        ("DELETE_FAILED", "aws cloudformation delete-stack --stack-name falcon"),
        ("REVIEW_IN_PROGRESS", "aws cloudformation delete-stack --stack-name falcon"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name falcon"),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name falcon"),
        ("UPDATE_IN_PROGRESS", "Wait for its end, then run this again."),
    ],
)
def test_a_stack_that_takes_no_update_is_left_alone(operator: Operator, status: str, way_out: str) -> None:
    operator.script["cloudformation describe-stacks"] = [stack(status)]

    ran = operator.run("deploy", **USUAL)

    assert ran.returncode == 1
    assert f"is in {status}, which takes no update" in ran.stderr
    assert way_out in ran.stderr
    assert not operator.changed()


# Bad input


def test_everything_that_is_missing_is_told_at_once(operator: Operator) -> None:
    operator.script["sts get-caller-identity"] = ['Unable to locate credentials. Run "aws configure".']

    ran = operator.run("deploy")

    assert ran.returncode == 1
    for missing in (
        "S3_BUCKET is not set",
        "no Region is set",
        "FALCON_CLIENT_ID is not",
        "FALCON_CLIENT_SECRET is not",
    ):
        assert f"error: {missing}" in ran.stderr
    assert "error: AWS does not know who you are: Unable to locate credentials." in ran.stderr
    assert not operator.changed()


def test_the_region_may_come_from_the_profile(operator: Operator) -> None:
    operator.script["configure get region"] = [{"text": "eu-west-1"}]
    operator.script["s3api get-bucket-location"] = [{"LocationConstraint": "EU"}]

    ran = operator.run("deploy", S3_BUCKET="bucket", **CREDENTIALS)

    assert "account 111122223333, eu-west-1: launch of crowdstrike-ecr-registry-connections" in ran.stdout


@pytest.mark.parametrize("name", ["REGION", "AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_may_come_from_the_environment(operator: Operator, name: str) -> None:
    operator.script["s3api get-bucket-location"] = [{"LocationConstraint": "eu-north-1"}]

    assert operator.run("deploy", S3_BUCKET="bucket", **CREDENTIALS, **{name: "eu-north-1"}).returncode == 0
    assert all("eu-north-1" in call["argv"] for call in operator.calls("cloudformation"))


def test_a_bucket_in_another_region_is_refused(operator: Operator) -> None:
    operator.script["s3api get-bucket-location"] = [{"LocationConstraint": "eu-central-1"}]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "the bucket bucket is in eu-central-1 and the stack is to be in us-east-1" in ran.stderr
    assert "Use REGION=eu-central-1, or a bucket in us-east-1." in ran.stderr
    assert not operator.changed()


def test_a_missing_bucket_is_refused(operator: Operator) -> None:
    missing = error("NoSuchBucket", "The specified bucket does not exist", "GetBucketLocation")
    operator.script["s3api get-bucket-location"] = [missing]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "The specified bucket does not exist. Check S3_BUCKET, or create it: aws s3 mb s3://bucket" in ran.stderr
    assert not operator.changed()


def test_a_missing_aws_cli_is_told_with_everything_else(operator: Operator) -> None:
    (operator.bin / "aws").unlink()

    ran = operator.run("deploy")

    assert "error: S3_BUCKET is not set" in ran.stderr
    assert "error: the AWS CLI is not on PATH. Install version 1 or 2: https://" in ran.stderr


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"PARAMETERS": "Region=us-east-1"}, "Region, which the template does not have. Did you mean Regions?"),
        ({"PARAMETERS": "Colour=blue"}, "Colour, which the template does not have. It has DeleteConnections,"),
        ({"PARAMETERS": "us-east-1"}, "'us-east-1', which is not Name=value"),
        ({"PARAMETERS": "Regions='us-east-1"}, "PARAMETERS has an open quotation"),
        ({"PARAMETERS": "Regions=a Regions=b"}, "PARAMETERS names Regions twice"),
        ({"PARAMETERS": "S3Bucket=b"}, "S3Bucket, which is not given there: set S3_BUCKET."),
        ({"PARAMETERS": "S3Key=k"}, "S3Key, which is not given there: it follows from the package."),
        ({"PARAMETERS": "FalconSecret=abc"}, "FalconSecret, which is not given there: export FALCON_CLIENT_SECRET"),
        ({"S3_BUCKET": "s3://bucket/some/key"}, "S3_BUCKET is 'bucket/some/key', which is a path."),
        ({"STACK": "my stack"}, "STACK is 'my stack'."),
        ({"FALCON_CLIENT_ID": ""}, "only one of FALCON_CLIENT_ID and FALCON_CLIENT_SECRET is set"),
    ],
)
def test_bad_input_is_refused(operator: Operator, environment: dict[str, str], problem: str) -> None:
    ran = operator.run("deploy", **USUAL | CREDENTIALS | environment)

    assert ran.returncode == 1
    assert problem in ran.stderr
    assert "abc" not in ran.stderr
    assert not operator.changed()


def test_a_template_that_cloudformation_does_not_take_is_told(operator: Operator) -> None:
    refused = error("ValidationError", "Template format error", "ValidateTemplate")
    operator.script["cloudformation validate-template"] = [refused]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "CloudFormation does not take template.yaml: Template format error" in ran.stderr


def test_an_aws_cli_that_records_its_calls_gets_no_credentials(operator: Operator) -> None:
    operator.script["configure get cli_history"] = [{"text": "enabled"}]

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "Turn that off: aws configure set cli_history disabled" in ran.stderr
    assert not operator.changed()


def test_an_interruption_says_what_goes_on(operator: Operator) -> None:
    play = (operator.bin / "aws").read_text()
    interrupt = "import signal\nif sys.argv[2] == 'describe-stack-events':\n    os.kill(os.getppid(), signal.SIGINT)\n"
    (operator.bin / "aws").write_text(play.replace("play =", interrupt + "play =", 1))

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert ran.returncode == 130
    assert "Traceback" not in ran.stderr
    assert "What AWS has begun, it finishes" in ran.stdout


def test_the_help_explains_every_variable(operator: Operator) -> None:
    help_text = operator.execute([sys.executable, "-m", "launcher.deploy", "--help"], {"PYTHONPATH": "source"}).stdout

    for variable in (*USUAL, *CREDENTIALS, "PARAMETERS"):
        assert f"\n  {variable} " in help_text


# Through make


def test_make_hands_on_a_secret_whatever_characters_it_has(operator: Operator) -> None:
    ran = operator.make("deploy", "S3_BUCKET=bucket", "REGION=us-east-1", **CREDENTIALS)

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert ran.stdout.startswith("account 111122223333")
    assert operator.parameters("cloudformation create-stack")["FalconSecret"] == SECRET


def test_make_hands_on_parameters_with_quotations(operator: Operator) -> None:
    operator.make(
        "deploy", "S3_BUCKET=bucket", "REGION=us-east-1", "PARAMETERS=Regions='a, b' DeleteConnections=c", **CREDENTIALS
    )

    given = operator.parameters("cloudformation create-stack")
    assert (given["Regions"], given["DeleteConnections"]) == ("a, b", "c")


@pytest.mark.parametrize("goal", ["deploy", "publish"])
@pytest.mark.parametrize("name", CREDENTIALS)
def test_make_refuses_a_secret_on_its_command_line(operator: Operator, goal: str, name: str) -> None:
    ran = operator.make(goal, "S3_BUCKET=bucket", f"{name}=abc")

    assert ran.returncode != 0
    assert f"{name} is on the command line" in ran.stderr
    assert operator.calls() == []


# Publish


def link(ran: subprocess.CompletedProcess[str]) -> tuple[str, dict[str, str]]:
    """Return the address of the console in what publish printed, and the fields that it fills in."""
    (address,) = [word for word in ran.stdout.split() if "#/stacks/quickcreate" in word]
    page, _, query = address.partition("#/stacks/quickcreate?")
    return page, {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}


def test_publish_uploads_both_and_prints_the_link(operator: Operator) -> None:
    ran = operator.run("publish", **USUAL, PARAMETERS="Regions='us-east-1, us-west-2'")

    assert ran.returncode == 0, ran.stderr
    page, fields = link(ran)
    assert page == "https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1"
    assert fields == {
        "templateURL": f"https://bucket.s3.us-east-1.amazonaws.com/{key(operator.project / 'template.yaml')}",
        "stackName": "falcon",
        "param_S3Bucket": "bucket",
        "param_S3Key": key(operator.package),
        "param_Regions": "us-east-1, us-west-2",
    }
    uploads = [call["argv"][call["argv"].index("--key") + 1] for call in operator.calls("s3api put-object")]
    assert uploads == [fields["param_S3Key"], urlsplit(fields["templateURL"]).path[1:]]


def test_publish_neither_needs_nor_shows_credentials(operator: Operator) -> None:
    ran = operator.run("publish", **USUAL, **CREDENTIALS)

    assert ran.returncode == 0, ran.stderr
    written = (operator.bin / "journal").read_text() + ran.stdout
    assert CLIENT not in written
    assert json.dumps(SECRET)[1:-1] not in written


def test_publish_knows_the_console_of_govcloud(operator: Operator) -> None:
    operator.script["sts get-caller-identity"] = [{"Arn": "arn:aws-us-gov:iam::111122223333:user/somebody"}]
    operator.script["s3api get-bucket-location"] = [{"LocationConstraint": "us-gov-west-1"}]

    page, fields = link(operator.run("publish", **USUAL | {"REGION": "us-gov-west-1"}))

    assert page == "https://console.amazonaws-us-gov.com/cloudformation/home?region=us-gov-west-1"
    assert fields["templateURL"].startswith("https://bucket.s3.us-gov-west-1.amazonaws.com/")


def test_publish_invents_no_console_for_another_partition(operator: Operator) -> None:
    operator.script["sts get-caller-identity"] = [{"Arn": "arn:aws-iso:iam::111122223333:user/somebody"}]
    operator.script["s3api get-bucket-location"] = [{"LocationConstraint": "us-iso-east-1"}]

    ran = operator.run("publish", **USUAL | {"REGION": "us-iso-east-1"})

    assert "Template: https://bucket.s3.us-iso-east-1.c2s.ic.gov/falcon-ecr/" in ran.stdout
    assert "No console is known for the partition aws-iso." in ran.stdout


def test_publish_to_a_bucket_with_dots_names_it_in_the_path(operator: Operator) -> None:
    _, fields = link(operator.run("publish", **USUAL | {"S3_BUCKET": "artifacts.example.com"}))

    assert fields["templateURL"].startswith("https://s3.us-east-1.amazonaws.com/artifacts.example.com/falcon-ecr/")


def test_publish_refuses_bad_input_before_it_uploads(operator: Operator) -> None:
    ran = operator.run("publish", PARAMETERS="FalconSecret=abc", REGION="us-east-1")

    assert ran.returncode == 1
    assert "S3_BUCKET is not set" in ran.stderr
    assert "FalconSecret, which is not given there" in ran.stderr
    assert not operator.changed()


def test_the_package_must_have_been_built(operator: Operator) -> None:
    operator.package.unlink()

    ran = operator.run("deploy", **USUAL, **CREDENTIALS)

    assert "lambda_function.zip is missing. Build it: make package" in ran.stderr
