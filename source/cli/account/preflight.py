"""Finds every reason why a deployment cannot work, before anything is changed, so that all are reported at once."""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from cli import bucket, request
from cli.artifact import Artifact
from cli.aws import Aws, connect, error_text
from cli.errors import CliError
from cli.request import Request


@dataclass(frozen=True, slots=True)
class Target:
    """Where to deploy, and what the template takes there."""

    aws: Aws
    accepted: frozenset[str]
    """Names of the template's parameters."""

    def owner(self, asked: Request) -> str:
        """Return the account that the bucket must belong to."""
        return asked.bucket_owner or self.aws.account


def survey(asked: Request, template: Artifact) -> tuple[Target | None, list[str]]:
    """Return where to deploy, None if AWS cannot be reached, and every problem that can be found."""
    problems = list(asked.problems)
    try:
        aws = connect(asked.region)
    except CliError as error:
        return None, [*problems, *error.problems]
    if asked.bucket:
        problems += bucket.problems_of(aws, asked.bucket, asked.bucket_owner or aws.account)
    accepted = accepted_parameters(aws, template, problems)
    problems += request.unknown_parameters(asked.parameters, accepted) if accepted else ()
    return Target(aws, accepted), problems


def accepted_parameters(aws: Aws, template: Artifact, problems: list[str]) -> frozenset[str]:
    """Return the names of the template's parameters; if CloudFormation refuses it, none, and add the problem."""
    try:
        answer = aws.client("cloudformation").validate_template(TemplateBody=template.text)
    except (ClientError, BotoCoreError) as error:
        problems.append(f"CloudFormation does not take {template.path.name}: {error_text(error)}")
        return frozenset()
    return frozenset(each["ParameterKey"] for each in answer["Parameters"])
