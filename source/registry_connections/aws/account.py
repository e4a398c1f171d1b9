"""The account: the secret, its Regions, how it uses ECR, what CloudFormation holds, and the log group's retention."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from registry_connections.aws.calls import (
    NOT_UNDERSTOOD,
    PROBE,
    Clients,
    denied_by_organization,
    error_code,
    translate_errors,
)
from registry_connections.core.errors import AwsError, SecretError
from registry_connections.core.model import AccountRegions, Credentials, RegionUse

SECRET_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "FalconClientId": ("falconclientid", "clientid"),
    "FalconSecret": ("falconsecret", "falconclientsecret", "clientsecret"),
    "FalconCloud": ("falconcloud", "cloud"),
    "member_cid": ("membercid", "falconmembercid"),
}
"""How the keys of a secret may be spelled, in lower case and without separators."""

SECRET_ADVICE: Final = {
    "marked for deletion": "It is scheduled for deletion: aws secretsmanager restore-secret --secret-id {name}",
    "scheduled for deletion": "It is scheduled for deletion: aws secretsmanager restore-secret --secret-id {name}",
    "Access to KMS": "Its key's policy must allow this account kms:Decrypt, and SecretKmsKeyArn must name the key.",
    "default KMS service key": "A secret of another account needs a customer key.",
    "resource-based policy": "Check its ARN, and that its resource policy allows this account to read it.",
}
"""What to do, by the words with which Secrets Manager refuses a secret."""

ABSENT: Final = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
"""Codes for a secret that does not exist: to a role that may read one secret only, AWS denies any other."""

_REGION_NAME: Final = re.compile(r"[a-z0-9-]{3,40}")
# The six characters are random; a word of six letters, as in `our-falcon` and `our-secret`, belongs to the name.
_FULL_ARN: Final = re.compile(r"arn:.*:secret:.*-(?![A-Za-z][a-z]{5}$)[A-Za-z0-9]{6}")


@dataclass(frozen=True)
class AwsAccount:
    """The account and Region that the function runs in. `access` calls again while a fresh policy is not known yet."""

    clients: Clients
    secret_id: str
    stack_id: str
    access: Callable[[Callable[[], Any]], Any]

    def credentials(self) -> Credentials:
        """Return what the secret holds; raise SecretError, which names what is wrong and never a value."""
        name = self.secret_id.split(":secret:")[-1]
        name = name[:-7] if _FULL_ARN.fullmatch(self.secret_id) else name
        region = self.secret_id.split(":")[3] if self.secret_id.startswith("arn:") else None
        client = self.clients.get("secretsmanager", region)
        with translate_errors(f"The secret {name} is missing or cannot be read", SecretError):
            try:
                response = self.access(lambda: client.get_secret_value(SecretId=self.secret_id))
            except ClientError as error:
                if advice := self._advice(error).replace("{name}", name):
                    raise SecretError(f"The secret {name} cannot be read: {error_code(error)}. {advice}") from None
                raise
            return parse_secret(response.get("SecretString"), name, binary="SecretBinary" in response)

    def _advice(self, error: ClientError) -> str:
        if known := next((advice for words, advice in SECRET_ADVICE.items() if words in str(error)), ""):
            return known
        if self.secret_id.startswith("arn:") and not _FULL_ARN.fullmatch(self.secret_id):
            return "Its ARN ends with a hyphen and six characters: give all of it."
        if error_code(error) in ABSENT and not denied_by_organization(error):
            return "It may be missing: check SecretsManagerSecretName and the Region."
        return ""

    def regions(self) -> AccountRegions:
        """Return the account's Regions; raise AwsError."""
        failure = "The account's Regions cannot be listed (ec2:DescribeRegions)"
        client = self.clients.get("ec2")
        with translate_errors(failure, AwsError):
            response = self.access(lambda: client.describe_regions(AllRegions=True))
            listed = {_region_name(item["RegionName"]): item.get("OptInStatus") for item in response["Regions"]}
        if not listed:
            raise AwsError(f"{failure}: AWS lists none.")
        disabled = frozenset(name for name, status in listed.items() if status == "not-opted-in")
        return AccountRegions(enabled=frozenset(listed) - disabled, disabled=disabled)

    def region_use(self, region: str) -> RegionUse:
        """Return what ECR says of a Region when it is asked for one repository.

        Only an explicit word of a service control policy counts as denied: an execution role that a boundary keeps
        from asking must not cost the account its coverage.
        """
        try:
            response = self.clients.get("ecr", region, PROBE).describe_repositories(maxResults=1)
        except ClientError as error:
            return RegionUse.DENIED if denied_by_organization(error) else RegionUse.UNKNOWN
        except (BotoCoreError, *NOT_UNDERSTOOD):
            return RegionUse.UNKNOWN
        return RegionUse.REPOSITORIES if response.get("repositories") else RegionUse.EMPTY

    def holds(self, logical_id: str, physical_id: str) -> bool:
        """Whether CloudFormation holds that physical id for a resource of this stack; raise AwsError."""
        client = self.clients.get("cloudformation")
        with translate_errors("The stack's resource cannot be described", AwsError):
            response = self.access(
                lambda: client.describe_stack_resource(StackName=self.stack_id, LogicalResourceId=logical_id)
            )
            return bool(response["StackResourceDetail"]["PhysicalResourceId"] == physical_id)

    def retain_logs(self, log_group: str, days: int) -> None:
        """Set the retention of the function's own log group, which Lambda may be about to make; raise AwsError."""
        logs = self.clients.get("logs", None, PROBE)
        with translate_errors(f"The retention of {log_group} cannot be set", AwsError):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=log_group)
            logs.put_retention_policy(logGroupName=log_group, retentionInDays=days)


def _region_name(text: str) -> str:
    """Return the name of a Region, which goes into URLs and logs; raise ValueError if it is none."""
    if not _REGION_NAME.fullmatch(text):
        raise ValueError("not the name of a Region")
    return text


def parse_secret(text: object, name: str, *, binary: bool = False) -> Credentials:
    """Return the credentials in a secret's text; raise SecretError, which names keys and never values."""
    if binary:
        raise SecretError(f"The secret {name} is binary: store the JSON as text (SecretString).")
    try:
        stored = json.loads(text.strip().lstrip("\ufeff") if isinstance(text, str) else "")
    except (ValueError, RecursionError):
        raise SecretError(f"The secret {name} is not JSON with FalconClientId and FalconSecret.") from None
    if not isinstance(stored, dict):
        raise SecretError(f"The secret {name} is not a JSON object.")
    values = {_plain_key(key): value.strip() for key, value in stored.items() if isinstance(value, str)}
    found = {key: next((values[each] for each in names if values.get(each)), "") for key, names in SECRET_KEYS.items()}
    if missing := [key for key in ("FalconClientId", "FalconSecret") if not found[key]]:
        raise SecretError(f"The secret {name} has no {' and no '.join(missing)} (or client_id, client_secret).")
    return Credentials(*found.values())


def _plain_key(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())
