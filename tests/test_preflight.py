"""One verdict on credentials, cloud, scopes and Regions: in the event of a failed launch, in plan and in a repair."""

from collections.abc import Callable, Iterator

import pytest

from tests.customer import Customer, reason
from tests.operating import act, failure, state_version, wrote
from tests.sandbox.egress import EgressProxy
from tests.simulator import FalconSimulator
from tests.simulator.clouds import HOSTS
from tests.tls import Authority

pytest_plugins = ["tests.launching"]

WRONG_SECRET = "Falcon login: the client secret is wrong, or the API client was revoked"
UNKNOWN_CLIENT = "Falcon login: the client id is unknown in us-1: check the client id, and FalconCloud for its cloud"
NOT_ALLOWED = "Falcon login: the API client may not be used from here: check its IP allow-list and the subscription"
NO_READ = "the API client lacks the scope Falcon Container Image: READ"
NO_WRITE = "the API client lacks the scope Falcon Container Image: WRITE"


def give_scopes(customer: Customer, *scopes: str) -> None:
    """Let the customer's API client have these scopes, and its own secret."""
    customer.falcon.add_client(customer.falcon.client_id, customer.falcon.client_secret, scopes)


BROKEN: dict[str, tuple[Callable[[Customer], object], str, dict[str, object]]] = {
    "wrong secret": (
        lambda customer: customer.falcon.add_client(customer.falcon.client_id, "rotated-secret"),
        WRONG_SECRET,
        {"credentials": "refused", "cloud": None, "read": None},
    ),
    "IP allow-list": (
        lambda customer: customer.falcon.change(ip_allowed=False),
        NOT_ALLOWED,
        {"credentials": "refused", "cloud": None, "read": None},
    ),
    "READ missing": (
        lambda customer: customer.falcon.add_client(
            customer.falcon.client_id, customer.falcon.client_secret, ["write"]
        ),
        NO_READ,
        {"credentials": "accepted", "cloud": None, "read": "denied"},
    ),
    "secret gone": (
        lambda customer: customer.aws.client("secretsmanager").delete_secret(
            SecretId="crowdstrike-ecr-api-credentials", ForceDeleteWithoutRecovery=True
        ),
        "The secret crowdstrike-ecr-api-credentials-",
        {"credentials": "refused", "cloud": None, "read": None},
    ),
}


def test_a_plan_and_a_repair_tell_apart_what_is_wrong_and_change_nothing(customer: Customer) -> None:
    customer.aws.enable_regions(count=2)
    stack = customer.launched()
    connections, version = customer.connections(), state_version(customer, stack)
    well = act(customer, "plan")

    for name, (break_it, expected, preflight) in BROKEN.items():
        give_scopes(customer, "read", "write")
        customer.falcon.change(ip_allowed=True)
        break_it(customer)
        with customer.counting() as calls:
            planned, status, said = act(customer, "plan"), act(customer, "status"), failure(customer)

        assert not planned["ok"], name
        assert not status["ok"], name
        assert planned["problems"] == status["problems"], name
        (problem,) = planned["problems"]
        assert problem.startswith(expected), name
        assert said.startswith(expected), name
        assert preflight.items() <= planned["preflight"].items(), name
        assert not wrote(calls), name

    assert well["ok"]
    assert well["preflight"] == {
        "credentials": "accepted",
        "cloud": "us-1",
        "read": "allowed",
        "write": "not known before the first write",
        "regions": 2,
    }
    assert customer.connections() == connections
    assert state_version(customer, stack) == version


def test_a_plan_cannot_know_that_the_scope_to_write_is_missing_and_says_so(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    give_scopes(customer, "read")
    customer.falcon.tenant.remove(customer.connections()["us-east-1"].id)

    planned, said = act(customer, "plan"), failure(customer)

    assert planned["ok"]
    assert planned["preflight"]["write"] == "not known before the first write"
    assert NO_WRITE in said


@pytest.mark.parametrize(
    ("scopes", "expected"), [(["write"], NO_READ), (["read"], "2 Regions failed: us-east-1, us-east-2.")]
)
def test_a_launch_without_a_scope_names_it_and_registers_nothing(
    customer: Customer, scopes: list[str], expected: str
) -> None:
    customer.aws.enable_regions(count=2)
    give_scopes(customer, *scopes)

    stack = customer.launch()

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason(stack).startswith(expected)
    assert (NO_READ if scopes == ["write"] else NO_WRITE) in reason(stack)
    assert customer.connections() == {}


def test_a_launch_from_an_address_that_is_not_allowed_says_so(customer: Customer) -> None:
    customer.falcon.change(ip_allowed=False)

    with customer.counting() as calls:
        stack = customer.launch(Regions="us-east-1")

    assert reason(stack).startswith(NOT_ALLOWED)
    assert calls.keys() == {"token"}


@pytest.mark.parametrize(
    ("cloud", "expected"),
    [
        ("us-1", "Falcon login: these credentials belong to eu-1, not us-1: correct FalconCloud"),
        ("us-2", "Falcon login: these credentials belong to eu-1, not us-2: correct FalconCloud"),
    ],
)
def test_a_launch_with_the_wrong_cloud_names_the_right_one(
    customer: Customer, tenant: FalconSimulator, cloud: str, expected: str
) -> None:
    stack = customer.launch(Regions="us-east-1", FalconApiUrl="", FalconCloud=cloud)

    assert reason(stack).startswith(expected)
    assert tenant.connections() == []


def test_a_plan_names_the_cloud_that_discovery_found(customer: Customer, tenant: FalconSimulator) -> None:
    stack = customer.launch(Regions="us-east-1", FalconApiUrl="")
    assert stack.status == "CREATE_COMPLETE", stack.failures
    tenant.journal.clear()

    planned = act(customer, "plan")

    assert stack.outputs["FalconCloud"] == "eu-1"
    assert planned["preflight"]["cloud"] == "eu-1"
    assert [(record.cloud, record.operation) for record in tenant.journal.records()] == [
        ("eu-1", "token"),  # where it was found before
        ("eu-1", "read"),
        ("eu-1", "list"),
    ]


@pytest.fixture
def tenant(customer: Customer, authority: Authority) -> Iterator[FalconSimulator]:
    """Return a tenant that lives in eu-1, of three clouds that the function reaches by their real names."""
    clouds = ("us-1", "us-2", "eu-1")
    with FalconSimulator(authority, clouds=clouds, home="eu-1") as simulator:
        simulator.change(public_locations=True)
        ports = {HOSTS[cloud]: int(simulator.urls[cloud].rpartition(":")[2]) for cloud in clouds}
        with EgressProxy(ports) as egress:
            customer.aws.set_function_environment(**egress.environment)
            yield simulator
