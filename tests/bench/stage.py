"""The stage of a benchmark: the real package in AWS's own runtime client, stand-ins for AWS and Falcon."""

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.aws_stub import AwsStub
from tests.faults.cloudformation import ResponseEndpoint
from tests.sandbox.known_regions import KNOWN_REGIONS
from tests.sandbox.lambda_runtime import Invocation, LambdaRuntime
from tests.simulator import RemoteSimulator
from tests.tls import Authority

PACKAGE: Final = Path(__file__).resolve().parents[2] / "build" / "lambda_function.zip"
HANDLER: Final = "registry_connections.handler.lambda_handler"
ACCOUNT: Final = "111122223333"
REGIONS: Final = tuple(KNOWN_REGIONS)[:34]
SECRET: Final = "falcon"
STATE: Final = "/falcon-ecr/state"
MEMORY_MB: Final = 1024
"""As in the template."""


@dataclass
class Stage:
    """One account with 34 Regions, and the function in it."""

    falcon: RemoteSimulator
    aws: AwsStub
    answers: ResponseEndpoint
    function: LambdaRuntime
    stack: str = ""

    def new_stack(self) -> None:
        """Begin anew: another stack, which has applied nothing, and no connection of the account in Falcon."""
        self.stack = str(uuid.uuid4())
        self.aws.parameters.pop(STATE, None)
        self.aws.put(STATE, "{}")

    def send(self, kind: str, **properties: str) -> Invocation:
        """Send an event of CloudFormation; raise AssertionError unless it is answered with SUCCESS."""
        url = self.answers.expect()
        event: dict[str, Any] = {
            "RequestType": kind,
            "RequestId": str(uuid.uuid4()),
            "ResponseURL": url,
            "StackId": f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/bench/{self.stack}",
            "LogicalResourceId": "RegistryConnections",
            "ResourceType": "Custom::FalconRegistryConnections",
            "ResourceProperties": {**_properties(self.stack), **properties},
        }
        if kind != "Create":
            event["PhysicalResourceId"] = f"falcon-ecr-{self.stack}"
        invocation = self.function.invoke(event, remaining_seconds=300)
        bodies = [put.body for put in self.answers.puts(url)]
        assert [body["Status"] for body in bodies] == ["SUCCESS"], bodies
        return invocation

    def reconcile(self) -> Invocation:
        """Send the schedule's event."""
        invocation = self.function.invoke({"action": "reconcile"}, remaining_seconds=300)
        assert invocation.status == "response", invocation
        return invocation


def _properties(stack: str) -> Mapping[str, str]:
    return {
        "AccountId": ACCOUNT,
        "Partition": "aws",
        "UrlSuffix": "amazonaws.com",
        "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-{stack[:23]}",
        "ExternalId": stack,
    }


@contextmanager
def stage(*simulator_options: str) -> Iterator[Stage]:
    """Set the stage, and clear it away."""
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        with (
            AwsStub(authority) as aws,
            ResponseEndpoint(authority) as answers,
            RemoteSimulator(authority, *simulator_options) as falcon,
        ):
            credentials = {"FalconClientId": falcon.client_id, "FalconSecret": falcon.client_secret}
            aws.secrets[SECRET] = json.dumps(credentials)
            aws.regions = dict.fromkeys(REGIONS, "opted-in")
            with LambdaRuntime(
                PACKAGE,
                HANDLER,
                environment=_environment(authority, aws, falcon),
                timeout_seconds=300,
                memory_mb=MEMORY_MB,
            ) as function:
                yield Stage(falcon, aws, answers, function)


def _environment(authority: Authority, aws: AwsStub, falcon: RemoteSimulator) -> dict[str, str]:
    trust = dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(authority.ca_file))
    return {
        **trust,
        "SECRET_ARN": SECRET,
        "STATE_PARAMETER": STATE,
        "LOG_RETENTION_DAYS": "365",
        "FALCON_API_URL": falcon.url,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "simulated",
    }
