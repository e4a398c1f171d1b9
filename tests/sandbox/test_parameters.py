"""Parameters, as Systems Manager has them."""

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import LocalAws


def test_a_parameter_counts_its_versions_and_keeps_the_last_hundred(aws: LocalAws) -> None:
    ssm = aws.client("ssm")
    versions = [
        ssm.put_parameter(Name="/state", Value=f"value {number}", Type="String", Overwrite=number > 1)["Version"]
        for number in range(1, 103)
    ]

    assert versions == list(range(1, 103))
    assert ssm.get_parameter(Name="/state:101")["Parameter"]["Value"] == "value 101"
    assert ssm.get_parameter(Name="/state")["Parameter"]["Version"] == 102
    for gone in (1, 2, 103):
        with pytest.raises(ClientError, match="ParameterVersionNotFound"):
            ssm.get_parameter(Name=f"/state:{gone}")


@pytest.mark.parametrize(
    ("value", "reason"),
    [("x" * 4097, "4096 characters"), ("", "length greater"), ("a {{b}} c", "nest another parameter")],
)
def test_a_parameter_refuses_what_does_not_fit(aws: LocalAws, value: str, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        aws.client("ssm").put_parameter(Name="/state", Value=value, Type="String")

    aws.client("ssm").put_parameter(Name="/state", Value='{"nested": {"braces": {}}}' + " " * 4000, Type="String")
