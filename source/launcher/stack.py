"""One CloudFormation stack: what it is now, a change to it as it happens, and why a change failed."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from launcher.aws_cli import PIPE, AwsCli, AwsCliError
from launcher.errors import LauncherError

POLL_SECONDS: Final = 2.0
PATIENCE: Final = 3
"""Failed attempts to read the events, each of which the AWS CLI has repeated by itself."""

_READ_AT_ONCE: Final = "200"
"""Events; several times what one operation on our template makes."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource of the stack, or to the stack."""

    id: str
    time: str
    resource: str
    type: str
    status: str
    reason: str
    is_stack: bool

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> Self:
        """Return the event that CloudFormation describes with `raw`."""
        return cls(
            id=raw["EventId"],
            time=raw["Timestamp"],
            resource=raw["LogicalResourceId"],
            type=raw["ResourceType"],
            status=raw["ResourceStatus"],
            reason=raw.get("ResourceStatusReason", ""),
            is_stack=raw.get("PhysicalResourceId") == raw["StackId"],
        )

    def __str__(self) -> str:
        reason = f"  {self.reason}" if self.reason else ""
        return f"{self.time[11:19]}  {self.status:<27}  {self.resource}  ({self.type}){reason}"

    @property
    def ends_operation(self) -> bool:
        """Whether nothing follows: the stack has come to rest."""
        return self.is_stack and not self.status.endswith("_IN_PROGRESS")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stack as it is at one moment."""

    status: str
    parameters: frozenset[str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack by name, whether or not it exists."""

    aws: AwsCli
    name: str

    def now(self) -> Snapshot | None:
        """Return the stack as it is, None if there is none."""
        try:
            answer = self.aws.call("cloudformation", "describe-stacks", "--stack-name", self.name)
        except AwsCliError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return None
            raise
        raw = answer["Stacks"][0]
        parameters = frozenset(parameter["ParameterKey"] for parameter in raw.get("Parameters", ()))
        outputs = {output["OutputKey"]: output["OutputValue"] for output in raw.get("Outputs", ())}
        return Snapshot(raw["StackStatus"], parameters, outputs)

    def change(self, *, template: Path, parameters: list[dict[str, Any]], exists: bool) -> Iterator[Event]:
        """Launch or update the stack, and yield the events of this change until the stack has come to rest.

        Yields nothing if there is nothing to change. Raises AwsCliError if CloudFormation refuses the change.
        """
        token = str(uuid.uuid4())
        options = ["--template-body", template_body(template), "--capabilities", "CAPABILITY_NAMED_IAM"]
        options += ["--stack-name", self.name, "--client-request-token", token, "--parameters", PIPE]
        operation = "update-stack" if exists else "create-stack"
        try:
            answer = self.aws.call("cloudformation", operation, *options, piped=parameters)
        except AwsCliError as error:
            if "No updates are to be performed" in error.message:
                return
            raise
        yield from self._follow(answer["StackId"], token)

    def _follow(self, stack_id: str, token: str) -> Iterator[Event]:
        """Yield each event of the operation that carries `token`, once, in its order."""
        seen: set[str] = set()
        while True:
            for event in self._patiently(stack_id, token):
                if event.id not in seen:
                    seen.add(event.id)
                    yield event
                    if event.ends_operation:
                        return
            time.sleep(POLL_SECONDS)

    def _patiently(self, stack_id: str, token: str) -> list[Event]:
        """Return the events; a network that is gone for a moment is no reason to leave the operation unwatched."""
        for _ in range(PATIENCE):
            try:
                return self._events(stack_id, token)
            except AwsCliError as error:
                problem = str(error)
            time.sleep(POLL_SECONDS)
        raise LauncherError(f"{problem}\nThe operation goes on unwatched. Run this again to see where it stands.")

    def _events(self, stack_id: str, token: str) -> list[Event]:
        answer = self.aws.call(
            "cloudformation", "describe-stack-events", "--stack-name", stack_id, "--max-items", _READ_AT_ONCE
        )
        ours = (raw for raw in answer["StackEvents"] if raw.get("ClientRequestToken") == token)
        return [Event.parse(raw) for raw in ours][::-1]


def template_body(template: Path) -> str:
    """Return the value of the option `--template-body`."""
    return f"file://{template}"


def causes(events: list[Event]) -> list[Event]:
    """Return the events that explain a failure, the first cause first: neither its consequences nor its summaries."""
    failed = [event for event in events if event.status.endswith("_FAILED") and not _is_consequence(event)]
    of_resources = [event for event in failed if not event.is_stack]
    of_stack = [event for event in events if event.is_stack and "ROLLBACK" in event.status and event.reason]
    return of_resources or failed or of_stack


def _is_consequence(event: Event) -> bool:
    """Tell whether CloudFormation only stopped this resource because another had failed."""
    return event.reason.endswith((" cancelled", " canceled"))


def way_out(name: str, status: str, region: str) -> str:
    """Return what to do about a stack that came to rest in, or is in, a `status` that cannot be deployed to."""
    stack = f"--stack-name {name} --region {region}"
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        return "Another operation on it is under way. Wait for its end, then run this again."
    if back := _WAY_BACK.get(status):
        return f"Bring it back to its last good state first: aws cloudformation {back} {stack}"
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "It is as it was before. Correct the cause, then run this again."
    return (
        "Correct the cause, then delete what is left of it and run this again:\n"
        f"  aws cloudformation delete-stack {stack} && aws cloudformation wait stack-delete-complete {stack}"
    )


_WAY_BACK: Final = {"UPDATE_ROLLBACK_FAILED": "continue-update-rollback", "UPDATE_FAILED": "rollback-stack"}


def can_update(status: str) -> bool:
    """Tell whether CloudFormation accepts an update of a stack in `status`."""
    return status in {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
