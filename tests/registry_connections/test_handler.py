"""Raw events in; what CloudFormation is sent, what an action returns and what is logged out.

crhelper is the real one, Falcon is the simulator; only the account and the sender of the answer are in memory.
"""

import importlib.metadata
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from registry_connections import answer, handler
from registry_connections.errors import AwsError, RegistrationError
from registry_connections.model import AccountRegions, Credentials
from registry_connections.report import LONGEST_REASON
from registry_connections.state import State
from tests.fakes import Clock, FakeAccount, Journal, Parameter
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Connection, Echo, FalconSimulator, Fault, Status, missing_scope
from tests.tls import Authority

ACCOUNT = "111122223333"
UUID = "12345678-aaaa-bbbb-cccc-1234567890ab"
STACK_ID = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/falcon/{UUID}"
OURS = f"falcon-ecr-{UUID}"
EXTERNAL_ID = "external-id-of-this-stack"
RESPONSE_URL = "https://responses.example/bucket/key?X-Amz-Signature=do-not-log-this"
SECRETS = (CLIENT_ID, CLIENT_SECRET, EXTERNAL_ID, "responses.example", "do-not-log-this", "simulated-token-")
PROPERTIES = {
    "AccountId": ACCOUNT,
    "Partition": "aws",
    "UrlSuffix": "amazonaws.com",
    "ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/connection",
    "ExternalId": EXTERNAL_ID,
    "FalconCloud": "us-1",
}


class Account(FakeAccount):
    """The account that the handler builds, with the log group that the others do not need."""

    def __init__(self) -> None:
        self.retained: list[tuple[str, int]] = []
        self.retention_fails = False
        super().__init__(Parameter(), Journal(Clock()), secret=Credentials(CLIENT_ID, CLIENT_SECRET))

    def retain_logs(self, log_group: str, days: int) -> None:
        self.retained.append((log_group, days))
        if self.retention_fails:
            raise AwsError("The retention cannot be set.")


class BrokenAccount(Account):
    """Fails once in a way that is none of the package's."""

    broken = True

    def load(self) -> State:
        if self.broken:
            self.broken = False
            raise ZeroDivisionError(f"nobody foresaw {CLIENT_SECRET}")
        return super().load()


