"""Functions and their packages, as Lambda has them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import (
    FUNCTION,
    KEY,
    function,
    invoke,
    launch,
    package,
    role,
    said,
    statements,
    upload,
    wait_for,
)

# Functions


def test_a_function_runs_from_its_package_alone(aws: LocalAws) -> None:
    upload(aws)
    launch(aws)

    assert invoke(aws, **{"import": "requests"})["errorType"] == "ModuleNotFoundError"
    assert invoke(aws, allocate_mb=400)["errorType"] == "MemoryError"
    assert invoke(aws, exit=7)["errorType"] == "Runtime.ExitError"
    assert invoke(aws)["memory"] == "256"


def test_functions_of_the_same_name_in_many_accounts_do_not_disturb_each_other(aws: LocalAws) -> None:
    accounts = [f"{number:012}" for number in range(100000000000, 100000000006)]
    for account in accounts:
        upload(aws, account)

    with ThreadPoolExecutor(len(accounts)) as pool:
        statuses = {stack.status for stack in pool.map(lambda account: launch(aws, account), accounts)}
        directories = [answer["directory"] for answer in pool.map(lambda account: invoke(aws, account), accounts)]
    before = len(aws.processes())
    stacks.delete(aws.client("cloudformation", accounts[0]), "sample").wait()

    assert statuses == {"CREATE_COMPLETE"}
    assert len(directories) == len(accounts)
    wait_for(lambda: len(aws.processes()) == before - 1)


def test_few_idle_environments_are_kept(aws: LocalAws) -> None:
    aws.control("keep_warm", count=1)
    for account in ("100000000000", "100000000001", "100000000002"):
        upload(aws, account)
        launch(aws, account)
        invoke(aws, account)

    assert len(aws.processes()) == 2


def test_an_invocation_that_runs_while_its_function_is_deleted_runs_to_its_end(aws: LocalAws) -> None:
    upload(aws)
    launch(aws)
    aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps({"sleep": 1}))
    wait_for(lambda: len(said(aws)) == 1)

    stacks.delete(aws.client("cloudformation"), "sample").wait()
    during = len(aws.processes())

    assert during == 2
    wait_for(lambda: any(line.startswith("END") for line in aws.function_logs(FUNCTION)))
    wait_for(lambda: len(aws.processes()) == 1)


def test_reserved_concurrency_throttles(aws: LocalAws) -> None:
    upload(aws)
    launch(aws, Function=function(ReservedConcurrentExecutions=0))

    with pytest.raises(ClientError, match="TooManyRequestsException"):
        invoke(aws)


# Packages


def test_a_package_that_cannot_be_read_fails_the_launch_with_the_reason(aws: LocalAws) -> None:
    upload(aws)
    upload(aws, "444455556666")
    west = aws.client("s3", region="us-west-2")
    stacks.upload(west, "packages-west", KEY, package(), region="us-west-2")

    reasons = {
        bucket: launch_with(aws, f"case-{number}", bucket, key)
        for number, (bucket, key) in enumerate(
            [
                ("packages-111122223333", "absent.zip"),
                ("absent-bucket", KEY),
                ("packages-444455556666", KEY),
                ("packages-west", KEY),
            ]
        )
    }

    assert "S3 Error Code: NoSuchKey" in reasons["packages-111122223333"]
    assert "S3 Error Code: NoSuchBucket" in reasons["absent-bucket"]
    assert "Your access has been denied by S3" in reasons["packages-444455556666"]
    assert "S3 Error Code: PermanentRedirect" in reasons["packages-west"]


def test_a_bucket_of_another_account_is_read_if_its_policy_says_so(aws: LocalAws) -> None:
    owner = aws.client("s3", "444455556666")
    upload(aws, "444455556666")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::packages-444455556666/*",
    }
    owner.put_bucket_policy(Bucket="packages-444455556666", Policy=json.dumps(statements(statement)))

    assert launch_with(aws, "sample", "packages-444455556666", KEY) == ""
    assert invoke(aws)["version"] == "1"


def test_an_update_to_a_package_that_is_missing_is_rolled_back(aws: LocalAws) -> None:
    upload(aws)
    launch(aws)
    broken = {
        "Role": role(RoleName="sample-role"),
        "Function": function(Code={"S3Bucket": "absent-bucket", "S3Key": KEY}),
    }

    stack = stacks.update(aws.client("cloudformation"), "sample", {"Resources": broken}).wait()

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert invoke(aws)["version"] == "1"


def launch_with(aws: LocalAws, name: str, bucket: str, key: str) -> str:
    """Create a stack whose function's code is there; return the reason of its failure."""
    code = {"S3Bucket": bucket, "S3Key": key}
    resources = {"Role": role(), "Function": function(Code=code)}
    return (
        stacks.create(aws.client("cloudformation"), name, {"Resources": resources}).wait().failures.get("Function", "")
    )
