"""Covers an organization with one service-managed stack set: `make deploy-org`."""

import argparse
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from launcher import artifact, organization_bucket, organization_members
from launcher.errors import LauncherError, exit_status
from launcher.organization_aws import Aws, connect, take_environment, told
from launcher.organization_members import Organization
from launcher.organization_progress import console, failures
from launcher.organization_request import DEPLOY_VARIABLES, OrganizationRequest, read_deploy
from launcher.organization_rollout import Rollout
from launcher.organization_stack import Stack
from launcher.organization_stack_set import StackSet
from launcher.request import CREDENTIALS

if TYPE_CHECKING:
    from rich.console import Console


def deploy(environment: Mapping[str, str], shown: "Console") -> None:
    """Bring the accounts of the organization to what `environment` asks for, and show what happens.

    Raises LauncherError if the request cannot be fulfilled, or accounts failed.
    """
    request = read_deploy(environment)
    with told(request.secrets):
        if request.problems:
            raise LauncherError(*request.problems)
        aws = connect(request.region)
        organization = organization_members.find(aws)
        stack_set = StackSet(aws.client("cloudformation"), request.stack_set, request.call_as, request.max_concurrent)
        accepted = _accepted(aws)
        problems = [*organization_members.problems_of(aws, organization, request), *_problems(request, accepted)]
        problems += organization_bucket.problems_of(aws, request.bucket) if request.bucket else ()
        if problems:
            raise LauncherError(*problems)
        if stack_set.now() is None and (missing := _missing_credentials(request)):
            raise LauncherError(*missing)
        shown.print(f"organization {organization.id}, account {aws.account}, {aws.region}: {request.stack_set}")
        template_url, parameters = _publish(aws, request, shown)
        accounts = {each.id: each for each in organization.accounts_below(request.units)}
        rollout = Rollout(stack_set, aws.region, request.units, list(accounts), shown)
        rollout.define(template_url, artifact.template().path.read_text(encoding="utf-8"), parameters, accepted)
        failed = rollout.reach()
        if request.include_management:
            failed |= _management(aws, request, template_url, parameters, accepted, shown)
        names = {each.id: each.name for each in accounts.values()}
        if request.include_management:
            names[organization.management] = ""
        _conclude(failed, organization, names, shown)


def _accepted(aws: Aws) -> list[str]:
    """Return the names of the template's parameters."""
    body = artifact.template().path.read_text(encoding="utf-8")
    answer = aws.client("cloudformation").validate_template(TemplateBody=body)
    return [each["ParameterKey"] for each in answer["Parameters"]]


def _problems(request: OrganizationRequest, accepted: list[str]) -> list[str]:
    problems = []
    for name in sorted(request.parameters.keys() - set(accepted)):
        near = get_close_matches(name, accepted, n=1)
        meant = f"Did you mean {near[0]}?" if near else f"It has {', '.join(sorted(accepted))}."
        problems.append(f"PARAMETERS names {name}, which the template does not have. {meant}")
    return problems


def _missing_credentials(request: OrganizationRequest) -> list[str]:
    """Return what a new stack set lacks; an existing secret, of the organization or of each account, is enough."""
    if request.parameters.get("SecretsManagerSecretName"):
        return []
    return [
        f"{variable} is not set. A new stack set needs it, unless PARAMETERS names an existing secret "
        "(SecretsManagerSecretName): export it, from an API client of the Falcon console."
        for variable, parameter in CREDENTIALS.items()
        if parameter not in request.credentials
    ]


def _publish(aws: Aws, request: OrganizationRequest, shown: "Console") -> tuple[str, dict[str, str]]:
    """Upload package and template; return the template's address and every parameter that is given."""
    bucket = request.bucket or organization_bucket.ensure(aws, request.organization, shown)
    package, template = artifact.package(), artifact.template()
    for item in (package, template):
        uploaded = organization_bucket.upload(aws, item, bucket)
        shown.print(f"s3://{bucket}/{item.key} ({'uploaded' if uploaded else 'is there already'})")
    given = {**request.parameters, **request.credentials, "S3Bucket": bucket, "S3Key": package.key}
    return organization_bucket.address(aws, bucket, template.key), given


def _management(  # noqa: PLR0917 - what the stack set got, once more
    aws: Aws,
    request: OrganizationRequest,
    template_url: str,
    parameters: Mapping[str, str],
    accepted: list[str],
    shown: "Console",
) -> dict[str, str]:
    """Bring the management account's own stack to the same state, and return its failure, if any."""
    shown.print(f"\nmanagement account {aws.account}: the stack {request.stack_set}")
    stack = Stack(aws.client("cloudformation"), request.stack_set, shown)
    if stack.now() is None and (missing := _missing_credentials(request)):
        return {aws.account: " ".join(missing)}
    try:
        stack.deploy({"TemplateURL": template_url}, parameters, accepted)
    except LauncherError as error:
        return {aws.account: str(error)}
    return {}


def _conclude(failed: Mapping[str, str], organization: Organization, names: dict[str, str], shown: "Console") -> None:
    if failed:
        shown.print()
        shown.print(failures(failed, names | {organization.management: "the management account"}))
        count = f"{len(failed)} of {len(names)} accounts" if len(names) > 1 else "the account"
        raise LauncherError(
            f"{count} failed. Correct the cause, then run this again: it goes on with what is left to do."
        )
    count = f"{len(names):,} accounts are" if len(names) != 1 else "1 account is"
    shown.print(f"\n{count} covered. New accounts of these units will be, by themselves.")


def main() -> None:
    """Deploy what the environment describes."""
    argparse.ArgumentParser(
        prog="make deploy-org",
        usage="make deploy-org ORG_ID=... OU_IDS=... [CALL_AS=...] [REGION=...] [STACK_SET=...] [PARAMETERS=...]",
        description=__doc__,
        epilog=DEPLOY_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    deploy(take_environment(os.environ), console())


if __name__ == "__main__":
    sys.exit(exit_status(main))
