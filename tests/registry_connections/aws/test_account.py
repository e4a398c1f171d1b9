"""AWS through botocore's own stubs: what is asked, and what is made of each response."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from registry_connections.aws.account import AwsAccount, parse_secret
from registry_connections.aws.calls import Clients, FreshPolicy
from registry_connections.core.errors import AwsError, SecretError
from registry_connections.core.model import Credentials, RegionUse
from tests.registry_connections.fakes import VirtualClock

HOME = "us-east-1"
SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:falcon-a1b2c3"
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/falcon/1a2b3c4d"
LOG_GROUP = "/aws/lambda/function"
IDENTITY = "User: arn:aws:sts::111122223333:assumed-role/role is not authorized to perform: x"
BY_POLICY = f"{IDENTITY} with an explicit deny in a service control policy"
BY_SILENCE = f"{IDENTITY} because no service control policy allows the x action"
BY_BOUNDARY = f"{IDENTITY} because no permissions boundary allows the x action"


@cache
def client(service: str, region: str) -> Any:
    make: Any = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="invented").client
    return make(service, region_name=region)


@dataclass
class Stubs:
    """Hands out stubbed clients where `Clients` makes real ones, and keeps which were asked for."""

    made: list[tuple[str, str]] = field(default_factory=list)
    stubs: dict[tuple[str, str], Stubber] = field(default_factory=dict)
    others: dict[str, object] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=VirtualClock)
    fresh: float = 0.0

    def get(self, service: str, region: str | None = None, _: object = None) -> object:
        self.made.append((service, region or HOME))
        return self.others.get(service) or client(service, region or HOME)

    def on(self, service: str, region: str = HOME) -> Stubber:
        if (service, region) not in self.stubs:
            self.stubs[service, region] = stub = Stubber(client(service, region))
            stub.activate()
        return self.stubs[service, region]

    @property
    def account(self) -> AwsAccount:
        access = FreshPolicy(self.fresh, self.clock, self.clock.sleep)
        return AwsAccount(cast("Clients", self), SECRET, STACK_ID, access)


@pytest.fixture
def aws() -> Iterator[Stubs]:
    stubs = Stubs()
    yield stubs
    for stub in stubs.stubs.values():
        stub.deactivate()
        stub.assert_no_pending_responses()


# The secret


def secret_holds(aws: Stubs, text: str | bytes | None) -> None:
    held = {} if text is None else {"SecretString" if isinstance(text, str) else "SecretBinary": text}
    aws.on("secretsmanager", "eu-central-1").add_response("get_secret_value", held, {"SecretId": SECRET})


@pytest.mark.parametrize("stored", [
    {"FalconClientId": " the-id ", "FalconSecret": "the-secret\n", "FalconCloud": "eu-1", "other": [1]},
    {"FalconClientID": "the-id", "FalconClientSecret": "the-secret", "cloud": "eu-1"},
    {"client_id": "the-id", "client_secret": "the-secret", "Cloud": "eu-1"},
    {"clientId": "the-id", "clientSecret": "the-secret", "falcon_cloud": "eu-1"},
    {"CLIENT_ID": "the-id", "CLIENT_SECRET": "the-secret", "CLOUD": "eu-1"},
    {"FALCON_CLIENT_ID": "the-id", "FALCON_CLIENT_SECRET": "the-secret", "FALCON_CLOUD": "eu-1"},
    {"falcon-client-id ": "the-id", " Falcon Secret": "the-secret", "falcon.cloud": "eu-1"},
    {"FalconClientId": "", "client_id": "the-id", "FalconSecret": "the-secret", "FalconCloud": "eu-1"},
], ids=lambda stored: next(iter(stored)))  # fmt: skip
@pytest.mark.parametrize("before", ["", " \n", "\ufeff", " \ufeff"], ids=repr)
def test_the_keys_of_a_secret_are_found_however_they_are_spelled(stored: dict[str, object], before: str) -> None:
    assert parse_secret(before + json.dumps(stored), "falcon") == Credentials("the-id", "the-secret", "eu-1")


@pytest.mark.parametrize("key", ["member_cid", "memberCid", "MEMBER_CID", "falcon_member_cid"])
def test_a_secret_may_name_a_child_tenant(key: str) -> None:
    stored = {"client_id": "the-id", "client_secret": "the-secret", key: "the-child"}

    assert parse_secret(json.dumps(stored), "falcon").member_cid == "the-child"


def test_a_secret_is_read_in_its_own_region(aws: Stubs) -> None:
    secret_holds(aws, json.dumps({"client_id": "the-id", "client_secret": "the-secret"}))

    assert aws.account.credentials() == Credentials("the-id", "the-secret")
    assert aws.made == [("secretsmanager", "eu-central-1")]


BOTH = "(or client_id, client_secret)."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("value-in-clear", "is not JSON with FalconClientId and FalconSecret."),
        (None, "is not JSON with FalconClientId and FalconSecret."),
        ('{"FalconClientId": "value-in-clear"', "is not JSON with FalconClientId and FalconSecret."),
        ("[" * 100_000, "is not JSON with FalconClientId and FalconSecret."),
        (b"value-in-clear", "is binary: store the JSON as text (SecretString)."),
        ('["value-in-clear"]', "is not a JSON object."),
        ('{"FalconSecret": "value-in-clear"}', f"has no FalconClientId {BOTH}"),
        ('{"FalconClientId": "value-in-clear", "FalconSecret": " "}', f"has no FalconSecret {BOTH}"),
        ('{"FalconClientId": ["value-in-clear"]}', f"has no FalconClientId and no FalconSecret {BOTH}"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_its_values_are_not(
    aws: Stubs, text: str | bytes | None, problem: str
) -> None:
    secret_holds(aws, text)
    with pytest.raises(SecretError) as caught:
        aws.account.credentials()

    assert str(caught.value) == f"The secret falcon-a1b2c3 {problem}"


@pytest.mark.parametrize(
    ("end", "advised"),
    [("", True), ("-a1b2c3", False), ("-secret", True), ("-Secret", True), ("-secret-AbCdEf", False)],
)
def test_an_arn_without_its_six_characters_says_so(aws: Stubs, end: str, *, advised: bool) -> None:
    identifier = SECRET.removesuffix("-a1b2c3") + end
    aws.on("secretsmanager", "eu-central-1").add_client_error("get_secret_value", "ResourceNotFoundException", "no")
    with pytest.raises(SecretError) as caught:
        replace(aws.account, secret_id=identifier).credentials()

    assert ("six characters" in str(caught.value)) is advised


@pytest.mark.parametrize(("fresh", "seconds"), [(60.0, 60), (0.0, 0)])
def test_a_fresh_policy_is_waited_for_a_minute_and_only_after_a_stack_event(
    aws: Stubs, fresh: float, seconds: float
) -> None:
    aws.fresh = fresh
    for _ in range(19 if fresh else 1):
        aws.on("secretsmanager", "eu-central-1").add_client_error("get_secret_value", "AccessDeniedException", IDENTITY)
    with pytest.raises(SecretError):
        aws.account.credentials()

    assert seconds <= aws.clock.now <= seconds + 5


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("ResourceNotFoundException", "no such secret", "cannot be read: ResourceNotFoundException."),
        ("AccessDeniedException", IDENTITY, "cannot be read: AccessDeniedException."),
        ("AccessDeniedException", BY_POLICY, "AccessDeniedException by a service control policy."),
        ("AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt"),
        ("AccessDeniedException", "because no resource-based policy allows it", "its resource policy allows"),
        ("InvalidRequestException", "the default KMS service key", "needs a customer key"),
        ("InvalidRequestException", "secret was marked for deletion.", "restore-secret"),
    ],
)
def test_a_secret_that_is_refused_says_why_and_what_to_do(aws: Stubs, code: str, said: str, told: str) -> None:
    aws.on("secretsmanager", "eu-central-1").add_client_error("get_secret_value", code, said)
    with pytest.raises(SecretError, match=r"^The secret falcon-a1b2c3 ") as caught:
        aws.account.credentials()

    assert told in str(caught.value)
    assert "assumed-role" not in str(caught.value)
    assert "six characters" not in str(caught.value)


# Regions


def test_regions_are_all_asked_for_and_told_apart_by_whether_they_are_enabled(aws: Stubs) -> None:
    statuses = {"us-east-1": "opt-in-not-required", "af-south-1": "opted-in", "me-south-1": "not-opted-in"}
    listed = [{"RegionName": name, "OptInStatus": status} for name, status in statuses.items()]
    aws.on("ec2").add_response("describe_regions", {"Regions": listed}, {"AllRegions": True})
    regions = aws.account.regions()

    assert regions.enabled == {"us-east-1", "af-south-1"}
    assert regions.disabled == {"me-south-1"}


@pytest.mark.parametrize("response", [{}, {"Regions": []}, {"Regions": [{}]}, {"Regions": [{"RegionName": "a/b"}]}])
def test_no_regions_are_not_believed(aws: Stubs, response: dict[str, Any]) -> None:
    aws.on("ec2").add_response("describe_regions", response)
    with pytest.raises(AwsError, match="cannot be listed"):
        aws.account.regions()


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        ([{"repositoryName": "app"}], RegionUse.REPOSITORIES),
        ([], RegionUse.EMPTY),
        (BY_POLICY, RegionUse.DENIED),
        (BY_SILENCE, RegionUse.DENIED),
        (BY_BOUNDARY, RegionUse.UNKNOWN),
        (IDENTITY, RegionUse.UNKNOWN),
        ("", RegionUse.UNKNOWN),
    ],
)
def test_a_region_is_asked_for_one_repository_and_is_denied_only_where_aws_names_a_service_control_policy(
    aws: Stubs, answer: list[dict[str, str]] | str, use: RegionUse
) -> None:
    ecr = aws.on("ecr", "eu-west-1")
    if isinstance(answer, str):
        ecr.add_client_error("describe_repositories", "AccessDeniedException", answer)
    else:
        ecr.add_response("describe_repositories", {"repositories": answer}, {"maxResults": 1})

    assert aws.account.region_use("eu-west-1") is use


def test_a_region_that_cannot_be_reached_is_unknown(aws: Stubs) -> None:
    aws.others["ecr"] = Mock(describe_repositories=Mock(side_effect=EndpointConnectionError(endpoint_url="https://x")))

    assert aws.account.region_use("eu-west-1") is RegionUse.UNKNOWN


# Errors, and what CloudFormation holds


@pytest.mark.parametrize(
    ("service", "operation", "call", "told"),
    [
        ("ec2", "describe_regions", AwsAccount.regions, "(ec2:DescribeRegions): AccessDeniedException"),
        (
            "cloudformation",
            "describe_stack_resource",
            lambda account: account.holds("RegistryConnections", "made-up"),
            "The stack's resource cannot be described: AccessDeniedException",
        ),
        (
            "logs",
            "create_log_group",
            lambda account: account.retain_logs(LOG_GROUP, 30),
            f"The retention of {LOG_GROUP} cannot be set: AccessDeniedException",
        ),
    ],
)
def test_a_refusal_names_what_was_asked_and_who_denies_it(
    aws: Stubs, service: str, operation: str, call: Callable[[AwsAccount], object], told: str
) -> None:
    for said, by in ((IDENTITY, "."), (BY_POLICY, " by a service control policy.")):
        aws.on(service).add_client_error(operation, "AccessDeniedException", said)
        with pytest.raises(AwsError) as caught:
            call(aws.account)

        assert str(caught.value).endswith(f"{told}{by}")


@pytest.mark.parametrize(("held", "holds"), [("made-up", True), ("falcon-ecr-1a2b3c4d", False)])
def test_cloudformation_is_asked_which_id_it_holds(aws: Stubs, held: str, *, holds: bool) -> None:
    detail = {
        "LogicalResourceId": "RegistryConnections",
        "PhysicalResourceId": held,
        "ResourceType": "Custom::X",
        "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
        "ResourceStatus": "DELETE_IN_PROGRESS",
    }
    asked = {"StackName": STACK_ID, "LogicalResourceId": "RegistryConnections"}
    aws.fresh = 60.0  # a launch that is cancelled may be so young that its policy is not known yet
    aws.on("cloudformation").add_client_error("describe_stack_resource", "AccessDenied", IDENTITY)
    aws.on("cloudformation").add_response("describe_stack_resource", {"StackResourceDetail": detail}, asked)

    assert aws.account.holds("RegistryConnections", "made-up") is holds


# The log group


@pytest.mark.parametrize("exists", [False, True])
def test_the_log_group_gets_its_retention_whether_lambda_has_made_it_or_not(aws: Stubs, exists: object) -> None:
    logs = aws.on("logs")
    if exists:
        logs.add_client_error("create_log_group", "ResourceAlreadyExistsException")
    else:
        logs.add_response("create_log_group", {}, {"logGroupName": LOG_GROUP})
    logs.add_response("put_retention_policy", {}, {"logGroupName": LOG_GROUP, "retentionInDays": 30})
    aws.account.retain_logs(LOG_GROUP, 30)

    assert aws.made == [("logs", HOME)]
