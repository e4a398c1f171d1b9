"""Errors of AWS as the operator sees them."""

import pytest

from cli.aws import READING, connect, translated
from cli.errors import AttentionError, CliError
from tests.cli.support import refusal


def test_an_error_of_aws_names_the_call_our_own_keep_their_kind_and_neither_holds_a_secret() -> None:
    with pytest.raises(CliError) as raised, translated(("invented", "")):
        raise refusal("ValidationError", "Value 'invented' does not fit")
    with pytest.raises(AttentionError, match=r"^a \*\*\*\* b$"), translated(("invented",)):
        raise AttentionError("a invented b")

    assert str(raised.value) == "Operation failed. ValidationError: Value '****' does not fit"
    assert raised.value.__cause__ is None


NOWHERE = {
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "AWS_EC2_METADATA_DISABLED": "true",
}
KEYS = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}


@pytest.mark.parametrize(
    ("region", "environ", "problem"),
    [
        ("", {}, "(?s)^no Region is set.*\nAWS does not know who you are: Unable to locate credentials"),
        # That a Region's address is not there is no matter of who one is.
        (
            "us-east1",
            KEYS | {"AWS_ENDPOINT_URL": "https://127.0.0.1:1"},
            "^AWS cannot be reached: .*\n  Check the spelling",
        ),
        ("us-east-1", {"AWS_PROFILE": "nobody"}, "nobody"),
    ],
    ids=["neither Region nor credentials", "a Region without an address", "a profile that does not exist"],
)
def test_who_cannot_be_connected_is_told_all_reasons(
    monkeypatch: pytest.MonkeyPatch, region: str, environ: dict[str, str], problem: str
) -> None:
    for name, value in (NOWHERE | environ).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(CliError, match=problem):
        connect(region, READING)
