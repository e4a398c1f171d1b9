"""One secret that exists already, in this account or another: permissions that follow the choice, and rotation."""

import contextlib
import json
import re
from itertools import product
from typing import Any

from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import CLIENT_ID, CLIENT_SECRET
from tests.stack.customer import PROJECT, ROLE, SECRET, Customer, outcomes

OWNER = "444455556666"
NAME = "security/falcon"
NONE = {"FalconClientID": "", "FalconSecret": ""}
VIA_SECRETS_MANAGER = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
HELD = {"FalconClientId": CLIENT_ID, "FalconSecret": CLIENT_SECRET}


EXAMPLE = "o-exampleorgid"
README = (PROJECT / "source" / "README.md").read_text()
SECRET_POLICY, KEY_POLICY = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
"""The policies of the README, with which an organization shares one secret."""


def make_secret(customer: Customer, account: str = ACCOUNT, **options: Any) -> str:
    """Make a secret and return its ARN."""
    secrets = customer.aws.client("secretsmanager", account)
    return str(secrets.create_secret(Name=NAME, SecretString=json.dumps(HELD), **options)["ARN"])


def granted(customer: Customer) -> dict[str, Any]:
    """Return what the execution role may do with secrets and keys, as it was made: action to resource."""
    iam = customer.aws.client("iam")
    document = iam.get_role_policy(RoleName=ROLE, PolicyName="register-connections")["PolicyDocument"]
    statements = {str(statement["Action"]): statement for statement in document["Statement"]}
    decrypt = statements.get("kms:Decrypt", {"Condition": VIA_SECRETS_MANAGER})
    assert decrypt["Condition"] == VIA_SECRETS_MANAGER
    ours = {action: each for action, each in statements.items() if action.startswith(("secretsmanager", "kms"))}
    return {action: statement["Resource"] for action, statement in ours.items()}


def test_a_stack_moves_from_its_own_secret_to_one_that_it_reads_by_name_and_back(customer: Customer) -> None:
    make_secret(customer)
    customer.launched(Regions="us-east-1")
    connections = customer.connections()
    own = customer.aws.client("secretsmanager").describe_secret(SecretId=SECRET)["ARN"]
    assert granted(customer) == {"secretsmanager:GetSecretValue": own}

    with customer.counting() as moving:
        moved = customer.update(**NONE, SecretsManagerSecretName=NAME)

    assert moved.status == "UPDATE_COMPLETE", moved.failures
    assert moving == {"token": 1, "read": 1}  # the other secret is tried at once
    by_name = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{NAME}-??????"
    assert granted(customer) == {"secretsmanager:GetSecretValue": by_name}
    assert f"secret {SECRET}" not in customer.resources()

    back = customer.update(**customer.required, SecretsManagerSecretName=SECRET)

    assert back.status == "UPDATE_COMPLETE", back.failures
    assert {f"secret {SECRET}", f"secret {NAME}"} <= customer.resources()
    assert customer.connections() == connections


def test_a_secret_of_another_account_can_be_rotated_without_an_update_and_what_is_taken_back_is_told(
    customer: Customer,
) -> None:
    arn, key = share_with_organization(customer)
    secrets, keys = customer.aws.client("secretsmanager", OWNER), customer.aws.client("kms", OWNER)

    customer.launched(**NONE, SecretsManagerSecretName=arn, SecretKmsKeyArn=key, Regions="us-east-1")

    assert granted(customer) == {"secretsmanager:GetSecretValue": arn, "kms:Decrypt": key}

    customer.delete_in_falcon("us-east-1")
    customer.falcon.add_client(CLIENT_ID, "rotated-secret")

    assert customer.act("reconcile", fails=True).startswith("Falcon login: the client secret is wrong")

    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(HELD | {"FalconSecret": "rotated-secret"}))

    assert outcomes(customer.act("reconcile")) == {"us-east-1": "created"}

    own = keys.create_key()["KeyMetadata"]["Arn"]  # which its account may use alone
    for taken, advice in (
        ("", "A secret of another account needs a customer key."),
        (own, "Its key's policy must allow this account kms:Decrypt, and SecretKmsKeyArn must name the key."),
    ):
        secrets.update_secret(SecretId=arn, KmsKeyId=taken)
        (told,) = customer.act("plan")["problems"]
        assert told.startswith(f"The secret {NAME}")  # and its random suffix, where that could be part of the name
        assert told.endswith(f"Exception. {advice}")


def share_with_organization(customer: Customer) -> tuple[str, str]:
    """Make a secret and its key in another account of the organization, with the README's policies; return both."""
    organizations = customer.aws.client("organizations", OWNER)
    identifier = organizations.describe_organization()["Organization"]["Id"]
    customer.aws.join_organization(ACCOUNT, management=OWNER)
    policies = [policy.replace(EXAMPLE, identifier) for policy in (SECRET_POLICY, KEY_POLICY)]
    key = str(customer.aws.client("kms", OWNER).create_key(Policy=policies[1])["KeyMetadata"]["Arn"])
    arn = make_secret(customer, OWNER, KmsKeyId=key)
    customer.aws.client("secretsmanager", OWNER).put_resource_policy(SecretId=arn, ResourcePolicy=policies[0])
    return arn, key


def test_the_policies_of_the_readme_admit_the_execution_roles_of_the_organization_alone(customer: Customer) -> None:
    arn, _ = share_with_organization(customer)
    admitted = set()
    for account, role in product((ACCOUNT, "999988887777"), (ROLE, "another-role")):
        keys = customer.aws.principal(role, account, allow=("secretsmanager:GetSecretValue", "kms:Decrypt"))
        with contextlib.suppress(ClientError):
            customer.aws.client("secretsmanager", account, credentials=keys).get_secret_value(SecretId=arn)
            admitted.add((account, role))

    assert admitted == {(ACCOUNT, ROLE)}
