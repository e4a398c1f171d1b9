"""`make deploy-org`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cli import artifact, bucket, request
from cli.account.deploy import verify_code
from cli.account.preflight import accepted_parameters
from cli.aws import Aws, connect, translated
from cli.bucket import Uploaded
from cli.credentials import VARIABLES, Credentials, missing
from cli.errors import CliError
from cli.organization import members, shared_secret
from cli.organization.members import Account, Organization
from cli.organization.progress import show_failures
from cli.organization.rollout import Rollout
from cli.organization.stack_set import Definition, StackSet
from cli.request import Request, Values
from cli.screen import Screen, counted
from cli.stack import Stack


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found before anything is written."""

    asked: Request
    aws: Aws
    organization: Organization
    accounts: list[Account]
    accepted: frozenset[str]
    """Names of the template's parameters."""


def deploy(values: Values, given: Credentials, screen: Screen) -> None:
    """Cover an organization with one service-managed stack set, and show what happens.

    The credentials are kept in one secret of this account that every account reads (SECRET_COPIES=1: a copy in each).
    A second run goes on with what is left to do.

    Raises CliError if that cannot be done, or accounts failed.
    """
    asked = request.read(values, given)
    with translated(given.secrets):
        plan = _survey(asked)
        stack_set = StackSet(plan.aws.client("cloudformation"), asked.name, asked.call_as, asked.max_concurrent)
        rollout = Rollout(stack_set, plan.aws.region, asked.units, [each.id for each in plan.accounts], screen)
        before = stack_set.now()
        _introduce(plan, before, screen)
        if before is None and not (given or asked.parameters.get("SecretsManagerSecretName")):
            raise CliError(*missing())
        rollout.settle()
        package, template = _publish(plan, screen)
        parameters = _parameters(plan, package, before, screen)
        text, url = artifact.template().text, template.url(plan.aws)
        rollout.define(url, text, parameters, plan.accepted, asked.tags)
        failed = rollout.reach()
        if "INCLUDE_MANAGEMENT" in asked.flags:
            failed |= _management(plan, stack_set, url, parameters, screen)
    _conclude(plan, failed, screen)


def _survey(asked: Request) -> Plan:
    """Return what there is to cover. Raises CliError with every problem that can be found."""
    try:
        aws = connect(asked.region)
    except CliError as error:
        raise CliError(*asked.problems, *error.problems) from None
    problems = [*asked.problems, *problems_of_secret(asked)]
    organization = members.find(aws)
    problems += members.problems_of(aws, organization, asked)
    accepted = accepted_parameters(aws, artifact.template(), problems)
    problems += request.unknown_parameters(asked.parameters, accepted) if accepted else ()
    if asked.bucket:
        problems += bucket.problems_of(aws, asked.bucket, asked.bucket_owner or aws.account)
    if problems:
        raise CliError(*problems)
    return Plan(asked, aws, organization, organization.targets(asked.units), accepted)


def problems_of_secret(asked: Request) -> Iterator[str]:
    """Yield why it is not clear which secret is meant."""
    if asked.parameters.get("SecretsManagerSecretName") and asked.credentials and "SECRET_COPIES" not in asked.flags:
        yield (
            "PARAMETERS names SecretsManagerSecretName, and credentials are given too. Unset them to use that secret, "
            "or set SECRET_COPIES=1 to make one of that name in each account."
        )


def _introduce(plan: Plan, before: Definition | None, screen: Screen) -> None:
    version = f"version {before.version or 'unknown'}" if before else "does not exist yet"
    screen.say(
        f"stack set {plan.asked.name}: {version} (organization {plan.organization.id}, account "
        f"{plan.aws.account}, {plan.aws.region})",
        "bold",
    )
    screen.say(f"version {artifact.version()} for {counted(len(plan.accounts), 'account')}")


def _publish(plan: Plan, screen: Screen) -> tuple[Uploaded, Uploaded]:
    """Upload package and template to the operator's bucket, else to our own."""
    asked, aws = plan.asked, plan.aws
    place = asked.bucket or bucket.ensure(aws, screen, plan.organization.id)
    owner = asked.bucket_owner or aws.account
    uploads = [bucket.upload(aws, item, place, owner) for item in (artifact.package(), artifact.template())]
    for uploaded in uploads:
        screen.link(str(uploaded))
    return uploads[0], uploads[1]


def _parameters(plan: Plan, package: Uploaded, before: Definition | None, screen: Screen) -> dict[str, str]:
    """Return every parameter that is given to the stack set; the credentials go to the shared secret."""
    asked, held = plan.asked, before.parameters if before else {}
    given = {**asked.parameters, **package.parameters}
    if not asked.credentials:
        return given
    if "SECRET_COPIES" not in asked.flags:
        return given | shared_secret.store(plan.aws, asked, plan.organization.id, held, screen)
    version = asked.credentials.version(held.get("CredentialsVersion", ""))
    return given | asked.credentials.parameters | {"CredentialsVersion": version} | _own_secret(held, asked)


def _own_secret(held: Mapping[str, str], asked: Request) -> dict[str, str]:
    """Return what turns accounts that read a shared secret back to copies of their own."""
    shared = held.get("SecretsManagerSecretName", "").startswith("arn:")
    if not shared or "SecretsManagerSecretName" in asked.parameters:
        return {}
    return {"SecretsManagerSecretName": "crowdstrike-ecr-api-credentials", "SecretKmsKeyArn": ""}


def _management(
    plan: Plan, stack_set: StackSet, template_url: str, parameters: Mapping[str, str], screen: Screen
) -> dict[str, str]:
    """Bring the management account's own stack to what the stack set has, and return its failure, if any."""
    aws = plan.aws
    screen.say(f"\nmanagement account {aws.account}: the stack {plan.asked.name}")
    stack = Stack(aws.client("cloudformation"), plan.asked.name, screen)
    definition = stack_set.now()
    held = definition.parameters if definition else {}
    # Secret parameters are shown as asterisks, so that only those that are given can be passed on.
    wanted = {name: held[name] for name in (held.keys() & plan.accepted) - set(VARIABLES.values())} | dict(parameters)
    shares = wanted.get("SecretsManagerSecretName", "").startswith("arn:")
    if not (shares or plan.asked.credentials or stack.now()):
        return {aws.account: " ".join(missing())}
    try:
        after, _ = stack.deploy({"TemplateURL": template_url}, wanted, plan.accepted, plan.asked.tags)
        verify_code(aws, after, artifact.package())
    except CliError as error:
        return {aws.account: str(error)}
    return {}


def _conclude(plan: Plan, failed: Mapping[str, str], screen: Screen) -> None:
    names = {each.id: each.name for each in plan.accounts}
    if "INCLUDE_MANAGEMENT" in plan.asked.flags:
        names[plan.organization.management] = "management account"
    if failed:
        show_failures(failed, names, screen)
        count = f"{len(failed)} of {len(names)} accounts" if len(names) > 1 else "the account"
        raise CliError(f"{count} failed. Correct the cause, then run this again: it goes on with what is left to do.")
    verb = "is" if len(names) == 1 else "are"
    screen.say(
        f"\n{counted(len(names), 'account')} {verb} covered. New accounts of these units will be, by themselves.",
        "green",
    )
