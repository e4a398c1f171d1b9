"""The bucket that every account of the organization reads the package from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from launcher.artifact import PREFIX, PROJECT, Artifact
from launcher.errors import LauncherError
from launcher.organization_aws import Aws, error_code, error_text
from launcher.organization_stack import Stack
from launcher.publish import SUFFIXES

if TYPE_CHECKING:
    from rich.console import Console

STACK: Final = "crowdstrike-ecr-artifacts"
TEMPLATE: Final = PROJECT / "source" / "artifact-bucket.yaml"
_ABSENT: Final = frozenset({"404", "NoSuchKey", "403", "Forbidden", "AccessDenied"})
"""S3 answers 403 instead of 404 to who may not list the bucket; the upload will tell what matters."""


def ensure(aws: Aws, organization: str, shown: "Console") -> str:
    """Return the name of the bucket, made if it is not there. Raises LauncherError."""
    stack = Stack(aws.client("cloudformation"), STACK, shown)
    template = {"TemplateBody": TEMPLATE.read_text(encoding="utf-8")}
    deployed = stack.deploy(template, {"OrganizationId": organization}, accepted=())
    return deployed.outputs["BucketName"]


def problems_of(aws: Aws, bucket: str) -> Iterator[str]:
    """Yield why a bucket of the operator's cannot hold the package."""
    try:
        location = aws.client("s3").get_bucket_location(Bucket=bucket).get("LocationConstraint")
    except ClientError as error:
        # Whoever may write to a bucket need not be allowed to ask where it is.
        if error_code(error) != "AccessDenied":
            yield f"the bucket {bucket} cannot be used: {error_text(error)}. Check S3_BUCKET, or leave it out."
        return
    region = {None: "us-east-1", "EU": "eu-west-1"}.get(location, location)
    if region != aws.region:
        yield (
            f"the bucket {bucket} is in {region} and the stacks are to be in {aws.region}, but Lambda takes a package "
            f"only from its own Region. Use REGION={region}, or leave S3_BUCKET out."
        )


def upload(aws: Aws, item: Artifact, bucket: str) -> bool:
    """Put the artifact into the bucket and return True, or return False if it is there already."""
    s3 = aws.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=item.key)
    except ClientError as error:
        if error_code(error) not in _ABSENT:
            raise
        s3.put_object(Bucket=bucket, Key=item.key, Body=item.path.read_bytes())
        return True
    return False


def address(aws: Aws, bucket: str, key: str) -> str:
    """Return the URL at which CloudFormation reads the object."""
    host = f"s3.{aws.region}.{SUFFIXES.get(aws.partition, 'amazonaws.com')}"
    # A dot in the bucket's name would make a host that S3's certificate does not cover.
    return f"https://{host}/{bucket}/{key}" if "." in bucket else f"https://{bucket}.{host}/{key}"


def delete(aws: Aws, shown: "Console") -> bool:
    """Delete the bucket, all versions in it and its stack; return whether there was one. Raises LauncherError."""
    stack = Stack(aws.client("cloudformation"), STACK, shown)
    before = stack.now()
    if before is None:
        return False
    bucket, s3 = before.outputs.get("BucketName", ""), aws.client("s3")
    if bucket:
        shown.print(f"deleting the bucket {bucket}")
        _empty(s3, bucket)
    stack.delete()  # which retains the bucket
    if bucket:
        try:
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) != "BucketNotEmpty":
                raise
            raise LauncherError(
                f"the bucket {bucket} holds other things than {PREFIX}/, and was kept. Nothing else uses it any more."
            ) from None
    return True


def _empty(s3: Any, bucket: str) -> None:
    """Delete every version of what is ours."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{PREFIX}/"):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if objects:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
