"""One place to run events in: AWS, Falcon, where CloudFormation takes responses, and the real package in containers."""

import json
import os
import secrets
import signal
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from registry_connections.aws.parameter_store import render, resolve_writes
from registry_connections.core.model import Identity
from registry_connections.core.record import Record, from_json
from tests.faults.aws_stub import AwsStub
from tests.faults.rows import ACCOUNT, DISABLED, ENABLED, EXTERNAL_ID, OTHER_ROLE, OURS, PHYSICAL_ID, Event
from tests.registry_connections.samples import event
from tests.sandbox.lambda_runtime import Invocation, LambdaRuntime
from tests.sandbox.tls import Authority
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Behaviour, Connection, FalconSimulator
from tests.simulator.effects import Faults
from tests.simulator.messages import Answer
from tests.simulator.probe import registry
from tests.simulator.server import Exchange, TlsServer
from tests.stack.customer import PACKAGE, neighbours

HANDLER = "registry_connections.handler.lambda_handler"
SECRET_ARN = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:falcon-AbCdEf"
SECRET = json.dumps({"FalconClientId": CLIENT_ID, "FalconSecret": CLIENT_SECRET, "FalconCloud": "autodiscover"})
AWS_SECRET = "invented-access-key"
SECRETS = (CLIENT_SECRET, "simulated-token-", EXTERNAL_ID, AWS_SECRET, "X-Amz-Signature", "custom-resource-response")
"""What no log line and no answer may hold: Falcon's secret and tokens, the external id, AWS's key, the ResponseURL."""


def parameter_of(identity: Identity) -> str:
    """Return the name of the parameter with a stack's record."""
    return f"/falcon-ecr/{identity.uuid}"


