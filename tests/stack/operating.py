"""What an operator does with a launched stack: its actions, its log, and what a repair leaves behind."""

import json
from typing import Any

from tests.stack.customer import FUNCTION, STACK, Customer


def act(customer: Customer, action: str) -> Any:
    """Return what an action answers; it must not end in a function error."""
    failed, answer = _invoke(customer, {"action": action})
    assert not failed, answer
    return answer


def failure(customer: Customer, action: str = "reconcile") -> str:
    """Return the message of the function error that an action must end in."""
    failed, answer = _invoke(customer, {"action": action})
    assert failed, answer
    assert answer["errorType"] == "RegistrationError"
    return str(answer["errorMessage"])


def _invoke(customer: Customer, event: Any) -> tuple[bool, Any]:
    function = customer.aws.client("lambda", customer.account)
    answer = function.invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    return "FunctionError" in answer, json.loads(answer["Payload"].read())


def outcomes(answer: Any) -> dict[str, str]:
    """Return the outcome of each Region that a repair did something about."""
    resting = ("unchanged", "skipped")
    return {row["region"]: row["outcome"] for row in answer["regions"] if row["outcome"] not in resting}


def records(customer: Customer, **fields: Any) -> list[dict[str, Any]]:
    """Return the function's log lines, as objects, that have these fields."""
    lines = customer.aws.function_logs(FUNCTION, customer.account)
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if fields.items() <= line.items()]


def repairs(customer: Customer) -> list[dict[str, Any]]:
    """Return the last log line of each repair that has ended, oldest first."""
    return [line for line in records(customer, action="reconcile") if "ConnectedCount" in line]


def delete_in_falcon(customer: Customer, *regions: str) -> None:
    """Let somebody delete connections in the Falcon console."""
    connections = customer.connections()
    for region in regions:
        customer.falcon.tenant.remove(connections[region].id)


def fire_schedule(customer: Customer) -> None:
    """Let the schedule's time come."""
    (schedule,) = customer.aws.client("scheduler", customer.account).list_schedules()["Schedules"]
    customer.aws.fire_schedule(schedule["Name"], customer.account)


def resource(customer: Customer, logical_id: str) -> str:
    """Return the physical id of a resource of the stack."""
    answer = customer.cloudformation.describe_stack_resources(StackName=STACK, LogicalResourceId=logical_id)
    return str(answer["StackResources"][0]["PhysicalResourceId"])
