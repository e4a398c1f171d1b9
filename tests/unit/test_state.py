"""The state as text: what is written is read again, fits a parameter, and nothing else is believed."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.errors import StateError
from registry_connections.settings import parse
from registry_connections.state import LARGEST_STATE, Run, State, applied, parse_state, render_state, standing
from tests.sandbox.known_regions import KNOWN_REGIONS

REGIONS = sorted({*KNOWN_REGIONS, "me-west-1", "sa-west-1"})
"""Two more than AWS has."""
NAMESPACE = UUID("2f6b1c3e-9d0a-4e55-8c7b-0123456789ab")
MOMENT = 1_790_000_000.0


def identifier(name: str) -> str:
    return str(uuid5(NAMESPACE, name))


def largest(*, excluded: str = "") -> State:
    """Return a state of an account in which everything happened to every Region."""
    properties = {
        "AccountId": "111122223333",
        "Partition": "aws",
        "UrlSuffix": "amazonaws.com",
        "ConnectionRoleArn": "arn:aws:iam::111122223333:role/CrowdStrikeECRConnectionRole-2f6b1c3e-9d0a-4e55-8c7b",
        "ExternalId": str(NAMESPACE),
        "FalconCloud": "us-1",
        "FalconPrincipalArn": f"arn:aws:iam::444455556666:role/{'x' * 64}",
        "Regions": ", ".join(REGIONS),
        "ExcludedRegions": excluded,
        "RegionScope": "WithRepositories",
        "OnRegionFailure": "Report",
        "DeleteConnections": "Account",
    }
    settings, problems = parse(properties)
    assert problems == []
    return State(
        settings=settings.properties,
        connections={region: identifier(region) for region in REGIONS},
        unfinished=frozenset(REGIONS),
        unconfirmed=True,
        doubtful=frozenset(REGIONS),
        cloud="us-gov-1",
        run=Run(f"Create:{identifier('run')}", MOMENT, tuple(REGIONS), "2026-11-23T01:02:03+00:00", cancelled=True),
        handled=tuple((identifier(str(n)), "failed" if n < 3 else "x" * 240) for n in range(4)),
        deleted=identifier("deleted"),
        version=100_000,
    )


text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('{{{}}}$\\"'), max_size=20)
regions = st.sampled_from(REGIONS[:6]) | text
runs = st.builds(
    Run,
    request=text,
    until=st.integers(0, 2**40).map(float),
    creating=st.lists(regions, unique=True, max_size=4).map(tuple),
    since=text,
    cancelled=st.booleans(),
)
states = st.builds(
    State,
    settings=st.none() | st.dictionaries(text, text, max_size=4),
    connections=st.dictionaries(regions, text, max_size=5),
    unfinished=st.frozensets(regions, max_size=5),
    unconfirmed=st.booleans(),
    doubtful=st.frozensets(regions, max_size=5),
    cloud=text,
    run=st.none() | runs,
    handled=st.lists(st.tuples(text, text), max_size=4).map(tuple),
    deleted=text,
    version=st.integers(0, 10**6),
)


@given(states, text)
def test_what_is_written_is_read_again(state: State, by: str) -> None:
    written = render_state(state, by)

    assert parse_state(written, 7) == state
    assert parse_state(written, 7).version == 7


@given(states, text)
def test_parameter_store_never_sees_a_reference(state: State, by: str) -> None:
    written = render_state(state, by)

    assert "{{" not in written
    assert written.isascii()
    assert written.isprintable()


@pytest.mark.parametrize("hostile", ["{{resolve:ssm:/secret}}", "{{ssm:name}}", "{{{{", "a\\{{b}}", '"{{"'])
def test_a_reference_in_somebody_elses_words_is_kept_as_words(hostile: str) -> None:
    state = State(settings={"ExternalId": hostile}, handled=(("request", hostile),), cloud=hostile)
    written = render_state(state)

    assert "{{" not in written
    assert parse_state(written, 1) == state


@given(states)
def test_the_same_state_is_the_same_text_unless_somebody_else_writes_it(state: State) -> None:
    again = parse_state(render_state(state, "one"), state.version)

    assert render_state(again, "one") == render_state(state, "one")
    assert render_state(again, "two") != render_state(state, "one")


def test_the_largest_account_fits_a_standard_parameter() -> None:
    state = largest()
    written = render_state(state, by="0123abcd")

    assert len(REGIONS) == 36
    assert len(written) < LARGEST_STATE == 4096
    assert parse_state(written, state.version) == state


def test_a_state_that_does_not_fit_is_refused_before_it_is_sent() -> None:
    state = State(handled=(("request", "x" * LARGEST_STATE),))

    with pytest.raises(StateError, match=r"would be \d+ characters; a parameter holds 4096"):
        render_state(state)


def test_a_region_that_is_connected_is_written_out_once() -> None:
    state = State(connections={"eu-west-1": "id"}, unfinished=frozenset({"eu-west-1", "us-east-1"}))
    written = render_state(state)

    assert written.count("eu-west-1") == 1
    assert json.loads(written)["unfinished"] == [0, "us-east-1"]


def test_names_are_read_wherever_places_are() -> None:
    stored = {
        "settings": None,
        "connections": {"eu-west-1": "id"},
        "unfinished": ["eu-west-1"],
        "doubtful": ["eu-west-1", "us-east-1"],
        "run": {"request": "Create:1", "until": 5, "creating": ["us-east-1"], "since": ""},
    }
    state = parse_state(json.dumps(stored), 1)

    assert state.unfinished == {"eu-west-1"}
    assert state.doubtful == {"eu-west-1", "us-east-1"}
    assert state.run == Run("Create:1", 5.0, ("us-east-1",))


def test_what_the_template_writes_is_the_state_of_a_new_stack() -> None:
    assert parse_state("{}", 1) == State()


def test_a_new_stack_has_applied_nothing() -> None:
    with pytest.raises(StateError, match="has not applied anything yet"):
        applied(State())
    assert applied(State(settings={})) == {}


RUN: Mapping[str, Any] = {"request": "Create:1", "until": 5, "creating": [], "since": ""}
NOT_OURS: list[str] = [
    "", " ", "null", "[]", '"text"', "5", "true", "{", '{"settings":', "[" * 100_000, '{"a":' * 50_000,
    *map(
        json.dumps,
        (
            {"settings": []}, {"settings": "text"}, {"settings": {"Regions": None}}, {"settings": {"Regions": ["a"]}},
            {"connections": []}, {"connections": None}, {"connections": {"eu-west-1": 5}},
            {"unfinished": 5}, {"unfinished": [None]}, {"unfinished": [["a"]]}, {"unfinished": [0]},
            {"doubtful": [{}]}, {"doubtful": [1.5]}, {"connections": {"eu-west-1": "id"}, "doubtful": [1]},
            {"run": []}, {"run": {}}, {"run": "text"}, {"run": {**RUN, "until": "soon"}},
            {"run": {**RUN, "until": None}},
            {"run": {**RUN, "until": float("inf")}}, {"run": {**RUN, "until": float("nan")}},
            {"run": {**RUN, "until": 10**400}}, {"run": {**RUN, "creating": 5}}, {"run": {**RUN, "creating": [None]}},
            {"handled": 5}, {"handled": ["request"]}, {"handled": [["a", "b", "c"]]},
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("stored", NOT_OURS, ids=lambda stored: stored[:40])
def test_what_this_package_did_not_write_is_refused_with_the_way_out(stored: str) -> None:
    with pytest.raises(StateError, match=r"set its value to \{\} and update the stack"):
        parse_state(stored, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["format", "settings", "connections", "unfinished", "doubtful", "run", "handled", "deleted", "cloud"]


@given(json_values | st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_json_it_is_it_is_a_state_that_can_be_written_or_an_error_of_ours(stored: Any) -> None:
    try:
        state = parse_state(json.dumps(stored), 1)
    except StateError:
        return

    assert parse_state(render_state(state), 1) == state


@pytest.mark.parametrize("written_by", [2, 0, "1", "\x1b[31mlater", None, [1]])
def test_another_format_is_refused_and_asks_for_the_package_that_wrote_it(written_by: Any) -> None:
    with pytest.raises(StateError, match="written by a newer package: set S3Key") as refusal:
        parse_state(json.dumps({"format": written_by, "settings": {}}), 1)

    assert str(refusal.value).isprintable()


def test_a_long_format_is_not_repeated_whole() -> None:
    with pytest.raises(StateError) as refusal:
        parse_state(json.dumps({"format": "x" * 5000}), 1)

    assert len(str(refusal.value)) < 150


# Several writers


def written(*over: int | None) -> dict[int, str]:
    """Return the texts of a parameter's versions, by which version the writer of each had read; None does not say."""
    return {
        version: json.dumps({"by": version} if read is None else {"by": version, "over": read})
        for version, read in enumerate(over, start=1)
    }


