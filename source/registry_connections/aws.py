"""AWS as far as this package needs it: the secret, the account's Regions, the state, the log group's retention.

The only importer of boto3. Clients are made on first use; a session is passed in.
"""

import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from registry_connections.errors import (
    AwsError,
    SecretError,
    StateChangedError,
    StateError,
    StateMissingError,
    plain,
)
from registry_connections.model import AccountRegions, Credentials, RegionUse
from registry_connections.state import State, parse_state, render_state, standing

CLIENT: Final = Config(
    connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=40
)
PROBE: Final = CLIENT.merge(Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2}))

CLIENT_ID_KEYS: Final = ("FalconClientId", "FalconClientID", "client_id", "ClientId")
CLIENT_SECRET_KEYS: Final = ("FalconSecret", "FalconClientSecret", "client_secret", "ClientSecret")
CLOUD_KEYS: Final = ("FalconCloud", "cloud", "Cloud")

NOT_UNDERSTOOD: Final = (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""Raised by botocore, and by taking what is wanted from its answer, where AWS answers other than it documents."""

_REGION_NAME: Final = re.compile(r"[a-z0-9-]{3,40}")

Wanted = TypeVar("Wanted")

SECRET_ADVICE: Final = {
    "Access to KMS": "Its key's policy must allow this account kms:Decrypt, and SecretKmsKeyArn must name the key.",
    "default KMS service key": "A secret of another account needs a customer key.",
    "resource-based policy": "Check its ARN, and that its resource policy allows this account to read it.",
}
"""What to do, by the words with which Secrets Manager refuses a secret of another account, or its key."""


class AwsAccount:
    """The account and Region that the function runs in."""

    def __init__(self, session: boto3.Session, secret_id: str, state_parameter: str) -> None:
        self._session = session
        self._secret_id = secret_id
        self._state_parameter = state_parameter
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    def credentials(self) -> Credentials:
        """Return what the secret holds; raise SecretError, which names what is wrong and never a value."""
        name = self._secret_id.split(":secret:")[-1]
        region = self._secret_id.split(":")[3] if self._secret_id.startswith("arn:") else None

        def ask() -> str | None:
            text = self._client("secretsmanager", region).get_secret_value(SecretId=self._secret_id).get("SecretString")
            if not isinstance(text, str | None):
                raise TypeError("not text")
            return text

        text = _asked(
            ask,
            # To a role that may read one secret only, AWS denies also one that does not exist.
            f"The secret {name} is missing or cannot be read",
            SecretError,
        )
        return parse_secret(text, name)

    def regions(self) -> AccountRegions:
        """Return the account's Regions; raise AwsError."""

        def ask() -> dict[str, str | None]:
            answer = self._client("ec2").describe_regions(AllRegions=True)
            return {_region_name(item["RegionName"]): item.get("OptInStatus") for item in answer["Regions"]}

        listed = _asked(ask, "The account's Regions cannot be listed (ec2:DescribeRegions)", AwsError)
        if not listed:
            raise AwsError("The account's Regions cannot be listed (ec2:DescribeRegions): AWS lists none.")
        disabled = frozenset(name for name, status in listed.items() if status == "not-opted-in")
        return AccountRegions(enabled=frozenset(listed) - disabled, disabled=disabled)

    def region_use(self, region: str) -> RegionUse:
        """Return what ECR says of a Region when it is asked for one repository.

        Only an explicit word of a service control policy counts as denied: an execution role that a boundary keeps
        from asking must not cost the account its coverage.
        """
        try:
            answer = self._client("ecr", region, PROBE).describe_repositories(maxResults=1)
        except ClientError as error:
            return RegionUse.DENIED if _denied_by_organization(error) else RegionUse.UNKNOWN
        except (BotoCoreError, *NOT_UNDERSTOOD):
            return RegionUse.UNKNOWN
        return RegionUse.REPOSITORIES if answer.get("repositories") else RegionUse.EMPTY

    def load(self) -> State:
        """Return the state; raise StateMissingError or StateError."""
        return parse_state(*standing(*self._read(self._state_parameter), self._text_at))

    def swap(self, state: State) -> State:
        """Write the state if nobody wrote since it was loaded, and return it with its new version.

        Parameter Store has no conditional write, but counts versions: see `state.standing`. Raise StateChangedError
        if somebody else was first, StateError if it cannot be written.
        """
        text = render_state(state, by=secrets.token_hex(4))
        version = self._put(text)
        if version <= state.version:
            raise StateError(f"The state {self._state_parameter} cannot be written: AWS calls it version {version}.")
        if version != state.version + 1:
            stands, version = standing(text, version, self._text_at)
            if stands != text:
                raise StateChangedError("another run of this function wrote the state meanwhile")
        return replace(state, version=version)

    def _put(self, text: str) -> int:
        ssm, name = self._client("ssm"), self._state_parameter
        return _asked(
            lambda: int(ssm.put_parameter(Name=name, Value=text, Type="String", Overwrite=True)["Version"]),
            f"The state {name} cannot be written",
            StateError,
        )

    def _read(self, name: str) -> tuple[str, int]:
        def read() -> tuple[str, int]:
            parameter = self._client("ssm").get_parameter(Name=name)["Parameter"]
            return str(parameter["Value"]), int(parameter["Version"])

        return _asked(read, f"The state {name} cannot be read", StateError, {"ParameterNotFound": StateMissingError})

    def _text_at(self, version: int) -> str:
        return self._read(f"{self._state_parameter}:{version}")[0]

    def retain_logs(self, log_group: str, days: int) -> None:
        """Set the retention of the function's own log group, which Lambda may be about to make; raise AwsError."""

        def retain() -> None:
            logs = self._client("logs", None, PROBE)
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=log_group)
            logs.put_retention_policy(logGroupName=log_group, retentionInDays=days)

        _asked(retain, f"The retention of {log_group} cannot be set", AwsError)

    def _client(self, service: str, region: str | None = None, config: Config = CLIENT) -> Any:
        with self._lock:  # a session may not make clients on two threads at once
            if (service, region) not in self._clients:
                make: Any = self._session.client  # its type has an overload for each service by name
                self._clients[service, region] = make(service, region_name=region, config=config)
            return self._clients[service, region]


