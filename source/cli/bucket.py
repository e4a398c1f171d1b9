"""The bucket that Lambda and CloudFormation read package and template from, and uploads that can be trusted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.artifact import Artifact
from cli.aws import Aws, error_code, error_text
from cli.errors import CliError
from cli.screen import Screen
from cli.stack import Stack

STACK: Final = "crowdstrike-ecr-artifacts"
_ABSENT: Final = frozenset({"404", "NoSuchKey", "403", "Forbidden", "AccessDenied"})
"""S3 answers 403 instead of 404 to who may not list the bucket; the upload fails if it matters."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that holds exactly what was built."""

    bucket: str
    key: str
    version: str
    """Empty where the bucket keeps no versions."""
    remark: str
    """What was done: uploaded, is there already, ..."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key} ({self.remark})"

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the template that name the package."""
        return {"S3Bucket": self.bucket, "S3Key": self.key, "S3ObjectVersion": self.version}

    def url(self, aws: Aws) -> str:
        """Return the address at which CloudFormation reads the object, in exactly this version."""
        host = f"s3.{aws.region}.{aws.suffix}"
        # A dot in the bucket's name would make a host that S3's certificate does not cover.
        place = f"{host}/{self.bucket}" if "." in self.bucket else f"{self.bucket}.{host}"
        return f"https://{place}/{self.key}" + (f"?versionId={self.version}" if self.version else "")


def client(aws: Aws, owner: str) -> Any:
    """Return an S3 client whose every call names the bucket's owner.

    A bucket's name is free again once it is deleted; somebody else's bucket of that name must get and give nothing.
    """
    s3 = aws.client("s3")

    def name_owner(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**params, "ExpectedBucketOwner": owner}

    s3.meta.events.register("provide-client-params.s3", name_owner)
    return s3


def ensure(aws: Aws, template: Artifact, screen: Screen, organization: str = "") -> str:
    """Return the name of our own bucket, made of `template` if it is not there.

    The organization may read it, if one is named.

    Raises CliError.
    """
    stack = Stack(aws.client("cloudformation"), STACK, screen)
    given = {"OrganizationId": organization} if organization else {}
    deployed, _ = stack.deploy({"TemplateBody": template.text}, given, {"OrganizationId"})
    return deployed.outputs["BucketName"]


def problems_of(aws: Aws, bucket: str, owner: str) -> Iterator[str]:
    """Yield why a bucket of the operator's cannot hold the package."""
    try:
        location = client(aws, owner).get_bucket_location(Bucket=bucket).get("LocationConstraint")
    except ClientError as error:
        # Whoever may write to a bucket need not be allowed to ask where it is.
        if error_code(error) != "AccessDenied":
            yield f"the bucket {bucket} cannot be used: {error_text(error)}. Check S3_BUCKET, or leave it out."
        return
    region = {None: "us-east-1", "EU": "eu-west-1"}.get(location, location)  # S3's oldest names
    if region != aws.region:
        yield (
            f"the bucket {bucket} is in {region} and the stack is to be in {aws.region}, but Lambda takes a package "
            f"only from its own Region. Use REGION={region}, or leave S3_BUCKET out."
        )


def upload(aws: Aws, item: Artifact, bucket: str, owner: str) -> Uploaded:
    """Have the bucket hold the artifact.

    The key can be foreseen, so an object that is there already counts only if its checksum is that of the build.
    Raises CliError if the bucket is not the owner's, or may not be written to.
    """
    s3 = client(aws, owner)
    found: dict[str, Any] = {}
    try:
        found = s3.head_object(Bucket=bucket, Key=item.key, ChecksumMode="ENABLED")
    except ClientError as error:
        if error_code(error) not in _ABSENT:
            raise
    if found.get("ChecksumSHA256") == item.checksum:
        return Uploaded(bucket, item.key, _version(found), "is there already")
    try:
        put = s3.put_object(Bucket=bucket, Key=item.key, Body=item.content, ChecksumSHA256=item.checksum)
    except ClientError as error:
        raise CliError(
            f"the bucket {bucket} does not take {item.key}: {error_text(error)}. It must belong to the account {owner} "
            "(S3_BUCKET_OWNER=... names another), and you must be allowed to write falcon-ecr/* in it."
        ) from None
    remark = "replaced: what was there is not what was built" if found else "uploaded"
    return Uploaded(bucket, item.key, _version(put), remark)


def _version(answer: dict[str, Any]) -> str:
    version = str(answer.get("VersionId", ""))
    return "" if version == "null" else version


def delete(aws: Aws, screen: Screen, *, of_organization: bool) -> bool:
    """Delete our own bucket, all versions in it and its stack; return whether there was one. Raises CliError."""
    stack = Stack(aws.client("cloudformation"), STACK, screen)
    before = stack.now()
    if before is None:
        return False
    if before.parameters.get("OrganizationId") and not of_organization:
        raise CliError("the bucket serves an organization, and was kept: make delete-org DELETE_BUCKET=1 deletes it.")
    bucket, s3 = before.outputs.get("BucketName", ""), client(aws, aws.account)
    if bucket:
        screen.say(f"deleting the bucket {bucket}")
        _empty(s3, bucket)
    stack.delete()  # which retains the bucket
    if bucket:
        s3.delete_bucket(Bucket=bucket)
    return True


def _empty(s3: Any, bucket: str) -> None:
    """Delete every version of every object; the bucket is for nothing else."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
