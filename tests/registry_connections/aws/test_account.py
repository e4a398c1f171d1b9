"""AWS through botocore's own stubs: what is asked, and what is made of each response."""

import json
from collections.abc import Callable
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, cast

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


Outcome = dict[str, Any] | tuple[str, str] | Exception


class Aws:
    """Has clients where `Clients` makes real ones. Their calls come to these outcomes, in turn.

    An outcome is a response, an error of AWS (its code and what it says), or one of botocore.
    """

    def __init__(self, *outcomes: Outcome, fresh: float = 0.0, secret_id: str = SECRET) -> None:
        clock = VirtualClock()
        self.outcomes = list(outcomes)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        policy = FreshPolicy(fresh, clock, clock.sleep)
        self.account = AwsAccount(cast("Clients", self), secret_id, STACK_ID, policy)

    def get(self, service: str, region: str = "", _: object = None) -> Any:
        real = client(service, region or HOME)

        def call(operation: str, **arguments: Any) -> Any:
            self.asked.append((service, region or HOME, arguments))
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            with Stubber(real) as stub:  # which validates both the arguments and the response
                add = stub.add_client_error if isinstance(outcome, tuple) else stub.add_response
                add(operation, *(outcome if isinstance(outcome, tuple) else [outcome]))
                return getattr(real, operation)(**arguments)

        operations = {name: partial(call, name) for name in real.meta.method_to_api_mapping}
        return SimpleNamespace(exceptions=real.exceptions, **operations)


VALUES = ("the-id", "the-secret", "eu-1", "the-child")


@pytest.mark.parametrize(
    "keys",
    ["CLIENT_ID,FalconClientSecret,Cloud,memberCid", "falcon-client-id , Falcon Secret,falcon.cloud,FALCON_MEMBER_CID"],
)
def test_the_keys_of_a_secret_are_found_however_they_are_spelled(keys: str) -> None:
    stored = dict(zip(keys.split(","), VALUES, strict=True))

    assert parse_secret(json.dumps(stored), "falcon") == Credentials(*stored.values())


@pytest.mark.parametrize("before", ["", " \n", "\ufeff", " \ufeff"], ids=repr)
def test_a_secret_is_read_in_its_own_region_whatever_else_is_in_it(before: str) -> None:
    held = before + '{"FalconClientId": "", "client_id": " the-id ", "client_secret": "the-secret\\n", "x": [1]}'
    aws = Aws((DENIED, IDENTITY), {"SecretString": held}, fresh=60.0)

    assert aws.account.credentials() == Credentials("the-id", "the-secret")
    assert aws.asked == [("secretsmanager", "eu-central-1", {"SecretId": SECRET})] * 2


BOTH = "(or client_id, client_secret)."
NO_JSON = ["in-clear", '{"FalconClientId": "in-clear"', "[" * 100_000]


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        *(({"SecretString": text}, "is not JSON with FalconClientId and FalconSecret.") for text in NO_JSON),
        ({}, "is not JSON with FalconClientId and FalconSecret."),
        ({"SecretBinary": b"in-clear"}, "is binary: store the JSON as text (SecretString)."),
        ({"SecretString": '["in-clear"]'}, "is not a JSON object."),
        ({"SecretString": '{"FalconSecret": "in-clear"}'}, f"has no FalconClientId {BOTH}"),
        ({"SecretString": '{"FalconClientId": "in-clear", "FalconSecret": " "}'}, f"has no FalconSecret {BOTH}"),
        ({"SecretString": '{"FalconClientId": ["x"]}'}, f"has no FalconClientId and no FalconSecret {BOTH}"),
    ],
)
def test_of_a_useless_secret_the_name_is_told_and_no_value(held: dict[str, Any], problem: str) -> None:
    with pytest.raises(SecretError) as caught:
        Aws(held).account.credentials()

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
def test_a_refused_secret_says_why_and_what_to_do(end: str, code: str, said: str, told: str) -> None:
    name = f"falcon{end}".removesuffix("-a1b2c3").removesuffix("-AbCdEf")
    with pytest.raises(SecretError, match=f"^The secret {name} ") as caught:
        Aws((code, said), secret_id=SECRET.replace("-a1b2c3", end)).account.credentials()

    assert told in str(caught.value)
    assert "assumed-role" not in str(caught.value)


