"""One secret that exists already, in this account or another: permissions that follow the choice, and rotation."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from registry_connections.aws import CLIENT_ID_KEYS, CLIENT_SECRET_KEYS, CLOUD_KEYS, parse_secret
from registry_connections.errors import SecretError
from tests.customer import ROLE, SECRET, Customer, reason
from tests.operating import act, delete_in_falcon, failure, outcomes, wrote
from tests.sandbox.local_aws import ACCOUNT
from tests.simulator import CLIENT_ID, CLIENT_SECRET

pytest_plugins = ["tests.launching"]

OWNER = "444455556666"
NAME = "security/falcon"
NONE = {"FalconClientID": "", "FalconSecret": ""}
HELD = {"FalconClientId": CLIENT_ID, "FalconSecret": CLIENT_SECRET}


def make_secret(customer: Customer, account: str = ACCOUNT, value: Any = None, **options: Any) -> str:
    """Make a secret and return its ARN."""
    secrets = customer.aws.client("secretsmanager", account)
    return str(secrets.create_secret(Name=NAME, SecretString=json.dumps(value or HELD), **options)["ARN"])


def make_key(customer: Customer, account: str, *admitted: str) -> str:
    """Make a customer key that these accounts may use through Secrets Manager, and return its ARN."""
    own = {"Sid": "Own", "Effect": "Allow", "Principal": principals(account), "Action": "kms:*", "Resource": "*"}
    others = {
        "Sid": "ReadersOfTheSecret",
        "Effect": "Allow",
        "Principal": principals(*admitted),
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
    }
    policy = policy_of(own, *([others] if admitted else []))
    return str(customer.aws.client("kms", account).create_key(Policy=policy)["KeyMetadata"]["Arn"])


def share(customer: Customer, arn: str, *accounts: str) -> None:
    """Let these accounts read a secret of its owner."""
    statement = {
        "Effect": "Allow",
        "Principal": principals(*accounts),
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    owner = customer.aws.client("secretsmanager", OWNER)
    owner.put_resource_policy(SecretId=arn, ResourcePolicy=policy_of(statement))


def principals(*accounts: str) -> dict[str, list[str]]:
    return {"AWS": [f"arn:aws:iam::{account}:root" for account in accounts]}


def policy_of(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def granted(customer: Customer) -> dict[str, Any]:
    """Return what the execution role may do with secrets and keys, as it was made: action to resource."""
    iam = customer.aws.client("iam")
    found = iam.get_role_policy(RoleName=ROLE, PolicyName="register-connections")["PolicyDocument"]
    actions = [(statement["Action"], statement["Resource"]) for statement in found["Statement"]]
    return {action: resource for action, resource in actions if str(action).startswith(("secretsmanager", "kms"))}


def arn_of(name: str, suffix: str) -> str:
    return f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}-{suffix}"


# In the same account


def test_a_secret_by_name_is_read_with_permission_for_that_name_alone(customer: Customer) -> None:
    make_secret(customer)
    before = customer.resources()

    stack = customer.launched(**NONE, SecretsManagerSecretName=NAME, Regions="us-east-1")

    assert granted(customer) == {"secretsmanager:GetSecretValue": arn_of(NAME, "??????")}
    assert customer.resources() & {f"secret {SECRET}"} == set()
    assert stack.outputs["FalconCloud"] == "us-1"
    assert act(customer, "plan")["ok"]

    customer.delete()

    assert f"secret {NAME}" in before & customer.resources()


def test_a_secret_by_arn_with_a_customer_key_can_be_rotated_without_an_update(customer: Customer) -> None:
    key = make_key(customer, ACCOUNT)
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


def test_a_stack_moves_from_its_own_secret_to_an_existing_one_and_back(customer: Customer) -> None:
    existing = make_secret(customer)
    customer.launched(Regions="us-east-1,eu-west-1")
    connections = customer.connections()
    own = customer.aws.client("secretsmanager").describe_secret(SecretId=SECRET)["ARN"]
    assert granted(customer) == {"secretsmanager:GetSecretValue": own}

    with customer.counting() as moving:
        moved = customer.update(**NONE, SecretsManagerSecretName=existing)

    assert moved.status == "UPDATE_COMPLETE", moved.failures
    assert moving == {"token": 1, "read": 1}  # the other secret is tried at once
    assert granted(customer) == {"secretsmanager:GetSecretValue": existing}
    assert f"secret {SECRET}" not in customer.resources()

    with customer.counting() as returning:
        back = customer.update(**customer.required, SecretsManagerSecretName=SECRET)

    assert back.status == "UPDATE_COMPLETE", back.failures
    assert not wrote(returning)
    assert f"secret {SECRET}" in customer.resources()
    assert f"secret {NAME}" in customer.resources()
    assert customer.connections() == connections


def test_a_move_to_a_secret_that_does_not_work_is_undone(customer: Customer) -> None:
    make_secret(customer, value=HELD | {"FalconSecret": "another-secret"})
    customer.launched(Regions="us-east-1")

    moved = customer.update(**NONE, SecretsManagerSecretName=NAME)

    assert moved.status == "UPDATE_ROLLBACK_COMPLETE"
    assert reason(moved).startswith("Falcon login: the client secret is wrong")
    assert act(customer, "plan")["ok"]
    assert granted(customer).keys() == {"secretsmanager:GetSecretValue"}


@pytest.mark.parametrize("missing", ["FalconClientID", "FalconSecret"])
def test_half_of_the_credentials_is_refused_at_once(customer: Customer, missing: str) -> None:
    with pytest.raises(ClientError, match="FalconClientID and FalconSecret are given together, or both left empty"):
        customer.launch(**{missing: ""})


# In another account


def test_a_secret_of_another_account_is_read_and_what_that_account_takes_back_is_told(customer: Customer) -> None:
    key = make_key(customer, OWNER, ACCOUNT)
    arn = make_secret(customer, OWNER, KmsKeyId=key)
    share(customer, arn, ACCOUNT)

    customer.launched(**NONE, SecretsManagerSecretName=arn, SecretKmsKeyArn=key, Regions="us-east-1")

    assert granted(customer) == {"secretsmanager:GetSecretValue": arn, "kms:Decrypt": key}
    assert set(customer.connections()) == {"us-east-1"}
    owner = customer.aws.client("secretsmanager", OWNER)
    advice = {
        "customer key": "A secret of another account needs a customer key.",
        "key policy": "Its key's policy must allow this account kms:Decrypt, and SecretKmsKeyArn must name the key.",
        "resource policy": "Check its ARN, and that its resource policy allows this account to read it.",
    }
    told = {}
    for taken in advice:
        owner.update_secret(
            SecretId=arn, KmsKeyId={"customer key": "", "key policy": make_key(customer, OWNER)}.get(taken, key)
        )
        if taken == "resource policy":
            owner.delete_resource_policy(SecretId=arn)
        (told[taken],) = act(customer, "plan")["problems"]

    assert {taken: text.partition("Exception. ")[2] for taken, text in told.items()} == advice
    assert all(text.startswith(f"The secret {NAME}-") for text in told.values())


def test_a_launch_without_the_key_of_the_secret_fails_with_what_to_do(customer: Customer) -> None:
    key = make_key(customer, OWNER, ACCOUNT)
    arn = make_secret(customer, OWNER, KmsKeyId=key)
    share(customer, arn, ACCOUNT)

    stack = customer.launch(**NONE, SecretsManagerSecretName=arn, Regions="us-east-1")

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason(stack).endswith("allow this account kms:Decrypt, and SecretKmsKeyArn must name the key.")
    assert customer.connections() == {}


# What the secret holds


@pytest.mark.parametrize("client_id", CLIENT_ID_KEYS)
@pytest.mark.parametrize("client_secret", CLIENT_SECRET_KEYS)
def test_every_documented_shape_is_accepted(client_id: str, client_secret: str) -> None:
    for cloud in CLOUD_KEYS:
        held = {client_id: " simulated-client-id ", client_secret: CLIENT_SECRET, cloud: "eu-1", "Owner": "security"}

        found = parse_secret(json.dumps(held), NAME)

        assert (found.client_id, found.client_secret, found.cloud) == (CLIENT_ID, CLIENT_SECRET, "eu-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "The secret security/falcon is not JSON."),
        (f"{CLIENT_ID}:{CLIENT_SECRET}", "The secret security/falcon is not JSON."),
        (f'["{CLIENT_SECRET}"]', "The secret security/falcon is not a JSON object."),
        (f'{{"FalconSecret": "{CLIENT_SECRET}"}}', "The secret security/falcon has no FalconClientId."),
        (f'{{"secret": "{CLIENT_SECRET}"}}', "The secret security/falcon has no FalconClientId and no FalconSecret."),
        (f'{{"ClientId": 7, "ClientSecret": "{CLIENT_SECRET}"}}', "The secret security/falcon has no FalconClientId."),
    ],
)
def test_another_shape_is_refused_without_showing_a_value(text: str | None, expected: str) -> None:
    with pytest.raises(SecretError) as refused:
        parse_secret(text, NAME)

    assert str(refused.value) == expected


def test_a_secret_in_another_shape_works_from_end_to_end(customer: Customer) -> None:
    make_secret(customer, value={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "cloud": "us-1"})

    stack = customer.launch(**NONE, SecretsManagerSecretName=NAME, Regions="us-east-1")

    assert stack.status == "CREATE_COMPLETE", stack.failures
