"""`make deploy`."""

from collections.abc import Iterator
from typing import Any

from cli import credentials
from cli.account import preflight
from cli.artifact import Artifact
from cli.aws import Aws, translated
from cli.errors import CliError
from cli.falcon import try_credentials
from cli.request import Request
from cli.screen import Screen
from cli.stack import LEFTOVERS, UPDATABLE, Snapshot, Stack

DISCONNECTS = (
    "the original's DisconnectUponDelete is True: if the upgrade failed, the original's function would remove every "
    "connection of the account. Set it to False first, with the original's template."
)


def deploy(asked: Request, screen: Screen) -> None:
    """Launch or update the stack in your AWS account, and print what happens.

    Without S3_BUCKET, package and template lie in the stack's bucket, or in a private one that is made. Credentials
    that are missing are asked for. After an interruption the same command follows what is under way.

    Raises CliError if that cannot be done, or the stack failed.
    """
    target, problems = preflight.survey(asked)
    aws, artifacts = target.aws, target.artifacts
    stack = Stack(aws.client("cloudformation"), asked.name, screen)
    now = stack.now()
    header(screen, asked.name, now, aws)
    screen.say(f"version {artifacts.version}, {artifacts.origin}")
    problems += _problems(asked, stack, now, screen)
    if problems:
        raise CliError(*problems)
    before = stack.settle()
    given = asked.credentials
    if _needs_credentials(asked, before):
        given = credentials.ask(screen)
    with translated(given.secrets):
        held = before.parameters if before else {}
        if given:
            try_credentials(given, {**held, **asked.parameters}, artifacts.package.path, screen)
        (package,) = target.upload(screen, artifacts.package, held=held.get("S3Bucket", ""))
        parameters = {**asked.parameters, **given.parameters, **package.parameters}
        if given:
            parameters.setdefault("CredentialsVersion", given.version(held.get("CredentialsVersion", "")))
        template = {"TemplateBody": artifacts.template.text}
        after, changed = stack.deploy(template, parameters, target.accepted, asked.tags)
    verify_code(aws, after, artifacts.package)
    news = "." if changed else ": there was nothing to change."
    screen.say(f"\nThe stack {stack.name} is up to date{news}", "green")
    screen.outputs({name: value for name, value in after.outputs.items() if not name.endswith("Command")})
    screen.say("Next: make status")


def _problems(asked: Request, stack: Stack, now: Snapshot | None, screen: Screen) -> Iterator[str]:
    """Yield what keeps the stack as it is now from being deployed."""
    held = now.parameters if now else {}
    if held.get("DisconnectUponDelete", "").lower() == "true":
        yield DISCONNECTS
    if now and not (now.is_moving or now.status in UPDATABLE | LEFTOVERS):
        yield stack.problem(now.status)
    elif _needs_credentials(asked, now) and not (screen.is_terminal or asked.credentials.problems):
        yield from credentials.missing()
    secret = {**held, **asked.parameters}.get("SecretsManagerSecretName", "")
    if asked.credentials and secret.startswith("arn:"):
        yield (
            f"the stack reads the secret {secret}, which is not its own, and credentials are given too. Unset them to "
            "use that secret, or name one that the stack makes: PARAMETERS=SecretsManagerSecretName=..."
        )


def _needs_credentials(asked: Request, before: Snapshot | None) -> bool:
    """Tell whether this is a launch without credentials and without a secret that holds them."""
    launches = before is None or before.status in LEFTOVERS
    return launches and not (asked.credentials or asked.parameters.get("SecretsManagerSecretName"))


def header(screen: Screen, name: str, now: Snapshot | None, aws: Aws) -> None:
    """Print which stack this is, its status, and the version of the package that it runs."""
    status = f"{now.status}, version {now.version or 'unknown'}" if now else "does not exist"
    screen.say(f"stack {name}: {status} (account {aws.account}, {aws.region})", "bold")


def verify_code(aws: Aws, stack: Snapshot, package: Artifact) -> None:
    """Compare the code that the function runs with what was deployed. Raises CliError if it is another."""
    function = stack.outputs.get("FunctionName", "")
    runs: Any = aws.client("lambda").get_function_configuration(FunctionName=function)["CodeSha256"]
    if runs != package.checksum:
        raise CliError(
            f"the function {function} runs other code (SHA-256 {runs}) than was built ({package.checksum}). Somebody "
            "changed the package in the bucket, or the function. Find out who, then run this again."
        )
