"""What somebody may do in the local AWS, where IAM is enforced."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, REGION, LocalAws

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}

Attempt = tuple[str, str, dict[str, Any]]
"""Service, operation and arguments of a call."""


class Caller:
    """Somebody with credentials; without any, an account's root."""

    def __init__(self, aws: LocalAws, credentials: Any = None, account: str = ACCOUNT) -> None:
        self._aws, self._credentials, self._account = aws, credentials, account
        self._clients: dict[tuple[str, str], Any] = {}  # to make one takes longer than a call

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a client with these credentials."""
        if (service, region) not in self._clients:
            made = self._aws.client(service, self._account, region, credentials=self._credentials)
            self._clients[service, region] = made
        return self._clients[service, region]

    def assume(self, role_arn: str, **options: str) -> "Caller":
        """Return a session of a role."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test", **options)
        return Caller(self._aws, answer["Credentials"])

    def may_assume(self, role_arn: str, **options: str) -> bool:
        try:
            self.assume(role_arn, **options)
        except ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            return False
        return True

    def not_denied(self, attempts: Iterable[Attempt], region: str = REGION) -> dict[str, str]:
        """Return those calls that were refused for another reason than permissions; fail if one succeeds."""
        codes = {
            f"{service}:{operation} {arguments}": refused(self.client(service, region), operation, **arguments)
            for service, operation, arguments in attempts
        }
        return {call: code for call, code in codes.items() if code not in DENIED}


def refused(client: Any, operation: str, **arguments: Any) -> str:
    """Return the code with which a call is refused; fail if it is not."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    return str(caught.value.response["Error"]["Code"])


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
