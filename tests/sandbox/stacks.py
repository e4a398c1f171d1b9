"""Stacks as tests and the demo use them: operate, watch live, and know the reason of a failure.

for event in create(cloudformation, "falcon", template, parameters): ...   # or update, or delete: live, oldest first
stack = create(...).wait()                                                 # or all at once
assert stack.status == "CREATE_COMPLETE", stack.failures
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
POLL_SECONDS = 0.05
WAIT_SECONDS = 120.0


Event = dict[str, Any]
"""One line of the stack's history, as CloudFormation has it."""


@dataclass(frozen=True)
class Stack:
    """A stack after an operation, and the events of that operation."""

    stack_id: str
    status: str
    outputs: dict[str, str]
    events: list[Event]

    @property
    def failures(self) -> dict[str, str]:
        """Return the reason by logical id of each resource that failed; the first reason counts."""
        failed = [event for event in self.events if event["ResourceStatus"].endswith("_FAILED")]
        return {event["LogicalResourceId"]: event.get("ResourceStatusReason", "") for event in reversed(failed)}


class Operation:
    """An operation that runs: iterate over it for its events, live; afterwards it knows the stack."""

    def __init__(self, cloudformation: Any, stack_id: str, seen: int = 0) -> None:
        """Watch a stack, without as many events as were `seen` before the operation."""
        self.stack_id = stack_id
        self.events: list[Event] = []
        self._cloudformation, self._seen = cloudformation, seen

    def __iter__(self) -> Iterator[Event]:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            status = self._description()["StackStatus"]  # asked first, so that no event is missed
            for event in _events(self._cloudformation, self.stack_id)[self._seen + len(self.events) :]:
                self.events.append(event)
                yield event
            if not status.endswith("_IN_PROGRESS"):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.stack_id} is {status} after {WAIT_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def wait(self) -> Stack:
        """Wait for the end."""
        for _ in self:
            pass
        description = self._description()
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
        return Stack(self.stack_id, description["StackStatus"], outputs, self.events)

    def _description(self) -> Any:
        return self._cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"][0]


Template = str | Path | Mapping[str, Any]


def create(cloudformation: Any, name: str, template: Template, parameters: Mapping[str, str]) -> Operation:
    """Start to create a stack."""
    given = {"TemplateBody": _body(template), "Parameters": _listed(parameters), "Capabilities": CAPABILITIES}
    return Operation(cloudformation, cloudformation.create_stack(StackName=name, **given)["StackId"])


def update(
    cloudformation: Any, name: str, template: Template | None = None, parameters: Mapping[str, str] | None = None
) -> Operation:
    """Start to update a stack; without a template, and for parameters that are not named, the stack's own stay."""
    before, seen = cloudformation.describe_stacks(StackName=name)["Stacks"][0], len(_events(cloudformation, name))
    given: dict[str, Any] = {"Parameters": _listed(parameters or {}), "Capabilities": CAPABILITIES}
    if template:
        given["TemplateBody"] = _body(template)
    else:
        kept = {each["ParameterKey"] for each in before.get("Parameters", [])} - (parameters or {}).keys()
        given["Parameters"] += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
        given["UsePreviousTemplate"] = True
    cloudformation.update_stack(StackName=name, **given)
    return Operation(cloudformation, before["StackId"], seen)


def delete(cloudformation: Any, name: str, **options: Any) -> Operation:
    """Start to delete a stack."""
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    seen = len(_events(cloudformation, stack_id))
    cloudformation.delete_stack(StackName=name, **options)
    return Operation(cloudformation, stack_id, seen)


def _listed(parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]


def _body(template: Template) -> str:
    """Return the text of a template: a file, a mapping, or the text itself."""
    if isinstance(template, Path):
        return template.read_text()
    return template if isinstance(template, str) else json.dumps(template)


def _events(cloudformation: Any, stack: str) -> list[Event]:
    """Return all events of a stack, the oldest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def upload(s3: Any, bucket: str, key: str, package: Path | bytes) -> None:
    """Put a package into a bucket, which is made if it does not exist."""
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=package.read_bytes() if isinstance(package, Path) else package)
