"""AWS as the commands for an organization see it: clients that are patient, and errors without a secret in them."""

import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from launcher.errors import LauncherError

# Throttling is normal in a large organization; a network that is gone for a minute must not end a long operation.
PATIENCE: Final = Config(retries={"mode": "standard", "total_max_attempts": 10}, max_pool_connections=20)


@dataclass(frozen=True, slots=True)
class Aws:
    """One account, in one Region, as the operator is signed in."""

    session: boto3.Session
    caller: str
    """ARN of the operator."""

    @property
    def region(self) -> str:
        """The Region of the stacks."""
        return str(self.session.region_name)

    @property
    def partition(self) -> str:
        """The partition of the operator's account."""
        return self.caller.split(":")[1]

    @property
    def account(self) -> str:
        """The operator's account."""
        return self.caller.split(":")[4]

    def client(self, service: str) -> Any:
        """Return a client of the service."""
        return self.session.client(service, config=PATIENCE)  # type: ignore[call-overload]


def connect(region: str) -> Aws:
    """Return AWS in `region`, else in the Region of the operator's profile. Raises LauncherError."""
    session = boto3.Session(region_name=region or None)
    if not session.region_name:
        raise LauncherError("no Region is set. Name the stacks': REGION=us-east-1 (or AWS_REGION, or in the profile).")
    try:
        caller = session.client("sts", config=PATIENCE).get_caller_identity()["Arn"]
    except (ClientError, BotoCoreError) as error:
        said = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else str(error)
        nobody = "Unable to locate credentials" if isinstance(error, NoCredentialsError) else said
        raise LauncherError(
            f"AWS does not know who you are: {nobody}\n"
            "  Log in (aws sso login, aws configure) or set AWS_PROFILE, then try: aws sts get-caller-identity"
        ) from None
    return Aws(session, caller)


@contextmanager
def told(secrets: Sequence[str] = ()) -> Iterator[None]:
    """Tell an AWS error as a LauncherError. boto3 quotes what it was given, so `secrets` are struck out."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        text = f"{_operation(error)}{error_code(error)}: {error_text(error)}"
        for secret in secrets:
            text = text.replace(secret, "****")
        raise LauncherError(text) from None


def _operation(error: Exception) -> str:
    return f"{error.operation_name} failed. " if isinstance(error, ClientError) else ""


def error_code(error: Exception) -> str:
    """Return AWS's name of the error."""
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else type(error).__name__


def error_text(error: Exception) -> str:
    """Return what AWS says about the error."""
    return error.response["Error"].get("Message", "") if isinstance(error, ClientError) else str(error)


def take_environment(environ: MutableMapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the environment, and take the Falcon credentials out of it: boto3 may run an operator's program."""
    environment = dict(environ)
    for name in [name for name in environ if name.startswith("FALCON_")]:
        del environ[name]
    return environment
