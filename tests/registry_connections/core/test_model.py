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

HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
REGISTRY = Registry("eu-west-1", ACCOUNT, "amazonaws.com")
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
regions = st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True)
suffixes = st.sampled_from(["amazonaws.com", "amazonaws.com.cn", "c2s.ic.gov"])
registries = st.builds(Registry, region=regions, account=accounts, url_suffix=suffixes)


def connection(url: str, kind: str = "ecr") -> Connection:
    return Connection("id", url, kind)


# URLs


def test_the_url_of_a_registry_is_https_and_has_no_trailing_slash() -> None:
    assert REGISTRY.url == "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def test_an_alias_names_stack_account_and_region_with_the_mark_first() -> None:
    assert IDENTITY.created_alias("eu-west-1") == "ecr-1a2b3c4d-111122223333-eu-west-1"
    assert IDENTITY.adopted_alias("eu-west-1") == "ecr-adopted-1a2b3c4d-111122223333-eu-west-1"
    assert IDENTITY.registry("eu-west-1") == REGISTRY


@pytest.mark.parametrize(
    ("alias", "owner"),
    [
        (IDENTITY.created_alias("eu-west-1"), Owner.CREATED),
        (IDENTITY.adopted_alias("eu-west-1"), Owner.ADOPTED),
        ("ecr-1a2b3c4d", Owner.CREATED),
        ("ecr-adopted-1a2b3c4d-1111", Owner.ADOPTED),
        ("ecr-9f9f9f9f-111122223333-eu-west-1", Owner.OTHER_STACK),
        ("ecr-adopted-9f9f9f9f-111122223333-eu-west-1", Owner.OTHER_STACK),
        ("ecr-111122223333-eu-west-1", Owner.NOBODY),
        ("ecr-1a2b3c4d5-111122223333-eu-west-1", Owner.NOBODY),
        ("my ecr-1a2b3c4d-111122223333-eu-west-1", Owner.NOBODY),
        ("ecr-1a2b3c", Owner.NOBODY),
        ("", Owner.NOBODY),
    ],
)
def test_an_alias_tells_who_manages_a_connection_also_when_it_was_cut_short(alias: str, owner: Owner) -> None:
    assert IDENTITY.owner(alias) is owner


@pytest.mark.parametrize(
    "url", [f"https://{HOST}", f"https://{HOST}/", HOST, f"HTTPS://{HOST.upper()}", f"https://{HOST.title()}"]
)
def test_a_connection_is_for_a_registry_of_the_same_host_however_it_is_written(url: str) -> None:
    assert connection(url).is_for(REGISTRY)
    assert connection(url).belongs_to(ACCOUNT, "amazonaws.com")
    assert connection(url).region == "eu-west-1"


LOOK_ALIKES = [
    *("", "https://", "https://[", "https://[::1", "//[", f"http://{HOST}", f"ftp://{HOST}"),
    *(
        f"https://{HOST}{end}"
        for end in (".evil.example", "@evil.example", ":8443", "/a-repository", "?a=b", "#a", ".")
    ),
    *(f"https://evil.example{between}{HOST}" for between in ("/", "/?", "#", "@")),
    *(f"https://{before}{HOST}" for before in (".", "x", "1")),
    *(f"https://{HOST.replace(*pair)}" for pair in ((".", "-"), ("dkr.ecr", "dkrxecr"), ("amazonaws", "arnazonaws"))),
    *(f"https://{HOST.replace(ACCOUNT, other)}" for other in (OTHER_ACCOUNT, ACCOUNT[1:])),
    f"https://{HOST.replace('amazonaws', 'аmazonaws')}",  # noqa: RUF001 - a Cyrillic letter
]


def test_a_connection_of_a_host_that_only_looks_alike_is_nobodys() -> None:
    alike = [connection(url) for url in LOOK_ALIKES]

    assert [each for each in alike if each.is_for(REGISTRY) or each.belongs_to(ACCOUNT, "amazonaws.com")] == []


@pytest.mark.parametrize("kind", ["", "ECR", "acr", "dockerhub", "ecr "])
def test_a_connection_of_another_type_is_not_for_an_ecr_registry(kind: str) -> None:
    assert not connection(f"https://{HOST}", kind).is_for(REGISTRY)
    assert not connection(f"https://{HOST}", kind).belongs_to(ACCOUNT, "amazonaws.com")


@pytest.mark.parametrize(
    "host",
    [
        f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws",
        f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws",
    ],
)
def test_another_form_of_a_registrys_host_is_of_the_account_and_not_what_we_would_make(host: str) -> None:
    found = connection(f"https://{host}")

    assert found.belongs_to(ACCOUNT, "amazonaws.com")
    assert not found.belongs_to(OTHER_ACCOUNT, "amazonaws.com")
    assert not found.is_for(Registry("us-east-1", ACCOUNT, "amazonaws.com"))
    assert found.region == "us-east-1"


