"""Every property of the stack: absent, empty, of another case, of another type, and all wrong at once."""

from collections.abc import Iterable
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
from registry_connections.core.settings import DEFAULTS, parse

TYPICAL = {
    "FalconCloud": "us-2",
    "FalconPrincipalArn": "arn:aws:iam::444455556666:role/Falcon",
    "Regions": "us-east-1",
    "ExcludedRegions": "us-west-1",
    "RegionScope": "WithRepositories",
    "OnRegionFailure": "Report",
    "DeleteConnections": "Stack",
}
SETTINGS = Settings(
    "us-2",
    TYPICAL["FalconPrincipalArn"],
    ("us-east-1",),
    ("us-west-1",),
    RegionScope.WITH_REPOSITORIES,
    RegionFailurePolicy.REPORT,
    DeletePolicy.STACK,
)


def parsed(partition: str = "aws", **properties: object) -> tuple[Settings, list[str]]:
    return parse(properties, partition)


def test_every_property_is_parsed_and_only_the_choices_that_differ_from_their_defaults_are_remembered() -> None:
    others = {"ServiceToken": "arn", "Package": "a/b", "FalconSecret": "secret"}

    assert parsed(**TYPICAL, **others) == (SETTINGS, [])
    assert parsed(**TYPICAL, **others)[0].choices == TYPICAL
    assert parsed(**DEFAULTS) == parsed() == (Settings(), [])
    assert parsed(**DEFAULTS)[0].choices == {}


@pytest.mark.parametrize("name", DEFAULTS)
def test_space_around_a_property_does_no_harm_nothing_is_its_default_and_what_is_no_text_a_problem(name: str) -> None:
    assert parse({**TYPICAL, name: f" \t{TYPICAL[name]}\n"}, "aws") == (SETTINGS, [])
    for nothing in (None, "", " \t\n"):
        assert parse({name: nothing}, "aws") == (Settings(), [])
    others: list[object] = [5, True, ["us-east-1"], {}, 1.5]
    for wrong in others:
        assert parse({name: wrong}, "aws") == (Settings(), [f"{name} must be text."])


@pytest.mark.parametrize(
    ("name", "field", "choices"),
    [
        ("FalconCloud", "falcon_cloud", (AUTODISCOVER, *FALCON_CLOUDS)),
        ("RegionScope", "region_scope", RegionScope),
        ("OnRegionFailure", "on_region_failure", RegionFailurePolicy),
        ("DeleteConnections", "delete_connections", DeletePolicy),
    ],
)
def test_a_choice_is_taken_as_written_and_otherwise_a_problem(name: str, field: str, choices: Iterable[str]) -> None:
    for choice in choices:
        taken: dict[str, Any] = {field: choice}
        settings, problems = parse({name: choice.swapcase()}, "aws")

        assert parse({name: choice}, "aws-us-gov" if "gov" in choice else "aws") == (Settings(**taken), [])
        assert settings == Settings()
        assert [each.partition(": use ")[0] for each in problems] == [f"{name} {choice.swapcase()!r} is unknown"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (" us-east-1 , ,eu-west-1,, us-east-1,", ("eu-west-1", "us-east-1")),
        ("US-EAST-1,us-east-1", ("us-east-1",)),
        ("us-gov-west-1,us-isob-east-1,cn-northwest-1", ("cn-northwest-1", "us-gov-west-1", "us-isob-east-1")),
        ("us-east-1 us-west-2\tus-gov-east-1", ("us-east-1", "us-gov-east-1", "us-west-2")),
        (",", ()),
    ],
)
def test_regions_are_a_list_sorted_and_once_each(text: str, names: tuple[str, ...]) -> None:
    assert parsed(Regions=text) == (Settings(regions=names), [])
    assert parsed(ExcludedRegions=text) == (Settings(excluded=names), [])


WRITE_NAMES = "is not the name of a Region: write names such as us-east-1,eu-west-1."
LEAVE_EMPTY = "is not the name of a Region: leave Regions empty for every enabled Region."


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("us-east-1a", "is an Availability Zone: write us-east-1."),
        *((every, LEAVE_EMPTY) for every in ("all", "any", "*", "GLOBAL", "none", "every")),
        *((name, WRITE_NAMES) for name in ("eu-west-1;us-west-2", "useast1")),
    ],
)
def test_what_is_no_region_is_refused_with_what_to_write_and_the_others_are_kept(wrong: str, advice: str) -> None:
    kept = Settings(regions=("us-east-1",))

    assert parsed(Regions=f"us-east-1,{wrong}") == (kept, [f"Regions: {wrong.lower()!r} {advice}"])


def test_all_problems_are_told_at_once_each_with_the_beginning_of_its_value() -> None:
    wrong = dict.fromkeys(("RegionScope", "OnRegionFailure", "DeleteConnections"), "No")
    lists = {"Regions": "x" * 100, "ExcludedRegions": "all"}

    assert parsed(FalconPrincipalArn=5, FalconCloud="us-9", **lists, **wrong) == (Settings(), [
        "FalconPrincipalArn must be text.",
        "FalconCloud 'us-9' is unknown: use autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2.",
        f"Regions: '{'x' * 40}...' {WRITE_NAMES}",
        "ExcludedRegions: 'all' is not the name of a Region: leave ExcludedRegions empty for none.",
        "RegionScope 'No' is unknown: use Enabled or WithRepositories.",
        "OnRegionFailure 'No' is unknown: use Fail or Report.",
        "DeleteConnections 'No' is unknown: use Keep, Stack or Account.",
    ])  # fmt: skip


def test_a_cloud_that_cannot_work_here_is_a_problem_unless_a_principal_is_named_or_it_is_yet_to_be_discovered() -> None:
    assert parsed(FalconCloud="us-gov-1")[1] == [mismatch("aws", "us-gov-1", "")]
    assert parsed(FalconCloud="us-gov-1", FalconPrincipalArn=TYPICAL["FalconPrincipalArn"])[1] == []
    assert parsed("aws-us-gov")[1] == []
    assert mismatch("aws-us-gov", AUTODISCOVER, "")


texts = st.text(max_size=12) | st.sampled_from(["Keep", "Stack", "us-1", "us-east-1, eu-west-1", "aws", "Report"])
anything = texts | st.none() | st.integers() | st.lists(texts, max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)) | texts, anything))
def test_whatever_the_properties_what_was_applied_is_parsed_again_to_the_same(properties: dict[str, Any]) -> None:
    settings, problems = parse(properties, "aws")

    assert all(problem.endswith(".") for problem in problems)
    assert settings.choices.keys() <= DEFAULTS.keys()
    assert all(isinstance(text, str) and text for text in settings.choices.values())
    wrong_types = [problem for problem in problems if problem.endswith(" must be text.")]
    assert parse(settings.choices, "aws") == (settings, [each for each in problems if each not in wrong_types])
