"""Raw events in; what CloudFormation is sent, what an action returns and what is logged out.

crhelper is the real one, Falcon is the simulator; only the clients of AWS and the sender of the response are in memory.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import Mock, call

import pytest

from registry_connections import custom_resource, handler
from registry_connections.aws.account import AwsAccount
from registry_connections.aws.calls import FRESH_POLICY_SECONDS, FreshPolicy
from registry_connections.aws.parameter_store import ParameterStore
from registry_connections.core.errors import RegistrationError, SettingsError
from registry_connections.core.report import LONGEST_REASON
from tests.registry_connections.conftest import CloudFormation, Lines
from tests.registry_connections.fakes import FakeSsm, Journal, Parameters, VirtualClock
from tests.registry_connections.samples import (
    ACCOUNT,
    EAST,
    IDENTITY,
    OTHER_ACCOUNT,
    OURS,
    STACK_ID,
    WEST,
    Context,
    event,
)
from tests.sandbox.tls import Authority
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Connection, FalconSimulator, Fault, missing_scope

ENVIRONMENT = {
    "STACK_ID": STACK_ID,
    "URL_SUFFIX": IDENTITY.url_suffix,
    "CONNECTION_ROLE_ARN": IDENTITY.role_arn,
    "EXTERNAL_ID": IDENTITY.external_id,
    "SECRET_ARN": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:falcon-AbCdEf",
    "LOG_RETENTION_DAYS": "30",
    "LOG_LEVEL": "INFO",
    "PUBLISH_METRICS": "Yes",
}


class Aws:
    """The clients that the handler gets, of an account with two Regions."""

    def __init__(self) -> None:
        self.parameters, self.logs = Parameters(), Mock()
        self.ssm = FakeSsm(self.parameters, Journal(VirtualClock(), latency=0))
        self.regions = [EAST, WEST]

    def get(self, service: str, *_: object) -> Any:
        return {"ssm": self.ssm, "logs": self.logs}.get(service, self)

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's spelling
        assert SecretId == ENVIRONMENT["SECRET_ARN"]
        return {"SecretString": json.dumps({"FalconClientId": CLIENT_ID, "FalconSecret": CLIENT_SECRET})}

    def describe_regions(self, **_: object) -> dict[str, Any]:
        return {"Regions": [{"RegionName": name, "OptInStatus": "opted-in"} for name in self.regions]}

    def describe_repositories(self, **_: object) -> dict[str, Any]:
        return {"repositories": []}


class Function:
    """The function in one container."""

    def __init__(self, falcon: FalconSimulator, cloudformation: CloudFormation) -> None:
        self.falcon, self.cloudformation = falcon, cloudformation
        self.aws, self.events = Aws(), 0

    def stack_event(self, kind: str, properties: Mapping[str, str] | None = None, **changes: object) -> dict[str, Any]:
        """Send an event as CloudFormation does and return the response."""
        self.events += 1
        properties = {"FalconCloud": "us-1", **(properties or {})}
        sent = event(kind, RequestId=f"request-{self.events}", ResourceProperties=properties, **changes)
        assert handler.lambda_handler(sent, Context()) is None
        body = self.cloudformation.response()
        assert self.cloudformation.left > 0
        assert body["RequestId"] == sent["RequestId"]
        assert len(body["Reason"]) <= LONGEST_REASON
        return body

    def act(self, event: object) -> Any:
        return json.loads(json.dumps(handler.lambda_handler(event, Context())))


@pytest.fixture(scope="module")
def simulator(authority: Authority) -> Iterator[FalconSimulator]:
    with FalconSimulator(authority) as falcon:
        yield falcon


@pytest.fixture
def function(
    simulator: FalconSimulator,
    cloudformation: CloudFormation,
    logged: Lines,  # noqa: ARG001 - loggers are put back
    monkeypatch: pytest.MonkeyPatch,
) -> Function:
    simulator.reset()
    function = Function(simulator, cloudformation)
    monkeypatch.setattr(handler, "_clients", lambda: function.aws)
    for name, value in {**ENVIRONMENT, "FALCON_API_URL": simulator.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(simulator.ca_file))
    return function


# Stack events


def test_identity_is_the_functions_own_whatever_an_event_claims(function: Function) -> None:
    theirs = function.falcon.add_connection(Connection(f"https://{OTHER_ACCOUNT}.dkr.ecr.{EAST}.amazonaws.com"))
    forged = {
        "AccountId": OTHER_ACCOUNT,
        "UrlSuffix": "evil.example/path",
        "ConnectionRoleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/attacker",
        "ExternalId": "chosen-by-the-attacker",
        "Partition": "aws-cn",
        "DeleteConnections": "Account",
    }
    function.stack_event("Create", forged)
    roles = {made.role for made in function.falcon.connections_of(ACCOUNT)}
    function.stack_event("Delete", forged)

    assert roles == {IDENTITY.role_arn}
    assert function.falcon.connections() == [theirs]


@pytest.mark.parametrize(
    ("kind", "physical_id", "seconds"),
    [
        ("Create", "", FRESH_POLICY_SECONDS),
        ("Delete", f"{OURS}-failed", FRESH_POLICY_SECONDS),
        ("Delete", OURS, 0.0),
        ("reconcile", "", FRESH_POLICY_SECONDS),
    ],
)
def test_a_young_launch_waits_for_its_policy_and_the_delete_of_what_was_launched_does_not(
    function: Function, monkeypatch: pytest.MonkeyPatch, kind: str, physical_id: str, seconds: float
) -> None:
    stores, accounts = Mock(wraps=ParameterStore), Mock(wraps=AwsAccount)
    monkeypatch.setattr(handler, "ParameterStore", stores)
    monkeypatch.setattr(handler, "AwsAccount", accounts)
    if kind == "reconcile":
        function.act({"action": kind})
    else:
        function.stack_event(kind, {"DeleteConnections": "Stack"}, PhysicalResourceId=physical_id)

    assert stores.call_args.args[2] == accounts.call_args_list[0].args[3] == FreshPolicy(seconds)


def test_of_more_problems_than_fit_it_is_told_how_many_and_the_log_has_all(function: Function, logged: Lines) -> None:
    regions = [f"us-east-{number}" for number in range(3, 10)]
    told = function.stack_event("Create", {"Regions": ",".join(regions)})["Reason"]
    log = json.dumps(logged())

    assert told.endswith(" more, see the log.")
    assert [region for region in regions if f"AWS knows no Region '{region}'" not in log] == []
    problems = SettingsError([f"Property{number} {'x' * 60}." for number in range(9)])

    assert handler._problems(problems) == f"{' '.join(problems.problems[:3])} And 6 more, see the log."
    assert len(handler._problems(SettingsError(["x" * 500]))) == LONGEST_REASON


def test_a_failure_that_nobody_foresaw_is_answered_and_its_text_is_not_told(function: Function, logged: Lines) -> None:
    unforeseen = Mock(side_effect=ZeroDivisionError(f"nobody foresaw {CLIENT_SECRET}"))
    function.aws.get_secret_value = unforeseen  # type: ignore[method-assign]
    body = function.stack_event("Create")

    assert (body["Status"], body["PhysicalResourceId"]) == ("FAILED", f"{OURS}-failed")
    assert body["Reason"] == "Unexpected ZeroDivisionError: see the log group for where."
    (line,) = [line for line in logged() if line["level"] == "CRITICAL"]
    assert any(where.startswith("credentials:") for where in line["where"])


def test_an_api_url_without_tls_gets_no_credentials(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCON_API_URL", "http://falcon.example")

    assert function.stack_event("Create")["Reason"] == "FalconApiUrl must begin with https://."


@pytest.mark.parametrize(("kind", "retained"), [("Create", True), ("Update", True), ("Delete", False)])
def test_the_log_group_is_bounded_unless_its_role_goes(function: Function, kind: str, *, retained: bool) -> None:
    function.stack_event(kind)

    bounded = call(logGroupName="/aws/lambda/crowdstrike-ecr-function", retentionInDays=30)
    assert function.aws.logs.put_retention_policy.mock_calls == [bounded] * retained


# Actions


def test_a_repair_that_fails_raises_so_that_the_errors_of_the_function_count_it_and_never_reaches_crhelper(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert function.stack_event("Create")["Status"] == "SUCCESS"
    monkeypatch.setattr(custom_resource, "respond", lambda *_: pytest.fail("an action reached crhelper"))
    assert function.act({"action": "reconcile"})["ok"] is True
    function.aws.regions.append("us-west-2")
    function.falcon.arm(Fault("create", missing_scope()))
    with pytest.raises(RegistrationError, match="Falcon Container Image: WRITE"):
        function.act({"action": "reconcile"})
