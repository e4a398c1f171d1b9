"""`make deploy-org`."""

from collections.abc import Iterator, Mapping

from cli.account import preflight
from cli.account.deploy import verify_code
from cli.account.preflight import Target
from cli.credentials import PARAMETERS, missing
from cli.errors import CliError
from cli.organization import members, shared_secret
from cli.organization.failures import show_failures
from cli.organization.members import Organization
from cli.organization.rollout import Rollout
from cli.organization.stack_set import Definition, StackSet
from cli.request import Request
from cli.screen import Screen, counted
from cli.stack import Stack


def deploy(asked: Request, screen: Screen) -> None:
    """Cover an organization with one service-managed stack set, and show what happens.

    The credentials are kept in one secret of this account that every account reads (SECRET_COPIES=1: a copy in each).
    A second run goes on with what is left to do.

    Raises CliError if that cannot be done, or accounts failed.
    """
    target, problems = preflight.survey(asked)
    organization = members.find(target.aws)
    problems += [*problems_of_secret(asked), *members.problems_of(target.aws, organization, asked)]
    if problems:
        raise CliError(*problems)
    accounts = {each.id: each.name for each in organization.targets(asked.units)}
    aws, artifacts = target.aws, target.artifacts
    stack_set = StackSet(aws.client("cloudformation"), asked.name, asked.call_as, asked.max_concurrent, screen)
    before = stack_set.now()
    status = f"version {before.version or 'unknown'}" if before else "does not exist"
    screen.say(f"stack set {asked.name}: {status} ({organization.seen_from(aws)})", "bold")
    screen.say(f"version {artifacts.version} for {counted(len(accounts), 'account')}, {artifacts.origin}")
    if before is None and not (asked.credentials or asked.parameters.get("SecretsManagerSecretName")):
        raise CliError(*missing())
    stack_set.settle()
    held = stack_set.instances() if before else []
    rollout = Rollout(stack_set, held, aws.region, asked.units, list(accounts), screen)
    rollout.require_one_region()
    items = artifacts.package, artifacts.template
    package, template = target.upload(screen, *items, organization=organization.id)
    parameters = {**asked.parameters, **package.parameters, **_secret(target, organization, before, screen)}
    url = template.url(aws)
    rollout.define(url, artifacts.template.text, parameters, target.accepted, asked.tags)
    failed = rollout.reach()
    if "INCLUDE_MANAGEMENT" in asked.flags:
        accounts[organization.management] = "management account"
        failed |= _management(target, stack_set, url, parameters, screen)
    _conclude(accounts, failed, screen)


def problems_of_secret(asked: Request) -> Iterator[str]:
    """Yield why it is not clear which secret is meant."""
    if asked.parameters.get("SecretsManagerSecretName") and asked.credentials and "SECRET_COPIES" not in asked.flags:
        yield (
            "PARAMETERS names SecretsManagerSecretName, and credentials are given too. Unset them to use that secret, "
            "or set SECRET_COPIES=1 to make one of that name in each account."
        )


def _secret(target: Target, organization: Organization, before: Definition | None, screen: Screen) -> dict[str, str]:
    """Return the parameters that name to the accounts where the credentials are, which go to the shared secret.

    Without credentials that is nothing. With SECRET_COPIES it is the credentials, and what turns accounts that read a
    shared secret back to copies of their own.
    """
    asked, held = target.asked, before.parameters if before else {}
    if not asked.credentials:
        return {}
    if "SECRET_COPIES" not in asked.flags:
        return shared_secret.store(target, organization.id, held, screen)
    version = asked.credentials.version(held.get("CredentialsVersion", ""))
    given = {"CredentialsVersion": version, **asked.parameters, **asked.credentials.parameters}
    shared = held.get("SecretsManagerSecretName", "").startswith("arn:")
    if shared and "SecretsManagerSecretName" not in asked.parameters:
        given |= {"SecretsManagerSecretName": "crowdstrike-ecr-api-credentials", "SecretKmsKeyArn": ""}
    return given


def _management(
    target: Target, stack_set: StackSet, template_url: str, parameters: Mapping[str, str], screen: Screen
) -> dict[str, str]:
    """Bring the management account's own stack to what the stack set has, and return its failure, if any."""
    aws, asked = target.aws, target.asked
    screen.say(f"\nmanagement account {aws.account}: the stack {asked.name}")
    stack = Stack(aws.client("cloudformation"), asked.name, screen)
    definition = stack_set.now()
    held = definition.parameters if definition else {}
    # Secret parameters are shown as asterisks, so that only those that are given can be passed on.
    passed_on = (held.keys() & target.accepted) - set(PARAMETERS.values())
    wanted = {**{name: held[name] for name in passed_on}, **parameters}
    shares = wanted.get("SecretsManagerSecretName", "").startswith("arn:")
    if not (shares or asked.credentials or stack.now()):
        return {aws.account: " ".join(missing())}
    try:
        after, _ = stack.deploy({"TemplateURL": template_url}, wanted, target.accepted, asked.tags)
        verify_code(aws, after, target.artifacts.package)
    except CliError as error:
        return {aws.account: str(error)}
    return {}


def _conclude(accounts: Mapping[str, str], failed: Mapping[str, str], screen: Screen) -> None:
    """Print that these accounts, with their names, are covered. Raises CliError if some failed."""
    if failed:
        show_failures(failed, screen, accounts)
        count = f"{len(failed)} of {len(accounts)} accounts" if len(accounts) > 1 else "the account"
        raise CliError(f"{count} failed. Correct the cause, then run this again: it goes on with what is left to do.")
    verb = "is" if len(accounts) == 1 else "are"
    screen.say(
        f"\n{counted(len(accounts), 'account')} {verb} covered. New accounts of these units will be, by themselves.",
        "green",
    )
