"""AWS partitions and Falcon clouds: the template and the function agree on whom the connection role trusts."""

import re

import pytest

from registry_connections.core.model import AUTODISCOVER, FALCON_CLOUDS, mismatch
from tests.docs.tables import ROOT, template
from tests.template.rendering import Rendering, strings

TEMPLATE = template()
CLOUDS = (AUTODISCOVER, *FALCON_CLOUDS)
PARTITIONS = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
ACCOUNT, EXTERNAL_ID = "111122223333", "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
FALCON_ACCOUNTS = {
    **{("aws", cloud): "292230061137" for cloud in (AUTODISCOVER, "us-1", "us-2", "us-3", "eu-1")},
    ("aws-us-gov", "us-gov-1"): "358431324613",
    ("aws-us-gov", "us-gov-2"): "142028973013",
}


def trust(partition: str, cloud: str, **given: str) -> dict[str, object]:
    suffix = PARTITIONS[partition]
    rendering = Rendering(TEMPLATE, AWS__Partition=partition, AWS__URLSuffix=suffix, FalconCloud=cloud, **given)
    (statement,) = rendering.resource("ConnectionRole")["AssumeRolePolicyDocument"]["Statement"]
    return {"principal": statement["Principal"], "condition": statement["Condition"]}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_connection_role_trusts_falcons_role_exactly_where_the_function_would_register(
    partition: str, cloud: str
) -> None:
    account = FALCON_ACCOUNTS.get((partition, cloud), ACCOUNT)  # where none is known, nobody but the account itself
    role = f"arn:{partition}:iam::{account}:role/CrowdStrikeCustomerRegistryAssessmentRole"

    assert trust(partition, cloud) == {
        "principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "condition": {
            "StringEquals": {"sts:ExternalId": EXTERNAL_ID},
            "ArnEquals": {"aws:PrincipalArn": role},
        },
    }
    problem = mismatch(partition, cloud, "")
    assert (problem == "") is ((partition, cloud) in FALCON_ACCOUNTS)
    assert not problem or "set Falcon" in problem
    assert all("set Falcon" in mismatch(other, cloud, "") for other in ("aws-iso", "", "another"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_principal_that_is_named_is_trusted_alone(cloud: str) -> None:
    named = "arn:aws-cn:iam::444455556666:role/Falcon"
    found = trust("aws-cn", cloud, FalconPrincipalArn=named)

    assert found["principal"] == {"AWS": "arn:aws-cn:iam::444455556666:root"}
    assert found["condition"] == {
        "StringEquals": {"sts:ExternalId": EXTERNAL_ID},
        "ArnEquals": {"aws:PrincipalArn": named},
    }


@pytest.mark.parametrize("partition", PARTITIONS)
def test_every_arn_is_of_the_partition_of_the_account(partition: str) -> None:
    rendering = Rendering(
        TEMPLATE,
        AWS__Partition=partition,
        AWS__URLSuffix=PARTITIONS[partition],
        AWS__StackId=f"arn:{partition}:cloudformation:us-east-1:{ACCOUNT}:stack/falcon-ecr/{EXTERNAL_ID}",
        FalconCloud="us-gov-1" if partition == "aws-us-gov" else AUTODISCOVER,
        PermissionsBoundary="boundary",
    )
    arns = [text for text in strings(rendering.resources()) if text.startswith("arn:")]

    assert len(arns) >= 10
    assert {text.split(":")[1] for text in arns} == {partition}


def test_the_template_writes_no_arn_of_a_fixed_partition_and_offers_the_clouds_that_the_function_knows() -> None:
    text = (ROOT / "template.yaml").read_text()

    assert re.findall(r"(?<!\\^)\barn:aws:[^\[]", text) == []
    assert TEMPLATE["Parameters"]["FalconCloud"]["AllowedValues"] == list(CLOUDS)
