"""A trivial function and small templates, with which the tests of this sandbox try its promises."""

import contextlib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.sandbox import stacks
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.stacks import Stack

BUCKET, KEY, FUNCTION, ROLE = "packages", "function.zip", "sample-function", "sample-role"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

# For CloudFormation it does what the resource's properties say, by request type; else what the event says.
CODE = """
import json, os, time, urllib.request

def handler(event, context):
    asked = {name: event.get(name) for name in ("RequestType", "PhysicalResourceId")}
    print(json.dumps({"asked": list(asked.values())} if "ResponseURL" in event else {"event": event}), flush=True)
    event = event | json.loads(event.get("ResourceProperties", {}).get(event.get("RequestType"), "{}"))
    time.sleep(event.get("sleep", 0))
    if event.get("call"):
        import boto3
        service, method = event["call"]
        return json.loads(json.dumps(getattr(boto3.client(service), method)(), default=str))
    if event.get("import"):
        __import__(event["import"])
    if event.get("get"):
        urllib.request.urlopen(event["get"], timeout=5)
    if "ResponseURL" in event and not event.get("silent"):
        answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        answer |= {"Status": "SUCCESS", "PhysicalResourceId": "physical-1"} | event.get("answer", {})
        request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=10)
    return {"environment": dict(os.environ), "milliseconds": context.get_remaining_time_in_millis()}
"""


def package(name: str = "sample.py", code: str = CODE) -> bytes:
    """Return the bytes of a deployment package with one module."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(name, code)
    return archive.getvalue()


def policy(**statement: Any) -> dict[str, Any]:
    """Return a policy that allows this."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def inline(action: str) -> dict[str, Any]:
    """Return the inline policy of a role that may do this."""
    return {"PolicyName": "sample", "PolicyDocument": policy(Action=action, Resource="*")}


def role(service: str = "lambda.amazonaws.com", **properties: Any) -> dict[str, Any]:
    """Return a role; a function's may log."""
    trust = policy(Principal={"Service": service}, Action="sts:AssumeRole")
    managed = {"ManagedPolicyArns": [BASIC]} if service == "lambda.amazonaws.com" else {}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, **managed, **properties}}


def function(**properties: Any) -> dict[str, Any]:
    """Return a function that runs `package`."""
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": FUNCTION,
            "Runtime": "python3.13",
            "Handler": "sample.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Timeout": 30,
            "MemorySize": 256,
            "Code": {"S3Bucket": BUCKET, "S3Key": KEY},
            **properties,
        },
    }


def custom(timeout: int = 15, **what_to_do: Any) -> dict[str, Any]:
    """Return a custom resource that does as told by request type, for example `Create={"silent": True}`."""
    told = {kind: json.dumps(todo) for kind, todo in what_to_do.items()}
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    return {"Type": "Custom::Sample", "Properties": {"ServiceToken": token, "ServiceTimeout": timeout, **told}}


def template(**resources: Any) -> dict[str, Any]:
    """Return a template with a role, a function, and more."""
    return {"Resources": {"Role": role(RoleName=ROLE), "Function": function(), **resources}}


def launch(aws: LocalAws, **resources: Any) -> Stack:
    """Create the stack `sample`, with its package in the account's bucket, and wait for its end."""
    stacks.upload(aws.client("s3"), BUCKET, KEY, package())
    return stacks.create(aws.client("cloudformation"), "sample", template(**resources), {}).wait()


def invoke(aws: LocalAws, **event: Any) -> Any:
    """Invoke the function and return its answer; an error is the payload as Lambda returns it."""
    answer = aws.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def send(aws: LocalAws, **event: Any) -> None:
    """Send the function an asynchronous event."""
    aws.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(event))


def said(aws: LocalAws, field: str = "event") -> list[Any]:
    """Return what the function was told, in order: events, or `asked`, the kind and physical id of a request."""
    lines = [json.loads(line) for line in aws.function_logs(FUNCTION) if line.startswith("{")]
    return [line[field] for line in lines if field in line]


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {seconds} s")
        time.sleep(0.05)


def processes(directory: Path) -> list[int]:
    """Return the processes whose environment names a directory: a local AWS below it, and its functions."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it is another user's, or ended meanwhile
            if os.fsencode(directory) in environment.read_bytes():
                found.append(int(environment.parent.name))
    return sorted(found)
