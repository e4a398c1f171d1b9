"""What follows from the terms alone: URLs, whose a connection is, which cloud goes with which partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.model import (
    CONNECTED,
    FALCON_CLOUDS,
    GOVERNMENT_CLOUDS,
    UNSUCCESSFUL,
    Connection,
    Credentials,
    Deadline,
    OutcomeKind,
    Owner,
    Registry,
    mismatch,
)
from tests.registry_connections.samples import ACCOUNT, GRANT, IDENTITY, OTHER_ACCOUNT

SUFFIX = "amazonaws.com"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.{SUFFIX}"
REGISTRY = Registry("eu-west-1", ACCOUNT, SUFFIX)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
regions = st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True)
suffixes = st.sampled_from([SUFFIX, "amazonaws.com.cn", "c2s.ic.gov"])
registries = st.builds(Registry, region=regions, account=accounts, url_suffix=suffixes)


def seen(url: str, kind: str = "ecr") -> tuple[bool, bool, str]:
    """Return whether a connection is for the registry, and of the account, and its Region."""
    found = Connection("id", url, kind)
    return found.is_for(REGISTRY), found.belongs_to(ACCOUNT, SUFFIX), found.region


def test_a_registry_has_a_url_without_trailing_slash_and_an_alias_with_the_mark_of_the_stack_first() -> None:
    assert IDENTITY.registry("eu-west-1") == REGISTRY
    assert REGISTRY.url == "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    assert IDENTITY.created_alias("eu-west-1") == "ecr-1a2b3c4d-111122223333-eu-west-1"
    assert IDENTITY.adopted_alias("eu-west-1") == "ecr-adopted-1a2b3c4d-111122223333-eu-west-1"


OTHERS = "9f9f9f9f-111122223333-eu-west-1"
NOBODYS = ["ecr-111122223333-eu-west-1", "ecr-1a2b3c4d5-111122223333-eu-west-1", "ecr-1a2b3c", ""]


@pytest.mark.parametrize(
    ("owner", "aliases"),
    [
        (Owner.CREATED, [IDENTITY.created_alias("eu-west-1"), "ecr-1a2b3c4d"]),
        (Owner.ADOPTED, [IDENTITY.adopted_alias("eu-west-1"), "ecr-adopted-1a2b3c4d-1111"]),
        (Owner.OTHER_STACK, [f"ecr-{OTHERS}", f"ecr-adopted-{OTHERS}"]),
        (Owner.NOBODY, [*NOBODYS, f"my {IDENTITY.created_alias('eu-west-1')}"]),
    ],
)
def test_an_alias_tells_who_manages_a_connection_also_when_it_was_cut_short(owner: Owner, aliases: list[str]) -> None:
    assert [IDENTITY.owner(alias) for alias in aliases] == [owner] * len(aliases)


@pytest.mark.parametrize(
    "url", [f"https://{HOST}", f"https://{HOST}/", HOST, f"HTTPS://{HOST.upper()}", f"https://{HOST.title()}"]
)
def test_a_connection_is_for_a_registry_of_the_same_host_however_it_is_written(url: str) -> None:
    assert seen(url) == (True, True, "eu-west-1")


ENDS = [".evil.example", "@evil.example", ":8443", "/a-repository", "?a=b", "#a", "."]
REPLACED = {".": "-", "dkr.ecr": "dkrxecr", "amazonaws": "arnazonaws", ACCOUNT: OTHER_ACCOUNT, "1111": "111"}
LOOK_ALIKES = [
    *("", "https://", "https://[", "https://[::1", "//[", "https://exa mple", f"http://{HOST}", f"ftp://{HOST}"),
    *(f"https://{HOST}{end}" for end in ENDS),
    *(f"https://evil.example{between}{HOST}" for between in ("/", "/?", "#", "@")),
    *(f"https://{before}{HOST}" for before in (".", "x", "1")),
    *(f"https://{HOST.replace(*pair)}" for pair in REPLACED.items()),
    *(f"https://{HOST}".replace(SUFFIX, each) for each in ("amazonaws.com.cn", "mirror.example", f"{SUFFIX}.evil.org")),
    f"https://{HOST.replace('amazonaws', 'аmazonaws')}",  # noqa: RUF001 - a Cyrillic letter
]


def test_a_connection_of_a_host_that_only_looks_alike_or_of_another_type_is_nobodys() -> None:
    others = [(f"https://{HOST}", kind) for kind in ("", "ECR", "acr", "dockerhub", "ecr ")]

    assert [each for each in [*((url, "ecr") for url in LOOK_ALIKES), *others] if any(seen(*each)[:2])] == []


@pytest.mark.parametrize(
    "host", ["{}.dkr.ecr-fips.{}.amazonaws.com", "{}.dkr-ecr.{}.on.aws", "{}.dkr-ecr-fips.{}.on.aws"]
)
def test_another_form_of_a_registrys_host_is_of_the_account_and_not_what_we_would_make(host: str) -> None:
    assert seen(f"https://{host.format(ACCOUNT, 'eu-west-1')}") == (False, True, "eu-west-1")
    assert seen(f"https://{host.format(OTHER_ACCOUNT, 'eu-west-1')}") == (False, False, "eu-west-1")


@pytest.mark.parametrize("host", ["{}.dkr.ecr.{}.amazonaws.com", "{}.dkr-ecr.{}.on.aws"])
@pytest.mark.parametrize(("length", "is_region"), [(2, False), (3, True), (40, True), (41, False), (60_000, False)])
def test_what_is_longer_or_shorter_than_any_region_is_none(host: str, length: int, is_region: bool) -> None:
    expected = (False, is_region, "x" * length * is_region)

    assert seen(f"https://{host.format(ACCOUNT, 'x' * length)}") == expected


@given(registries, registries)
def test_a_connection_is_for_exactly_the_registry_whose_url_it_has(one: Registry, other: Registry) -> None:
    found = Connection("id", one.url, "ecr")

    assert found.is_for(one)
    assert found.is_for(other) is (one == other)
    assert found.belongs_to(one.account, one.url_suffix)
    assert found.region == one.region


@pytest.mark.parametrize("url", ["", "https://[", "//["])
def test_two_urls_that_are_none_are_not_the_same(url: str) -> None:
    assert not Connection("id", url, "ecr").is_for(Registry("eu-west-1", ACCOUNT, "["))


@given(st.text(max_size=60))
def test_any_text_at_all_is_a_url_that_can_be_asked_about(url: str) -> None:
    assert seen(url) == (False, False, "")


@pytest.mark.parametrize(
    ("state", "expired", "problem"),
    [
        *((state, False, "") for state in ("", "active", "Active", "pending", "RESUMED")),
        ("active", True, "its credential expired"),
        ("Paused", False, "it is paused: a person did that, and nothing but a person resumes it"),
        ("pause", False, "it is paused: a person did that, and nothing but a person resumes it"),
        ("Failed", False, "its state is Failed"),
    ],
)
def test_a_connection_has_a_problem_unless_it_is_or_will_be_scanned(state: str, expired: bool, problem: str) -> None:
    assert Connection("id", REGISTRY.url, "ecr", state=state, expired=expired).problem == problem


def test_credentials_go_to_hosts_of_crowdstrike_only() -> None:
    hosts = {url.removeprefix("https://") for url in FALCON_CLOUDS.values()}

    assert all(host.endswith((".crowdstrike.com", ".crowdstrike.mil")) and "/" not in host for host in hosts)
    assert len(hosts) == len(FALCON_CLOUDS)
    assert FALCON_CLOUDS.keys() > GOVERNMENT_CLOUDS


def test_secrets_are_not_in_what_is_shown_of_them() -> None:
    credentials = Credentials("the-id", "the-secret", "us-1", "the-cid")
    shown = repr((credentials, GRANT, IDENTITY))

    assert set(credentials.secrets) == {"the-id", "the-secret", "the-cid"}
    assert not {word for word in (*credentials.secrets, IDENTITY.external_id) if word in shown}


@pytest.mark.parametrize("cloud", ["autodiscover", *FALCON_CLOUDS])
@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_a_named_principal_must_be_of_the_accounts_partition_whatever_the_cloud(partition: str, cloud: str) -> None:
    problem = "FalconPrincipalArn is of partition {}, but this account is of " + partition + "."
    for theirs in {"aws", "aws-us-gov", "aws-cn"} - {partition}:
        assert mismatch(partition, cloud, f"arn:{theirs}:iam::{OTHER_ACCOUNT}:role/Falcon") == problem.format(theirs)
    for no_arn in ("role/Falcon", "arn", "arn:aws", "::", ":::"):
        assert mismatch(partition, cloud, no_arn) == problem.format("?")
    assert mismatch(partition, cloud, f"arn:{partition}:iam::{OTHER_ACCOUNT}:role/Falcon") == ""


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_part_of_a_deadline_never_ends_after_the_whole(at: float, now: float, seconds: float) -> None:
    whole = Deadline(at, lambda: now)

    assert whole.left() == max(at - now, 0)
    assert whole.within(seconds).at == min(at, now + seconds)
    assert whole.earlier(seconds).at == at - seconds


def test_an_outcome_is_connected_or_unsuccessful_or_neither_and_never_both() -> None:
    assert not CONNECTED & UNSUCCESSFUL
    assert set(OutcomeKind) - CONNECTED - UNSUCCESSFUL == {OutcomeKind.REMOVED, OutcomeKind.LEFT, OutcomeKind.SKIPPED}
