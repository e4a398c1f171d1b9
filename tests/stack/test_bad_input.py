"""Bad input: each is refused with a reason in the stack's events that names what to correct, and registers nothing."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.simulator import CLIENT_SECRET
from tests.stack.customer import FUNCTION, LOG_GROUP, SECRET, Customer, reason

pytest_plugins = ["tests.stack.launching"]

GOVERNMENT_PRINCIPAL = "arn:aws-us-gov:iam::358431324613:role/CrowdStrikeCustomerRegistryAssessmentRole"

# Parameters of a launch, and what its reason must say.
REFUSED: dict[str, tuple[dict[str, str], list[str]]] = {
    "several at once": (
        {"Regions": "us-east-9", "ExcludedRegions": "moon", "FalconPrincipalArn": GOVERNMENT_PRINCIPAL},
        ["Regions: AWS knows no Region 'us-east-9'", "ExcludedRegions: 'moon'", "FalconPrincipalArn is of partition"],
    ),
    "wrong secret": (
        {"FalconSecret": "wrong-client-secret"},
        ["Falcon login: the client secret is wrong, or the API client was revoked"],
    ),
    "READ missing": (
        {"FalconClientID": "only-write", "FalconSecret": "simulated-secret"},
        ["the API client lacks the scope Falcon Container Image: READ"],
    ),
    "WRITE missing": (
        {"FalconClientID": "only-read", "FalconSecret": "simulated-secret"},
        ["17 Regions failed", "the API client lacks the scope Falcon Container Image: WRITE"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_launch_with_bad_input_says_what_to_correct_and_registers_nothing(customer: Customer, case: str) -> None:
    parameters, said = REFUSED[case]
    customer.falcon.add_client("only-write", "simulated-secret", scopes=["write"])
    customer.falcon.add_client("only-read", "simulated-secret", scopes=["read"])
    customer.falcon.change(latency=0.02)  # so that all calls of a launch are under way at once

    stack = customer.launch(**parameters)

    assert stack.status == "ROLLBACK_COMPLETE"
    for expected in said:
        assert expected in reason(stack)
    assert len(reason(stack)) <= 240
    assert "secret" not in reason(stack).replace("client secret is wrong", "")
    assert customer.connections() == {}
    assert customer.resources() == {f"log group {LOG_GROUP}"}


def test_launch_with_more_problems_than_a_reason_holds_counts_them_and_logs_them_all(customer: Customer) -> None:
    regions = [f"us-east-{number}" for number in range(3, 10)]

    stack = customer.launch(Regions=",".join(regions), FalconCloud="us-gov-2")

    assert "And 6 more, see the log." in reason(stack)
    assert len(reason(stack)) <= 240
    log = "\n".join(customer.aws.function_logs(FUNCTION))
    assert [region for region in regions if f"AWS knows no Region '{region}'" not in log] == []
    assert "us-gov-2 has no known principal" in log


def test_launch_with_stray_commas_and_spaces_cleans_them(customer: Customer) -> None:
    stack = customer.launch(Regions=" us-east-1, ,EU-West-1,,us-east-1, sa-east-1 ,", ExcludedRegions=" , sa-east-1,")

    assert stack.status == "CREATE_COMPLETE", stack.failures
    assert set(customer.connections()) == {"us-east-1", "eu-west-1"}
    assert stack.outputs["ConnectedRegions"] == "eu-west-1,us-east-1"


def test_launch_with_a_package_that_is_not_in_the_bucket_says_so(customer: Customer) -> None:
    stack = customer.launch(S3Key="nowhere/lambda_function.zip")

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "NoSuchKey" in reason(stack, "ECRLambda")
    assert customer.falcon.journal.count() == 0
    assert customer.resources() == set()


REFUSED_BY_THE_TEMPLATE = {
    "FalconCloud": ["us-5", "US-1", ""],
    "Regions": ["us-east-1;eu-west-1", "us_east_1"],
    "ExcludedRegions": ["https://us-east-1"],
    "OnRegionFailure": ["fail", ""],
    "DeleteConnections": ["True", "keep"],
    "ReconcileSchedule": ["daily", "rate(0 days)"],
    "FalconClientID": ['"', "two words"],
    "FalconSecret": ['with"quote', "with\\backslash"],
    "FalconApiUrl": ["http://insecure.example.com", "https://user@host", "api.crowdstrike.com"],
    "FalconPrincipalArn": ["292230061137", "*", "arn:aws:iam::292230061137:role/"],
    "PermissionsBoundary": ["two words", "arn:aws:iam::1:policy/x"],
    "S3Bucket": ["Bucket", "a"],
    "LogRetentionDays": ["15"],
}


@pytest.mark.parametrize("name", REFUSED_BY_THE_TEMPLATE)
def test_launch_with_a_value_that_cannot_be_right_is_refused_at_once(customer: Customer, name: str) -> None:
    for value in REFUSED_BY_THE_TEMPLATE[name]:
        with pytest.raises(ClientError, match=name):
            customer.start_launch(**{name: value})

    assert customer.cloudformation.list_stacks()["StackSummaries"] == []


def test_launch_with_a_broken_secret_names_the_key_and_shows_no_value(customer: Customer) -> None:
    held = json.dumps({"FalconClientId": "an-id", "Secret": CLIENT_SECRET})
    secret = customer.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=held)

    stack = customer.launch(FalconClientID="", FalconSecret="", SecretsManagerSecretName=secret["ARN"])

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "has no FalconSecret" in reason(stack)
    log = "\n".join(customer.aws.function_logs(FUNCTION))
    assert CLIENT_SECRET not in reason(stack) + log
    assert "an-id" not in reason(stack) + log
    assert customer.falcon.journal.count() == 0
