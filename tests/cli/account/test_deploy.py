"""`make deploy`, `make publish` and `make delete` in the local AWS, with the real template and package."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.account.delete import _delete_stack as delete_stack
from cli.account.delete import needs_update
from cli.account.deploy import verify_code
from cli.artifact import Artifact
from cli.credentials import Credentials
from cli.errors import CliError
from cli.stack import Snapshot, Stack
from tests.cli.support import NOBODY, Operator, Ran, asked, screen
from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Connection, Fault, Status
from tests.simulator.probe import registry

WRONG = Credentials(CLIENT_ID, "wrong-secret")
STACK = Stack(SimpleNamespace(meta=SimpleNamespace(region_name="us-east-1")), "falcon", screen()[0])


def deploy(operator: Operator, given: Credentials = NOBODY, parameters: str = "", **variables: str) -> Ran:
    """Run `make deploy` for the stack "falcon", whose function finds Falcon on this machine."""
    asked = {"STACK": "falcon", "PARAMETERS": f"FalconApiUrl={operator.falcon.url} {parameters}"}
    return operator.run("deploy", given, **asked | variables)


def launch(operator: Operator) -> Ran:
    ran = deploy(operator, operator.credentials, "Regions=us-east-1")
    assert ran.ok, ran.text + ran.problem
    return ran


def described(aws: LocalAws) -> tuple[str, Mapping[str, str]]:
    """Return status and parameters of the stack."""
    (raw,) = aws.client("cloudformation").describe_stacks(StackName="falcon")["Stacks"]
    return raw["StackStatus"], {each["ParameterKey"]: each["ParameterValue"] for each in raw["Parameters"]}


def connected(operator: Operator) -> list[str]:
    return sorted(found.url.split(".")[3] for found in operator.falcon.connections_of(ACCOUNT))


def test_a_launch_needs_nothing_but_credentials_which_are_asked_for(aws: LocalAws, operator: Operator) -> None:
    typed = f"{CLIENT_ID}\n{CLIENT_SECRET}\n"
    first = deploy(operator, parameters="Regions=us-east-1", typed=typed, TAGS="team=security")

    assert first.ok, first.problem
    assert "stack falcon: does not exist (account 111122223333, us-east-1)" in first.text
    assert "CREATE_COMPLETE              RegistryConnections\n" in first.text
    assert CLIENT_SECRET not in first.text
    assert connected(operator) == ["us-east-1"]
    (raw,) = aws.client("cloudformation").describe_stacks(StackName="falcon")["Stacks"]
    assert {"Key": "team", "Value": "security"} in raw["Tags"]
    _, held = described(aws)
    versions = aws.client("s3").list_object_versions(Bucket=held["S3Bucket"])["Versions"]
    assert [each["VersionId"] for each in versions] == [held["S3ObjectVersion"]]

    again = deploy(operator, operator.credentials)

    assert "lambda_function.zip (is there already)" in again.text
    assert "The stack falcon is up to date: there was nothing to change." in again.text

    update = deploy(operator, parameters="Regions=us-east-1,us-west-2 DeleteConnections=Stack")

    assert update.ok
    assert connected(operator) == ["us-east-1", "us-west-2"]


def test_an_original_stack_that_disconnects_on_deletion_is_not_upgraded(aws: LocalAws, operator: Operator) -> None:
    disconnects = {"Type": "String", "Default": "True"}
    kept = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
    original = {"Parameters": {"DisconnectUponDelete": disconnects}, "Resources": {"Kept": kept}}
    aws.client("cloudformation").create_stack(StackName="falcon", TemplateBody=json.dumps(original))

    assert "DisconnectUponDelete is True: if the upgrade failed" in deploy(operator).problem


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_made(aws: LocalAws, operator: Operator) -> None:
    half = deploy(operator, Credentials.take({"FALCON_CLIENT_ID": "a"}), S3_BUCKET="s3://bucket/path")
    ran = deploy(operator, parameters="Colour=blue", S3_BUCKET="not-there", TAGS="x")

    assert half.problem.startswith("S3_BUCKET is 'bucket/path', which is a path.")
    assert "only one of FALCON_CLIENT_ID and FALCON_CLIENT_SECRET is set" in half.problem
    assert [problem.split(" ")[0] for problem in ran.problem.splitlines()] == [
        *("TAGS", "the", "PARAMETERS", "FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET")
    ]
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_a_wrong_secret_is_told_before_it_is_stored_and_else_by_what_the_stack_does(
    aws: LocalAws, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = deploy(operator, WRONG, "Regions=us-east-1")
    made = aws.client("cloudformation").describe_stacks()["Stacks"]
    # From here on as where Falcon cannot be asked.
    monkeypatch.setattr("cli.account.deploy.try_credentials", lambda *_: None)
    failed = deploy(operator, WRONG, "Regions=us-east-1")
    without = deploy(operator)
    again = launch(operator)

    assert "Falcon login: the client secret is wrong" in refused.problem
    assert made == []
    assert "the stack falcon failed and is in ROLLBACK_COMPLETE. The cause:\n  RegistryConnections (" in failed.problem
    assert "the client secret is wrong" in failed.problem
    assert "wrong-secret" not in failed.text + failed.problem
    assert "FALCON_CLIENT_ID is not set" in without.problem  # what was given went with the failed launch
    assert "deleting what is left of a failed launch (ROLLBACK_COMPLETE)" in again.text

    before = described(aws)[1]["CredentialsVersion"]
    rotated = deploy(operator, WRONG)

    assert "the client secret is wrong" in rotated.problem
    status, held = described(aws)
    assert (status, held["CredentialsVersion"]) == ("UPDATE_ROLLBACK_COMPLETE", before)
    assert deploy(operator, operator.credentials, "CredentialsVersion=by-hand").ok
    assert described(aws)[1]["CredentialsVersion"] == "by-hand"
    shared = "SecretsManagerSecretName=arn:aws:secretsmanager:us-east-1:444455556666:secret:falcon-AbCdEf"
    assert "which is not its own, and credentials are given too" in deploy(operator, WRONG, shared).problem


def test_code_that_is_not_what_was_built_is_told() -> None:
    stack = Snapshot("", "CREATE_COMPLETE", {}, {"FunctionName": "crowdstrike-ecr-function"})
    function = SimpleNamespace(get_function_configuration=lambda **_: {"CodeSha256": "of another"})
    mine: Any = SimpleNamespace(client=lambda _: function)

    with pytest.raises(CliError, match="crowdstrike-ecr-function runs other code"):
        verify_code(mine, stack, Artifact(Path("lambda_function.zip"), "1.0.0", b"what was built"))


def test_publish_prints_a_link_that_lacks_only_the_credentials(aws: LocalAws, operator: Operator) -> None:
    ran = operator.run("publish", PARAMETERS=f"FalconApiUrl={operator.falcon.url} Regions=us-east-1")

    (address,) = re.findall(r"https://us-east-1\.console\.\S+", ran.text)
    fields = {name: found[0] for name, found in parse_qs(urlsplit(address).fragment.partition("?")[2]).items()}
    url = urlsplit(fields["templateURL"])
    bucket = url.netloc.partition(".")[0]
    template = aws.client("s3").get_object(Bucket=bucket, Key=url.path[1:])["Body"].read().decode()
    filled = {name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")}
    typed = {"FalconClientID": CLIENT_ID, "FalconSecret": CLIENT_SECRET}
    launched = stacks.create(aws.client("cloudformation"), fields["stackName"], template, filled | typed).wait()
    assert launched.status == "CREATE_COMPLETE", launched.failures
    assert url.query.startswith("versionId=")


def test_delete_asks_for_the_name_and_deletes_once_the_stack_knows_the_choice(
    aws: LocalAws, operator: Operator
) -> None:
    launch(operator)
    operator.falcon.add_connection(Connection(url=registry(ACCOUNT, "us-west-2")))
    choice = {"STACK": "falcon", "DELETE_CONNECTIONS": "Account"}

    mistyped = operator.run("delete", typed="falcom\n", **choice)
    operator.falcon.arm(Fault("token", Status(403, message="access denied, authorization failed")))
    refused = operator.run("delete", YES="1", **choice)
    operator.falcon.disarm()
    still = described(aws)[0]
    ran = operator.run("delete", typed="falcon\n", **choice)
    gone = operator.run("delete", STACK="falcon")
    emptied = operator.run("delete", STACK="falcon", DELETE_BUCKET="1")

    assert mistyped.problem == "that is not its name. Nothing was changed."
    assert "the API client may not be used from here" in refused.problem
    assert refused.problem.endswith("or leave DELETE_CONNECTIONS out: then it deletes with DeleteConnections=Keep.")
    assert still == "UPDATE_ROLLBACK_COMPLETE"
    assert ran.ok, ran.problem
    assert "\nDeleteConnections=Account: EVERY ECR connection of the account" in ran.text
    assert "1 connected Regions: us-east-1" in ran.text
    assert "setting DeleteConnections=Account" in ran.text
    assert "The stack falcon is deleted. Its log stays: /aws/lambda/" in ran.text
    assert "The bucket with the packages is kept. DELETE_BUCKET=1 deletes it." in ran.text
    assert connected(operator) == []
    assert gone.problem.startswith("there is no stack falcon in us-east-1: it was never launched there, or is deleted.")
    assert "The bucket with the packages is deleted." in emptied.text
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_of_a_failed_launch_nothing_is_promised_when_it_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, output = screen()
    failed = Snapshot("", "ROLLBACK_COMPLETE", {}, {})
    with pytest.raises(CliError, match="this needs an answer"):
        delete_stack(asked("delete"), STACK, failed, screen()[0])
    monkeypatch.setattr(Stack, "delete", lambda _: None)

    delete_stack(asked("delete", YES="1"), STACK, failed, shown)

    assert output.getvalue() == "Its launch failed: what is left of it is deleted.\n\nThe stack falcon is deleted.\n"


@pytest.mark.parametrize(
    ("status", "held", "choice", "updates"),
    [
        ("CREATE_COMPLETE", {}, "Stack", True),
        ("CREATE_COMPLETE", {}, "Keep", False),
        ("ROLLBACK_COMPLETE", {}, "Stack", False),  # what never launched knows what to remove
        ("DELETE_FAILED", {"DeleteConnections": "Stack"}, "Stack", False),
    ],
)
def test_a_stack_is_updated_to_the_choice_before_it_is_deleted(
    status: str, held: dict[str, str], choice: str, *, updates: bool
) -> None:
    assert needs_update(STACK, Snapshot("", status, held, {}), choice) is updates


def test_a_stack_that_takes_no_update_can_be_deleted_as_it_is_only() -> None:
    failed = Snapshot("", "DELETE_FAILED", {"DeleteConnections": "Stack"}, {})

    with pytest.raises(CliError, match=r"(?s)deletes with DeleteConnections=Stack, its last .*--retain-resources"):
        needs_update(STACK, failed, "Keep")