@pytest.mark.parametrize("host", ["{}.dkr.ecr.{}.amazonaws.com", "{}.dkr-ecr.{}.on.aws"])
@pytest.mark.parametrize(("length", "is_region"), [(2, False), (40, True), (41, False), (60_000, False)])
def test_what_is_longer_than_any_region_is_none(host: str, length: int, *, is_region: bool) -> None:
    found = connection(f"https://{host.format(ACCOUNT, 'x' * length)}")

    assert found.region == ("x" * length if is_region else "")
    assert found.belongs_to(ACCOUNT, "amazonaws.com") is is_region


@pytest.mark.parametrize("suffix", ["amazonaws.com.cn", "mirror.example", "amazonaws.com.evil.example"])
def test_the_same_account_number_under_another_suffix_is_another_account(suffix: str) -> None:
    assert not connection(f"https://{ACCOUNT}.dkr.ecr.eu-west-1.{suffix}").belongs_to(ACCOUNT, "amazonaws.com")


@given(registries, registries)
def test_a_connection_is_for_exactly_the_registry_whose_url_it_has(one: Registry, other: Registry) -> None:
    assert connection(one.url).is_for(one)
    assert connection(one.url).is_for(other) is (one == other)
    assert connection(one.url).region == one.region
    assert connection(one.url).belongs_to(one.account, one.url_suffix)


@pytest.mark.parametrize("url", ["", "https://[", "//[", "not a url at all", "https://exa mple"])
def test_two_urls_that_are_none_are_not_the_same(url: str) -> None:
    assert not connection(url).is_for(Registry(url, "[", "]"))
    assert not connection(url).is_for(Registry("eu-west-1", ACCOUNT, "["))


@given(st.text(max_size=60), st.text(max_size=8))
def test_any_text_at_all_is_a_url_that_can_be_asked_about(url: str, kind: str) -> None:
    found = connection(url, kind)

    assert found.is_for(REGISTRY) in {True, False}
    assert found.belongs_to(ACCOUNT, "amazonaws.com") in {True, False}
    assert isinstance(found.region, str)


# What Falcon says of a connection


@pytest.mark.parametrize(
    ("state", "expired", "problem"),
    [
        *((state, False, "") for state in ("", "active", "Active", "pending", "RESUMED")),
        ("active", True, "its credential expired"),
        ("paused", False, "it is paused: a person did that, and nothing but a person resumes it"),
        ("Failed", False, "its state is Failed"),
    ],
)
def test_a_connection_has_a_problem_unless_it_is_scanned_or_soon_will_be(
    state: str, problem: str, *, expired: bool
) -> None:
    assert Connection("id", REGISTRY.url, "ecr", state=state, expired=expired).problem == problem


# Clouds and partitions


def test_credentials_go_to_hosts_of_crowdstrike_only() -> None:
    hosts = [url.removeprefix("https://") for url in FALCON_CLOUDS.values()]

    assert all(host.endswith((".crowdstrike.com", ".crowdstrike.mil")) and "/" not in host for host in hosts)
    assert len(set(hosts)) == len(FALCON_CLOUDS)
    assert FALCON_CLOUDS.keys() > GOVERNMENT_CLOUDS


@pytest.mark.parametrize("cloud", ["autodiscover", *FALCON_CLOUDS])
@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_a_principal_that_is_named_must_be_of_the_accounts_partition_whatever_the_cloud(
    partition: str, cloud: str
) -> None:
    for theirs in ("aws", "aws-us-gov", "aws-cn"):
        problem = mismatch(partition, cloud, f"arn:{theirs}:iam::{OTHER_ACCOUNT}:role/Falcon")
        expected = f"FalconPrincipalArn is of partition {theirs}, but this account is of {partition}."
        assert problem == ("" if theirs == partition else expected)


@pytest.mark.parametrize("principal", ["role/Falcon", "arn", "arn:aws", "::", ":::"])
def test_a_principal_that_is_no_arn_goes_with_no_partition(principal: str) -> None:
    assert mismatch("aws", "us-1", principal) == "FalconPrincipalArn is of partition ?, but this account is of aws."


def test_secrets_are_not_in_what_is_shown_of_them() -> None:
    credentials = Credentials("the-id", "the-secret", "us-1", "the-cid")
    shown = repr((credentials, GRANT, IDENTITY))

    assert set(credentials.secrets) == {"the-id", "the-secret", "the-cid"}
    assert not {word for word in (*credentials.secrets, IDENTITY.external_id) if word in shown}


# Time


def test_a_deadline_never_has_less_than_nothing_left() -> None:
    assert Deadline(10, lambda: 4.0).left() == 6
    assert Deadline(10, lambda: 11.0).left() == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_part_of_a_deadline_never_ends_after_the_whole(at: float, now: float, seconds: float) -> None:
    whole = Deadline(at, lambda: now)

    assert whole.within(seconds).left() <= min(whole.left(), now + seconds)
    assert whole.within(seconds).at <= at
    assert whole.earlier(seconds).left() <= whole.left()


# Outcomes


def test_an_outcome_is_connected_or_unsuccessful_or_neither_and_never_both() -> None:
    neither = set(OutcomeKind) - CONNECTED - UNSUCCESSFUL

    assert not CONNECTED & UNSUCCESSFUL
    assert neither == {OutcomeKind.REMOVED, OutcomeKind.LEFT, OutcomeKind.SKIPPED}
