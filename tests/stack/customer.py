"""A customer of AWS and of Falcon, as end-to-end tests and the demo play one.

It launches the real template with the real package, looks at what is in Falcon and in AWS, and has neighbours that
nobody may touch.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.sandbox import stacks
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.sandbox.stacks import Operation, Stack
from tests.simulator import Connection, FalconSimulator
from tests.simulator.probe import registry

PROJECT = Path(__file__).resolve().parents[2]
TEMPLATE = PROJECT / "template.yaml"
PACKAGE = PROJECT / "build" / "lambda_function.zip"

STACK = "falcon-ecr"
BUCKET, KEY = "packages", "lambda_function.zip"
SECRET, ROLE, FUNCTION = "crowdstrike-ecr-api-credentials", "crowdstrike-ecr-lambda-role", "crowdstrike-ecr-function"
LOG_GROUP = f"/aws/lambda/{FUNCTION}"
OTHER_ACCOUNT = "444455556666"


class Customer:
    """One AWS account, in one Region, and a Falcon tenant."""

    def __init__(self, aws: LocalAws, falcon: FalconSimulator, package: Path | bytes) -> None:
        self.aws, self.falcon = aws, falcon
        self.cloudformation: Any = aws.client("cloudformation")
        stacks.upload(aws.client("s3"), BUCKET, KEY, package)

    # Operations

    @property
    def required(self) -> dict[str, str]:
        """The three parameters that the original solution required."""
        return {"S3Bucket": BUCKET, "FalconClientID": self.falcon.client_id, "FalconSecret": self.falcon.client_secret}

    def start_launch(self, **parameters: str) -> Operation:
        """Start to launch the template; its function finds Falcon on this machine unless `parameters` say otherwise."""
        given = self.required | {"FalconApiUrl": self.falcon.url} | parameters
        return stacks.create(self.cloudformation, STACK, TEMPLATE, given)

    def launch(self, **parameters: str) -> Stack:
        """Launch the template and wait for the end, whatever it is."""
        return self.start_launch(**parameters).wait()

    def launched(self, **parameters: str) -> Stack:
        """Launch the template, which must succeed; afterwards nothing is at work, and Falcon's journal is empty."""
        stack = self.launch(**parameters)
        assert stack.status == "CREATE_COMPLETE", stack.failures
        self.aws.settle()  # the repair that the schedule began with
        self.falcon.journal.clear()
        return stack

    def update(self, **parameters: str) -> Stack:
        """Change parameters of the stack and wait for the end."""
        return stacks.update(self.cloudformation, STACK, parameters=parameters).wait()

    def delete(self, **options: Any) -> Stack:
        """Delete the stack and wait for the end."""
        return stacks.delete(self.cloudformation, STACK, **options).wait()

    # Falcon

    def add_connection(self, region: str) -> Connection:
        """Add a connection of this account that somebody else made, with a role of their own; return it as it is."""
        role = f"arn:aws:iam::{ACCOUNT}:role/by-hand"
        made: dict[str, object] = {"aws_iam_role": role, "aws_external_id": "by-hand"}
        added = Connection(url=registry(ACCOUNT, region), details=made, credential_type="ecr")
        return replace(self.falcon.add_connection(added))

    def connections(self) -> dict[str, Connection]:
        """Return this account's connections as they are now, by Region, of which each has at most one."""
        found = self.falcon.connections_of(ACCOUNT)
        ours = {each.region: replace(each) for each in found}
        assert len(ours) == len(found), "two connections for one registry"
        return ours

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the calls that Falcon gets during a block, by operation; the count is complete when it ends."""
        calls: Counter[str] = Counter()
        before = self.falcon.journal.operations()
        yield calls
        calls.update(self.falcon.journal.operations() - before)

    def delete_in_falcon(self, *regions: str) -> None:
        """Let somebody delete connections in the Falcon console."""
        connections = self.connections()
        for region in regions:
            self.falcon.tenant.remove(connections[region].id)

    # The function

    def act(self, action: str, *, fails: bool = False) -> Any:
        """Return what an action answers; or, if it must fail, the message of the function error that it ends in."""
        invoked = self.aws.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps({"action": action}))
        answer = json.loads(invoked["Payload"].read())
        assert ("FunctionError" in invoked, answer.get("errorType")) == (fails, "RegistrationError" if fails else None)
        return answer["errorMessage"] if fails else answer

    def logged(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the function's log lines, as objects, that have these fields."""
        lines = [json.loads(line) for line in self.aws.function_logs(FUNCTION) if line.startswith("{")]
        return [line for line in lines if fields.items() <= line.items()]

    def repairs(self) -> list[dict[str, Any]]:
        """Return the last log line of each repair that has ended, oldest first."""
        return [line for line in self.logged(action="reconcile") if "ConnectedCount" in line]

    # AWS

    def physical_ids(self) -> dict[str, str]:
        """Return the physical id of each resource of the stack."""
        found = self.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def record(self, stack: Stack) -> dict[str, Any]:
        """Return what the stack's record holds."""
        name = f"/falcon-ecr/{stack_uuid(stack)}"
        value = self.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        found: dict[str, Any] = json.loads(value)
        return found

    def role_calls(self, role: str = ROLE) -> list[dict[str, Any]]:
        """Return the API calls that sessions of a role made, oldest first."""
        return [call for call in self.aws.api_calls() if f":assumed-role/{role}/" in call["principal"]]

    def resources(self) -> set[str]:
        """Return what there is in the account besides the package: `kind name`."""
        return set(resources(self.aws))


