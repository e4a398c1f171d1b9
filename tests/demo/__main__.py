"""Show the life of a stack from beginning to end: `python -m tests.demo`. Exit status 0 if all was as promised."""

import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.demo.stage import Stage
from tests.sandbox.environment import tidy
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.sandbox.stacks import Operation, Stack, delete, update
from tests.sandbox.tls import Authority
from tests.simulator import Connection, FalconSimulator
from tests.stack.customer import LOG_GROUP, PACKAGE, STACK, Customer, add_neighbours

BY_HAND, BY_HAND_LATER = "eu-west-1", "sa-east-1"
"""Regions whose registry somebody connected by hand: before the launch, and after the update."""

LEFT_OUT = ("sa-east-1", "us-west-1")
"""Regions that the update excludes."""


def main() -> int:
    """Play the demo and return its exit status."""
    tidy(os.environ)
    if not PACKAGE.is_file():
        sys.exit(f"{PACKAGE} is missing: make demo builds it")
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        authority = Authority(Path(directory))
        with LocalAws(authority, directory=Path(directory)) as aws, FalconSimulator(authority) as falcon:
            Demo(stage, Customer(aws, falcon, PACKAGE)).play()
    return stage.verdict()


class Demo:
    """A customer who launches, looks, changes their mind and leaves."""

    def __init__(self, stage: Stage, customer: Customer) -> None:
        self._stage, self._customer = stage, customer
        self._before = customer.resources()
        self._by_hand = customer.add_connection(BY_HAND)
        self._untouched = add_neighbours(customer.falcon)

    def play(self) -> None:
        """Play all acts."""
        self._introduce()
        self._launch()
        self._update()
        self._delete()
        self._look_what_is_left()

    def _introduce(self) -> None:
        neighbours = len(self._customer.falcon.connections()) - 1
        self._stage.heading("An AWS account and a Falcon tenant, both on this machine")
        self._stage.say(f"  Account {ACCOUNT} has 17 Regions enabled.")
        self._stage.say(f"  Its registry in {BY_HAND} is connected already: somebody did it by hand.")
        self._stage.say(f"  The tenant holds {neighbours} connections of others. Many look like this account's.")

    def _launch(self) -> None:
        self._stage.heading("Launch")
        stack = self._watch(self._customer.start_launch())
        connections = self._customer.connections()
        self._stage.heading("The connections, as Falcon has them")
        self._show(connections)
        self._stage.heading("The outputs of the stack")
        self._stage.outputs(stack.outputs)
        check = self._stage.check
        check(stack.status == "CREATE_COMPLETE", f"the stack is {stack.status}")
        check(len(connections) == 17, f"{len(connections)} of 17 Regions are connected")
        readable = re.compile(rf"ecr-(adopted-)?[0-9a-f]{{8}}-{ACCOUNT}-([a-z0-9-]+)")
        names = {region: readable.fullmatch(found.user_defined_alias) for region, found in connections.items()}
        check(all(name and name[2] == region for region, name in names.items()), "each has a readable name")
        roles = {found.role for found in connections.values()}
        check(roles == {stack.outputs.get("ConnectionRoleArn")}, "each has the role that this stack made for Falcon")
        adopted = connections.get(BY_HAND)
        check(adopted is not None and adopted.id == self._by_hand.id, "the one made by hand was adopted, not doubled")
        named = stack.outputs.get("ConnectedRegions")
        check(named == ",".join(connections), "the outputs name the Regions that Falcon has")

    def _update(self) -> None:
        self._stage.heading(f"Update: leave out {' and '.join(LEFT_OUT)}, and disconnect what is left out")
        before = self._customer.connections()
        changes = {"ExcludedRegions": ", ".join(LEFT_OUT), "DeleteConnections": "Stack"}
        stack = self._watch(update(self._customer.cloudformation, STACK, parameters=changes))
        connections = self._customer.connections()
        check = self._stage.check
        check(stack.status == "UPDATE_COMPLETE", f"the stack is {stack.status}")
        check(not connections.keys() & set(LEFT_OUT), "their connections are gone from Falcon")
        others = {region: found for region, found in before.items() if region not in LEFT_OUT}
        check(connections == others, f"the other {len(others)} are as they were")

    def _delete(self) -> None:
        self._stage.heading("Delete, and with the stack every ECR connection of the account")
        self._customer.add_connection(BY_HAND_LATER)
        self._stage.say(f"  Meanwhile, somebody has connected {BY_HAND_LATER} by hand.")
        updated = self._watch(update(self._customer.cloudformation, STACK, parameters={"DeleteConnections": "Account"}))
        deleted = self._watch(delete(self._customer.cloudformation, STACK))
        self._stage.check(updated.status == "UPDATE_COMPLETE", f"the update is {updated.status}")
        self._stage.check(deleted.status == "DELETE_COMPLETE", f"the stack is {deleted.status}")

    def _look_what_is_left(self) -> None:
        self._stage.heading("What is left")
        connections, resources = self._customer.connections(), self._customer.resources() - self._before
        check = self._stage.check
        check(not connections, f"Falcon: {', '.join(connections) or 'no connection'} of this account")
        check(self._untouched(), "Falcon: the connections of others, as they were, byte for byte")
        left = resources - {f"log group {LOG_GROUP}"}
        check(not left, f"AWS: {', '.join(sorted(left)) or 'nothing'} of the stack, besides its log, kept for a year")

    def _watch(self, operation: Operation) -> Stack:
        """Show the events of an operation while they appear, and what Falcon was asked; return the stack at the end."""
        with self._customer.counting() as calls:
            for event in operation:
                self._stage.event(event)
        asked = ", ".join(f"{count} {name}" for name, count in sorted(calls.items()))
        self._stage.say(f"  Calls to Falcon: {asked or 'none'}.")
        return operation.wait()

    def _show(self, connections: dict[str, Connection]) -> None:
        now = time.time()
        rows = [
            ("", (region, found.id, found.state(now), "adopted" if found.id == self._by_hand.id else "created"))
            for region, found in connections.items()
        ]
        self._stage.table(("Region", "Connection", "State", "By us"), rows)


def _leave(number: int, _frame: FrameType | None) -> None:
    """End in order, so that everything that was started is stopped, and do not be disturbed while doing so."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _leave)
    sys.exit(main())
