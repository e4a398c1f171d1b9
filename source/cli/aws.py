"""AWS as the commands see it: a session, clients that retry, and errors without a secret in them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

from cli.errors import CliError

# Throttling is normal in a large organization; a network that is gone for a minute must not end a long operation.
WORKING: Final = Config(retries={"mode": "standard", "total_max_attempts": 10}, max_pool_connections=20)
READING: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=10, max_pool_connections=20
)
"""For commands that only read: they give up after about 30 seconds."""

SHORTEST_SECRET: Final = 6  # characters

SUFFIXES: Final[Mapping[str, str]] = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
}
"""Domain of the AWS services in partitions where it is not amazonaws.com."""


@dataclass(frozen=True, slots=True)
class Aws:
    """One account, in one Region, as the operator is signed in."""

    session: boto3.Session
    region: str
    """Of the stacks."""
    partition: str
    account: str
    config: Config = WORKING

    @property
    def suffix(self) -> str:
        """The domain of the AWS services."""
        return SUFFIXES.get(self.partition, "amazonaws.com")

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client of the service."""
        return self.session.client(service, config=config or self.config)  # type: ignore[call-overload]


def connect(region: str, config: Config = WORKING, found: Sequence[str] = ()) -> Aws:
    """Return AWS in `region`, else in the Region of the operator's profile.

    Raises CliError with every problem: those `found` already, no Region, no credentials.
    """
    problems = list(found)
    try:
        session = boto3.Session(region_name=region or None)
    except BotoCoreError as error:  # a profile that does not exist
        raise CliError(*problems, f"the AWS configuration cannot be used: {error}") from None
    if not session.region_name:
        problems.append("no Region is set. Name the stack's: REGION=us-east-1 (or AWS_REGION, or in the AWS profile).")
    caller = ""
    try:
        # Who calls is the same in every Region; one is needed to ask.
        client = session.client("sts", region_name=session.region_name or "us-east-1", config=config)
        caller = client.get_caller_identity()["Arn"]
    except (AwsConnectionError, HTTPClientError) as error:
        problems.append(f"AWS cannot be reached: {error}\n  Check the spelling of REGION, the network and its proxy.")
    except (ClientError, BotoCoreError) as error:
        reason = "Unable to locate credentials" if isinstance(error, NoCredentialsError) else error_text(error)
        problems.append(
            f"AWS does not know who you are: {reason}\n"
            "  Log in (aws sso login, aws configure) or set AWS_PROFILE, then run this again.\n"
            "  A Region that the account has not enabled looks the same."
        )
    if problems:
        raise CliError(*problems)
    _, partition, _, _, account, _ = caller.split(":", 5)
    return Aws(session, str(session.region_name), partition, account, config)


@contextmanager
def translated(secrets: Sequence[str] = ()) -> Iterator[None]:
    """Raise errors of AWS as CliError. boto3 quotes what it was given, so `secrets` are struck out."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:  # the last: what answers is not AWS
        operation = f"{error.operation_name} failed. " if isinstance(error, ClientError) else ""
        raise CliError(redacted(f"{operation}{error_code(error)}: {error_text(error)}", secrets)) from None
    except CliError as error:
        raise type(error)(*(redacted(problem, secrets) for problem in error.problems)) from None


def redacted(text: str, secrets: Sequence[str]) -> str:
    """Return the text without any of the secrets; what is too short to be one stays, so that the text can be read."""
    for secret in secrets:
        text = text.replace(secret, "****") if len(secret) >= SHORTEST_SECRET else text
    return text


def error_code(error: Exception) -> str:
    """Return AWS's name of the error."""
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else type(error).__name__


def error_text(error: Exception) -> str:
    """Return AWS's text of the error."""
    return error.response["Error"].get("Message", "") if isinstance(error, ClientError) else str(error)
