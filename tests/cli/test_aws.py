"""Errors of AWS as the operator sees them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.aws import READING, connect, translated
from cli.errors import AttentionError, CliError


def test_an_error_of_aws_names_the_call_and_holds_no_secret() -> None:
    refusal: Any = {"Error": {"Code": "ValidationError", "Message": "Value 'invented' does not fit"}}

    with pytest.raises(CliError) as raised, translated(("invented", "")):
        raise ClientError(refusal, "CreateStackSet")

    assert str(raised.value) == "CreateStackSet failed. ValidationError: Value '****' does not fit"
    assert raised.value.__cause__ is None


def test_our_own_errors_keep_their_kind_and_lose_secrets() -> None:
    with pytest.raises(AttentionError, match=r"^a \*\*\*\* b$"), translated(("invented",)):
        raise AttentionError("a invented b")


def test_who_has_neither_region_nor_credentials_is_told_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(CliError) as raised:
        connect("")

    no_region, nobody = raised.value.problems
    assert no_region.startswith("no Region is set")
    assert nobody.startswith("AWS does not know who you are: Unable to locate credentials")


def test_a_region_whose_address_is_not_there_is_no_matter_of_who_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:1")

    with pytest.raises(CliError, match=r"^AWS cannot be reached: .*\n  Check the spelling of REGION"):
        connect("us-east1", READING)


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    with pytest.raises(CliError, match="nobody"):
        connect("us-east-1")
