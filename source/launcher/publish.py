"""Uploads the package and the template, and prints the link that opens the console with both: `make publish`."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from launcher import artifact, preflight
from launcher.errors import LauncherError, exit_status
from launcher.preflight import Target
from launcher.request import VARIABLES, read

CONSOLES: Final[Mapping[str, str]] = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}
"""Host of the console in each partition, as far as known."""

SUFFIXES: Final[Mapping[str, str]] = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
}
"""Domain of the AWS services where it is not amazonaws.com."""


def publish(environment: Mapping[str, str]) -> None:
    """Upload package and template as `environment` asks, and print the link.

    Raises LauncherError if the request cannot be fulfilled.
    """
    # Nothing that is published can hold a credential that was never read.
    request = read({name: value for name, value in environment.items() if not name.startswith("FALCON_")})
    package, template = artifact.package(), artifact.template()
    target, problems = preflight.survey(request, template)
    if target is None or problems:
        raise LauncherError(*problems)
    for item in (package, template):
        uploaded = item.upload(target.aws, request.bucket)
        print(f"s3://{request.bucket}/{item.key} ({'uploaded' if uploaded else 'is there already'})")
    parameters = {"S3Bucket": request.bucket, "S3Key": package.key, **request.parameters}
    url = template_url(target, request.bucket, template.key)
    print(f"\nTemplate: {url}")
    if host := CONSOLES.get(target.partition):
        console = host.format(region=target.aws.region)
        print(f"Launch:   {quick_create_link(console, target.aws.region, url, request.stack, parameters)}")
    else:
        print(f"No console is known for the partition {target.partition}. Launch the template with {parameters}.")


def template_url(target: Target, bucket: str, key: str) -> str:
    """Return the address at which CloudFormation reads the object `key`."""
    host = f"s3.{target.aws.region}.{SUFFIXES.get(target.partition, 'amazonaws.com')}"
    # A dot in the bucket's name would make a host that S3's certificate does not cover.
    return f"https://{host}/{bucket}/{key}" if "." in bucket else f"https://{bucket}.{host}/{key}"


def quick_create_link(console: str, region: str, template: str, stack: str, parameters: Mapping[str, str]) -> str:
    """Return the console's page that has everything filled in but the Falcon credentials."""
    fields = {"templateURL": template, "stackName": stack, **{f"param_{k}": v for k, v in parameters.items()}}
    # Part of the fragment, where a plus sign would not mean a space.
    query = urlencode(fields, quote_via=quote, safe="")
    return f"https://{console}/cloudformation/home?region={region}#/stacks/quickcreate?{query}"


def main() -> None:
    """Publish what the environment describes."""
    argparse.ArgumentParser(
        prog="make publish",
        usage="make publish S3_BUCKET=... [STACK=...] [REGION=...] [PARAMETERS=...]",
        description=__doc__,
        epilog=VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    publish(os.environ)


if __name__ == "__main__":
    sys.exit(exit_status(main))
