"""AWS partitions and Falcon clouds: the template and the function agree on whom the connection role trusts."""

from typing import Any

import pytest
from registry_connections.crew import Crew
from registry_connections.errors import SettingsError
from registry_connections.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    AccountRegions,
    Credentials,
    Deadline,
    RegionUse,
    mismatch,
)
from registry_connections.reading import Reader
from registry_connections.settings import parse
from registry_connections.state import State

from tests import readme
from tests.rendering import Rendering, strings

TEMPLATE = readme.template()
PARTITIONS = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
FALCON_ROLE = "role/CrowdStrikeCustomerRegistryAssessmentRole"
PRINCIPALS = {
    **{
        ("aws", cloud): f"arn:aws:iam::292230061137:{FALCON_ROLE}"
        for cloud in (AUTODISCOVER, "us-1", "us-2", "us-3", "eu-1")
    },
    ("aws-us-gov", "us-gov-1"): f"arn:aws-us-gov:iam::358431324613:{FALCON_ROLE}",
    ("aws-us-gov", "us-gov-2"): f"arn:aws-us-gov:iam::142028973013:{FALCON_ROLE}",
}


@pytest.mark.parametrize("cloud", [AUTODISCOVER, *FALCON_CLOUDS])
@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_connection_role_trusts_falcon_exactly_where_the_function_would_register(
    partition: str, cloud: str
) -> None:
    rendering = Rendering(TEMPLATE, AWS__Partition=partition, AWS__URLSuffix=PARTITIONS[partition], FalconCloud=cloud)

    (statement,) = rendering.resource("ConnectionRole")["AssumeRolePolicyDocument"]["Statement"]

    nobody_else = f"arn:{partition}:iam::111122223333:root"
    assert statement["Principal"] == {"AWS": PRINCIPALS.get((partition, cloud), nobody_else)}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"}}
    assert (mismatch(partition, cloud, "") == "") == ((partition, cloud) in PRINCIPALS)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_every_arn_is_of_the_partition_of_the_account(partition: str) -> None:
    rendering = Rendering(
        TEMPLATE,
        AWS__Partition=partition,
        AWS__URLSuffix=PARTITIONS[partition],
        AWS__StackId=f"arn:{partition}:cloudformation:us-east-1:111122223333:stack/falcon-ecr/0a1b2c3d-4e5f-4a6b-8c7d",
        FalconCloud="us-gov-1" if partition == "aws-us-gov" else AUTODISCOVER,
        PermissionsBoundary="boundary",
    )

    arns = [text for text in strings(rendering.resources()) if text.startswith("arn:")]

    assert len(arns) >= 10
    assert {text.split(":")[1] for text in arns} == {partition}


class Account:
    """An account in GovCloud whose secret names its cloud."""

    def credentials(self) -> Credentials:
        return Credentials("simulated-client-id", "simulated-client-secret", "us-gov-1")

    def regions(self) -> AccountRegions:
        return AccountRegions(frozenset({"us-gov-west-1"}))

    def region_use(self, _region: str) -> RegionUse:
        return RegionUse.REPOSITORIES


class ReachedError(Exception):
    """Falcon would have been asked."""


def prepare(falcon_cloud: str) -> None:
    """Read and plan in GovCloud, where the stack names this cloud, as far as Falcon."""

    def connect(_credentials: Credentials, _cloud: str) -> Any:
        raise ReachedError

    rendering = Rendering(TEMPLATE, AWS__Partition="aws-us-gov", FalconCloud=falcon_cloud)
    settings, problems = parse(rendering.resource("RegistryConnections"))
    account: Any = Account()
    Reader(account, connect, Crew()).prepare(settings, problems, State(), Deadline(10.0, lambda: 0.0))


def test_a_government_cloud_that_only_the_secret_names_is_refused() -> None:
    # The template chooses the principal by FalconCloud: without it, the connection role trusts nobody whom Falcon has.
    with pytest.raises(SettingsError, match="set FalconCloud to us-gov-1 or us-gov-2"):
        prepare(falcon_cloud=AUTODISCOVER)


def test_a_government_cloud_that_the_stack_names_is_reached() -> None:
    with pytest.raises(ReachedError):
        prepare(falcon_cloud="us-gov-1")
