"""AWS partitions and Falcon clouds: the template and the function agree on whom the connection role trusts."""

import re

import pytest

from registry_connections.core import settings
from registry_connections.core.model import AUTODISCOVER, FALCON_CLOUDS, mismatch
from tests.docs.tables import ROOT
from tests.template.rendering import ACCOUNT, STACK_UUID, SUFFIXES, TEMPLATE, Rendering, strings

CLOUDS = (AUTODISCOVER, *FALCON_CLOUDS)
FALCON_ACCOUNTS = {
    **{("aws", cloud): "292230061137" for cloud in (AUTODISCOVER, "us-1", "us-2", "us-3", "eu-1")},
    ("aws-us-gov", "us-gov-1"): "358431324613",
    ("aws-us-gov", "us-gov-2"): "142028973013",
}
NAMED = "arn:aws-cn:iam::444455556666:role/Falcon"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("partition", SUFFIXES)
def test_the_connection_role_trusts_falcons_role_exactly_where_the_function_would_register_or_who_is_named_alone(
    partition: str, cloud: str
) -> None:
    account = FALCON_ACCOUNTS.get((partition, cloud), ACCOUNT)  # where none is known, nobody but the account itself
    role = f"arn:{partition}:iam::{account}:role/CrowdStrikeCustomerRegistryAssessmentRole"
    rendering, problem = Rendering(partition, FalconCloud=cloud), mismatch(partition, cloud, "")
    told = settings.parse(rendering.resources()["RegistryConnections"], partition)[1]

    assert trust(rendering) == (f"arn:{partition}:iam::{account}:root", role)
    named = Rendering(partition, FalconCloud=cloud, FalconPrincipalArn=NAMED)
    assert trust(named) == (f"arn:{partition}:iam::444455556666:root", NAMED)
    assert (problem == "") is ((partition, cloud) in FALCON_ACCOUNTS)
    assert told == ([problem] if problem and cloud != AUTODISCOVER else [])
    assert not problem or "set Falcon" in problem
    assert all("set Falcon" in mismatch(other, cloud, "") for other in ("aws-iso", "", "another"))


def trust(rendering: Rendering) -> tuple[str, str]:
    """Return whom the connection role trusts, with the external id alone: the account, and its principal."""
    (statement,) = rendering.resources()["ConnectionRole"]["AssumeRolePolicyDocument"]["Statement"]
    principal, condition = statement["Principal"], statement["Condition"]
    assert (principal.keys(), condition["StringEquals"]) == ({"AWS"}, {"sts:ExternalId": STACK_UUID})
    assert (condition.keys(), condition["ArnEquals"].keys()) == ({"StringEquals", "ArnEquals"}, {"aws:PrincipalArn"})
    return principal["AWS"], condition["ArnEquals"]["aws:PrincipalArn"]


@pytest.mark.parametrize("partition", SUFFIXES)
def test_every_arn_is_of_the_partition_of_the_account(partition: str) -> None:
    rendering = Rendering(partition, PermissionsBoundary="boundary")
    arns = [text for text in strings(rendering.resources()) if text.startswith("arn:")]

    assert len(arns) >= 10
    assert {text.split(":")[1] for text in arns} == {partition}


def test_the_template_writes_no_arn_of_a_fixed_partition_and_offers_the_clouds_that_the_function_knows() -> None:
    text = (ROOT / "template.yaml").read_text()

    assert re.findall(r"(?<!\\^)\barn:aws:[^\[]", text) == []
    assert TEMPLATE["Parameters"]["FalconCloud"]["AllowedValues"] == list(CLOUDS)
