"""The connection role: whom it lets in, and how little they may do with it."""

from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT, FALCON_ROLE
from tests.stack.access import Attempt, Caller, policy
from tests.stack.customer import OTHER_ACCOUNT, ROLE, SECRET, Customer, stack_uuid

pytest_plugins = ["tests.stack.launching"]

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"


def falcon(customer: Customer, role: str = FALCON_ROLE) -> Caller:
    """Return a session of a role in CrowdStrike's account."""
    return Caller(customer.aws, customer.aws.falcon_principal(role), CROWDSTRIKE_ACCOUNT)


def test_only_the_falcon_principal_with_the_external_id_may_assume_the_connection_role(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    aws, external_id = customer.aws, customer.connections()["us-east-1"].external_id
    assert external_id
    callers = {
        "the Falcon principal": falcon(customer),
        "another role of CrowdStrike": falcon(customer, "AnotherRole"),
        "CrowdStrike's root": Caller(aws, account=CROWDSTRIKE_ACCOUNT),
        "another account's role of that name": Caller(aws, aws.principal(FALCON_ROLE, OTHER_ACCOUNT), OTHER_ACCOUNT),
        "another account's root": Caller(aws, account=OTHER_ACCOUNT),
        "a role of this account": Caller(aws, aws.principal("administrator", allow=["*"])),
        "this account's root": Caller(aws),
    }
    options = {"right": {"ExternalId": external_id}, "wrong": {"ExternalId": "another-external-id"}, "none": {}}

    admitted = {
        (who, option)
        for who, caller in callers.items()
        for option, given in options.items()
        if caller.may_assume(stack.outputs["ConnectionRoleArn"], **given)
    }

    assert admitted == {("the Falcon principal", "right")}


def test_the_connection_role_may_read_ecr_and_nothing_else(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    role, region = stack.outputs["ConnectionRoleArn"], "eu-west-1"
    customer.aws.client("ecr", region=region).create_repository(repositoryName="app")
    session = falcon(customer).assume(role, ExternalId=stack_uuid(stack))

    ecr = session.client("ecr", region)
    assert [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]] == ["app"]
    assert ecr.get_authorization_token()["authorizationData"]
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    app = {"repositoryName": "app"}
    attempts: list[Attempt] = [
        ("ecr", "create_repository", {"repositoryName": "other"}), ("ecr", "delete_repository", app),
        ("ecr", "put_image", app | {"imageManifest": "{}"}),
        ("ecr", "batch_delete_image", app | {"imageIds": [{"imageTag": "latest"}]}),
        ("ecr", "set_repository_policy", app | {"policyText": policy()}), ("iam", "list_roles", {}),
        ("secretsmanager", "get_secret_value", {"SecretId": SECRET}), ("s3", "list_buckets", {}),
        ("ec2", "describe_instances", {}), ("lambda", "list_functions", {}),
        ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "RoleSessionName": "test"}),
    ]  # fmt: skip
    assert session.not_denied(attempts, region) == {}
    attached = customer.aws.client("iam").list_attached_role_policies(RoleName=role.rsplit("/", 1)[-1])
    assert [each["PolicyArn"] for each in attached["AttachedPolicies"]] == [READ_ONLY]
