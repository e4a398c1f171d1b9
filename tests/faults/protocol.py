"""What holds for every answer and every log line, whatever the event: CloudFormation's rules, silence on secrets."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.faults.harness import SECRETS, Delivery

LARGEST_ANSWER = 4096  # bytes; CloudFormation's limit
LONGEST_REASON = 240  # characters
UNFORESEEN = re.compile(r"[Uu]nexpected|Traceback")
"""What the function says of an error that nobody foresaw. No row may be such an error."""


def wrong_in_answer(delivery: Delivery) -> Iterator[str]:
    """Yield what is wrong with the one answer that CloudFormation must have taken."""
    kind = delivery.event["RequestType"]
    if delivery.invocation.status != "response" or delivery.invocation.payload is not None:
        yield f"{kind}: the invocation ended with {delivery.invocation.status} {delivery.invocation.payload}"
    if len(delivery.answers) != 1:
        yield f"{kind}: CloudFormation took {len(delivery.answers)} answers"
        return
    answer = delivery.answer
    yield from (f"{kind}: {problem}" for problem in _wrong_identity(answer, delivery.event))
    yield from (f"{kind}: {problem}" for problem in _wrong_size(answer))
    yield from indiscreet(f"{kind}: the answer", answer)


def wrong_in_silence(delivery: Delivery) -> Iterator[str]:
    """Yield what is wrong with an event whose answer CloudFormation never took: the function ends by itself."""
    if delivery.answers or not delivery.puts:
        yield f"CloudFormation took {len(delivery.answers)} answers of {len(delivery.puts)}"
    if delivery.invocation.status != "response":
        yield f"the invocation ended with {delivery.invocation.status} {delivery.invocation.payload}"


def _wrong_identity(answer: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[str]:
    ours = f"falcon-ecr-{event['StackId'].rpartition('/')[2]}"
    failed = f"{ours}-failed" if event["RequestType"] == "Create" else event.get("PhysicalResourceId")
    identifier = ours if answer.get("Status") == "SUCCESS" else failed
    if event["RequestType"] == "Delete":
        identifier = event["PhysicalResourceId"]
    copied = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    for name, value in {**copied, "PhysicalResourceId": identifier}.items():
        if answer.get(name) != value:
            yield f"{name} is {answer.get(name)!r}"


def _wrong_size(answer: Mapping[str, Any]) -> Iterator[str]:
    reason = answer.get("Reason", "")
    if len(json.dumps(answer)) > LARGEST_ANSWER:
        yield f"the answer has {len(json.dumps(answer))} bytes"
    if len(reason) > LONGEST_REASON or (answer.get("Status") == "FAILED" and not reason):
        yield f"the reason has {len(reason)} characters"
    if UNFORESEEN.search(reason):
        yield f"nobody foresaw this: {reason}"


def wrong_in_logs(lines: Iterable[str]) -> Iterator[str]:
    """Yield each line that is not one JSON object, or holds what it must not."""
    for line in lines:
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            yield f"a line of the log is not a JSON object: {line!r}"
            continue
        yield from indiscreet("the log", document)
        if UNFORESEEN.search(f"{document.get('text')} {document.get('message')}"):
            yield f"nobody foresaw this: {line}"


def indiscreet(where: str, said: Any) -> Iterator[str]:
    """Yield each text in a piece of JSON that holds a secret, or what hurts a terminal."""
    for text in _texts(said):
        if any(secret in text for secret in SECRETS):
            yield f"{where} holds a secret: {text!r}"
        if not text.isprintable():
            yield f"{where} holds control characters: {text!r}"


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for name, value in document.items():
            yield from (*_texts(name), *_texts(value))
    elif isinstance(document, Sequence):
        for value in document:
            yield from _texts(value)
