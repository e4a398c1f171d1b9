"""One CloudFormation stack: what it is now, a change to it as it happens, and why a change failed."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from cli.aws import error_text
from cli.errors import CliError
from cli.screen import Screen, printable

Event = Mapping[str, Any]
"""What happened to a resource of the stack, or to the stack, as CloudFormation describes it."""

POLL_SECONDS: Final = 2.0
READ_AT_ONCE: Final = 200  # events; several times what one operation makes

GOOD: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
"""What a stack is in when all is as it should be."""

UPDATABLE: Final = GOOD | {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
"""What CloudFormation accepts an update in."""

LEFTOVERS: Final = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"})
"""What is left of a launch that never succeeded: it can only be deleted."""

_WAY_BACK: Final = {"UPDATE_ROLLBACK_FAILED": "continue-update-rollback", "UPDATE_FAILED": "rollback-stack"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stack as it is at one moment. Values of secret parameters are shown as asterisks."""

    id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def version(self) -> str:
        """The version of the package that it runs, as far as the stack shows."""
        return self.outputs.get("Version", "")

    @property
    def log_group(self) -> str:
        """The function's log group."""
        return self.outputs.get("LogGroup", "unknown")

    @property
    def is_moving(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status not in LEFTOVERS


class Stack:
    """A stack by name, whether or not it exists."""

    def __init__(self, cloudformation: Any, name: str, screen: Screen) -> None:
        self.name = name
        self._cloudformation, self._screen = cloudformation, screen

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

    def existing(self) -> Snapshot:
        """Return the stack as it is. Raises CliError if there is none."""
        if (now := self.now()) is None:
            region = self._cloudformation.meta.region_name
            raise CliError(
                f"there is no stack {self.name} in {region}: it was never launched there, or is deleted. Name another: "
                "STACK=... REGION=..."
            )
        return now

    def settle(self) -> Snapshot | None:
        """Return the stack at rest: an operation that is under way is followed to its end."""
        before = self.now()
        if not (before and before.is_moving):
            return before
        self._screen.say(f"the stack {self.name} is in {before.status}: following what is under way")
        events = self._events(before.id)
        ended = [number for number, event in enumerate(events, 1) if _ends_operation(event)]
        older = {event["EventId"] for event in events[: max(ended, default=0)]}
        self._follow(before.id, lambda event: event["EventId"] not in older)
        return self.now()

    def deploy(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, str],
        accepted: Collection[str],
        tags: Mapping[str, str] | None = None,
    ) -> tuple[Snapshot, bool]:
        """Launch or update the stack; return it, and whether anything was changed.

        `template` is how CloudFormation's call names it. Of the parameters that are not given, those `accepted`
        stay. What is left of a failed launch is deleted first. Raises CliError with the cause of a failure.
        """
        before = self.settle()
        if before and before.status in LEFTOVERS:
            self._screen.say(f"deleting what is left of a failed launch ({before.status})")
            self.delete()
            before = None
        if before and before.status not in UPDATABLE:
            raise CliError(self.problem(before.status))
        kept = (before.parameters.keys() & set(accepted)) - parameters.keys() if before else set()
        change = {**described(parameters, kept, tags or {}), **template}
        operate = self._cloudformation.update_stack if before else self._cloudformation.create_stack
        token = str(uuid4())
        try:
            stack = operate(StackName=self.name, ClientRequestToken=token, **change)["StackId"]
        except ClientError as error:
            if before and "No updates are to be performed" in error_text(error):
                return before, False
            raise
        self._conclude(stack, token, GOOD)
        return self.existing(), True

    def delete(self) -> None:
        """Delete the stack. Raises CliError with the cause of a failure."""
        if before := self.settle():
            token = str(uuid4())
            self._cloudformation.delete_stack(StackName=self.name, ClientRequestToken=token)
            self._conclude(before.id, token, {"DELETE_COMPLETE"})

    def problem(self, status: str) -> str:
        """Return why a stack in this status takes no update, and the remedy."""
        return f"the stack {self.name} is in {status}, which takes no update. {self.remedy(status)}"

    def remedy(self, status: str) -> str:
        """Return what to do about a stack that is not in order."""
        place = f"--stack-name {self.name} --region {self._cloudformation.meta.region_name}"
        if status.endswith("_IN_PROGRESS"):
            return "An operation on it is under way: look again when it has ended."
        if back := _WAY_BACK.get(status):
            return f"Bring it back to its last good state first: aws cloudformation {back} {place}"
        if status == "UPDATE_ROLLBACK_COMPLETE":
            return (
                "It is as it was before its last update. If that is still wanted, correct the cause and deploy again; "
                "the status stays until an update changes something."
            )
        if status == "DELETE_FAILED":
            return (
                "Correct the cause, then delete it again. To give up what cannot be deleted, "
                "and leave its connections in Falcon:\n"
                f"  aws cloudformation delete-stack {place} --retain-resources RegistryConnections"
            )
        return "Correct the cause, then run this again: it deletes what is left and launches anew."

    def _follow(self, stack: str, is_ours: Callable[[Event], bool]) -> list[Event]:
        """Print each event of an operation once, until the stack has come to rest, and return them."""
        happened: dict[str, Event] = {}
        while True:
            for event in filter(is_ours, self._events(stack)):
                if event["EventId"] not in happened:
                    happened[event["EventId"]] = event
                    status, reason = event["ResourceStatus"], _reason(event)
                    line = f"{event['Timestamp']:%H:%M:%S}  {status:<27}  {event['LogicalResourceId']}  {reason}"
                    self._screen.say(line.rstrip(), "red" if _has_failed(event) else "")
                    if _ends_operation(event):
                        return list(happened.values())
            time.sleep(POLL_SECONDS)

    def _events(self, stack: str) -> list[Event]:
        """Return the stack's latest events, oldest first."""
        paginator = self._cloudformation.get_paginator("describe_stack_events")
        try:
            pages = paginator.paginate(StackName=stack, PaginationConfig={"MaxItems": READ_AT_ONCE})
            return [event for page in pages for event in page["StackEvents"]][::-1]
        except (ClientError, BotoCoreError) as error:
            raise CliError(
                f"{error}\nThe operation goes on unwatched. The same command again follows it to its end."
            ) from None

    def _conclude(self, stack: str, token: str, wanted: Collection[str]) -> None:
        """Follow the operation that began with this token. Raises CliError if its end is not one that is `wanted`."""
        events = self._follow(stack, lambda event: event.get("ClientRequestToken") == token)
        status = events[-1]["ResourceStatus"]
        if status not in wanted:
            cause = f"the stack {self.name} failed and is in {status}. The cause:"
            raise CliError("\n".join([cause, *_causes(events), self.remedy(status)]))