def event_of(
    kind: Event, properties: Mapping[str, str], old: Mapping[str, str] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return an event as CloudFormation sends it to our stack; its delivery gives it a ResponseURL that works."""
    document = event(
        str(kind),
        RequestId=str(uuid.uuid4()),
        StackId=OURS.stack_id,
        ServiceToken=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:function",
        ResourceProperties=dict(properties),
    )
    if kind is not Event.CREATE:
        document["PhysicalResourceId"] = PHYSICAL_ID
    if kind is Event.UPDATE:
        document["OldResourceProperties"] = dict(old or properties)
    return document | changes


class ResponseEndpoint(TlsServer):
    """Where CloudFormation waits for an answer: gives a ResponseURL for each event, and keeps what it took there."""

    def __init__(self, authority: Authority, faults: Faults) -> None:
        super().__init__(authority)
        self._faults = faults
        self._taken: dict[str, list[Any]] = {}
        self.stray: list[str] = []
        """What else was sent here. Redirects lead here too, and nothing may follow them."""

    def expect(self, age: float = 0.0) -> tuple[str, list[Any]]:
        """Return a new URL, presigned `age` seconds ago, and the list of what will be taken there."""
        path = f"/cloudformation-custom-resource-response/{secrets.token_hex(8)}"
        signed = datetime.fromtimestamp(time.time() - age, UTC)
        url = f"{self.url}{path}?X-Amz-Date={signed:%Y%m%dT%H%M%SZ}&X-Amz-Signature={secrets.token_hex(16)}"
        return url, self._taken.setdefault(path, [])

    def handle(self, exchange: Exchange) -> None:
        call = exchange.call
        if call.path not in self._taken or call.method != "PUT":
            self.stray.append(f"{call.method} {call.target}")
            exchange.send(Answer(403))
            return
        effect = self._faults.strike("respond", service="cloudformation")
        if effect is None:
            self._taken[call.path].append(call.json_object())
        exchange.apply = lambda: Answer(200)
        exchange.respond(effect)


@dataclass(frozen=True)
class Delivery:
    """One event and what came of it."""

    event: Mapping[str, Any]
    invocation: Invocation
    answers: list[dict[str, Any]]
    """Those that CloudFormation took."""

    @property
    def answer(self) -> dict[str, Any]:
        """The answer that counts."""
        return self.answers[0] if self.answers else {}


@dataclass(frozen=True)
class Snapshot:
    """What there is at one moment. `connections` are those of this account, by Region; `others` all the rest."""

    connections: Mapping[str, list[Connection]]
    others: list[Connection]
    record: Record | None


class Harness(ExitStack):
    """Everything around the function, between entering and leaving the context."""

    def __init__(
        self, authority: Authority, *, memory_mb: int = 1769, trust: Path | None = None, processor_share: bool = False
    ) -> None:
        super().__init__()
        self.falcon = FalconSimulator(authority)
        self.aws = AwsStub(authority, self.falcon.faults)
        self.cloudformation = ResponseEndpoint(authority, self.falcon.faults)
        self._trust = str(trust or authority.ca_file)
        self._limits: dict[str, Any] = {"memory_mb": memory_mb, "processor_share": processor_share}
        self.containers: dict[int, LambdaRuntime] = {}

    def __enter__(self) -> Self:
        for server in (self.aws, self.falcon, self.cloudformation):
            self.enter_context(server)
        return self

    def reset(self, behaviour: Mapping[str, object]) -> None:
        """Begin anew."""
        self.aws.clear()
        self.cloudformation.stray.clear()
        self.aws.regions.update(dict.fromkeys(ENABLED, "opt-in-not-required") | {DISABLED: "not-opted-in"})
        self.restore_secret()
        self.falcon.reset()
        self.falcon.behaviour = Behaviour()
        self.falcon.change(**behaviour)
        for neighbour in neighbours():
            self.falcon.add_connection(neighbour)

    def connect(self, region: str, role: str = OTHER_ROLE, alias: str = "") -> str:
        """Add a connection that has been in Falcon for a while, and return its id."""
        url, details = registry(ACCOUNT, region), {"aws_iam_role": role, "aws_external_id": EXTERNAL_ID}
        made = Connection(url=url, user_defined_alias=alias, details={**details}, created_at=time.time() - 3600)
        return self.falcon.add_connection(made).id

    def snapshot(self) -> Snapshot:
        """Return what there is now."""
        connections: dict[str, list[Connection]] = {}
        others = []
        for connection in self.falcon.connections():
            copy = replace(connection, details=dict(connection.details))
            if connection.is_of(ACCOUNT):
                connections.setdefault(connection.region, []).append(copy)
            else:
                others.append(copy)
        return Snapshot(connections, others, self.record())

    def write_record(self, record: Record, identity: Identity = OURS) -> None:
        """Write a record as the function does."""
        name = parameter_of(identity)
        version = len(self.aws.parameters.get(name, []))
        self.aws.put(name, render(replace(record, version=version), by="test"))

    def record(self) -> Record | None:
        """Return what the function would take for the record, or None if there is no parameter."""
        texts = self.aws.parameters.get(parameter_of(OURS))
        if texts is None:
            return None
        text, version = resolve_writes(texts[-1], len(texts), lambda number: texts[number - 1])
        try:
            return from_json(json.loads(text), version)
        except (ValueError, RecursionError):
            return from_json(None, version)

    def container(self, number: int) -> LambdaRuntime:
        """Return an execution environment of the function."""
        if number not in self.containers:
            environment = self._environment()
            runtime = LambdaRuntime(PACKAGE, HANDLER, environment=environment, timeout_seconds=900, **self._limits)
            self.containers[number] = self.enter_context(runtime)
        return self.containers[number]

    def warm_up(self, container: int) -> None:
        """Start a container, with an event that changes nothing."""
        self.deliver(event_of(Event.DELETE, {}, ResourceType="Custom::Other"), container=container)

    def restore_secret(self) -> None:
        """Put the usual secret in its place."""
        self.aws.secrets[SECRET_ARN] = SECRET

    def kill(self, container: int) -> None:
        """Kill the function in the middle of its work."""
        if pid := self.containers[container].pid:
            os.kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """End every container, with the threads that hang in it."""
        for container in list(self.containers.values()):
            container.stop()

    def deliver(
        self, event: Mapping[str, Any], remaining: float = 60.0, container: int = 0, age: float = 0.0
    ) -> Delivery:
        """Invoke the function with an event that was sent `age` seconds ago, and wait until it has ended."""
        url, answers = self.cloudformation.expect(age)
        invocation = self.container(container).invoke({**event, "ResponseURL": url}, remaining_seconds=remaining)
        return Delivery(event, invocation, list(answers))

    def _environment(self) -> dict[str, str]:
        return {
            "SECRET_ARN": SECRET_ARN,
            "STACK_ID": OURS.stack_id,
            **dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), self._trust),
            "URL_SUFFIX": OURS.url_suffix,
            "CONNECTION_ROLE_ARN": OURS.role_arn,
            "EXTERNAL_ID": OURS.external_id,
            "LOG_RETENTION_DAYS": "365",
            "LOG_LEVEL": "INFO",
            "FALCON_API_URL": self.falcon.url,
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": "invented",
            "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
        }
