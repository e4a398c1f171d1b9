"""Stacks as tests and the demo use them: operate, watch live, and know the reason of a failure.

for event in create(cloudformation, "falcon", template, parameters): ...   # or update, or delete: live, oldest first
stack = create(...).wait()                                                 # or all at once
assert stack.status == "CREATE_COMPLETE", stack.failures
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef

POLL_SECONDS = 0.05
WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class StackEvent:
    """One line of the stack's history."""

    logical_id: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether this event is a failure or announces one."""
        return self.status.endswith("_FAILED")


@dataclass(frozen=True)
class Stack:
    """A stack after an operation, and the events of that operation."""

    stack_id: str
    status: str
    outputs: dict[str, str]
    events: tuple[StackEvent, ...]

    @property
    def failures(self) -> dict[str, str]:
        """Return the reason by logical id of each resource that failed; the first reason counts."""
        return {event.logical_id: event.reason for event in reversed(self.events) if event.failed}


class Operation:
    """An operation that runs: iterate over it for its events, live; afterwards it knows the stack."""

    def __init__(self, cloudformation: "CloudFormationClient", stack_id: str, *, seen: Iterable[str] = ()) -> None:
        self.stack_id = stack_id
        self.events: list[StackEvent] = []
        self._cloudformation, self._seen = cloudformation, set(seen)

    def __iter__(self) -> Iterator[StackEvent]:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            running = self.status.endswith("_IN_PROGRESS")  # asked first, so that no event is missed
            for event in self._new_events():
                self.events.append(event)
                yield event
            if not running:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.stack_id} is {self.status} after {WAIT_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    @property
    def status(self) -> str:
        """Return the status of the stack now."""
        return self._description()["StackStatus"]  # type: ignore[no-any-return]

    def wait(self) -> Stack:
        """Wait for the end."""
        for _ in self:
            pass
        description = self._description()
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
        return Stack(self.stack_id, description["StackStatus"], outputs, tuple(self.events))

    def _description(self) -> Any:
        return self._cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"][0]

    def _new_events(self) -> list[StackEvent]:
        fresh = {event["EventId"]: event for event in _events(self._cloudformation, self.stack_id)}
        fresh = {name: event for name, event in fresh.items() if name not in self._seen}
        self._seen |= fresh.keys()
        fields = ("LogicalResourceId", "ResourceStatus", "ResourceStatusReason")
        return [StackEvent(*(str(event.get(name, "")) for name in fields)) for event in reversed(fresh.values())]


def create(
    cloudformation: "CloudFormationClient",
    name: str,
    template: str | Path | Mapping[str, Any],
    parameters: Mapping[str, str] | None = None,
) -> Operation:
    """Start to create a stack."""
    given: list[ParameterTypeDef] = [_parameter(*each) for each in (parameters or {}).items()]
    answer = cloudformation.create_stack(
        StackName=name, TemplateBody=_body(template), Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    return Operation(cloudformation, answer["StackId"])


def update(
    cloudformation: "CloudFormationClient",
    name: str,
    template: str | Path | Mapping[str, Any] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Operation:
    """Start to update a stack; without a template, and for parameters that are not named, the stack's own stay."""
    before = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    seen = [event["EventId"] for event in _events(cloudformation, name)]
    given: list[ParameterTypeDef] = [_parameter(*each) for each in (parameters or {}).items()]
    source: Any = {"TemplateBody": _body(template)} if template else {"UsePreviousTemplate": True}
    kept = {} if template else {key["ParameterKey"] for key in before.get("Parameters", [])} - (parameters or {}).keys()
    given += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
    cloudformation.update_stack(StackName=name, Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"], **source)
    return Operation(cloudformation, before["StackId"], seen=seen)


def delete(cloudformation: "CloudFormationClient", name: str, **options: Any) -> Operation:
    """Start to delete a stack."""
    stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    seen = [event["EventId"] for event in _events(cloudformation, stack_id)]
    cloudformation.delete_stack(StackName=name, **options)
    return Operation(cloudformation, stack_id, seen=seen)


def _parameter(key: str, value: str) -> "ParameterTypeDef":
    return {"ParameterKey": key, "ParameterValue": value}


def _body(template: str | Path | Mapping[str, Any]) -> str:
    """Return the text of a template: a file, a mapping, or the text itself."""
    if isinstance(template, Path):
        return template.read_text()
    return template if isinstance(template, str) else json.dumps(template)


def upload(s3: Any, bucket: str, key: str, package: Path | bytes, region: str = "us-east-1") -> None:
    """Put a package into a bucket, which is made if it does not exist."""
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket, **where)
    s3.put_object(Bucket=bucket, Key=key, Body=package.read_bytes() if isinstance(package, Path) else package)


def _events(cloudformation: "CloudFormationClient", stack: str) -> "list[StackEventTypeDef]":
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]]
