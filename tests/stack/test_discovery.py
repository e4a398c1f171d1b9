"""Falcon's clouds under their real names: found with nothing but the original parameters, or reached where named.

The function's only way out is a proxy that leads CrowdStrike's hosts to the simulator, and refuses all others.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.sandbox.egress import EgressProxy
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority
from tests.simulator import COMMERCIAL, GOVERNMENT, HOSTS, Behaviour, FalconSimulator
from tests.stack.customer import Customer

Settler = Callable[[str], tuple[Customer, EgressProxy]]
PRINCIPAL = "arn:aws:iam::292230061137:role/NamedByCrowdStrike"


@pytest.fixture
def at_home_in(aws: LocalAws, authority: Authority, package: bytes) -> Iterator[Settler]:
    """Return what makes a customer whose tenant lives in a cloud, and the only way out of its function."""
    with ExitStack() as world:

        def settle(home: str) -> tuple[Customer, EgressProxy]:
            every = FalconSimulator(authority, Behaviour(public_locations=True), tuple(HOSTS), home)
            egress = world.enter_context(EgressProxy(world.enter_context(every)))
            aws.set_function_environment(**egress.environment)
            return Customer(aws, every, package), egress

        yield settle


@pytest.mark.parametrize("home", COMMERCIAL)
def test_launch_with_the_original_parameters_only_finds_the_cloud(at_home_in: Settler, home: str) -> None:
    customer, egress = at_home_in(home)

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


@pytest.mark.parametrize("cloud", GOVERNMENT)
def test_launch_reaches_the_government_cloud_that_it_names(at_home_in: Settler, cloud: str) -> None:
    customer, egress = at_home_in(cloud)
    customer.aws.principal("NamedByCrowdStrike", "292230061137")  # IAM refuses one that does not exist

    stack = customer.launch(FalconApiUrl="", FalconCloud=cloud, FalconPrincipalArn=PRINCIPAL, Regions="us-east-1")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert egress.destinations == {HOSTS[cloud]}
    connection = customer.connections()["us-east-1"]
    assert connection.all_repositories_monitored is True  # as CrowdStrike's own onboarding code sends
    assert connection.details["aws_gov_using_commercial_connection"] is True
