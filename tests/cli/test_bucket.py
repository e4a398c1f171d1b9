"""The bucket, and that what lies in it is what was built."""

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from cli import artifact, bucket
from cli.artifact import Artifact
from cli.aws import Aws
from cli.errors import CliError
from tests.cli.support import screen
from tests.sandbox.local_aws import ACCOUNT, LocalAws

BUCKET = "packages"


@pytest.fixture
def mine(aws: LocalAws) -> Aws:
    aws.client("s3").create_bucket(Bucket=BUCKET)
    return Aws(aws.session(), "us-east-1", "aws", ACCOUNT)


@pytest.fixture
def package(tmp_path: Path) -> Artifact:
    return Artifact(tmp_path / "lambda_function.zip", "1.0.0", b"what was built")


@pytest.mark.parametrize(
    ("planted", "versioned", "first"),
    [
        (b"", False, "uploaded"),
        (b"", True, "uploaded"),
        (b"planted", False, "replaced: what was there is not what was built"),
    ],
)
def test_the_bucket_holds_what_was_built_and_its_version_and_address_are_named(
    mine: Aws, package: Artifact, planted: bytes, first: str, *, versioned: bool
) -> None:
    s3 = mine.client("s3")
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    if planted:
        s3.put_object(Bucket=BUCKET, Key=package.key, Body=planted)

    uploaded, again = (bucket.upload(mine, package, BUCKET, ACCOUNT) for _ in range(2))

    assert (uploaded.remark, again.remark) == (first, "is there already")
    assert s3.get_object(Bucket=BUCKET, Key=package.key)["Body"].read() == package.content
    assert uploaded.parameters == again.parameters
    assert bool(uploaded.version) is versioned
    assert uploaded.parameters == {"S3Bucket": BUCKET, "S3Key": package.key, "S3ObjectVersion": uploaded.version}
    version = f"?versionId={uploaded.version}" if versioned else ""
    assert uploaded.url(mine) == f"https://{BUCKET}.s3.us-east-1.amazonaws.com/{package.key}{version}"
    dotted = bucket.Uploaded("my.bucket", "key", "", "")  # which the certificate does not cover as a host
    assert dotted.url(mine) == "https://s3.us-east-1.amazonaws.com/my.bucket/key"


def test_every_call_names_the_owner_of_the_bucket(
    mine: Aws, package: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    s3 = bucket.client(mine, "999988887777")
    s3.meta.events.register("before-parameter-build.s3", lambda params, **_: seen.append(params))
    monkeypatch.setattr(bucket, "client", lambda *_: s3)

    bucket.upload(mine, package, BUCKET, "999988887777")
    list(bucket.problems_of(mine, BUCKET, "999988887777"))
    bucket._empty(s3, BUCKET)

    assert len(seen) == 5
    assert {params.get("ExpectedBucketOwner") for params in seen} == {"999988887777"}


def test_a_bucket_that_is_not_the_owners_is_told_with_the_variable_that_names_another(
    mine: Aws, package: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = bucket.client(mine, ACCOUNT)
    monkeypatch.setattr(bucket, "client", lambda *_: s3)
    with Stubber(s3) as answers:
        answers.add_client_error("head_object", "403")
        answers.add_client_error("put_object", "AccessDenied")

        with pytest.raises(CliError, match="It must belong to the account 111122223333"):
            bucket.upload(mine, package, BUCKET, ACCOUNT)


def test_a_bucket_in_another_region_cannot_hold_the_package(aws: LocalAws, mine: Aws) -> None:
    elsewhere = {"LocationConstraint": "eu-west-1"}
    aws.client("s3", region="eu-west-1").create_bucket(Bucket="elsewhere", CreateBucketConfiguration=elsewhere)

    assert "is in eu-west-1 and the stack is to be in us-east-1" in next(bucket.problems_of(mine, "elsewhere", ACCOUNT))
    assert "the bucket absent cannot be used" in next(bucket.problems_of(mine, "absent", ACCOUNT))
    assert list(bucket.problems_of(mine, BUCKET, ACCOUNT)) == []


def test_our_own_bucket_is_private_until_an_organization_is_named(aws: LocalAws, mine: Aws) -> None:
    shown, _ = screen()

    template = artifact.find("").artifact_bucket
    private = bucket.ensure(mine, template, shown)
    alone = aws.client("s3").get_bucket_policy(Bucket=private)["Policy"]
    shared = bucket.ensure(mine, template, shown, "o-exampleorgid")
    again = bucket.ensure(mine, template, shown)  # by `make deploy` in the same account

    assert private == shared == again
    assert "Allow" not in alone
    assert "o-exampleorgid" in aws.client("s3").get_bucket_policy(Bucket=private)["Policy"]
    with pytest.raises(CliError, match="serves an organization, and was kept"):
        bucket.delete(mine, shown, of_organization=False)
    assert bucket.delete(mine, shown, of_organization=True)
    assert not bucket.delete(mine, shown, of_organization=True)
