"""Show a launch from beginning to end: `python -m tests.demo`. Exit status 0 if everything was as promised."""

import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.customer import LOG_GROUP, PACKAGE, Customer, Neighbourhood
from tests.demo.stage import Stage
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.sandbox.stacks import Operation, Stack, delete, update
from tests.simulator import Connection, FalconSimulator
from tests.tls import Authority

LEFT_OUT = ("sa-east-1", "us-west-1")
"""Regions that the demo's update excludes."""


def main() -> int:
    """Play the demo and return its exit status."""
    stage = Stage()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything below is closed, as with Ctrl-C
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        authority = Authority(Path(directory))
        with LocalAws(authority) as aws, FalconSimulator(authority) as falcon:
            _play(stage, Customer(aws, falcon, PACKAGE), falcon)
    return stage.verdict()


def _play(stage: Stage, customer: Customer, falcon: FalconSimulator) -> None:
    neighbourhood = Neighbourhood(falcon)
    before = customer.resources()
    stage.heading("A local AWS, and a Falcon that holds connections of others")
    others = len(falcon.connections())
    stage.say(f"Account {ACCOUNT} has 17 Regions enabled. The tenant holds {others} connections that are not its own,")
    stage.say("among them hosts and paths of which the account's id is merely a part.")
    _launch(stage, customer)
    _narrow(stage, customer)
    _purge(stage, customer)
    stage.heading("What is left")
    stage.check(customer.connections() == {}, "Falcon holds no connection of this account")
    stage.check(neighbourhood.untouched, "the connections of others are as they were, byte for byte")
    left = customer.resources() - before
    named = ", ".join(sorted(left)) or "nothing"
    stage.check(left <= {f"log group {LOG_GROUP}"}, f"AWS holds nothing of the stack but its log: {named}")


def _launch(stage: Stage, customer: Customer) -> None:
    stage.heading("Launch")
    stack = _watch(stage, customer.start_launch())
    connections = customer.connections()
    stage.heading("What Falcon sees")
    _show(stage, connections)
    stage.heading("The stack's outputs")
    stage.table(("Output", "Value"), sorted(stack.outputs.items()))
    stage.check(stack.status == "CREATE_COMPLETE", f"the stack is {stack.status}")
    stage.check(
        all(found.user_defined_alias == f"ecr-{ACCOUNT}-{region}" for region, found in connections.items()),
        "each has a readable name: account and Region",
    )
    stage.check(len(connections) == 17, f"{len(connections)} of 17 Regions are connected")
    roles = {connection.role for connection in connections.values()}
    stage.check(
        roles == {stack.outputs.get("ConnectionRoleArn")}, "every connection has the connection role of this stack"
    )
    stage.check(
        stack.outputs.get("ConnectedRegions") == ",".join(connections), "the outputs name the Regions that Falcon has"
    )


def _narrow(stage: Stage, customer: Customer) -> None:
    stage.heading(f"Update: leave {' and '.join(LEFT_OUT)} out, and remove what is no longer wanted")
    changes = {"ExcludedRegions": ",".join(LEFT_OUT), "DeleteConnections": "Stack"}
    stack = _watch(stage, update(customer.cloudformation, "falcon-ecr", parameters=changes))
    stage.check(stack.status == "UPDATE_COMPLETE", f"the stack is {stack.status}")
    stage.check(not set(LEFT_OUT) & customer.connections().keys(), "their connections are gone from Falcon")
    stage.check(len(customer.connections()) == 15, "the other 15 are still there")


def _purge(stage: Stage, customer: Customer) -> None:
    stage.heading("Delete, with every connection of the account")
    updated = _watch(stage, update(customer.cloudformation, "falcon-ecr", parameters={"DeleteConnections": "Account"}))
    stage.check(updated.status == "UPDATE_COMPLETE", f"the stack is {updated.status}")
    deleted = _watch(stage, delete(customer.cloudformation, "falcon-ecr"))
    stage.check(deleted.status == "DELETE_COMPLETE", f"the stack is {deleted.status}")


def _watch(stage: Stage, operation: Operation) -> Stack:
    """Show the events of an operation while they appear, and return the stack when it has ended."""
    for event in operation:
        stage.event(event.status, event.logical_id, event.reason if event.failed else "")
    return operation.wait()


def _show(stage: Stage, connections: dict[str, Connection]) -> None:
    rows = ((region, found.id, found.state(time.time())) for region, found in connections.items())
    stage.table(("Region", "Connection", "State"), rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
