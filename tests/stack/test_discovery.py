"""Falcon's clouds under their real names: found with nothing but the original parameters, or reached where named.

The function's only way out is a proxy that leads CrowdStrike's hosts to the simulator, and refuses all others.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.sandbox import stacks
from tests.sandbox.egress import EgressProxy
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.stacks import Stack
from tests.sandbox.tls import Authority
from tests.simulator import COMMERCIAL, GOVERNMENT, HOSTS, FalconSimulator
from tests.stack.customer import STACK, TEMPLATE, Customer, Neighbourhood

pytest_plugins = ["tests.stack.launching"]

World = Callable[[str], "Inhabitant"]


class Inhabitant(Customer):
    """A customer whose function reaches all of Falcon's clouds, and nothing else."""

    def __init__(self, aws: LocalAws, falcon: FalconSimulator, package: bytes, egress: EgressProxy) -> None:
        super().__init__(aws, falcon, package)
        self.egress = egress
        aws.set_function_environment(**egress.environment)

    def launch(self, **parameters: str) -> Stack:
        """Launch with the three parameters that the original solution required, and those of the test."""
        return stacks.create(self.cloudformation, STACK, TEMPLATE, self.required | parameters).wait()

    @property
    def asked(self) -> set[str]:
        """The hosts that the function asked the way to."""
        return {destination.removesuffix(":443") for destination in self.egress.destinations}


@pytest.fixture
def at_home_in(aws: LocalAws, authority: Authority, package: bytes) -> Iterator[World]:
    """Return what makes a customer whose tenant lives in a cloud."""
    running: list[tuple[FalconSimulator, EgressProxy, Neighbourhood]] = []

    def make(home: str) -> Inhabitant:
        falcon = FalconSimulator(authority, clouds=tuple(HOSTS), home=home).start()
        falcon.change(public_locations=True)
        egress = EgressProxy({HOSTS[cloud]: int(url.rpartition(":")[2]) for cloud, url in falcon.urls.items()})
        running.append((falcon, egress, Neighbourhood(falcon)))
        return Inhabitant(aws, falcon, package, egress)

    yield make

    for falcon, egress, neighbourhood in running:
        egress.close()
        falcon.stop()
        assert neighbourhood.untouched


@pytest.mark.parametrize("home", COMMERCIAL)
def test_launch_with_the_original_parameters_only_finds_the_cloud(at_home_in: World, home: str) -> None:
    customer = at_home_in(home)

    stack = customer.launch()

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert set(customer.required) == {"S3Bucket", "FalconClientID", "FalconSecret"}
    assert len(customer.connections()) == 17
    assert stack.outputs["FalconCloud"] == home
    assert customer.asked == {HOSTS["us-1"], HOSTS[home]}
    tokens = [(record.cloud, record.status) for record in customer.falcon.journal.records("token")]
    expected = [("us-1", 308), (home, 201)] if home != "us-1" else [("us-1", 201)]
    assert tokens[: len(expected)] == expected  # the repair with which the schedule begins may log in as well
    assert {record.cloud for record in customer.falcon.journal.records("create")} == {home}


@pytest.mark.parametrize("cloud", GOVERNMENT)
def test_launch_reaches_the_government_cloud_that_it_names(at_home_in: World, cloud: str) -> None:
    customer = at_home_in(cloud)
    customer.aws.principal("NamedByCrowdStrike", "292230061137")  # IAM refuses one that does not exist

    stack = customer.launch(
        FalconCloud=cloud, FalconPrincipalArn="arn:aws:iam::292230061137:role/NamedByCrowdStrike", Regions="us-east-1"
    )

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert customer.asked == {HOSTS[cloud]}
    connection = customer.connections()["us-east-1"]
    assert connection.all_repositories_monitored is True  # as CrowdStrike's own onboarding code sends
    assert connection.gov_using_commercial_connection is True
