"""The stage of a benchmark: the real package in AWS's own runtime client, stand-ins for AWS and Falcon."""

import json
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.aws_stub import AwsStub
from tests.faults.cloudformation import ResponseEndpoint
from tests.registry_connections.samples import ACCOUNT, STACK_ID, UUID, event
from tests.sandbox.known_regions import KNOWN_REGIONS
from tests.sandbox.lambda_runtime import Invocation, LambdaRuntime
from tests.sandbox.tls import Authority
from tests.simulator import Behaviour, FalconSimulator

PROJECT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = PROJECT / "build" / "lambda_function.zip"
HANDLER: Final = "registry_connections.handler.lambda_handler"
REGIONS: Final = tuple(KNOWN_REGIONS)[:34]
SECRET: Final = "falcon"
MEMORY_MB: Final = int(re.findall(r"MemorySize: (\d+)", (PROJECT / "template.yaml").read_text())[0])


@dataclass
class Stage:
    """One account with 34 Regions, and the function in it."""

    falcon: FalconSimulator
    aws: AwsStub
    answers: ResponseEndpoint
    function: LambdaRuntime

    def new_stack(self) -> None:
        """Begin anew: a stack that has applied nothing."""
        self.aws.parameters.clear()

    def send(self, kind: str, **properties: str) -> Invocation:
        """Send an event of CloudFormation; raise AssertionError unless it is answered with SUCCESS."""
        url = self.answers.expect()
        sent = event(kind, RequestId=str(uuid.uuid4()), ResponseURL=url, ResourceProperties=properties)
        invocation = self.function.invoke(sent, remaining_seconds=300)
        bodies = [put.body for put in self.answers.puts(url)]
        assert [body["Status"] for body in bodies] == ["SUCCESS"], bodies
        return invocation

    def reconcile(self) -> Invocation:
        """Send the schedule's event."""
        invocation = self.function.invoke({"action": "reconcile"}, remaining_seconds=300)
        assert invocation.status == "response", invocation
        return invocation


@contextmanager
def stage(*, seed: int = 0, processor_share: bool = False, **behaviour: Any) -> Iterator[Stage]:
    """Set the stage, with a Falcon of this behaviour and `seed` connections of other accounts, and clear it away.

    With `processor_share` the function has what its memory entitles it to.
    """
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        with (
            FalconSimulator(authority, Behaviour(**behaviour)) as falcon,
            AwsStub(authority, falcon.faults) as aws,
            ResponseEndpoint(authority, falcon.faults) as answers,
        ):
            falcon.seed(seed)
            credentials = {"FalconClientId": falcon.client_id, "FalconSecret": falcon.client_secret}
            aws.secrets[SECRET] = json.dumps(credentials)
            aws.regions = dict.fromkeys(REGIONS, "opted-in")
            with LambdaRuntime(
                PACKAGE,
                HANDLER,
                environment=_environment(authority, aws, falcon),
                timeout_seconds=300,
                memory_mb=MEMORY_MB,
                processor_share=processor_share,
            ) as function:
                yield Stage(falcon, aws, answers, function)


def _environment(authority: Authority, aws: AwsStub, falcon: FalconSimulator) -> dict[str, str]:
    # With all public authorities, as on Lambda: loading them takes longer than a handshake.
    trust = dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(authority.bundle_file))
    return {
        **trust,
        "SECRET_ARN": SECRET,
        "STACK_ID": STACK_ID,
        "URL_SUFFIX": "amazonaws.com",
        "CONNECTION_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-1a2b3c4d",
        "EXTERNAL_ID": UUID,
        "LOG_RETENTION_DAYS": "365",
        "FALCON_API_URL": falcon.url,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "simulated",
    }
