"""What the variables say: every problem is found, and none is raised."""

import pytest

from cli import request
from cli.credentials import Credentials
from cli.organization.deploy import problems_of_secret
from tests.cli.support import asked

ORGANIZATION = {"OU_IDS": "ou-abcd-11111111", "REGION": "us-east-1"}
GIVEN = Credentials("an-id", "a-secret")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"STACK": "1st"}, "STACK is '1st'. A name is a letter"),
        ({"S3_BUCKET": "bucket/folder"}, "which is a path"),
        ({"S3_BUCKET_OWNER": "me"}, "It takes the 12 digits of an AWS account"),
        ({"PARAMETERS": "Regions='us-east-1"}, "PARAMETERS has an open quotation"),
        ({"PARAMETERS": "Regions"}, "PARAMETERS holds 'Regions', which is not Name=value"),
        ({"PARAMETERS": "Regions=a Regions=b"}, "PARAMETERS names Regions twice"),
        ({"PARAMETERS": "FalconSecret=x"}, "export FALCON_CLIENT_SECRET, which no list of processes shows"),
        ({"PARAMETERS": "S3Key=x"}, "it follows from the package"),
        ({"TAGS": "aws:x=y"}, "AWS keeps names that begin with aws: to itself"),
        ({"TAGS": "team"}, "TAGS holds 'team', which is not Name=value"),
        ({"TAGS": f"team={'x' * 257}"}, "too long"),
    ],
)
def test_what_cannot_work_for_one_account_is_named(variables: dict[str, str], problem: str) -> None:
    (found,) = asked("deploy", **variables).problems

    assert problem in found


def test_all_problems_are_found_at_once() -> None:
    half = Credentials.take({"FALCON_CLIENT_ID": "a"})

    assert len(asked("deploy", half, STACK="-", PARAMETERS="x", TAGS="y").problems) == 4


def test_parameters_and_tags_are_words_in_the_shells_quoting() -> None:
    given = "A='b c' Excluded= Url=https://x?a=b FalconClientID= FalconSecret="

    found = asked("deploy", PARAMETERS=given, TAGS='cost="a b"')

    assert found.parameters == {
        "A": "b c",
        "Excluded": "",
        "Url": "https://x?a=b",
        "FalconClientID": "",
        "FalconSecret": "",
    }
    assert found.tags == {"cost": "a b"}
    assert found.problems == ()


def test_a_bucket_is_named_as_its_address_too() -> None:
    assert asked("deploy", S3_BUCKET="s3://mine/").bucket == "mine"


def test_a_parameter_that_the_template_lacks_is_named_with_the_one_that_was_meant() -> None:
    (near,) = request.unknown_parameters({"Region": "x"}, frozenset({"Regions"}))
    (far,) = request.unknown_parameters({"Colour": "x"}, frozenset({"Regions"}))

    assert near.endswith("Did you mean Regions?")
    assert far.endswith("It has Regions.")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ORG_ID": "111122223333"}, "An organization's id looks like o-exampleorgid"),
        ({"OU_IDS": ""}, "OU_IDS is not set"),
        ({"OU_IDS": "ou-abcd-11111111,workloads"}, "OU_IDS names 'workloads'"),
        ({"OU_IDS": ",".join(f"ou-abcd-{number:08}" for number in range(51))}, "OU_IDS names 51 units"),
        ({"ORG_PATHS": "ou-abcd-11111111"}, "A path looks like"),
        ({"CALL_AS": "ADMIN"}, "CALL_AS is 'ADMIN'. It takes SELF, DELEGATED_ADMIN."),
        ({"MAX_CONCURRENT": "101"}, "MAX_CONCURRENT is '101'. It takes a number from 1 to 100."),
        ({"INCLUDE_MANAGEMENT": "perhaps"}, "INCLUDE_MANAGEMENT is 'perhaps'"),
        ({"STACK_SET": "1st"}, "STACK_SET is '1st'"),
    ],
)
def test_what_cannot_work_for_an_organization_is_named(variables: dict[str, str], problem: str) -> None:
    (found,) = asked("deploy-org", GIVEN, **ORGANIZATION | variables).problems

    assert problem in found


def test_credentials_and_a_secret_that_exists_exclude_each_other_unless_copies_are_made() -> None:
    named = ORGANIZATION | {"PARAMETERS": "SecretsManagerSecretName=x"}

    (problem,) = problems_of_secret(asked("deploy-org", GIVEN, **named))

    assert "set SECRET_COPIES=1 to make one of that name" in problem
    assert not [*problems_of_secret(asked("deploy-org", **named))]
    assert not [*problems_of_secret(asked("deploy-org", GIVEN, **named, SECRET_COPIES="1"))]


def test_an_organization_is_read_with_its_defaults() -> None:
    units = "ou-abcd-11111111, r-abcd ou-abcd-11111111"

    found = asked("deploy-org", OU_IDS=units)

    assert found.problems == ()
    assert found.units == ("ou-abcd-11111111", "r-abcd")
    assert (found.name, found.call_as, found.max_concurrent) == (request.DEFAULT_STACK, "SELF", 20)
    assert (found.flags, found.organization) == (frozenset(), "")


def test_a_deletion_takes_three_choices_and_no_other() -> None:
    assert asked("delete-org", DELETE_CONNECTIONS="Stack", YES="1").problems == ()
    assert "It takes Keep, Stack, Account." in asked("delete-org", DELETE_CONNECTIONS="All").problems[0]
