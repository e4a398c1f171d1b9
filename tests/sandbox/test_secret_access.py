"""Secrets of other accounts and secrets with customer keys: who may read them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import LocalAws
from tests.sandbox.samples import statements

OWNER, READER = "444455556666", "111122223333"
ALL_READERS = {"AWS": f"arn:aws:iam::{READER}:root"}


def make_secret(aws: LocalAws, *, key: bool, shared: bool = True, key_shared: bool = True) -> str:
    """Make a secret in another account and return its ARN."""
    secrets, kms = aws.client("secretsmanager", OWNER), aws.client("kms", OWNER)
    own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}, "Action": "kms:*", "Resource": "*"}
    theirs = {
        "Effect": "Allow",
        "Principal": ALL_READERS,
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
    }
    options = {}
    if key:
        policy = statements(own, *([theirs] if key_shared else []))
        options["KmsKeyId"] = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    arn = str(secrets.create_secret(Name="shared", SecretString="value", **options)["ARN"])
    if shared:
        allowed = {
            "Effect": "Allow",
            "Principal": ALL_READERS,
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }
        secrets.put_resource_policy(SecretId=arn, ResourcePolicy=json.dumps(statements(allowed)))
    return arn


def read(aws: LocalAws, arn: str, *allow: str) -> Any:
    """Read a secret as a role of the other account that may do this; return its value or the error."""
    client = aws.client("secretsmanager", READER, credentials=aws.principal("reader", READER, allow=allow))
    try:
        return client.get_secret_value(SecretId=arn)["SecretString"]
    except ClientError as error:
        return error.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("secret", "allow", "expected"),
    [
        ({"key": True}, ("secretsmanager:GetSecretValue", "kms:Decrypt"), "value"),
        ({"key": True}, ("secretsmanager:GetSecretValue",), "AccessDeniedException"),
        ({"key": True}, ("kms:Decrypt",), "AccessDeniedException"),
        ({"key": True, "shared": False}, ("secretsmanager:GetSecretValue", "kms:Decrypt"), "AccessDeniedException"),
        ({"key": True, "key_shared": False}, ("secretsmanager:GetSecretValue", "kms:Decrypt"), "AccessDeniedException"),
        ({"key": False}, ("secretsmanager:GetSecretValue", "kms:Decrypt"), "InvalidRequestException"),
    ],
)
def test_a_secret_of_another_account_needs_both_accounts_and_a_customer_key(
    aws: LocalAws, secret: dict[str, bool], allow: tuple[str, ...], expected: str
) -> None:
    assert read(aws, make_secret(aws, **secret), *allow) == expected


def test_a_secret_of_the_same_account_needs_its_key_too(aws: LocalAws) -> None:
    key = aws.client("kms", READER).create_key()["KeyMetadata"]["KeyId"]
    arn = aws.client("secretsmanager", READER).create_secret(Name="own", SecretString="value", KmsKeyId=key)["ARN"]

    assert read(aws, arn, "secretsmanager:GetSecretValue") == "AccessDeniedException"
    assert read(aws, "own", "secretsmanager:GetSecretValue", "kms:Decrypt") == "value"