def stack_uuid(stack: Stack) -> str:
    return stack.stack_id.rsplit("/", 1)[-1]


def reason(stack: Stack) -> str:
    """Return why the custom resource failed, without what CloudFormation puts around it."""
    text = stack.failures["RegistryConnections"]
    _, found, said = text.partition("Message returned: ")
    return said.rpartition(" (RequestId:")[0] if found else text


def outcomes(answer: Any) -> dict[str, str]:
    """Return the outcome of each Region that a repair did something about."""
    resting = ("unchanged", "skipped")
    return {row["region"]: row["outcome"] for row in answer["regions"] if row["outcome"] not in resting}


def resources(aws: LocalAws, account: str = ACCOUNT) -> Iterator[str]:
    """Yield everything of the kinds that the template makes, as `kind name`."""

    def listed(service: str, operation: str, field: str, key: str, **arguments: Any) -> list[str]:
        pages = aws.client(service, account).get_paginator(operation).paginate(**arguments)
        return [item[key] for page in pages for item in page[field]]

    for kind, names in (
        ("role", listed("iam", "list_roles", "Roles", "RoleName")),
        ("policy", listed("iam", "list_policies", "Policies", "PolicyName", Scope="Local")),
        ("secret", listed("secretsmanager", "list_secrets", "SecretList", "Name", IncludePlannedDeletion=True)),
        ("parameter", listed("ssm", "describe_parameters", "Parameters", "Name")),
        ("function", listed("lambda", "list_functions", "Functions", "FunctionName")),
        ("schedule", listed("scheduler", "list_schedules", "Schedules", "Name")),
        ("rule", listed("events", "list_rules", "Rules", "Name")),
        ("log group", listed("logs", "describe_log_groups", "logGroups", "logGroupName")),
    ):
        yield from (f"{kind} {name}" for name in names)


def neighbours() -> list[Connection]:
    """Return connections that are not of this account's ECR, however much they look like it."""
    ours = registry(ACCOUNT, "us-east-1").removeprefix("https://")
    look_alikes = {
        "other account": registry(OTHER_ACCOUNT, "us-east-1"),
        "account with a prefix": f"https://9{ours}",
        "whole host in the path": f"https://registry.example.com/{ours}",
        "whole host in another domain": f"https://{ours}.example.com",
        "other partition": f"https://{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn",
    }
    harbor = Connection(url=f"https://harbor.example.com/{ACCOUNT}", type="harbor")
    same_url = Connection(url=registry(ACCOUNT, "us-east-1"), type="docker", url_uniqueness_key="a mirror")
    return [*(Connection(url=url, user_defined_alias=alias) for alias, url in look_alikes.items()), harbor, same_url]


def add_neighbours(falcon: FalconSimulator) -> Callable[[], bool]:
    """Add the neighbours to a tenant; return what tells whether every one is as it was."""
    before = {each.id: replace(falcon.add_connection(each)) for each in neighbours()}
    return lambda: before.items() <= {each.id: each for each in falcon.connections()}.items()
