"""AWS through botocore's own stubs: what is asked, and what is made of each response."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, cast
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from registry_connections.aws.account import AwsAccount, parse_secret
from registry_connections.aws.calls import Clients, FreshPolicy
from registry_connections.core.errors import AwsError, SecretError
from registry_connections.core.model import AccountRegions, Credentials, RegionUse
from tests.registry_connections.fakes import VirtualClock

HOME = "us-east-1"
SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:falcon-a1b2c3"
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/falcon/1a2b3c4d"
LOG_GROUP = "/aws/lambda/function"
IDENTITY = "User: arn:aws:sts::111122223333:assumed-role/role is not authorized to perform: x"
BY_POLICY = f"{IDENTITY} with an explicit deny in a service control policy"
BY_SILENCE = f"{IDENTITY} because no service control policy allows the x action"
BY_BOUNDARY = f"{IDENTITY} because no permissions boundary allows the x action"
HOLDS = partial(AwsAccount.holds, logical_id="RegistryConnections", physical_id="made-up")
RETAIN = partial(AwsAccount.retain_logs, log_group=LOG_GROUP, days=30)
DENIED, MISSING, INVALID = "AccessDeniedException", "ResourceNotFoundException", "InvalidRequestException"


@cache
def client(service: str, region: str) -> Any:
    make: Any = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="invented").client
    return make(service, region_name=region)


@dataclass
class Stubs:
    """Hands out stubbed clients where `Clients` makes real ones, and keeps which were asked for."""

    made: list[tuple[str, str]] = field(default_factory=list)
    stubs: dict[tuple[str, str], Stubber] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=VirtualClock)
    fresh: float = 0.0

    def get(self, service: str, region: str | None = None, _: object = None) -> object:
        self.made.append((service, region or HOME))
        return client(service, region or HOME)

    def on(self, service: str, region: str = HOME) -> Stubber:
        if (service, region) not in self.stubs:
            self.stubs[service, region] = stub = Stubber(client(service, region))
            stub.activate()
        return self.stubs[service, region]

    def secret(self, held: str | bytes | None) -> None:
        """Let the secret hold a text, or be binary, or neither."""
        response = {} if held is None else {"SecretString" if isinstance(held, str) else "SecretBinary": held}
        self.on("secretsmanager", "eu-central-1").add_response("get_secret_value", response, {"SecretId": SECRET})

    def refuse_secret(self, code: str, said: str) -> None:
        self.on("secretsmanager", "eu-central-1").add_client_error("get_secret_value", code, said)

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


VALUES = ("the-id", "the-secret", "eu-1", "the-child")


@pytest.mark.parametrize(
    "keys",
    [
        "FalconClientId,FalconSecret,FalconCloud",
        "FalconClientID,FalconClientSecret,cloud",
        "client_id,client_secret,Cloud,member_cid",
        "clientId,clientSecret,falcon_cloud,memberCid",
        "CLIENT_ID,CLIENT_SECRET,CLOUD,MEMBER_CID",
        "FALCON_CLIENT_ID,FALCON_CLIENT_SECRET,FALCON_CLOUD,falcon_member_cid",
        "falcon-client-id , Falcon Secret,falcon.cloud",
    ],
)
def test_the_keys_of_a_secret_are_found_however_they_are_spelled(keys: str) -> None:
    stored = dict(zip(keys.split(","), VALUES, strict=False))

    assert parse_secret(json.dumps(stored), "falcon") == Credentials(*stored.values())


@pytest.mark.parametrize("before", ["", " \n", "\ufeff", " \ufeff"], ids=repr)
def test_a_secret_is_read_in_its_own_region_whatever_else_is_in_it(aws: Stubs, before: str) -> None:
    aws.fresh = 60.0
    aws.refuse_secret(DENIED, IDENTITY)
    aws.secret(before + '{"FalconClientId": "", "client_id": " the-id ", "client_secret": "the-secret\\n", "x": [1]}')

    assert aws.account.credentials() == Credentials("the-id", "the-secret")
    assert aws.made == [("secretsmanager", "eu-central-1")]


BOTH = "(or client_id, client_secret)."
NO_JSON = ["in-clear", None, '{"FalconClientId": "in-clear"', "[" * 100_000]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, "is not JSON with FalconClientId and FalconSecret.") for text in NO_JSON),
        (b"in-clear", "is binary: store the JSON as text (SecretString)."),
        ('["in-clear"]', "is not a JSON object."),
        ('{"FalconSecret": "in-clear"}', f"has no FalconClientId {BOTH}"),
        ('{"FalconClientId": "in-clear", "FalconSecret": " "}', f"has no FalconSecret {BOTH}"),
        ('{"FalconClientId": ["in-clear"]}', f"has no FalconClientId and no FalconSecret {BOTH}"),
    ],
)
def test_of_a_useless_secret_the_name_is_told_and_no_value(aws: Stubs, text: str | bytes | None, problem: str) -> None:
    aws.secret(text)
    with pytest.raises(SecretError) as caught:
        aws.account.credentials()

    assert str(caught.value) == f"The secret falcon {problem}"


RESTORE = "It is scheduled for deletion: aws secretsmanager restore-secret --secret-id falcon"
MAY_LACK = "It may be missing: check SecretsManagerSecretName and the Region."
PARTIAL = "ResourceNotFoundException. Its ARN ends with a hyphen and six characters: give all of it."


@pytest.mark.parametrize(
    ("end", "code", "said", "told"),
    [
        *((end, MISSING, "no", f"cannot be read: {PARTIAL}") for end in ("", "-secret", "-Secret")),
        *((end, MISSING, "no", f"cannot be read: {MISSING}. {MAY_LACK}") for end in ("-a1b2c3", "-secret-AbCdEf")),
        ("-a1b2c3", DENIED, IDENTITY, f"cannot be read: {DENIED}. {MAY_LACK}"),
        ("-a1b2c3", DENIED, BY_POLICY, f"is missing or cannot be read: {DENIED} by a service control policy."),
        ("-a1b2c3", DENIED, "Access to KMS is not allowed", f"cannot be read: {DENIED}. Its key's policy must allow "),
        ("-a1b2c3", DENIED, "no resource-based policy allows it", f"cannot be read: {DENIED}. Check its ARN, and that"),
        ("-a1b2c3", INVALID, "the default KMS service key", "A secret of another account needs a customer key."),
        *(("-a1b2c3", INVALID, f"secret {words} for deletion.", RESTORE) for words in ("was marked", "is scheduled")),
    ],
)
def test_a_refused_secret_says_why_and_what_to_do(aws: Stubs, end: str, code: str, said: str, told: str) -> None:
    aws.refuse_secret(code, said)
    name = f"falcon{end}".removesuffix("-a1b2c3").removesuffix("-AbCdEf")
    with pytest.raises(SecretError, match=f"^The secret {name} ") as caught:
        replace(aws.account, secret_id=SECRET.replace("-a1b2c3", end)).credentials()

    assert told in str(caught.value)
    assert "assumed-role" not in str(caught.value)


def test_regions_are_all_asked_for_and_told_apart_by_whether_they_are_enabled(aws: Stubs) -> None:
    statuses = {"us-east-1": "opt-in-not-required", "af-south-1": "opted-in", "me-south-1": "not-opted-in"}
    listed = [{"RegionName": name, "OptInStatus": status} for name, status in statuses.items()]
    aws.fresh = 60.0
    aws.on("ec2").add_client_error("describe_regions", "UnauthorizedOperation")
    aws.on("ec2").add_response("describe_regions", {"Regions": listed}, {"AllRegions": True})

    assert aws.account.regions() == AccountRegions(frozenset({"us-east-1", "af-south-1"}), frozenset({"me-south-1"}))


@pytest.mark.parametrize("response", [{}, {"Regions": []}, {"Regions": [{}]}, {"Regions": [{"RegionName": "a/b"}]}])
def test_no_regions_are_not_believed(aws: Stubs, response: dict[str, Any]) -> None:
    aws.on("ec2").add_response("describe_regions", response)
    with pytest.raises(AwsError, match="cannot be listed"):
        aws.account.regions()


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        ({"repositories": [{"repositoryName": "app"}]}, RegionUse.REPOSITORIES),
        ({"repositories": []}, RegionUse.EMPTY),
        *((said, RegionUse.DENIED) for said in (BY_POLICY, BY_SILENCE)),
        *((said, RegionUse.UNKNOWN) for said in (BY_BOUNDARY, IDENTITY, "")),
        (EndpointConnectionError(endpoint_url="https://x"), RegionUse.UNKNOWN),
    ],
)
def test_a_region_is_asked_for_one_repository_and_is_denied_only_where_aws_names_a_service_control_policy(
    aws: Stubs, answer: dict[str, Any] | str | Exception, use: RegionUse, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(answer, Exception):
        monkeypatch.setattr(client("ecr", "eu-west-1"), "describe_repositories", Mock(side_effect=answer))
    elif isinstance(answer, str):
        aws.on("ecr", "eu-west-1").add_client_error("describe_repositories", DENIED, answer)
    else:
        aws.on("ecr", "eu-west-1").add_response("describe_repositories", answer, {"maxResults": 1})

    assert aws.account.region_use("eu-west-1") is use


@pytest.mark.parametrize(("held", "holds"), [("made-up", True), ("falcon-ecr-1a2b3c4d", False)])
def test_cloudformation_is_asked_which_id_it_holds(aws: Stubs, held: str, *, holds: bool) -> None:
    detail = {"LogicalResourceId": "RegistryConnections", "PhysicalResourceId": held, "ResourceType": "Custom::X"}
    detail |= {"LastUpdatedTimestamp": "2026-01-01T00:00:00Z", "ResourceStatus": "DELETE_IN_PROGRESS"}
    asked = {"StackName": STACK_ID, "LogicalResourceId": "RegistryConnections"}
    aws.fresh = 60.0  # a launch that is cancelled may be so young that its policy is not known yet
    aws.on("cloudformation").add_client_error("describe_stack_resource", "AccessDenied", IDENTITY)
    aws.on("cloudformation").add_response("describe_stack_resource", {"StackResourceDetail": detail}, asked)

    assert HOLDS(aws.account) is holds


@pytest.mark.parametrize("exists", [False, True])
def test_the_log_group_gets_its_retention_whether_lambda_has_made_it_or_not(aws: Stubs, *, exists: bool) -> None:
    logs = aws.on("logs")
    if exists:
        logs.add_client_error("create_log_group", "ResourceAlreadyExistsException")
    else:
        logs.add_response("create_log_group", {}, {"logGroupName": LOG_GROUP})
    logs.add_response("put_retention_policy", {}, {"logGroupName": LOG_GROUP, "retentionInDays": 30})
    RETAIN(aws.account)

    assert aws.made == [("logs", HOME)]


@pytest.mark.parametrize(
    ("service", "operation", "call", "told"),
    [
        ("ec2", "describe_regions", AwsAccount.regions, "The account's Regions cannot be listed (ec2:DescribeRegions)"),
        ("cloudformation", "describe_stack_resource", HOLDS, "The stack's resource cannot be described"),
        ("logs", "create_log_group", RETAIN, f"The retention of {LOG_GROUP} cannot be set"),
    ],
)
def test_a_refusal_names_what_was_asked_and_who_denies_it(
    aws: Stubs, service: str, operation: str, call: Callable[[AwsAccount], object], told: str
) -> None:
    aws.on(service).add_client_error(operation, DENIED, BY_POLICY)
    with pytest.raises(AwsError) as caught:
        call(aws.account)

    assert str(caught.value) == f"{told}: {DENIED} by a service control policy."
