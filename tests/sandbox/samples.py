"""A trivial function and small templates, with which the tests of this sandbox try its promises."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT, REGION, LocalAws
from tests.sandbox.stacks import Stack

BUCKET, KEY, FUNCTION, ROLE = "packages", "function.zip", "sample-function", "sample-role"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

# For CloudFormation it does what the resource's properties say, by request type; else what the event says.
CODE = """
import json, os, time, urllib.request

def answer(event, **fields):
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")} | fields
    request = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=10)

def handler(event, context):
    if "ResponseURL" in event:
        return custom_resource(event)
    print(json.dumps({"event": event, "at": time.time()}))
    if event.get("raise"):
        raise RuntimeError(event["raise"])
    if event.get("exit"):
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
    if event.get("allocate_mb"):
        bytearray(event["allocate_mb"] << 20)
    if event.get("import"):
        __import__(event["import"])
    if event.get("call"):
        import boto3
        service, method, arguments = event["call"]
        client = boto3.client(service, region_name=event.get("region"))
        found = getattr(client, method)(**arguments)
        return json.loads(json.dumps(found, default=str))
    if event.get("get"):
        return urllib.request.urlopen(event["get"], timeout=5).read().decode()
    return {"environment": dict(os.environ), "directory": os.getcwd(), "version": VERSION,
            "memory": context.memory_limit_in_mb, "milliseconds": context.get_remaining_time_in_millis(),
            "arn": context.invoked_function_arn}

def custom_resource(event):
    todo = json.loads(event["ResourceProperties"].get(event["RequestType"], "{}"))
    print(json.dumps({"request": event["RequestType"], "id": event.get("PhysicalResourceId"), "version": VERSION,
                      "resource": event["LogicalResourceId"], "at": time.time()}), flush=True)
    if todo.get("describe"):
        import boto3
        described = boto3.client("cloudformation").describe_stack_resource(
            StackName=event["StackId"], LogicalResourceId=event["LogicalResourceId"])["StackResourceDetail"]
        print(json.dumps({"described": [described.get("PhysicalResourceId"), described["ResourceStatus"]],
                          "at": time.time()}), flush=True)
    time.sleep(todo.get("sleep", 0))
    if todo.get("raise"):
        raise RuntimeError(todo["raise"])
    if not todo.get("silent"):
        answer(event, **{"Status": "SUCCESS", "PhysicalResourceId": "physical-1", "Data": {"Said": "hello"}}
               | todo.get("answer", {}))
    print(json.dumps({"done": event["RequestType"], "at": time.time()}), flush=True)
"""


def package(version: str = "1", code: str = CODE, **files: str) -> bytes:
    """Return the bytes of a deployment package; the version is what tells one from another."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, content in {"sample.py": f"VERSION = {version!r}\n{code}", **files}.items():
            zipped.writestr(name, content)
    return archive.getvalue()


def upload(aws: LocalAws, account: str = ACCOUNT, key: str = KEY, content: bytes | None = None) -> None:
    """Put the package where `function` looks for it: every account has a bucket of its own."""
    stacks.upload(aws.client("s3", account), f"{BUCKET}-{account}", key, content or package())


def trust(service: str) -> dict[str, Any]:
    """Return the trust policy of a service's role."""
    return statements({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def statements(*each: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy."""
    return {"Version": "2012-10-17", "Statement": list(each)}


def allowing(*actions: str, resource: Any = "*") -> list[dict[str, Any]]:
    """Return the inline policies of a role that may do this."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return [{"PolicyName": "sample", "PolicyDocument": statements(statement)}]


def role(service: str = "lambda.amazonaws.com", **properties: Any) -> dict[str, Any]:
    """Return a role; a function's may log."""
    managed = {"ManagedPolicyArns": [BASIC]} if service == "lambda.amazonaws.com" else {}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": trust(service), **managed, **properties},
    }


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
            "Code": {"S3Bucket": {"Fn::Sub": BUCKET + "-${AWS::AccountId}"}, "S3Key": KEY},
            **properties,
        },
    }


def custom(depends_on: list[str] | None = None, **what_to_do: Mapping[str, Any]) -> dict[str, Any]:
    """Return a custom resource that does as told by request type, for example `Create={"silent": True}`."""
    told = {kind: json.dumps(todo) for kind, todo in what_to_do.items()}
    return {
        "Type": "Custom::Sample",
        "DependsOn": depends_on or [],
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "ServiceTimeout": 15, **told},
    }


def template(**resources: Any) -> dict[str, Any]:
    """Return a template with a role, a function, and more."""
    return {"Resources": {"Role": role(RoleName=ROLE), "Function": function(), **resources}}


def launch(aws: LocalAws, account: str = ACCOUNT, region: str = REGION, **resources: Any) -> Stack:
    """Create the stack `sample` and wait for its end."""
    return stacks.create(aws.client("cloudformation", account, region), "sample", template(**resources)).wait()


def invoke(aws: LocalAws, account: str = ACCOUNT, **event: Any) -> Any:
    """Invoke the function and return its answer; an error is the payload as Lambda returns it."""
    answer = aws.client("lambda", account).invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def said(aws: LocalAws, account: str = ACCOUNT) -> list[dict[str, Any]]:
    """Return what the function logged, in the order of time."""
    lines = [json.loads(line) for line in aws.function_logs(FUNCTION, account) if line.startswith("{")]
    return sorted(lines, key=lambda line: float(line["at"]))


def requests(aws: LocalAws, account: str = ACCOUNT) -> list[tuple[str, str | None]]:
    """Return the custom resource requests that reached the function: kind and physical id."""
    return [(line["request"], line["id"]) for line in said(aws, account) if "request" in line]


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not happen within {seconds} s")
        time.sleep(0.05)
