"""One verdict on credentials, cloud, scopes and Regions: in the event of a failed launch, in plan and in a repair.

Launches with wrong credentials or without a scope are in test_bad_input.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.customer import SECRET, Customer, reason
from tests.operating import act, failure, record_version, wrote
from tests.sandbox.egress import EgressProxy
from tests.simulator import FalconSimulator
from tests.simulator.clouds import HOSTS
from tests.tls import Authority

pytest_plugins = ["tests.launching"]

WRONG_SECRET = "Falcon login: the client secret is wrong, or the API client was revoked"
UNKNOWN_CLIENT = "Falcon login: the client id is unknown in "
NOT_ALLOWED = "Falcon login: the API client may not be used from here: check its IP allow-list and the subscription"
NO_READ = "the API client lacks the scope Falcon Container Image: READ"
NO_WRITE = "the API client lacks the scope Falcon Container Image: WRITE"


def give_scopes(customer: Customer, *scopes: str) -> None:
    """Let the customer's API client have these scopes, and its own secret."""
    customer.falcon.add_client(customer.falcon.client_id, customer.falcon.client_secret, scopes)


def rotate(customer: Customer, key: str, value: str) -> None:
    """Put something else into the stack's secret."""
    held = {"FalconClientId": customer.falcon.client_id, "FalconSecret": customer.falcon.client_secret}
    secrets = customer.aws.client("secretsmanager")
    secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(held | {key: value}))


BROKEN: dict[str, tuple[Callable[[Customer], object], str, dict[str, object]]] = {
    "wrong secret": (
        lambda customer: rotate(customer, "FalconSecret", "another-secret"),
        WRONG_SECRET,
        {"credentials": "refused", "cloud": None, "read": None},
    ),
    "unknown client": (
        lambda customer: rotate(customer, "FalconClientId", "another-client"),
        UNKNOWN_CLIENT,
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
            SecretId=SECRET, ForceDeleteWithoutRecovery=True
        ),
        "The secret crowdstrike-ecr-api-credentials-",
        {"credentials": "refused", "cloud": None, "read": None},
    ),
}


def test_a_plan_and_a_repair_tell_apart_what_is_wrong_and_change_nothing(customer: Customer) -> None:
    customer.aws.enable_regions(count=2)
    stack = customer.launched()
    connections, version = customer.connections(), record_version(customer, stack)
    well = act(customer, "plan")

    for name, (break_it, expected, preflight) in BROKEN.items():
        give_scopes(customer, "read", "write")
        rotate(customer, "FalconCloud", "autodiscover")
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
    assert record_version(customer, stack) == version


def test_a_plan_cannot_know_that_the_scope_to_write_is_missing_and_says_so(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    give_scopes(customer, "read")
    customer.falcon.tenant.remove(customer.connections()["us-east-1"].id)

    planned, said = act(customer, "plan"), failure(customer)

    assert planned["ok"]
    assert planned["preflight"]["write"] == "not known before the first write"
    assert NO_WRITE in said


def test_a_launch_from_an_address_that_is_not_allowed_says_so(customer: Customer) -> None:
    customer.falcon.change(ip_allowed=False)

    with customer.counting() as calls:
        stack = customer.launch(Regions="us-east-1")

    assert reason(stack).startswith(NOT_ALLOWED)
    assert calls.keys() == {"token"}


def test_a_launch_with_the_wrong_cloud_names_the_right_one(customer: Customer, tenant: FalconSimulator) -> None:
    stack = customer.launch(Regions="us-east-1", FalconApiUrl="", FalconCloud="us-2")

    assert reason(stack).startswith("Falcon login: these credentials belong to eu-1, not us-2: correct FalconCloud")
    assert tenant.connections() == []


def test_a_plan_names_the_cloud_that_discovery_found_and_a_wrong_one(
    customer: Customer, tenant: FalconSimulator
) -> None:
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

    rotate(customer, "FalconCloud", "us-2")

    (problem,) = act(customer, "plan")["problems"]
    assert problem.startswith("Falcon login: these credentials belong to eu-1, not us-2: correct FalconCloud")


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
