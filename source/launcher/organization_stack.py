"""A plain stack of the operator's account: the bucket's, and the management account's own."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import ClientError

from launcher.errors import LauncherError
from launcher.organization_aws import error_text
from launcher.stack import Event, can_update, causes, way_out

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from rich.console import Console

POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stack as it is at one moment. Values of secret parameters are shown as asterisks."""

    id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


class Stack:
    """A stack by name, whether or not it exists."""

    def __init__(self, cloudformation: "CloudFormationClient", name: str, shown: "Console") -> None:
        self.name = name
        self._cloudformation, self._shown = cloudformation, shown

    def now(self) -> Snapshot | None:
        """Return the stack as it is, None if there is none."""
        try:
            raw = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error_text(error):
                return None
            raise
        parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in raw.get("Parameters", ())}
        outputs = {each["OutputKey"]: each["OutputValue"] for each in raw.get("Outputs", ())}
        return Snapshot(raw["StackId"], raw["StackStatus"], parameters, outputs)

    def deploy(self, template: Mapping[str, Any], parameters: Mapping[str, str], accepted: Sequence[str]) -> Snapshot:
        """Launch or update the stack, and return it; of the parameters that are not given, those `accepted` stay.

        `template` is what CloudFormation's call names it by. Raises LauncherError with the cause of a failure.
        """
        before = self.now()
        if before and not can_update(before.status):
            way = way_out(self.name, before.status, self._region)
            raise LauncherError(f"the stack {self.name} is in {before.status}, which takes no update. {way}")
        kept = (before.parameters.keys() & set(accepted)) - parameters.keys() if before else set()
        given: Any = [{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(parameters.items())]
        given += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
        token = str(uuid4())
        change: Any = {"StackName": self.name, "Parameters": given, "ClientRequestToken": token, **template}
        operate = self._cloudformation.update_stack if before else self._cloudformation.create_stack
        try:
            stack = operate(**change, Capabilities=["CAPABILITY_NAMED_IAM"])["StackId"]
        except ClientError as error:
            if before and "No updates are to be performed" in error_text(error):
                return before
            raise
        self._conclude(self._follow(stack, token), {"CREATE_COMPLETE", "UPDATE_COMPLETE"})
        after = self.now()
        assert after
        return after

    def delete(self) -> None:
        """Delete the stack. Raises LauncherError with the cause of a failure."""
        before = self.now()
        if before:
            token = str(uuid4())
            self._cloudformation.delete_stack(StackName=self.name, ClientRequestToken=token)
            self._conclude(self._follow(before.id, token), {"DELETE_COMPLETE"})

    @property
    def _region(self) -> str:
        return self._cloudformation.meta.region_name

    def _follow(self, stack: str, token: str) -> list[Event]:
        """Print each event of the operation that carries `token`, once, until the stack has come to rest."""
        happened: dict[str, Event] = {}
        while True:
            pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
            raw = [each for page in pages for each in page["StackEvents"] if each.get("ClientRequestToken") == token]
            for event in map(_event, reversed(raw)):
                if event.id not in happened:
                    happened[event.id] = event
                    self._shown.print(str(event))
                    if event.ends_operation:
                        return list(happened.values())
            time.sleep(POLL_SECONDS)

    def _conclude(self, events: list[Event], wanted: set[str]) -> None:
        status = events[-1].status
        if status in wanted:
            return
        reasons = [f"  {event.resource} ({event.type}): {event.reason}" for event in causes(events)]
        raise LauncherError(
            "\n".join(
                [
                    f"the stack {self.name} failed and is in {status}. The cause:",
                    *(reasons or ["  CloudFormation gives none; see the events above."]),
                    way_out(self.name, status, self._region),
                ]
            )
        )


def _event(raw: Any) -> Event:
    return Event.parse({**raw, "Timestamp": raw["Timestamp"].isoformat()})
