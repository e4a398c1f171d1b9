"""What the variables say: every problem is found, and none is raised."""

import pytest

from cli import request
from cli.credentials import Credentials
from cli.organization.deploy import problems_of_secret
from tests.cli.support import asked

GIVEN = Credentials("an-id", "a-secret")


@pytest.mark.parametrize(
    ("command", "variables", "problem"),
    [
        ("deploy", {"STACK": "1st"}, "STACK is '1st'. A name is a letter"),
        ("deploy", {"S3_BUCKET": "bucket/folder"}, "which is a path"),
        ("deploy", {"S3_BUCKET_OWNER": "me"}, "It takes the 12 digits of an AWS account"),
        ("deploy", {"PARAMETERS": "Regions='us-east-1"}, "PARAMETERS has an open quotation"),
        ("deploy", {"PARAMETERS": "Regions"}, "PARAMETERS holds 'Regions', which is not Name=value"),
        ("deploy", {"PARAMETERS": "=x"}, "PARAMETERS holds '=x', which is not Name=value"),
        ("deploy", {"TAGS": "aws:x"}, "TAGS holds 'aws:x', which is not Name=value"),
        ("deploy", {"PARAMETERS": "Regions=a Regions=b"}, "PARAMETERS names Regions twice"),
        ("deploy", {"PARAMETERS": "FalconSecret=x"}, "export FALCON_CLIENT_SECRET, which no list of processes shows"),
        ("deploy", {"PARAMETERS": "S3Key="}, "it follows from the package"),
        ("deploy", {"TAGS": "aws:x=y"}, "AWS keeps names that begin with aws: to itself"),
        ("deploy", {"TAGS": f"team={'x' * 257}"}, "too long"),
        ("deploy", {"TAGS": f"{'x' * 129}=team"}, "too long"),
        ("deploy-org", {"ORG_ID": "111122223333"}, "An organization's id looks like o-exampleorgid"),
        ("deploy-org", {"OU_IDS": ""}, "OU_IDS is not set"),
        ("deploy-org", {"OU_IDS": "ou-abcd-11111111,workloads"}, "OU_IDS names 'workloads'"),
        ("deploy-org", {"OU_IDS": ",".join(f"ou-abcd-{each:08}" for each in range(51))}, "OU_IDS names 51 units"),
        ("deploy-org", {"ORG_PATHS": "ou-abcd-11111111"}, "A path looks like"),
        ("deploy-org", {"CALL_AS": "ADMIN"}, "CALL_AS is 'ADMIN'. It takes SELF, DELEGATED_ADMIN."),
        ("deploy-org", {"MAX_CONCURRENT": "101"}, "MAX_CONCURRENT is '101'. It takes a number from 1 to 100."),
        ("deploy-org", {"INCLUDE_MANAGEMENT": "perhaps"}, "INCLUDE_MANAGEMENT is 'perhaps'"),
        ("deploy-org", {"STACK_SET": "1st"}, "STACK_SET is '1st'"),
        ("delete-org", {"DELETE_CONNECTIONS": "All"}, "It takes Keep, Stack, Account."),
    ],
)
def test_what_cannot_work_is_named(command: str, variables: dict[str, str], problem: str) -> None:
    required = {"OU_IDS": "ou-abcd-11111111"} if command == "deploy-org" else {}

    (found,) = asked(command, **required | variables).problems

    assert problem in found


def test_parameters_and_tags_are_words_in_the_shells_quoting() -> None:
    given = "A='b c' Excluded= Url=https://x?a=b FalconSecret="

    found = asked("deploy", PARAMETERS=given, TAGS='cost="a b"', S3_BUCKET="s3://mine/", S3_BUCKET_OWNER="1" * 12)

    assert found.parameters == {"A": "b c", "Excluded": "", "Url": "https://x?a=b", "FalconSecret": ""}
    assert found.bucket == "mine"
    assert found.tags == {"cost": "a b"}
    assert found.problems == ()


def test_a_parameter_that_the_template_lacks_is_named_with_the_one_that_was_meant() -> None:
    (near,) = request.unknown_parameters({"Region": "x"}, frozenset({"Regions"}))
    (far,) = request.unknown_parameters({"Colour": "x"}, frozenset({"Regions"}))

    assert near.endswith("Did you mean Regions?")
    assert far.endswith("It has Regions.")


def test_credentials_and_a_secret_that_exists_exclude_each_other_unless_copies_are_made() -> None:
    named = {"PARAMETERS": "SecretsManagerSecretName=x"}

    (problem,) = problems_of_secret(asked("deploy-org", GIVEN, **named))

    assert "set SECRET_COPIES=1 to make one of that name" in problem
    assert not [*problems_of_secret(asked("deploy-org", **named))]
    assert not [*problems_of_secret(asked("deploy-org", GIVEN, **named, SECRET_COPIES="1"))]


def test_an_organization_is_read_with_its_defaults_and_without() -> None:
    path = "o-exampleorgid/r-abcd/ou-abcd-11111111/*"
    given = {"OU_IDS": "r-abcd", "ORG_ID": "o-exampleorgid", "ORG_PATHS": path, "CALL_AS": "SELF", "STACK_SET": "a-1"}

    least = asked("deploy-org", OU_IDS="ou-abcd-11111111, r-abcd ou-abcd-11111111")
    most = asked("deploy-org", **given, MAX_CONCURRENT="99", WIDE="true", INCLUDE_MANAGEMENT="0")

    assert least.problems == most.problems == ()
    assert least.units == ("ou-abcd-11111111", "r-abcd")
    assert (least.name, least.organization, least.paths) == (request.DEFAULT_STACK, "", ())
    assert (least.call_as, least.max_concurrent, least.flags) == ("SELF", 20, frozenset())
    assert (most.name, most.organization, most.paths) == ("a-1", "o-exampleorgid", (path,))
    assert (most.max_concurrent, most.flags) == (99, frozenset({"WIDE"}))
