"""Every property of the stack: absent, empty, of another case, of another type, and all wrong at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.core.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    DeletePolicy,
    RegionFailurePolicy,
    RegionScope,
    Settings,
    mismatch,
)
from registry_connections.core.settings import DEFAULTS, parse, region_names

FIELDS = {
    "FalconCloud": "falcon_cloud",
    "FalconPrincipalArn": "principal_arn",
    "Regions": "regions",
    "ExcludedRegions": "excluded",
    "RegionScope": "region_scope",
    "OnRegionFailure": "on_region_failure",
    "DeleteConnections": "delete_connections",
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "FalconCloud": (AUTODISCOVER, *FALCON_CLOUDS),
    "RegionScope": tuple(RegionScope),
    "OnRegionFailure": tuple(RegionFailurePolicy),
    "DeleteConnections": tuple(DeletePolicy),
}
TYPICAL = {
    "FalconCloud": "us-2",
    "FalconPrincipalArn": "arn:aws:iam::444455556666:role/Falcon",
    "Regions": "us-east-1",
    "ExcludedRegions": "us-west-1",
    "RegionScope": "WithRepositories",
    "OnRegionFailure": "Report",
    "DeleteConnections": "Stack",
}


def parsed(*, partition: str = "aws", **properties: object) -> tuple[Settings, list[str]]:
    return parse(properties, partition)


def value(settings: Settings, name: str) -> object:
    return getattr(settings, FIELDS[name])


def test_every_property_has_a_default_which_is_that_of_the_settings() -> None:
    assert FIELDS.keys() == TYPICAL.keys() == DEFAULTS.keys()
    assert parsed() == (Settings(), [])
    assert parsed()[0].choices == {}


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("nothing", [None, "", " \t\n"], ids=repr)
def test_a_property_that_is_empty_has_its_default(name: str, nothing: str | None) -> None:
    assert parse({name: nothing}, "aws") == parsed()


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("wrong", [5, True, ["us-east-1"], {}, 1.5], ids=repr)
def test_a_property_of_another_type_is_a_problem_and_counts_as_absent(name: str, wrong: object) -> None:
    assert parse({name: wrong}, "aws") == (parsed()[0], [f"{name} must be text."])


@pytest.mark.parametrize("name", DEFAULTS)
def test_space_around_a_property_does_no_harm(name: str) -> None:
    padded = parse({**TYPICAL, name: f" \t{TYPICAL[name]}\n"}, "aws")

    assert padded == parse(TYPICAL, "aws")
    assert padded[1] == []


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name, choices in CHOICES.items() for choice in choices]
)
def test_a_choice_is_taken_as_it_is_written_and_in_another_case_a_problem_that_lists_what_there_is(
    name: str, choice: str
) -> None:
    partition = "aws-us-gov" if choice.startswith("us-gov") else "aws"
    taken, none = parsed(partition=partition, **{name: choice})
    settings, problems = parsed(**{name: choice.swapcase()})

    assert (value(taken, name), none) == (choice, [])
    assert len(problems) == 1
    assert problems[0].startswith(f"{name} {choice.swapcase()!r} is unknown: use ")
    assert all(each in problems[0] for each in CHOICES[name])
    assert value(settings, name) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("us-east-1", ("us-east-1",)),
        ("us-east-1,eu-west-1", ("eu-west-1", "us-east-1")),
        (" us-east-1 , ,eu-west-1,, us-east-1,", ("eu-west-1", "us-east-1")),
        ("US-EAST-1,us-east-1", ("us-east-1",)),
        ("us-gov-west-1,us-isob-east-1,cn-northwest-1", ("cn-northwest-1", "us-gov-west-1", "us-isob-east-1")),
        ("us-east-1 us-west-2\tus-gov-east-1", ("us-east-1", "us-gov-east-1", "us-west-2")),
        (",", ()),
    ],
)
@pytest.mark.parametrize("name", ["Regions", "ExcludedRegions"])
def test_regions_are_a_list_sorted_and_once_each(name: str, text: str, names: tuple[str, ...]) -> None:
    settings, problems = parsed(**{name: text})

    assert problems == []
    assert value(settings, name) == names


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("us-east-1a", "is an Availability Zone: write us-east-1."),
        *(
            (every, "is not the name of a Region: leave Regions empty for every enabled Region.")
            for every in ("all", "GLOBAL", "*")
        ),
        ("eu-west-1;us-west-2", "is not the name of a Region: write names such as us-east-1,eu-west-1."),
        ("useast1", "is not the name of a Region: write names such as us-east-1,eu-west-1."),
    ],
)
def test_what_is_no_region_is_refused_with_what_to_write_instead_and_the_others_are_kept(
    wrong: str, advice: str
) -> None:
    settings, problems = parsed(Regions=f"us-east-1,{wrong}")

    assert problems == [f"Regions: {wrong.lower()!r} {advice}"]
    assert settings.regions == ("us-east-1",)


def test_all_problems_are_told_at_once_each_with_the_beginning_of_its_value() -> None:
    wrong = dict.fromkeys(("RegionScope", "OnRegionFailure", "DeleteConnections"), "No")
    lists = {"Regions": "x" * 100, "ExcludedRegions": "all"}

    assert parse({"FalconPrincipalArn": 5, "FalconCloud": "us-9", **lists, **wrong}, "aws")[1] == [
        "FalconPrincipalArn must be text.",
        "FalconCloud 'us-9' is unknown: use autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2.",
        f"Regions: '{'x' * 40}...' is not the name of a Region: write names such as us-east-1,eu-west-1.",
        "ExcludedRegions: 'all' is not the name of a Region: leave ExcludedRegions empty for none.",
        "RegionScope 'No' is unknown: use Enabled or WithRepositories.",
        "OnRegionFailure 'No' is unknown: use Fail or Report.",
        "DeleteConnections 'No' is unknown: use Keep, Stack or Account.",
    ]


def test_a_cloud_that_is_named_and_cannot_work_here_is_a_problem_unless_a_principal_is_named() -> None:
    assert parsed(FalconCloud="us-gov-1")[1] == [mismatch("aws", "us-gov-1", "")]
    assert parsed(FalconCloud="us-gov-1", FalconPrincipalArn="arn:aws:iam::444455556666:role/x")[1] == []


def test_a_cloud_that_is_still_to_be_discovered_is_checked_later() -> None:
    assert parsed(partition="aws-us-gov")[1] == []
    assert mismatch("aws-us-gov", AUTODISCOVER, "")


def test_nothing_is_remembered_but_choices_that_differ_from_their_defaults() -> None:
    settings, problems = parsed(
        ServiceToken="arn", Package="a/b", FalconSecret="secret", AccountId="444455556666", RegionScope="Enabled",
        FalconCloud="us-1",
    )  # fmt: skip

    assert problems == []
    assert settings.choices == {"FalconCloud": "us-1"}


texts = st.text(max_size=12) | st.sampled_from(["Keep", "Stack", "us-1", "us-east-1, eu-west-1", "aws", "Report"])
anything = texts | st.none() | st.integers() | st.lists(texts, max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)) | texts, anything))
def test_whatever_the_properties_there_are_settings_and_each_problem_is_a_sentence(properties: dict[str, Any]) -> None:
    settings, problems = parse(properties, "aws")

    assert all(problem.endswith(".") for problem in problems)
    assert settings.choices.keys() <= DEFAULTS.keys()
    assert all(isinstance(text, str) and text for text in settings.choices.values())


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), texts))
def test_what_was_applied_is_parsed_again_to_the_same(properties: dict[str, str]) -> None:
    settings, problems = parse(properties, "aws")

    assert parse(settings.choices, "aws") == (settings, problems)


@given(st.lists(st.from_regex(r" ?[a-zA-Z]{2}-[a-z]{4}-[1-9] ?", fullmatch=True), max_size=5))
def test_the_names_of_regions_are_a_set_whatever_their_order(names: list[str]) -> None:
    assert region_names(",".join(names)) == region_names(",".join(reversed(names)))
    assert list(region_names(",".join(names))) == sorted({name.strip().lower() for name in names})