def test_regions_are_all_asked_for_and_told_apart_by_whether_they_are_enabled() -> None:
    statuses = {"us-east-1": "opt-in-not-required", "af-south-1": "opted-in", "me-south-1": "not-opted-in"}
    listed = [{"RegionName": name, "OptInStatus": status} for name, status in statuses.items()]
    aws = Aws(("UnauthorizedOperation", IDENTITY), {"Regions": listed}, fresh=60.0)

    assert aws.account.regions() == AccountRegions(frozenset({"us-east-1", "af-south-1"}), frozenset({"me-south-1"}))
    assert aws.asked == [("ec2", HOME, {"AllRegions": True})] * 2


@pytest.mark.parametrize("response", [{}, {"Regions": []}, {"Regions": [{}]}, {"Regions": [{"RegionName": "a/b"}]}])
def test_no_regions_are_not_believed(response: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="cannot be listed"):
        Aws(response).account.regions()


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        ({"repositories": [{"repositoryName": "app"}]}, RegionUse.REPOSITORIES),
        ({"repositories": []}, RegionUse.EMPTY),
        *(((DENIED, said), RegionUse.DENIED) for said in (BY_POLICY, BY_SILENCE)),
        *(((DENIED, said), RegionUse.UNKNOWN) for said in (BY_BOUNDARY, IDENTITY, "")),
        (EndpointConnectionError(endpoint_url="https://x"), RegionUse.UNKNOWN),
    ],
)
def test_a_region_is_asked_for_one_repository_and_denied_only_by_a_service_control_policy(
    answer: Outcome, use: RegionUse
) -> None:
    aws = Aws(answer)

    assert aws.account.region_use("eu-west-1") is use
    assert aws.asked == [("ecr", "eu-west-1", {"maxResults": 1})]


@pytest.mark.parametrize(("held", "holds"), [("made-up", True), ("falcon-ecr-1a2b3c4d", False)])
def test_cloudformation_is_asked_which_id_it_holds(held: str, *, holds: bool) -> None:
    detail = {"LogicalResourceId": "RegistryConnections", "PhysicalResourceId": held, "ResourceType": "Custom::X"}
    detail |= {"LastUpdatedTimestamp": "2026-01-01T00:00:00Z", "ResourceStatus": "DELETE_IN_PROGRESS"}
    asked = {"StackName": STACK_ID, "LogicalResourceId": "RegistryConnections"}
    # A launch that is cancelled may be so young that its policy is not known yet.
    aws = Aws(("AccessDenied", IDENTITY), {"StackResourceDetail": detail}, fresh=60.0)

    assert HOLDS(aws.account) is holds
    assert aws.asked == [("cloudformation", HOME, asked)] * 2


@pytest.mark.parametrize("created", [{}, ("ResourceAlreadyExistsException", "it exists")], ids=["new", "exists"])
def test_the_log_group_gets_its_retention_whether_lambda_has_made_it_or_not(created: Outcome) -> None:
    aws, group = Aws(created, {}), {"logGroupName": LOG_GROUP}
    RETAIN(aws.account)

    assert aws.asked == [("logs", HOME, group), ("logs", HOME, {**group, "retentionInDays": 30})]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (AwsAccount.regions, "The account's Regions cannot be listed (ec2:DescribeRegions)"),
        (HOLDS, "The stack's resource cannot be described"),
        (RETAIN, f"The retention of {LOG_GROUP} cannot be set"),
    ],
)
def test_a_refusal_names_what_was_asked_and_who_denies_it(call: Callable[[AwsAccount], object], told: str) -> None:
    with pytest.raises(AwsError) as caught:
        call(Aws((DENIED, BY_POLICY)).account)

    assert str(caught.value) == f"{told}: {DENIED} by a service control policy."
