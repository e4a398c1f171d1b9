"""The connection role: whom it lets in, and how little they may do with it."""

from typing import Any

from tests.access import DENIED, assume, may_assume, policy, refused
from tests.customer import OTHER_ACCOUNT, ROLE, SECRET, Customer
from tests.sandbox.local_aws import ACCOUNT, CROWDSTRIKE_ACCOUNT

pytest_plugins = ["tests.launching"]

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"


def test_only_the_falcon_principal_with_the_external_id_may_assume_the_connection_role(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    role, external_id = stack.outputs["ConnectionRoleArn"], customer.connections()["us-east-1"].external_id
    assert external_id
    aws = customer.aws
    callers: dict[str, tuple[str, Any]] = {
        "the Falcon principal": (CROWDSTRIKE_ACCOUNT, aws.falcon_principal()),
        "another role of CrowdStrike": (CROWDSTRIKE_ACCOUNT, aws.falcon_principal("AnotherRole")),
        "CrowdStrike's root": (CROWDSTRIKE_ACCOUNT, None),
        "another account's role of that name": (
            OTHER_ACCOUNT,
            aws.principal("CrowdStrikeCustomerRegistry", OTHER_ACCOUNT),
        ),
        "another account's root": (OTHER_ACCOUNT, None),
        "a role of this account": (ACCOUNT, aws.principal("administrator", allow=["*"])),
        "this account's root": (ACCOUNT, None),
    }
    options: dict[str, dict[str, str]] = {
        "right": {"ExternalId": external_id},
        "wrong": {"ExternalId": "another-external-id"},
        "none": {},
    }

    admitted = {
        (caller, option)
        for caller, (account, credentials) in callers.items()
        for option, given in options.items()
        if may_assume(aws, role, credentials, account, **given)
    }

    assert admitted == {("the Falcon principal", "right")}


def test_the_connection_role_may_read_ecr_and_nothing_else(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    ecr = customer.aws.client("ecr", region="eu-west-1")
    ecr.create_repository(repositoryName="app")
    session = assume(
        customer.aws,
        stack.outputs["ConnectionRoleArn"],
        customer.aws.falcon_principal(),
        CROWDSTRIKE_ACCOUNT,
        ExternalId=stack.stack_id.rsplit("/", 1)[-1],
    )

    def falcon(service: str, region: str = "eu-west-1") -> Any:
        return customer.aws.client(service, region=region, credentials=session)

    assert [each["repositoryName"] for each in falcon("ecr").describe_repositories()["repositories"]] == ["app"]
    assert falcon("ecr").get_authorization_token()["authorizationData"]
    assert falcon("ecr").list_images(repositoryName="app")["imageIds"] == []
    app = {"repositoryName": "app"}
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("ecr", "create_repository", {"repositoryName": "other"}),
        ("ecr", "delete_repository", app),
        ("ecr", "put_image", app | {"imageManifest": "{}"}),
        ("ecr", "batch_delete_image", app | {"imageIds": [{"imageTag": "latest"}]}),
        ("ecr", "set_repository_policy", app | {"policyText": policy()}),
        ("iam", "list_roles", {}),
        ("secretsmanager", "get_secret_value", {"SecretId": SECRET}),
        ("s3", "list_buckets", {}),
        ("ec2", "describe_instances", {}),
        ("lambda", "list_functions", {}),
        ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", "RoleSessionName": "test"}),
    ]
    answers = {f"{one}:{two} {three}": refused(falcon(one), two, **three) for one, two, three in attempts}
    assert {what: code for what, code in answers.items() if code not in DENIED} == {}
    attached = customer.aws.client("iam").list_attached_role_policies(
        RoleName=stack.outputs["ConnectionRoleArn"].rsplit("/", 1)[-1]
    )
    assert [each["PolicyArn"] for each in attached["AttachedPolicies"]] == [READ_ONLY]


def test_falcon_can_assume_the_role_with_what_the_launch_told_it(customer: Customer) -> None:
    principal = customer.aws.falcon_principal()
    customer.falcon.change(
        credential_check=lambda role, external_id: may_assume(
            customer.aws, role, principal, CROWDSTRIKE_ACCOUNT, ExternalId=external_id
        )
    )

    stack = customer.launch()

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert len(customer.connections()) == 17


def test_another_falcon_principal_is_the_only_one_admitted_when_named(customer: Customer) -> None:
    aws = customer.aws
    named = aws.principal("RegistryAssessment", OTHER_ACCOUNT)

    stack = customer.launched(
        Regions="us-east-1", FalconPrincipalArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/RegistryAssessment"
    )

    role, external_id = stack.outputs["ConnectionRoleArn"], stack.stack_id.rsplit("/", 1)[-1]
    assert may_assume(aws, role, named, OTHER_ACCOUNT, ExternalId=external_id)
    assert not may_assume(aws, role, aws.falcon_principal(), CROWDSTRIKE_ACCOUNT, ExternalId=external_id)
