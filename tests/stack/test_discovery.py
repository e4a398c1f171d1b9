"""Falcon's clouds under their real names: found with nothing but the original parameters, or reached where named.

The function's only way out is a proxy that leads CrowdStrike's hosts to the simulator, and refuses all others.
"""

from collections.abc import Iterator

import pytest

from tests.sandbox.egress import EgressProxy
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority
from tests.simulator import COMMERCIAL, GOVERNMENT, HOSTS, Behaviour, FalconSimulator
from tests.stack.customer import Customer

Settled = tuple[Customer, EgressProxy]
PRINCIPAL = "arn:aws:iam::292230061137:role/NamedByCrowdStrike"


@pytest.fixture
def settled(request: pytest.FixtureRequest, aws: LocalAws, authority: Authority, package: bytes) -> Iterator[Settled]:
    """Return a customer whose tenant lives in the cloud that a test is given, and the only way out of its function."""
    every = FalconSimulator(authority, Behaviour(public_locations=True), tuple(HOSTS), request.param)
    with every as falcon, EgressProxy(falcon) as egress:
        aws.set_function_environment(**egress.environment)
        yield Customer(aws, falcon, package), egress


@pytest.mark.parametrize("settled", COMMERCIAL, indirect=True)
def test_launch_with_the_original_parameters_only_finds_the_cloud(settled: Settled) -> None:
    customer, egress = settled
    home = customer.falcon.tenant.cloud

    stack = customer.launch(FalconApiUrl="")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert set(customer.required) == {"S3Bucket", "FalconClientID", "FalconSecret"}
    assert len(customer.connections()) == 17
    assert stack.outputs["FalconCloud"] == home
    assert egress.destinations == {HOSTS["us-1"], HOSTS[home]}
    tokens = [(record.cloud, record.status) for record in customer.falcon.journal.records("token")]
    expected = [("us-1", 308), (home, 201)] if home != "us-1" else [("us-1", 201)]
    assert tokens[: len(expected)] == expected  # the repair with which the schedule begins may log in as well
    assert {record.cloud for record in customer.falcon.journal.records("create")} == {home}


@pytest.mark.parametrize("settled", GOVERNMENT, indirect=True)
def test_launch_reaches_the_government_cloud_that_it_names(settled: Settled) -> None:
    customer, egress = settled
    cloud = customer.falcon.tenant.cloud

    stack = customer.launch(FalconApiUrl="", FalconCloud=cloud, FalconPrincipalArn=PRINCIPAL, Regions="us-east-1")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert egress.destinations == {HOSTS[cloud]}
    connection = customer.connections()["us-east-1"]
    assert connection.all_repositories_monitored is True  # as CrowdStrike's own onboarding code sends
    assert connection.details["aws_gov_using_commercial_connection"] is True