@dataclass
class Context:
    """What Lambda tells an invocation of itself."""

    aws_request_id: str = "lambda-request"
    function_name: str = "crowdstrike-ecr-function"
    log_group_name: str = "/aws/lambda/crowdstrike-ecr-function"
    seconds: float = 50.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Function:
    """The function in one container: its account, and what CloudFormation was sent."""

    falcon: FalconSimulator
    captured: Callable[[], str]
    account: Account = field(default_factory=Account)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    takes: bool = True
    events: int = 0

    def put(self, url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
        assert left() > 0
        self.sent.append((url, json.loads(json.dumps(body))))
        return self.takes

    def stack_event(self, kind: str, properties: Mapping[str, str] | None = None, **changes: object) -> dict[str, Any]:
        """Send an event as CloudFormation does and return the answer that it was sent."""
        self.events += 1
        event: dict[str, Any] = {
            "RequestType": kind,
            "ResponseURL": RESPONSE_URL,
            "StackId": STACK_ID,
            "RequestId": f"request-{self.events}",
            "LogicalResourceId": "RegistryConnections",
            "ResourceType": "Custom::FalconRegistryConnections",
            "ResourceProperties": {"ServiceToken": "arn:function", **PROPERTIES, **(properties or {})},
        }
        if kind != "Create":
            event["PhysicalResourceId"] = OURS
        before = len(self.sent)
        assert handler.lambda_handler({**event, **changes}, Context()) is None
        ((url, body),) = self.sent[before:]
        assert url == RESPONSE_URL
        assert body["RequestId"] == event["RequestId"]
        assert body["StackId"] == STACK_ID
        assert len(body["Reason"]) <= LONGEST_REASON
        return body

    def act(self, event: object) -> Any:
        return handler.lambda_handler(event, Context())

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines that were logged since; each is JSON and none holds what it must not."""
        text = self.captured()
        assert not [secret for secret in SECRETS if secret in text], text
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FalconSimulator]:
    with FalconSimulator(Authority(tmp_path_factory.mktemp("authority"))) as falcon:
        yield falcon


@pytest.fixture
def function(
    simulator: FalconSimulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Function]:
    simulator.reset()
    log = logging.getLogger("registry_connections")
    before = (log.handlers[:], log.propagate, log.level, logging.root.level, logging.root.handlers[:])
    log.handlers.clear()
    function = Function(simulator, lambda: "".join(capfd.readouterr()))
    helper = handler._helper  # a test may replace it
    helper.cache_clear()
    monkeypatch.setattr(handler, "_account", lambda: function.account)
    monkeypatch.setattr(answer, "put", function.put)
    environment = {"FALCON_API_URL": simulator.url, "REQUESTS_CA_BUNDLE": str(simulator.ca_file)}
    for name, value in {**environment, "LOG_RETENTION_DAYS": "30", "AWS_SAM_LOCAL": "", "LOG_LEVEL": "INFO"}.items():
        monkeypatch.setenv(name, value)
    yield function
    helper.cache_clear()
    log.handlers[:], log.propagate, log.level, logging.root.level, logging.root.handlers[:] = before


# Stack events


def test_a_create_is_answered_with_the_id_of_the_stack_and_what_is_connected(function: Function) -> None:
    body = function.stack_event("Create")

    assert (body["Status"], body["Reason"], body["PhysicalResourceId"]) == ("SUCCESS", "", OURS)
    assert body["Data"] == {
        "ConnectedRegions": "eu-west-1,us-east-1",
        "FailedRegions": "none",
        "SkippedRegions": "none",
        "ConnectedCount": "2",
        "FailedCount": "0",
        "SkippedCount": "0",
        "FalconCloud": "us-1",
    }
    assert [made.region for made in function.falcon.connections_of(ACCOUNT)] == ["eu-west-1", "us-east-1"]


def test_the_id_is_the_same_whatever_becomes_of_the_stack(function: Function) -> None:
    function.falcon.arm(Fault("create", missing_scope()))
    failed = function.stack_event("Create")
    rolled_back = function.stack_event("Delete")
    function.falcon.disarm()
    bodies = [function.stack_event("Create"), function.stack_event("Update", {"Regions": "us-east-1"})]
    broken = function.stack_event("Update", {"Regions": "no region"})
    bodies += [rolled_back, function.stack_event("Delete", {"DeleteConnections": "Stack"})]

    assert [body["Status"] for body in bodies] == ["SUCCESS"] * 4
    assert [failed["Status"], broken["Status"]] == ["FAILED", "FAILED"]
    assert {body["PhysicalResourceId"] for body in [*bodies, failed, broken]} == {OURS}


def test_a_delete_of_an_id_that_cloudformation_made_up_is_answered_with_that_id(function: Function) -> None:
    body = function.stack_event("Delete", PhysicalResourceId="falcon_RegistryConnections_ABCDEFGH")

    assert (body["Status"], body["PhysicalResourceId"]) == ("SUCCESS", "falcon_RegistryConnections_ABCDEFGH")
    assert body["Data"] == {}


def test_an_update_of_an_id_that_is_not_ours_is_answered_with_ours(function: Function) -> None:
    body = function.stack_event("Update", PhysicalResourceId="2019-01-01-of-the-original")

    assert body["PhysicalResourceId"] == OURS


def test_a_delete_that_purges_says_nothing_but_that_it_succeeded(function: Function) -> None:
    function.stack_event("Create", {"DeleteConnections": "Stack"})
    body = function.stack_event("Delete", {"DeleteConnections": "Stack"})

    assert (body["Status"], body["Data"]) == ("SUCCESS", {})
    assert function.falcon.connections_of(ACCOUNT) == []


def test_a_failure_of_every_region_fits_into_the_reason(function: Function) -> None:
    function.account.enabled = frozenset(f"eu-west-{number}" for number in range(1, 37))
    function.falcon.arm(Fault("create", Status(422, "a message of some length " * 40)))
    body = function.stack_event("Create")

    assert body["Status"] == "FAILED"
    assert "First cause (eu-west-" in body["Reason"]
    assert "HTTP 422 a message" in body["Reason"]


def test_properties_that_are_wrong_are_all_told_together(function: Function) -> None:
    body = function.stack_event("Create", {"AccountId": "", "FalconCloud": "mars-1", "OnRegionFailure": "Perhaps"})

    assert body["Status"] == "FAILED"
    assert all(name in body["Reason"] for name in ("AccountId", "mars-1", "Perhaps"))
    assert function.falcon.journal.count("create") == 0


def test_data_of_one_event_is_not_in_the_answer_to_the_next(function: Function) -> None:
    function.stack_event("Create")
    body = function.stack_event("Update", {"FalconCloud": "mars-1"})

    assert (body["Status"], body["Data"]) == ("FAILED", {})


def test_a_failure_that_nobody_foresaw_is_answered_and_its_text_is_not_told(function: Function) -> None:
    function.account = BrokenAccount()
    body = function.stack_event("Create")
    lines = function.logged()

    assert (body["Status"], body["PhysicalResourceId"]) == ("FAILED", OURS)
    assert body["Reason"] == "Unexpected ZeroDivisionError: see the log group for where."
    assert [line["where"][-1].partition(":")[0] for line in lines if line["level"] == "CRITICAL"] == ["load"]


@pytest.mark.parametrize("url", ["http://responses.example/key", "file:///etc/passwd", ""])
def test_an_answer_goes_nowhere_but_over_https(function: Function, url: str) -> None:
    event = {"RequestType": "Delete", "ResponseURL": url, "StackId": STACK_ID, "RequestId": "id"}
    handler.lambda_handler({**event, "LogicalResourceId": "x", "PhysicalResourceId": OURS}, Context())

    assert function.sent == []


def test_a_resource_of_another_type_is_let_go(function: Function) -> None:
    """The trigger of the solution that a stack was upgraded from is deleted after the update."""
    body = function.stack_event("Delete", ResourceType="AWS::CloudFormation::CustomResource", PhysicalResourceId="old")

    assert (body["Status"], body["PhysicalResourceId"]) == ("SUCCESS", "old")
    assert function.account.journal.calls == []
    assert function.falcon.journal.count() == 0


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_resource_of_another_type_is_not_served(function: Function, kind: str) -> None:
    body = function.stack_event(kind, ResourceType="Custom::Other")

    assert body["Status"] == "FAILED"
    assert "Custom::FalconRegistryConnections only" in body["Reason"]
    assert function.falcon.journal.count() == 0


# What follows the answer


@pytest.mark.parametrize("takes", [True, False])
def test_a_launch_is_finished_only_if_cloudformation_took_the_answer(function: Function, takes: object) -> None:
    function.takes = bool(takes)
    function.stack_event("Create")

    assert function.account.parameter.state.unconfirmed is not takes


def test_a_delete_with_a_foreign_id_after_the_answer_was_taken_touches_nothing(function: Function) -> None:
    function.stack_event("Create")
    function.stack_event("Delete", {"DeleteConnections": "Account"}, PhysicalResourceId="made-up")

    assert len(function.falcon.connections_of(ACCOUNT)) == 2


def test_a_delete_with_a_foreign_id_after_a_lost_answer_removes_what_the_launch_made(function: Function) -> None:
    other = function.falcon.add_connection(Connection("https://444455556666.dkr.ecr.us-east-1.amazonaws.com"))
    function.takes = False
    function.stack_event("Create")
    function.stack_event("Delete", PhysicalResourceId="made-up")

    assert function.falcon.connections() == [other]


@pytest.mark.parametrize(("kind", "retained"), [("Create", True), ("Update", True), ("Delete", False)])
def test_the_log_group_is_bounded_after_the_answer_but_not_while_its_role_goes(
    function: Function, kind: str, retained: object
) -> None:
    function.stack_event(kind)

    assert bool(function.account.retained) is retained


def test_a_log_group_that_cannot_be_bounded_harms_nobody(function: Function) -> None:
    function.account.retention_fails = True
    body = function.stack_event("Create")

    assert body["Status"] == "SUCCESS"
    assert function.account.retained == [("/aws/lambda/crowdstrike-ecr-function", 30)]
    assert function.logged()[-1]["level"] == "WARNING"


# Actions


@pytest.fixture
def no_helper(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    assert function

    def fail() -> None:
        raise AssertionError("an event that is not CloudFormation's reached crhelper")

    monkeypatch.setattr(handler, "_helper", fail)


REGION_EVENT = {"source": "aws.account", "detail-type": "Region Opt-In Status Change", "detail": {"status": "ENABLED"}}


def applied(function: Function) -> Function:
    """Let the stack have applied its properties, with nothing connected yet."""
    function.account.swap(State(settings=PROPERTIES, version=1))
    return function


@pytest.mark.usefixtures("no_helper")
@pytest.mark.parametrize("event", [{"action": "reconcile"}, REGION_EVENT], ids=["schedule", "region"])
def test_a_repair_registers_what_is_missing_and_returns_it(function: Function, event: dict[str, object]) -> None:
    result = json.loads(json.dumps(applied(function).act(event)))

    assert (result["action"], result["ok"]) == ("reconcile", True)
    assert {row["region"]: row["outcome"] for row in result["regions"]} == {
        "eu-west-1": "created",
        "us-east-1": "created",
    }
    assert function.sent == []


@pytest.mark.usefixtures("no_helper")
@pytest.mark.parametrize("action", ["plan", "status"])
def test_a_look_changes_nothing_and_returns_json(function: Function, action: str) -> None:
    result = json.loads(json.dumps(applied(function).act({"action": action})))

    assert result["action"] == action
    assert function.sent == []
    assert function.falcon.journal.count("create") == 0
    assert function.account.parameter.version == 2


@pytest.mark.usefixtures("no_helper")
def test_a_repair_that_fails_raises_so_that_the_metric_tells(function: Function) -> None:
    function.falcon.arm(Fault("create", missing_scope()))
    with pytest.raises(RegistrationError, match="Falcon Container Image: WRITE"):
        applied(function).act({"action": "reconcile"})


@pytest.mark.usefixtures("no_helper")
@pytest.mark.parametrize("action", ["plan", "status"])
def test_a_look_at_a_stack_that_applied_nothing_says_so(function: Function, action: str) -> None:
    result = function.act({"action": action})

    assert not result["ok"]
    assert "create or update it first" in result["problems"][0]


@pytest.mark.usefixtures("no_helper")
@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "plan",
        {"action": "purge"},
        {"action": ["plan"]},
        {"action": None},
        {"source": "aws.account", "detail": {"status": "DISABLED"}},
        {"source": "aws.account", "detail": "ENABLED"},
        {"source": "aws.ec2", "detail": {"status": "ENABLED"}},
        {"RequestType": "Create", "StackId": STACK_ID},
        {"RequestType": "Create", "ResponseURL": RESPONSE_URL},
    ],
)
def test_an_unknown_event_is_refused_with_a_list_of_what_is_accepted(function: Function, event: object) -> None:
    with pytest.raises(RegistrationError) as caught:
        function.act(event)

    for accepted in ('{"action": "plan"}', '{"action": "status"}', '{"action": "reconcile"}', "CloudFormation"):
        assert accepted in str(caught.value)
    assert function.account.journal.calls == []


# The log, and crhelper


def test_the_log_is_one_object_a_line_and_says_what_became_of_each_region(function: Function) -> None:
    function.stack_event("Create")
    lines = function.logged()

    regions = {line["region"]: line["outcome"] for line in lines if line["text"] == "region"}
    assert regions == {"eu-west-1": "created", "us-east-1": "created"}
    assert {line["request_id"] for line in lines if "request_id" in line} == {"lambda-request"}
    assert lines[-1]["text"] == "answered CloudFormation"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "nonsense"])
@pytest.mark.parametrize("operation", ["token", "create", "read"])
def test_no_line_holds_a_secret_whatever_falcon_echoes(
    function: Function, monkeypatch: pytest.MonkeyPatch, level: str, operation: Any
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    function.falcon.arm(Fault(operation, Echo()))
    function.stack_event("Create")
    function.stack_event("Update", {"ConnectionRoleArn": f"{PROPERTIES['ConnectionRoleArn']}-2"})
    function.stack_event("Delete", {"DeleteConnections": "Stack"})
    told = json.dumps([body for _, body in function.sent])

    assert function.logged()
    assert not [secret for secret in SECRETS if secret in told]


def test_an_answer_that_was_not_taken_is_an_error_in_the_log(function: Function) -> None:
    function.takes = False
    function.stack_event("Create")
    told = [line for line in function.logged() if line["text"] == "CloudFormation did not take the answer"]

    assert [line["level"] for line in told] == ["ERROR"]


@pytest.mark.usefixtures("function")
def test_crhelper_neither_sleeps_nor_polls_nor_logs_what_it_gets() -> None:
    helper: Any = handler._helper()

    assert helper._sleep_on_delete == 0
    assert helper._log_level == "INFO"
    assert not any((helper._poll_create_func, helper._poll_update_func, helper._poll_delete_func))
    assert not any(hasattr(helper, name) for name in ("_lambda_client", "_events_client", "_logs_client"))
    assert helper._init_failed is None


def test_crhelper_is_the_release_that_this_was_tried_with() -> None:
    pins = (Path(handler.__file__).parents[1] / "requirements.txt").read_text()

    assert importlib.metadata.version("crhelper") == "2.0.12"
    assert re.search(r"^crhelper==2\.0\.12\b", pins, re.MULTILINE)


def test_regions_that_are_disabled_are_skipped_with_a_count(function: Function) -> None:
    function.account.disabled = frozenset({"me-south-1"})
    body = function.stack_event("Create", {"ExcludedRegions": "us-east-1"})

    assert body["Data"]["ConnectedRegions"] == "eu-west-1"
    assert int(body["Data"]["SkippedCount"]) == len(body["Data"]["SkippedRegions"].split(","))
    assert function.account.regions() == AccountRegions(function.account.enabled, function.account.disabled)
