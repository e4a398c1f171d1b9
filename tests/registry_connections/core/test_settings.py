"""Every property of the stack: absent, empty, of another case, of another type, and all wrong at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    DeletePolicy,
    RegionFailurePolicy,
    RegionScope,
    Settings,
)
from registry_connections.settings import DEFAULTS, REQUIRED, parse, region_names, trust_problem

GIVEN: Mapping[str, str] = {
    "AccountId": "111122223333",
    "Partition": "aws",
    "UrlSuffix": "amazonaws.com",
    "ConnectionRoleArn": "arn:aws:iam::111122223333:role/a-role",
    "ExternalId": "2f6b1c3e-9d0a-4e55-8c7b-0123456789ab",
}
FIELDS = {
    "AccountId": "account",
    "Partition": "partition",
    "UrlSuffix": "url_suffix",
    "ConnectionRoleArn": "role_arn",
    "ExternalId": "external_id",
    "FalconCloud": "falcon_cloud",
    "FalconPrincipalArn": "principal_arn",
    "Regions": "regions",
    "ExcludedRegions": "excluded",
    "RegionScope": "region_scope",
    "OnRegionFailure": "on_region_failure",
    "DeleteConnections": "delete_connections",
}
ABSENT: Mapping[str, object] = {
    "FalconCloud": AUTODISCOVER,
    "FalconPrincipalArn": "",
    "Regions": (),
    "ExcludedRegions": (),
    "RegionScope": RegionScope.ENABLED,
    "OnRegionFailure": RegionFailurePolicy.FAIL,
    "DeleteConnections": DeletePolicy.KEEP,
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "FalconCloud": (AUTODISCOVER, *FALCON_CLOUDS),
    "RegionScope": tuple(RegionScope),
    "OnRegionFailure": tuple(RegionFailurePolicy),
    "DeleteConnections": tuple(DeletePolicy),
}
WRONG_TYPES = [5, 0, True, False, ["us-east-1"], [], {"a": "b"}, {}, 1.5]


def parsed(**properties: object) -> tuple[Settings, list[str]]:
    return parse({**GIVEN, **properties})


def value(settings: Settings, name: str) -> object:
    return getattr(settings, FIELDS[name])


def test_every_property_is_in_these_tables() -> None:
    assert FIELDS.keys() == DEFAULTS.keys()
    assert set(REQUIRED) == GIVEN.keys()
    assert GIVEN.keys() | ABSENT.keys() == DEFAULTS.keys()


def test_what_the_template_always_passes_suffices() -> None:
    settings, problems = parsed()

    assert problems == []
    assert settings.properties == GIVEN


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("nothing", [None, "", "  ", "\t\n"], ids=repr)
def test_a_property_that_is_absent_or_empty_has_its_default(name: str, nothing: str | None) -> None:
    settings, problems = parsed(**{name: nothing})

    assert problems == []
    assert value(settings, name) == ABSENT[name]
    assert settings == parsed()[0]


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("nothing", [None, "", "  "], ids=repr)
def test_a_required_property_that_is_absent_or_empty_is_missing(name: str, nothing: str | None) -> None:
    assert f"{name} is missing." in parsed(**{name: nothing})[1]


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
def test_a_property_of_another_type_is_a_problem_and_counts_as_absent(name: str, wrong: Any) -> None:
    settings, problems = parsed(**{name: wrong})

    assert problems[0] == f"{name} must be text."
    assert value(settings, name) == ABSENT.get(name, "")


@pytest.mark.parametrize("name", DEFAULTS)
def test_space_around_a_property_does_no_harm(name: str) -> None:
    right = {**GIVEN, **{each: choices[-1] for each, choices in CHOICES.items()}}
    right |= {"Partition": "aws-us-gov", "Regions": "us-gov-east-1", "ExcludedRegions": "us-gov-west-1"}
    padded = {**right, name: f" \t{right.get(name, '')}\n"}

    assert parse(padded) == parse(right)
    assert parse(padded)[1] == []


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name, choices in CHOICES.items() for choice in choices]
)
def test_a_choice_is_taken_as_it_is_written(name: str, choice: str) -> None:
    partition = "aws-us-gov" if choice.startswith("us-gov") else "aws"
    settings, problems = parsed(**{name: choice, "Partition": partition})

    assert problems == []
    assert value(settings, name) == choice


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name, choices in CHOICES.items() for choice in choices]
)
def test_a_choice_of_another_case_is_a_problem_that_lists_what_there_is(name: str, choice: str) -> None:
    settings, problems = parsed(**{name: choice.swapcase()})

    assert len(problems) == 1
    assert problems[0].startswith(f"{name} {choice.swapcase()!r} is unknown: use ")
    assert all(each in problems[0] for each in CHOICES[name])
    assert value(settings, name) == ABSENT[name]


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("wrong", ["true", "yes", "Keep,Stack", "us-1 ,us-2", "{{resolve:ssm:a}}", "None"])
def test_a_choice_that_there_is_not_is_a_problem(name: str, wrong: str) -> None:
    settings, problems = parsed(**{name: wrong})

    assert len(problems) == 1
    assert value(settings, name) == ABSENT[name]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("us-east-1", ("us-east-1",)),
        ("us-east-1,eu-west-1", ("eu-west-1", "us-east-1")),
        (" us-east-1 , ,eu-west-1,, us-east-1,", ("eu-west-1", "us-east-1")),
        ("US-EAST-1,us-east-1", ("us-east-1",)),
        ("us-gov-west-1,us-isob-east-1,cn-northwest-1", ("cn-northwest-1", "us-gov-west-1", "us-isob-east-1")),
        (",", ()),
    ],
)
@pytest.mark.parametrize("name", ["Regions", "ExcludedRegions"])
def test_regions_are_a_list_sorted_and_once_each(name: str, text: str, names: tuple[str, ...]) -> None:
    settings, problems = parsed(**{name: text})

    assert problems == []
    assert value(settings, name) == names


@pytest.mark.parametrize("name", ["Regions", "ExcludedRegions"])
def test_each_name_that_is_no_regions_is_a_problem_of_its_own_and_the_others_are_kept(name: str) -> None:
    settings, problems = parsed(**{name: "us-east-1,useast1,*,eu-west-1;us-west-2,eu-west-"})

    assert problems == [
        f"{name}: {wrong!r} is not the name of a Region."
        for wrong in ("*", "eu-west-", "eu-west-1;us-west-2", "useast1")
    ]
    assert value(settings, name) == ("us-east-1",)


def test_all_problems_are_told_at_once() -> None:
    wrong: dict[str, object] = {
        **dict.fromkeys(DEFAULTS, 5),
        "FalconCloud": "us-9",
        "Regions": "nowhere",
        "ExcludedRegions": "somewhere",
        "RegionScope": "All",
        "OnRegionFailure": "Ignore",
        "DeleteConnections": "Yes",
    }

    assert parse(wrong)[1] == [
        *(f"{name} must be text." for name in [*REQUIRED, "FalconPrincipalArn"]),
        *(f"{name} is missing." for name in REQUIRED),
        "FalconCloud 'us-9' is unknown: use autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2.",
        "Regions: 'nowhere' is not the name of a Region.",
        "ExcludedRegions: 'somewhere' is not the name of a Region.",
        "RegionScope 'All' is unknown: use Enabled or WithRepositories.",
        "OnRegionFailure 'Ignore' is unknown: use Fail or Report.",
        "DeleteConnections 'Yes' is unknown: use Keep, Stack or Account.",
    ]


def test_a_cloud_that_is_named_and_cannot_work_here_is_a_problem() -> None:
    settings, problems = parsed(FalconCloud="us-gov-1")

    assert problems == [trust_problem(settings, "us-gov-1")]
    assert "set FalconPrincipalArn" in problems[0]


def test_a_principal_of_this_partition_makes_it_work() -> None:
    assert parsed(FalconCloud="us-gov-1", FalconPrincipalArn="arn:aws:iam::444455556666:root")[1] == []


def test_a_cloud_that_is_still_to_be_discovered_is_judged_later() -> None:
    settings, problems = parsed(Partition="aws-us-gov")

    assert problems == []
    assert trust_problem(settings, AUTODISCOVER)


def test_properties_that_decide_nothing_are_not_kept() -> None:
    settings, problems = parsed(ServiceToken="arn", Package="a/b", FalconSecret="secret", Regions="")

    assert problems == []
    assert settings.properties == GIVEN


texts = st.text(max_size=12) | st.sampled_from(["Keep", "Stack", "us-1", "us-east-1, eu-west-1", "aws", "Report"])
anything = texts | st.none() | st.integers() | st.lists(texts, max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)) | texts, anything))
def test_whatever_the_properties_there_are_settings_and_each_problem_is_a_sentence(properties: dict[str, Any]) -> None:
    settings, problems = parse(properties)

    assert all(problem.endswith(".") for problem in problems)
    assert settings.properties.keys() <= DEFAULTS.keys()
    assert all(isinstance(text, str) and text for text in settings.properties.values())


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), texts))
def test_what_was_applied_is_parsed_again_to_the_same(properties: dict[str, str]) -> None:
    settings, problems = parse({**GIVEN, **properties})

    assert parse(settings.properties) == (settings, problems)


@given(st.lists(st.from_regex(r" ?[a-zA-Z]{2}-[a-z]{4}-[1-9] ?", fullmatch=True), max_size=5))
def test_the_names_of_regions_are_a_set_whatever_their_order(names: list[str]) -> None:
    assert region_names(",".join(names)) == region_names(",".join(reversed(names)))
    assert list(region_names(",".join(names))) == sorted({name.strip().lower() for name in names})
