"""Finds every reason why a deployment cannot work, before anything is changed, so that all are reported at once."""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from cli import artifact, bucket, request
from cli.artifact import Artifact, Artifacts
from cli.aws import Aws, connect, error_text
from cli.bucket import Uploaded
from cli.errors import CliError
from cli.request import Request
from cli.screen import Screen


@dataclass(frozen=True, slots=True)
class Target:
    """What to deploy, where, and what the template takes there."""

    asked: Request
    artifacts: Artifacts
    aws: Aws
    accepted: frozenset[str]
    """Names of the template's parameters."""

    def upload(self, screen: Screen, *items: Artifact, held: str = "", organization: str = "") -> list[Uploaded]:
        """Have the items in the operator's bucket, else in `held`, which the stack has, else in our own.

        Our own may be read by the organization, if one is named. Raises CliError.
        """
        place = self.asked.bucket or held
        place = place or bucket.ensure(self.aws, self.artifacts.artifact_bucket, screen, organization)
        owner = self.asked.bucket_owner or self.aws.account
        uploads = [bucket.upload(self.aws, item, place, owner) for item in items]
        for uploaded in uploads:
            screen.link(str(uploaded))
        return uploads


def survey(asked: Request) -> tuple[Target, list[str]]:
    """Return what to deploy where, and every problem that can be found.

    Raises CliError, with the problems so far, if one keeps others from being found.
    """
    problems = list(asked.problems)
    try:
        artifacts = artifact.find(asked.release)
        aws = connect(asked.region)
    except CliError as error:
        raise CliError(*problems, *error.problems) from None
    if asked.bucket and "/" not in asked.bucket:  # which is among the problems
        problems += bucket.problems_of(aws, asked.bucket, asked.bucket_owner or aws.account)
    accepted: frozenset[str] = frozenset()
    template = artifacts.template
    try:
        answer = aws.client("cloudformation").validate_template(TemplateBody=template.text)
    except (ClientError, BotoCoreError) as error:
        problems.append(f"CloudFormation does not take {template.path.name}: {error_text(error)}")
    else:
        accepted = frozenset(each["ParameterKey"] for each in answer["Parameters"])
        problems += request.unknown_parameters(asked.parameters, accepted)
    return Target(asked, artifacts, aws, accepted), problems