def _asked(
    ask: Callable[[], Wanted],
    failure: str,
    kind: type[AwsError],
    kinds: Mapping[str, type[AwsError]] | None = None,
) -> Wanted:
    """Return what `ask` takes from an answer of AWS; raise `kind`, or the one that `kinds` has for AWS's code."""
    try:
        return ask()
    except (ClientError, BotoCoreError) as error:
        raise (kinds or {}).get(_code(error), kind)(f"{failure}: {_cause(error)}") from None
    except NOT_UNDERSTOOD as error:
        raise kind(f"{failure}: AWS's answer cannot be understood ({type(error).__name__}).") from None


def _region_name(text: str) -> str:
    """Return the name of a Region, which goes into URLs and logs; raise ValueError if it is none."""
    if not _REGION_NAME.fullmatch(text):
        raise ValueError("not the name of a Region")
    return text


def parse_secret(text: str | None, name: str) -> Credentials:
    """Return the credentials in a secret's text; raise SecretError, which names keys and never values."""
    try:
        values = json.loads(text or "")
    except (ValueError, RecursionError):
        raise SecretError(f"The secret {name} is not JSON.") from None
    if not isinstance(values, dict):
        raise SecretError(f"The secret {name} is not a JSON object.")
    client_id, client_secret = _first(values, CLIENT_ID_KEYS), _first(values, CLIENT_SECRET_KEYS)
    missing = [
        keys[0] for keys, value in ((CLIENT_ID_KEYS, client_id), (CLIENT_SECRET_KEYS, client_secret)) if not value
    ]
    if missing:
        raise SecretError(f"The secret {name} has no {' and no '.join(missing)}.")
    return Credentials(client_id, client_secret, _first(values, CLOUD_KEYS))


def _first(values: Mapping[str, object], keys: tuple[str, ...]) -> str:
    found = next((values[key] for key in keys if values.get(key)), "")
    return found.strip() if isinstance(found, str) else ""


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return plain(error.response.get("Error", {}).get("Code", "unknown error"), limit=60)
    return type(error).__name__


def _cause(error: ClientError | BotoCoreError) -> str:
    """Return the code of an AWS error, that a service control policy denied it where AWS says so, and what to do."""
    by = " by a service control policy" if _denied_by_organization(error) else ""
    return f"{_code(error)}{by}.{_advice(error)}"


def _advice(error: ClientError | BotoCoreError) -> str:
    return next((f" {advice}" for words, advice in SECRET_ADVICE.items() if words in str(error)), "")


def _denied_by_organization(error: ClientError | BotoCoreError) -> bool:
    """Whether AWS names a service control policy, as it does in the messages of explicit and implicit denials."""
    return isinstance(error, ClientError) and "service control policy" in str(error)
