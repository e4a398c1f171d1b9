"""What sessions of a role may do in the local AWS, where IAM is enforced."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT, LocalAws

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}


def refused(client: Any, operation: str, **arguments: Any) -> str:
    """Return the code with which a call is refused; fail if it is not."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    return str(caught.value.response["Error"]["Code"])


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def assume(aws: LocalAws, role_arn: str, credentials: Any = None, account: str = ACCOUNT, **options: str) -> Any:
    """Return the credentials of a session of a role."""
    sts = aws.client("sts", account, credentials=credentials)
    return sts.assume_role(RoleArn=role_arn, RoleSessionName="test", **options)["Credentials"]


def may_assume(aws: LocalAws, role: str, credentials: Any, account: str, **options: str) -> bool:
    try:
        assume(aws, role, credentials, account, **options)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return False
    return True
