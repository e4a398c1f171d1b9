"""One secret that exists already, in this account or another: permissions that follow the choice, and rotation."""

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import CLIENT_ID, CLIENT_SECRET
from tests.stack.customer import PROJECT, ROLE, SECRET, Customer
from tests.stack.operating import act, delete_in_falcon, failure, outcomes, wrote

pytest_plugins = ["tests.stack.launching"]

OWNER = "444455556666"
NAME = "security/falcon"
NONE = {"FalconClientID": "", "FalconSecret": ""}
HELD = {"FalconClientId": CLIENT_ID, "FalconSecret": CLIENT_SECRET}


EXAMPLE = "o-exampleorgid"
README = (PROJECT / "source" / "README.md").read_text()
SECRET_POLICY, KEY_POLICY = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
"""The policies of the README, with which an organization shares one secret."""


def make_secret(customer: Customer, account: str = ACCOUNT, value: Any = None, **options: Any) -> str:
    """Make a secret and return its ARN."""
    secrets = customer.aws.client("secretsmanager", account)
    return str(secrets.create_secret(Name=NAME, SecretString=json.dumps(value or HELD), **options)["ARN"])


def granted(customer: Customer) -> dict[str, Any]:
    """Return what the execution role may do with secrets and keys, as it was made: action to resource."""
    iam = customer.aws.client("iam")
    found = iam.get_role_policy(RoleName=ROLE, PolicyName="register-connections")["PolicyDocument"]
    actions = [(statement["Action"], statement["Resource"]) for statement in found["Statement"]]
    return {action: resource for action, resource in actions if str(action).startswith(("secretsmanager", "kms"))}


# In the same account


def test_a_secret_by_arn_with_a_customer_key_can_be_rotated_without_an_update(customer: Customer) -> None:
    key = str(customer.aws.client("kms").create_key()["KeyMetadata"]["Arn"])
    arn = make_secret(customer, KmsKeyId=key)
    customer.launched(**NONE, SecretsManagerSecretName=arn, SecretKmsKeyArn=key, Regions="us-east-1")

    assert granted(customer) == {"secretsmanager:GetSecretValue": arn, "kms:Decrypt": key}
    iam = customer.aws.client("iam")
    document = iam.get_role_policy(RoleName=ROLE, PolicyName="register-connections")["PolicyDocument"]
    (decrypt,) = [statement for statement in document["Statement"] if statement["Action"] == "kms:Decrypt"]
    assert decrypt["Condition"] == {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}

    delete_in_falcon(customer, "us-east-1")
    customer.falcon.add_client(CLIENT_ID, "rotated-secret")

    assert failure(customer).startswith("Falcon login: the client secret is wrong")

    rotated = json.dumps(HELD | {"FalconSecret": "rotated-secret"})
    customer.aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=rotated)

    assert outcomes(act(customer, "reconcile")) == {"us-east-1": "created"}


def test_a_stack_moves_from_its_own_secret_to_one_that_it_reads_by_name_and_back(
    customer: Customer,
) -> None:
    make_secret(customer)
    customer.launched(Regions="us-east-1,eu-west-1")
    connections = customer.connections()
    own = customer.aws.client("secretsmanager").describe_secret(SecretId=SECRET)["ARN"]
    assert granted(customer) == {"secretsmanager:GetSecretValue": own}

    with customer.counting() as moving:
        moved = customer.update(**NONE, SecretsManagerSecretName=NAME)

    assert moved.status == "UPDATE_COMPLETE", moved.failures
    assert moving == {"token": 1, "read": 1}  # the other secret is tried at once
    assert granted(customer) == {
        "secretsmanager:GetSecretValue": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{NAME}-??????"
    }
    assert f"secret {SECRET}" not in customer.resources()

    with customer.counting() as returning:
        back = customer.update(**customer.required, SecretsManagerSecretName=SECRET)

    assert back.status == "UPDATE_COMPLETE", back.failures
    assert not wrote(returning)
    assert f"secret {SECRET}" in customer.resources()
    assert f"secret {NAME}" in customer.resources()
    assert customer.connections() == connections


# In another account


def test_a_secret_of_another_account_is_read_and_what_that_account_takes_back_is_told(customer: Customer) -> None:
    arn, key = share_with_organization(customer)

    customer.launched(**NONE, SecretsManagerSecretName=arn, SecretKmsKeyArn=key, Regions="us-east-1")

    assert granted(customer) == {"secretsmanager:GetSecretValue": arn, "kms:Decrypt": key}
    assert set(customer.connections()) == {"us-east-1"}
    owner = customer.aws.client("secretsmanager", OWNER)
    advice = {
        "customer key": "A secret of another account needs a customer key.",
        "key policy": "Its key's policy must allow this account kms:Decrypt, and SecretKmsKeyArn must name the key.",
    }
    told = {}
    for taken in advice:
        own = customer.aws.client("kms", OWNER).create_key()["KeyMetadata"]["Arn"]  # which its account may use alone
        keys = {"customer key": "", "key policy": own}
        owner.update_secret(SecretId=arn, KmsKeyId=keys.get(taken, key))
        (told[taken],) = act(customer, "plan")["problems"]

    assert {taken: text.partition("Exception. ")[2] for taken, text in told.items()} == advice
    assert all(text.startswith(f"The secret {NAME}-") for text in told.values())


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


@pytest.mark.parametrize("account", [ACCOUNT, "999988887777"])
def test_the_policies_of_the_readme_admit_the_execution_roles_of_the_organization_alone(
    customer: Customer, account: str
) -> None:
    arn, _ = share_with_organization(customer)

    def may_read(role: str) -> bool:
        keys = customer.aws.principal(role, account, allow=("secretsmanager:GetSecretValue", "kms:Decrypt"))
        try:
            customer.aws.client("secretsmanager", account, credentials=keys).get_secret_value(SecretId=arn)
        except ClientError:
            return False
        return True

    assert may_read(ROLE) is (account == ACCOUNT)
    assert not may_read("another-role")
