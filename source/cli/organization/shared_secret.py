"""One secret for the whole organization, in the account that administers the stack set."""

from collections.abc import Mapping
from typing import Final

from cli.account.preflight import Target
from cli.aws import Aws
from cli.credentials import PARAMETERS
from cli.falcon import try_credentials
from cli.screen import Screen
from cli.stack import Stack
from registry_connections.core.model import AUTODISCOVER

DEFAULT_ROLE: Final = "crowdstrike-ecr-lambda-role"
"""The template's default of ECRExecutionRoleName."""


def stack_of(aws: Aws, stack_set: str, screen: Screen) -> Stack:
    """Return the stack that holds the secret of a stack set."""
    return Stack(aws.client("cloudformation"), f"{stack_set[:121]}-secret", screen)


def store(target: Target, organization: str, held: Mapping[str, str], screen: Screen) -> dict[str, str]:
    """Keep the credentials in the shared secret, and return the parameters that make every account read it.

    `held` are the parameters that the stack set has already. Raises CliError.
    """
    asked, aws = target.asked, target.aws
    both = {**held, **asked.parameters}
    # No account notices a wrong shared secret before its next repair.
    try_credentials(asked.credentials, both, target.artifacts.package.path, screen)
    given = {
        **asked.credentials.parameters,
        "FalconCloud": both.get("FalconCloud") or AUTODISCOVER,
        "OrganizationId": organization,
        "ExecutionRoleName": both.get("ECRExecutionRoleName") or DEFAULT_ROLE,
    }
    if asked.paths:
        given["OrganizationPaths"] = ",".join(asked.paths)
    stack = stack_of(aws, asked.name, screen)
    template = {"TemplateBody": target.artifacts.shared_secret.text}
    after, changed = stack.deploy(template, given, {"OrganizationPaths"}, asked.tags)
    screen.say(f"the shared secret is {'stored' if changed else 'as it should be already'}, in account {aws.account}")
    return {
        **dict.fromkeys(PARAMETERS.values(), ""),  # so that no account makes a copy
        "SecretsManagerSecretName": after.outputs["SecretArn"],
        "SecretKmsKeyArn": after.outputs["KeyArn"],
    }