@pytest.mark.parametrize(
    ("over", "stands"),
    [
        pytest.param([None], 1, id="the template's own value"),
        pytest.param([None, 1, 2, 3], 4, id="one after the other"),
        pytest.param([None, 1, 1], 2, id="two over the same: the first"),
        pytest.param([None, 1, 1, 1], 2, id="three over the same: the first"),
        pytest.param([None, 1, 1, 2], 4, id="over the one that stands"),
        pytest.param([None, 1, 1, 2, 1], 4, id="late, over what stood long ago"),
        pytest.param([None, 1, 1, 2, 2], 4, id="two pairs"),
        pytest.param([None, 1, 1, None], 4, id="a person, after two over the same"),
    ],
)
def test_of_several_texts_over_the_same_one_the_first_stands(over: list[int | None], stands: int) -> None:
    texts = written(*over)

    assert standing(texts[len(texts)], len(texts), texts.__getitem__) == (texts[stands], stands)


@given(st.lists(st.tuples(st.sampled_from(["read", "write", "person"]), st.integers(0, 3)), max_size=12))
def test_a_write_counts_if_and_only_if_nobody_wrote_since_its_writer_read(events: list[tuple[str, int]]) -> None:
    over: list[int | None] = [None]
    stands = 1
    read = dict.fromkeys(range(4), 1)
    for event, writer in events:
        if event == "read":
            read[writer] = stands
        else:
            over.append(None if event == "person" else read[writer])
            counts = event == "person" or read[writer] == stands
            stands = read[writer] = len(over) if counts else stands  # who was late looks again
    texts = written(*over)

    assert standing(texts[len(texts)], len(texts), texts.__getitem__) == (texts[stands], stands)


@pytest.mark.parametrize("said", ["9", 9, 2, -1, None, [1], 1.0])
def test_a_writer_who_says_nonsense_had_read_the_version_before(said: Any) -> None:
    texts = {1: "{}", 2: json.dumps({"over": said})}

    assert standing(texts[2], 2, texts.__getitem__) == (texts[2], 2)
