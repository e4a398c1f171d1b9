"""Bad input is refused with a reason in the stack's events that names what to correct, and registers nothing."""

from tests.stack.customer import LOG_GROUP, Customer, reason

pytest_plugins = ["tests.stack.launching"]

GOVERNMENT_PRINCIPAL = "arn:aws-us-gov:iam::358431324613:role/CrowdStrikeCustomerRegistryAssessmentRole"


def test_launch_with_bad_input_says_all_that_is_to_correct_and_registers_nothing(customer: Customer) -> None:
    stack = customer.launch(Regions="us-east-9", ExcludedRegions="moon", FalconPrincipalArn=GOVERNMENT_PRINCIPAL)

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Regions: AWS knows no Region 'us-east-9'" in reason(stack)
    assert "ExcludedRegions: 'moon'" in reason(stack)
    assert "FalconPrincipalArn is of partition" in reason(stack)
    assert len(reason(stack)) <= 240
    assert customer.connections() == {}
    assert customer.resources() == {f"log group {LOG_GROUP}"}


def test_launch_with_a_package_that_is_not_in_the_bucket_says_so(customer: Customer) -> None:
    stack = customer.launch(S3Key="nowhere/lambda_function.zip")

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "NoSuchKey" in reason(stack, "ECRLambda")
    assert customer.falcon.journal.count() == 0
    assert customer.resources() == set()
