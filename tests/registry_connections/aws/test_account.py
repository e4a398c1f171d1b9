"""AWS through botocore's own stubs: what is asked, and what is made of each answer."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from registry_connections.aws import AwsAccount
from registry_connections.errors import AwsError, SecretError, StateChangedError, StateError, StateMissingError
from registry_connections.model import Credentials, RegionUse
from registry_connections.state import State, render_state

HOME = "us-east-1"
SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:falcon-a1b2c3"
PARAMETER = "/falcon/state"
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
    """Hands out stubbed clients where a session makes real ones, and keeps which were asked for."""

    made: list[tuple[str, str]] = field(default_factory=list)
    stubs: dict[tuple[str, str], Stubber] = field(default_factory=dict)
    others: dict[str, object] = field(default_factory=dict)

    def client(self, service: str, *, region_name: str | None, config: object) -> object:
        assert config
        self.made.append((service, region_name or HOME))
        return self.others.get(service) or client(service, region_name or HOME)

    def on(self, service: str, region: str = HOME) -> Stubber:
        if (service, region) not in self.stubs:
            self.stubs[service, region] = stub = Stubber(client(service, region))
            stub.activate()
        return self.stubs[service, region]

    @property
    def account(self) -> AwsAccount:
        return AwsAccount(cast("boto3.Session", self), SECRET, PARAMETER)


@pytest.fixture
def aws() -> Iterator[Stubs]:
    stubs = Stubs()
    yield stubs
    for stub in stubs.stubs.values():
        stub.deactivate()
        stub.assert_no_pending_responses()


# The secret


def secret_holds(aws: Stubs, text: str | None) -> None:
    held = {} if text is None else {"SecretString": text}
    aws.on("secretsmanager", "eu-central-1").add_response("get_secret_value", held, {"SecretId": SECRET})


@pytest.mark.parametrize(
    ("identifier", "secret", "cloud"),
    [
        ("FalconClientId", "FalconSecret", "FalconCloud"),
        ("FalconClientID", "FalconClientSecret", "cloud"),
        ("client_id", "client_secret", "Cloud"),
        ("ClientId", "ClientSecret", "FalconCloud"),
    ],
)
def test_a_secret_is_read_in_each_of_its_shapes_in_its_own_region(
    aws: Stubs, identifier: str, secret: str, cloud: str
) -> None:
    secret_holds(aws, json.dumps({identifier: " the-id ", secret: "the-secret\n", cloud: "eu-1", "other": [1]}))

    assert aws.account.credentials() == Credentials("the-id", "the-secret", "eu-1")
    assert aws.made == [("secretsmanager", "eu-central-1")]


def test_a_secret_without_a_cloud_names_none(aws: Stubs) -> None:
    secret_holds(aws, json.dumps({"FalconClientId": "the-id", "FalconSecret": "the-secret"}))

    assert aws.account.credentials().cloud == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("value-in-clear", "is not JSON."),
        (None, "is not JSON."),
        ('{"FalconClientId": "value-in-clear"', "is not JSON."),
        ("[" * 100_000, "is not JSON."),
        ('["value-in-clear"]', "is not a JSON object."),
        ('"value-in-clear"', "is not a JSON object."),
        ('{"FalconSecret": "value-in-clear"}', "has no FalconClientId."),
        ('{"FalconClientId": "value-in-clear"}', "has no FalconSecret."),
        ('{"FalconClientId": "value-in-clear", "FalconSecret": " "}', "has no FalconSecret."),
        ('{"FalconClientId": ["value-in-clear"], "FalconSecret": {"value-in-clear": 1}}', "Id and no FalconSecret."),
        ('{"value-in-clear": "value-in-clear"}', "has no FalconClientId and no FalconSecret."),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_its_values_are_not(
    aws: Stubs, text: str | None, problem: str
) -> None:
    secret_holds(aws, text)
    with pytest.raises(SecretError) as caught:
        aws.account.credentials()

    assert str(caught.value).startswith("The secret falcon-a1b2c3 ")
    assert str(caught.value).endswith(problem)
    assert "value-in-clear" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("ResourceNotFoundException", "no such secret", "cannot be read: ResourceNotFoundException."),
        ("AccessDeniedException", IDENTITY, "cannot be read: AccessDeniedException."),
        ("AccessDeniedException", BY_POLICY, "AccessDeniedException by a service control policy."),
        ("AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt"),
        ("AccessDeniedException", "because no resource-based policy allows it", "its resource policy allows"),
        ("InvalidRequestException", "the default KMS service key", "needs a customer key"),
    ],
)
def test_a_secret_that_is_refused_says_why_and_what_to_do(aws: Stubs, code: str, said: str, told: str) -> None:
    aws.on("secretsmanager", "eu-central-1").add_client_error("get_secret_value", code, said)
    with pytest.raises(SecretError, match=r"^The secret falcon-a1b2c3 is missing or ") as caught:
        aws.account.credentials()

    assert told in str(caught.value)
    assert "assumed-role" not in str(caught.value)


# Regions


def test_regions_are_all_asked_for_and_told_apart_by_whether_they_are_enabled(aws: Stubs) -> None:
    statuses = {"us-east-1": "opt-in-not-required", "af-south-1": "opted-in", "me-south-1": "not-opted-in"}
    listed = [{"RegionName": name, "OptInStatus": status} for name, status in statuses.items()]
    aws.on("ec2").add_response("describe_regions", {"Regions": listed}, {"AllRegions": True})
    regions = aws.account.regions()

    assert regions.enabled == {"us-east-1", "af-south-1"}
    assert regions.disabled == {"me-south-1"}


@pytest.mark.parametrize(("said", "told"), [(IDENTITY, "Operation."), (BY_POLICY, "by a service control policy.")])
def test_regions_that_cannot_be_listed_name_the_permission(aws: Stubs, said: str, told: str) -> None:
    aws.on("ec2").add_client_error("describe_regions", "UnauthorizedOperation", said)
    with pytest.raises(AwsError) as caught:
        aws.account.regions()

    assert "(ec2:DescribeRegions): UnauthorizedOperation" in str(caught.value)
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize("answer", [{}, {"Regions": []}, {"Regions": [{}]}, {"Regions": [{"RegionName": "a/b"}]}])
def test_no_regions_are_not_believed(aws: Stubs, answer: dict[str, Any]) -> None:
    aws.on("ec2").add_response("describe_regions", answer)
    with pytest.raises(AwsError, match="cannot be listed"):
        aws.account.regions()


@pytest.mark.parametrize(
    ("repositories", "use"), [([{"repositoryName": "app"}], RegionUse.REPOSITORIES), ([], RegionUse.EMPTY)]
)
def test_a_region_is_asked_for_one_repository(aws: Stubs, repositories: list[dict[str, str]], use: RegionUse) -> None:
    answer = {"repositories": repositories}
    aws.on("ecr", "eu-west-1").add_response("describe_repositories", answer, {"maxResults": 1})

    assert aws.account.region_use("eu-west-1") is use


@pytest.mark.parametrize(
    ("said", "use"),
    [
        (BY_POLICY, RegionUse.DENIED),
        (BY_SILENCE, RegionUse.DENIED),
        (BY_BOUNDARY, RegionUse.UNKNOWN),
        (IDENTITY, RegionUse.UNKNOWN),
        ("", RegionUse.UNKNOWN),
    ],
)
def test_a_region_is_denied_only_where_aws_names_a_service_control_policy(
    aws: Stubs, said: str, use: RegionUse
) -> None:
    aws.on("ecr", "eu-west-1").add_client_error("describe_repositories", "AccessDeniedException", said)

    assert aws.account.region_use("eu-west-1") is use


class Unreachable:
    def describe_repositories(self, **_: object) -> object:
        raise EndpointConnectionError(endpoint_url="https://api.ecr.example")


def test_a_region_that_cannot_be_reached_is_unknown(aws: Stubs) -> None:
    aws.others["ecr"] = Unreachable()

    assert aws.account.region_use("eu-west-1") is RegionUse.UNKNOWN


# The state


def test_the_state_is_read_with_its_version(aws: Stubs) -> None:
    text = render_state(State(cloud="eu-1", version=6))
    aws.on("ssm").add_response("get_parameter", {"Parameter": {"Value": text, "Version": 7}}, {"Name": PARAMETER})
    state = aws.account.load()

    assert (state.cloud, state.version) == ("eu-1", 7)


def test_the_state_is_written_over_the_parameter_and_has_the_next_version(aws: Stubs) -> None:
    expected = {"Name": PARAMETER, "Value": ANY, "Type": "String", "Overwrite": True}
    aws.on("ssm").add_response("put_parameter", {"Version": 8}, expected)

    assert aws.account.swap(State(cloud="eu-1", version=7)).version == 8


@pytest.mark.parametrize(
    ("code", "kind"), [("ParameterNotFound", StateMissingError), ("AccessDeniedException", StateError)]
)
def test_a_state_that_is_not_there_is_told_from_one_that_cannot_be_read(
    aws: Stubs, code: str, kind: type[StateError]
) -> None:
    aws.on("ssm").add_client_error("get_parameter", code)
    with pytest.raises(StateError) as caught:
        aws.account.load()

    assert type(caught.value) is kind
    assert str(caught.value) == f"The state {PARAMETER} cannot be read: {code}."


def test_a_state_that_cannot_be_written_says_so(aws: Stubs) -> None:
    aws.on("ssm").add_client_error("put_parameter", "AccessDeniedException")
    with pytest.raises(StateError, match=r"cannot be written: AccessDeniedException\."):
        aws.account.swap(State())


@dataclass
class ParameterStore:
    """The one parameter as Parameter Store keeps it: every text with its version, the latest last."""

    texts: list[str] = field(default_factory=lambda: ["{}"])
    sends: int = 1  # how often the next write arrives: botocore sends it again when the answer was lost
    before: Callable[[], object] = lambda: None

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        _, _, named = Name.partition(":")
        version = int(named or len(self.texts))
        return {"Parameter": {"Value": self.texts[version - 1], "Version": version}}

    def put_parameter(self, *, Name: str, Value: str, **_: object) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert Name == PARAMETER
        before, self.before = self.before, lambda: None
        before()
        self.texts += [Value] * self.sends
        self.sends = 1
        return {"Version": len(self.texts)}


@pytest.fixture
def store(aws: Stubs) -> ParameterStore:
    aws.others["ssm"] = store = ParameterStore()
    return store


def test_of_two_that_write_at_once_the_first_wins_and_the_other_is_told(aws: Stubs, store: ParameterStore) -> None:
    one, two = aws.account, aws.account
    seen = one.load(), two.load()
    one.swap(replace(seen[0], cloud="us-1"))
    with pytest.raises(StateChangedError):
        two.swap(replace(seen[1], cloud="us-2"))

    assert len(store.texts) == 3
    assert {one.load().cloud, two.load().cloud, aws.account.load().cloud} == {"us-1"}


def test_after_a_lost_race_the_next_write_of_either_stands(aws: Stubs, store: ParameterStore) -> None:
    seen = aws.account.load()
    won = aws.account.swap(replace(seen, cloud="us-1"))
    with pytest.raises(StateChangedError):
        aws.account.swap(replace(seen, cloud="us-2"))
    winner = aws.account.swap(replace(won, cloud="us-3"))
    loser = aws.account.swap(replace(aws.account.load(), cloud="eu-1"))

    assert winner.version < loser.version == len(store.texts)
    assert aws.account.load().cloud == "eu-1"


def test_a_race_lost_while_writing_is_noticed_by_the_version(aws: Stubs, store: ParameterStore) -> None:
    seen = aws.account.load()
    store.before = lambda: aws.account.swap(replace(seen, cloud="us-1"))
    with pytest.raises(StateChangedError):
        aws.account.swap(replace(seen, cloud="us-2"))

    assert aws.account.load().cloud == "us-1"


def test_an_own_text_that_was_sent_twice_is_no_lost_race(aws: Stubs, store: ParameterStore) -> None:
    store.sends = 2
    written = aws.account.swap(replace(aws.account.load(), cloud="us-1"))
    again = aws.account.swap(replace(written, cloud="us-2"))

    assert aws.account.load() == again
    assert aws.account.load().cloud == "us-2"


def test_a_text_sent_twice_after_a_lost_race_is_lost(aws: Stubs, store: ParameterStore) -> None:
    seen = aws.account.load()
    aws.account.swap(replace(seen, cloud="us-1"))
    store.sends = 2
    with pytest.raises(StateChangedError):
        aws.account.swap(replace(seen, cloud="us-2"))

    assert aws.account.load().cloud == "us-1"


def test_what_a_person_writes_stands(aws: Stubs, store: ParameterStore) -> None:
    aws.account.swap(replace(aws.account.load(), cloud="us-1"))
    store.texts.append("{}")
    state = aws.account.load()

    assert (state, state.version) == (State(), 3)
    assert aws.account.swap(replace(state, cloud="us-2")).version == 4


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


def test_a_retention_that_cannot_be_set_names_the_log_group(aws: Stubs) -> None:
    aws.on("logs").add_client_error("create_log_group", "AccessDeniedException", BY_POLICY)
    with pytest.raises(AwsError) as caught:
        aws.account.retain_logs(LOG_GROUP, 30)

    told = "AccessDeniedException by a service control policy."
    assert str(caught.value) == f"The retention of {LOG_GROUP} cannot be set: {told}"
