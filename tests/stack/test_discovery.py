"""Falcon's clouds under their real names: found with nothing but the original parameters, or reached where named.

The function's only way out is a proxy that leads CrowdStrike's hosts to the simulator, and refuses all others.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.sandbox import stacks
from tests.sandbox.egress import EgressProxy
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.sandbox.stacks import Stack
from tests.sandbox.tls import Authority
from tests.simulator import COMMERCIAL, GOVERNMENT, HOSTS, FalconSimulator, Fault
from tests.simulator.effects import Redirect
from tests.stack.customer import STACK, TEMPLATE, Customer, Neighbourhood, reason

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
    assert tokens == [("us-1", 308), (home, 201)] if home != "us-1" else [("us-1", 201)]
    assert {record.cloud for record in customer.falcon.journal.records("create")} == {home}


def test_update_goes_straight_to_the_cloud_that_the_launch_found(at_home_in: World) -> None:
    customer = at_home_in("eu-1")
    customer.launched(Regions="us-east-1", FalconApiUrl="")
    customer.egress.forget()

    with customer.counting() as calls:
        stack = customer.update(Regions="us-east-1,eu-west-1")

    assert stack.status == "UPDATE_COMPLETE", stack.failures
    assert calls == {"token": 1, "read": 1, "create": 1}
    assert customer.asked == {HOSTS["eu-1"]}


@pytest.mark.parametrize("cloud", COMMERCIAL)
def test_launch_reaches_the_commercial_cloud_that_it_names(at_home_in: World, cloud: str) -> None:
    customer = at_home_in(cloud)

    stack = customer.launch(FalconCloud=cloud, Regions="us-east-1")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert customer.asked == {HOSTS[cloud]}
    assert stack.outputs["FalconCloud"] == cloud
    assert customer.falcon.journal.operations() == {"token": 1, "create": 1, "list": 1}


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


def test_launch_that_names_another_commercial_cloud_is_told_the_right_one(at_home_in: World) -> None:
    customer = at_home_in("us-2")

    stack = customer.launch(FalconCloud="us-1")

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "these credentials belong to us-2, not us-1: name the right cloud in FalconCloud" in reason(stack)
    assert customer.asked == {HOSTS["us-1"]}
    assert customer.connections() == {}


def test_launch_with_credentials_of_a_government_cloud_is_told_to_name_it(at_home_in: World) -> None:
    customer = at_home_in("us-gov-1")

    stack = customer.launch()

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "the client id is unknown in us-1: check the client id, and FalconCloud for its cloud" in reason(stack)
    assert customer.asked == {HOSTS["us-1"]}


def test_launch_takes_its_credentials_to_no_host_that_is_not_falcons(at_home_in: World) -> None:
    customer = at_home_in("us-1")
    customer.falcon.arm(Fault("token", Redirect("https://api.crowdstrike.example.com/oauth2/token", status=308)))

    stack = customer.launch()

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "these credentials belong to another cloud, not us-1: name the right cloud in FalconCloud" in reason(stack)
    assert customer.asked == {HOSTS["us-1"]}


def test_launch_takes_the_cloud_from_an_existing_secret(at_home_in: World) -> None:
    customer = at_home_in("eu-1")
    values = f'{{"FalconClientId":"{customer.falcon.client_id}","FalconSecret":"{customer.falcon.client_secret}"'
    customer.aws.client("secretsmanager").create_secret(Name="mine", SecretString=values + ',"FalconCloud":"eu-1"}')

    stack = customer.launch(FalconClientID="", FalconSecret="", SecretsManagerSecretName="mine", Regions="us-east-1")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert customer.asked == {HOSTS["eu-1"]}
    assert set(customer.connections()) == {"us-east-1"}
    assert f"role CrowdStrikeECRConnectionRole-{stack.stack_id.rsplit('/', 1)[-1][:23]}" in customer.resources()
    assert ACCOUNT in stack.outputs["ConnectionRoleArn"]