def described(parameters: Mapping[str, str], kept: Collection[str], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return as CloudFormation takes them: parameters that are given, those that keep their value, and tags if any."""
    given: list[dict[str, Any]] = [
        {"ParameterKey": key, "ParameterValue": parameters[key]} for key in sorted(parameters)
    ]
    given += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
    tagged = {"Tags": [{"Key": key, "Value": tags[key]} for key in sorted(tags)]} if tags else {}
    return {"Parameters": given, "Capabilities": ["CAPABILITY_NAMED_IAM"], **tagged}


def _causes(events: list[Event]) -> list[str]:
    """Return what explains a failure, the first cause first: neither its consequences nor its summaries."""
    failed = [event for event in events if _has_failed(event)]
    # CloudFormation only stops a resource because another has failed.
    failed = [event for event in failed if not _reason(event).endswith((" cancelled", " canceled"))]
    of_resources = [event for event in failed if not _is_of_stack(event)]
    of_stack = [event for event in events if _is_of_stack(event) and "ROLLBACK" in event["ResourceStatus"]]
    found = of_resources or failed or [event for event in of_stack if _reason(event)]
    lines = [f"  {event['LogicalResourceId']} ({event['ResourceType']}): {_reason(event)}" for event in found]
    return lines or ["  CloudFormation gives none; see the events above."]


def _is_of_stack(event: Event) -> bool:
    return bool(event.get("PhysicalResourceId") == event["StackId"])


def _has_failed(event: Event) -> bool:
    return str(event["ResourceStatus"]).endswith("_FAILED")


def _ends_operation(event: Event) -> bool:
    """Tell whether nothing follows: the stack has come to rest."""
    return _is_of_stack(event) and not str(event["ResourceStatus"]).endswith("_IN_PROGRESS")


def _reason(event: Event) -> str:
    return printable(event.get("ResourceStatusReason", ""))
