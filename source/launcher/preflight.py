"""Finds every reason why a request cannot work, before anything is changed, so that all are reported at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from launcher import aws_cli
from launcher.artifact import Artifact
from launcher.aws_cli import AwsCli, AwsCliError
from launcher.request import Request
from launcher.stack import template_body

_ANYWHERE: Final = "us-east-1"
"""The Region of the one call that is made even if the operator's own is unknown."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to deploy, and what the template takes there."""

    aws: AwsCli
    caller: str
    """ARN of the operator."""
    parameters: frozenset[str]
    """Names of the template's parameters; empty if CloudFormation does not take the template."""

    @property
    def partition(self) -> str:
        """The partition of the operator's account."""
        return self.caller.split(":")[1]

    @property
    def account(self) -> str:
        """The operator's account."""
        return self.caller.split(":")[4]


def survey(request: Request, template: Artifact) -> tuple[Target | None, list[str]]:
    """Return the target of `request`, None if AWS cannot be reached, and every problem that can be found."""
    problems = list(request.problems)
    aws = connect(request.region, problems, tuple(request.credentials.values()))
    if aws is None:
        return None, problems
    problems += _problems_of_profile(aws, request)
    caller = _caller(aws, problems)
    if not (caller and aws.region):
        return None, problems
    problems += _problems_of_bucket(aws, request.bucket)
    names = _template_parameters(aws, template, problems)
    problems += _unknown_parameters(request, names)
    return Target(aws, caller, names), problems


def connect(region: str, problems: list[str], secrets: tuple[str, ...] = ()) -> AwsCli | None:
    """Return the AWS CLI for a Region, else for that of its profile; None if there is no AWS CLI. Add the problems."""
    if not (executable := aws_cli.find()):
        problems.append(f"the AWS CLI is not on PATH. Install version 1 or 2: {aws_cli.INSTALLATION}")
        return None
    aws = AwsCli(executable, region, secrets)
    if not region:
        aws = replace(aws, region=aws.setting("region"))
    if not aws.region:
        problems.append("no Region is set. Name the stack's: REGION=us-east-1 (or AWS_REGION, or in the AWS profile).")
    return aws


def _problems_of_profile(aws: AwsCli, request: Request) -> Iterator[str]:
    # AWS_CLI_HISTORY_FILE cannot divert the history to /dev/null: run by root, the AWS CLI changes that file's mode.
    if request.credentials and aws.setting("cli_history") == "enabled":
        yield (
            "the AWS CLI records its calls (cli_history), so the Falcon credentials would be written to this disk. "
            "Turn that off: aws configure set cli_history disabled"
        )


def _caller(aws: AwsCli, problems: list[str]) -> str:
    """Return the ARN of the operator; if there is none, return nothing and add the problem."""
    try:
        answer = replace(aws, region=aws.region or _ANYWHERE).call("sts", "get-caller-identity")
    except AwsCliError as error:
        problems.append(
            f"AWS does not know who you are: {error.message}\n"
            "  Log in (aws sso login, aws configure) or set AWS_PROFILE, then try: aws sts get-caller-identity"
        )
        return ""
    return str(answer["Arn"])


def _problems_of_bucket(aws: AwsCli, bucket: str) -> Iterator[str]:
    if not bucket:
        return
    make = f"aws s3 mb s3://{bucket} --region {aws.region}"
    try:
        answer = aws.call("s3api", "get-bucket-location", "--bucket", bucket)
    except AwsCliError as error:
        # Whoever may write to a bucket need not be allowed to ask where it is.
        if error.code != "AccessDenied":
            yield f"the bucket {bucket} cannot be used: {error.message}. Check S3_BUCKET, or create it: {make}"
        return
    region = _region((answer or {}).get("LocationConstraint"))
    if region != aws.region:
        yield (
            f"the bucket {bucket} is in {region} and the stack is to be in {aws.region}, but Lambda takes a package "
            f"only from its own Region. Use REGION={region}, or a bucket in {aws.region}."
        )


def _region(location: str | None) -> str:
    """Translate S3's oldest names: us-east-1 has none, and eu-west-1 is "EU"."""
    return {None: "us-east-1", "EU": "eu-west-1"}.get(location) or str(location)


def _template_parameters(aws: AwsCli, template: Artifact, problems: list[str]) -> frozenset[str]:
    try:
        answer = aws.call("cloudformation", "validate-template", "--template-body", template_body(template.path))
    except AwsCliError as error:
        problems.append(f"CloudFormation does not take {template.path.name}: {error.message}")
        return frozenset()
    return frozenset(parameter["ParameterKey"] for parameter in answer["Parameters"])


def _unknown_parameters(request: Request, names: frozenset[str]) -> Iterator[str]:
    if not names:
        return
    for name in sorted(request.parameters.keys() - names):
        near = get_close_matches(name, names, n=1)
        meant = f"Did you mean {near[0]}?" if near else f"It has {', '.join(sorted(names))}."
        yield f"PARAMETERS names {name}, which the template does not have. {meant}"
