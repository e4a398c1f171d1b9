"""Whom the function believes, and what leaves it: forged events, and Lambda's own log level switch."""

import json
from typing import Any

from tests.simulator import Connection
from tests.simulator.probe import registry
from tests.stack.customer import FUNCTION, OTHER_ACCOUNT, Customer, stack_uuid
from tests.stack.operating import act

pytest_plugins = ["tests.stack.launching"]


def invoke(customer: Customer, event: dict[str, Any]) -> None:
    customer.aws.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))


def test_a_forged_event_reaches_no_other_account_and_gives_no_other_role(customer: Customer) -> None:
    stack = customer.launched(Regions="us-east-1")
    customer.falcon.add_connection(Connection(url=registry(OTHER_ACCOUNT, "us-west-2")))
    before = [found.to_json() for found in customer.falcon.connections()]
    forged = {
        "RequestId": "forged",
        "ResponseURL": "https://localhost:1/nowhere?X-Amz-Date=20200101T000000Z",
        "StackId": stack.stack_id,
        "ResourceType": "Custom::FalconRegistryConnections",
        "LogicalResourceId": "RegistryConnections",
        "PhysicalResourceId": f"falcon-ecr-{stack_uuid(stack)}",
        "ResourceProperties": {
            "AccountId": OTHER_ACCOUNT,
            "ConnectionRoleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/attacker",
            "ExternalId": "attacker",
            "UrlSuffix": "amazonaws.com/path",
            "DeleteConnections": "Stack",
        },
    }
    customer.aws.client("lambda").update_function_configuration(FunctionName=FUNCTION, Timeout=40)

    invoke(customer, forged | {"RequestType": "Delete", "StackId": f"{stack.stack_id[:-4]}0000"})
    invoke(customer, forged | {"RequestType": "Update"})

    assert [found.to_json() for found in customer.falcon.connections()] == before


def test_lambdas_debug_level_shows_no_secret(customer: Customer) -> None:
    customer.launched(Regions="us-east-1")
    customer.aws.set_log_level(FUNCTION, "DEBUG")

    act(customer, "reconcile")

    log = "\n".join(customer.aws.function_logs(FUNCTION))
    assert customer.falcon.client_secret not in log
    assert customer.falcon.client_id not in log
    assert "X-Amz-Signature" not in log
