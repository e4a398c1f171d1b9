"""The record in Parameter Store: what is sent, which of several writes stands, and what is waited for."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.aws.calls import FRESH_POLICY_SECONDS, FreshPolicy
from registry_connections.aws.parameter_store import ParameterStore, render, resolve_writes
from registry_connections.core.errors import RecordChangedError, RecordError
from registry_connections.core.record import Applied, Record
from tests.registry_connections.fakes import Effect, FakeSsm, Fault, Journal, Parameters, VirtualClock, client_error
from tests.registry_connections.samples import EAST, managing

NAME = "/falcon-ecr/1a2b3c4d"
READ = "The stack's record in Parameter Store cannot be read"
WRITE = "The stack's record in Parameter Store cannot be written"
ISE = "InternalServerError"
RACE = "another run of this function wrote the stack's record meanwhile"
DELETED = "the stack's record was deleted meanwhile"


class Bench:
    """One parameter and one writer of it. `outcomes` are those of its next calls: an error's code, an effect, or none.

    `meanwhile` is what somebody else writes just before its first write.
    """

    def __init__(self, *texts: str, outcomes: Sequence[str | Effect] = (), meanwhile: Sequence[str] = ()) -> None:
        self.clock, self.parameters = VirtualClock(), Parameters(list(texts))
        self.sent: list[dict[str, Any]] = []
        self.outcomes, self.meanwhile = list(outcomes), list(meanwhile)
        self.store = ParameterStore(lambda: self, NAME, FreshPolicy(0), self.clock.sleep)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Return an operation of a client of SSM."""

        def call(**arguments: Any) -> Any:
            self.sent.append(arguments)
            outcome = self.outcomes.pop(0) if self.outcomes else ""
            if outcome and not isinstance(outcome, Effect):
                raise client_error(outcome)
            if operation == "put_parameter":
                self.parameters.versions += self.meanwhile
                self.meanwhile.clear()
            faults = [Fault("*", outcome)] if isinstance(outcome, Effect) else []
            return getattr(FakeSsm(self.parameters, Journal(self.clock, faults, latency=0)), operation)(**arguments)

        return call


def written(cloud: str, base: int) -> str:
    """Return the text of a record that somebody wrote who had read that version."""
    return render(Record(cloud=cloud, version=base), by="somebody")


FIRST = written("us-1", 0)
LATER = written("eu-1", 1)
LOSER = written("us-3", 1)


@pytest.mark.parametrize("text", ["falcon", "", "[" * 100_000, "{}", '{"format": 1}'])
def test_a_text_that_somebody_else_wrote_is_no_record_but_dirty_and_says_so(text: str) -> None:
    record = Bench(FIRST, text).store.load()

    assert record
    assert (record.dirty, record.version, record.applied) == (True, 2, None)
    assert record.unreadable.startswith("The stack's record cannot be used: ")


def test_a_record_is_written_with_the_version_that_it_was_read_with() -> None:
    bench = Bench(FIRST, LATER)
    record = bench.store.load()
    assert record == Record(cloud="eu-1")
    now = bench.store.swap(replace(record, cloud="eu-2"))
    read, put = map(dict, bench.sent)
    text = json.loads(put.pop("Value"))

    assert (record.version, now, now.version) == (2, Record(cloud="eu-2"), 3)
    assert read == {"Name": NAME}
    assert put == {"Name": NAME, "Type": "String", "Overwrite": True}
    assert text == {"format": 2, "cloud": "eu-2", "last": [[], []], "base": 2, "by": text["by"]}
    assert len(text["by"]) == 8
    bench.store.swap(now)
    assert json.loads(bench.sent[-1]["Value"])["by"] != text["by"]  # each writer's text is its own


@pytest.mark.parametrize(
    ("start", "base", "outcomes", "version"),
    [
        ([], 0, ["", ISE], 1),  # one call, and no other
        ([FIRST], 1, ["", ISE], 2),
        ([], 0, [Effect.REPEATED], 1),  # an own text that was sent twice is no lost race
        ([FIRST], 1, [Effect.REPEATED], 2),
        ([FIRST], 1, [Effect.LOST], 2),
        ([FIRST, LATER, LOSER], 2, [], 4),
    ],
)
def test_a_write_stands_over_what_was_loaded(start: list[str], base: int, outcomes: list[str], version: int) -> None:
    bench = Bench(*start, outcomes=outcomes)
    now = bench.store.swap(Record(cloud="us-2", version=base))
    bench.outcomes.clear()

    assert (now.version, bench.parameters.record) == (version, Record(cloud="us-2"))
    assert {sent["Name"].partition(":")[0] for sent in bench.sent} == {NAME}
    assert bench.store.swap(now).version == len(bench.parameters.versions)


@pytest.mark.parametrize(
    ("start", "base", "outcomes", "meanwhile", "told"),
    [
        ([], 0, [], [written("eu-1", 0)], RACE),
        ([FIRST], 1, [], [LATER], RACE),
        ([FIRST], 1, [Effect.LOST], [LATER], RACE),
        ([FIRST, LATER], 1, [ISE], [], RACE),
        *(([], base, outcomes, [], DELETED) for base in (1, 3) for outcomes in ([], [Effect.LOST])),
        *(([], 0, [ISE] * times, [], f"{WRITE}: {ISE}.") for times in (1, 2)),  # the second: it cannot be looked up
        *(([FIRST], 1, [ISE] * times, [], f"{WRITE}: {ISE}.") for times in (1, 2)),
        ([FIRST], 1, [Effect.REPEATED, ISE], [], f"{READ}: {ISE}."),  # a race that cannot be judged is no success
    ],
)
def test_a_write_that_does_not_stand_says_why(
    start: list[str], base: int, outcomes: list[str], meanwhile: list[str], told: str
) -> None:
    bench = Bench(*start, outcomes=outcomes, meanwhile=meanwhile)
    with pytest.raises(RecordChangedError if told in {RACE, DELETED} else RecordError) as caught:
        bench.store.swap(Record(cloud="us-2", version=base))

    assert str(caught.value) == told
    if told == RACE:
        assert bench.parameters.record == Record(cloud="eu-1")
    elif READ not in told:
        assert bench.parameters.versions == start


@pytest.mark.parametrize(
    ("code", "times", "calls", "seconds"),
    [
        *((code, 8, 9, 4) for code in ("TooManyUpdates", "ParameterVersionNotFound", "ThrottlingException")),
        ("TooManyUpdates", 9, 9, 4),
        *((code, 1, 1, 0) for code in ("ValidationException", "AccessDenied")),
    ],
)
def test_only_what_parameter_store_lags_behind_is_waited_for(code: str, times: int, calls: int, seconds: float) -> None:
    bench = Bench(FIRST, outcomes=[code] * times)
    passes = calls > times
    with nullcontext() if passes else pytest.raises(RecordError, match=f"^{READ}: {code}.$"):
        assert bench.store.load() == Record(cloud="us-1")

    assert (len(bench.sent), bench.clock.now) == (calls, seconds)


def test_a_fresh_policy_is_waited_for_in_every_call() -> None:
    bench = Bench(FIRST)
    store = replace(bench.store, access=FreshPolicy(FRESH_POLICY_SECONDS, bench.clock, bench.clock.sleep))
    for call in (store.load, lambda: store.swap(Record(version=1)), store.delete):
        bench.outcomes = ["AccessDeniedException"] * 10
        call()

    assert bench.clock.now > 60


def test_a_record_is_deleted_or_found_gone_or_says_why_it_is_not() -> None:
    bench = Bench(FIRST, outcomes=[ISE])
    with pytest.raises(RecordError) as caught:
        bench.store.delete()
    bench.store.delete()
    bench.store.delete()

    assert str(caught.value) == f"{WRITE}: {ISE}."
    assert bench.sent == [{"Name": NAME}] * 3
    assert bench.store.load() is None


def sized(room: int) -> Record:
    """Return a record whose text is so many characters short of what a parameter holds."""
    empty = len(render(Record(Applied({"Regions": ""}, "d"), version=5), by="12345678"))
    return Record(Applied({"Regions": "x" * (4096 - room - empty)}, "d"), version=5)


def test_a_record_that_does_not_fit_is_refused_before_anything_is_sent() -> None:
    bench = Bench()
    assert len(render(sized(0), by="12345678")) == 4096
    with pytest.raises(RecordError) as caught:
        bench.store.swap(sized(-1))

    assert str(caught.value) == "The stack's record would be 4097 characters; a parameter holds 4096."
    assert bench.sent == []


def test_the_text_is_compact_and_holds_nothing_that_parameter_store_takes_for_a_reference() -> None:
    text = render(managing(EAST, cloud="{{ssm:x}}", version=3), by="me")

    assert text == (
        '{"format":2,"applied":{"choices":{},"digest":""},"connections":{"us-east-1":"id-us-east-1"},'
        '"cloud":"{\\u007bssm:x}}","last":[[],[]],"base":3,"by":"me"}'
    )
    assert json.loads(text)["cloud"] == "{{ssm:x}}"


@given(st.lists(st.integers(0, 4) | st.none(), min_size=1, max_size=12))
def test_law_of_several_texts_over_the_same_version_the_first_stands(writers: list[int | None]) -> None:
    """A writer had read the version that stood some writes ago; one who does not say had read the latest."""
    texts: list[str] = []
    stood = [0]
    for number, writer in enumerate(writers):
        base = number if writer is None else stood[max(len(stood) - 1 - writer, 0)]
        texts.append("{}" if writer is None else json.dumps({"base": base, "number": number}))
        version = number + 1
        stood.append(version if base == stood[-1] or writer is None else stood[-1])

    def text_at(version: int) -> str:
        assert 0 < version <= len(texts)
        return texts[version - 1]

    assert resolve_writes(texts[-1], len(texts), text_at) == (texts[stood[-1] - 1], stood[-1])


NO_BASES: list[Any] = [None, "1", 1.5, -1, 2, 3, [1], {}]


@pytest.mark.parametrize(
    "text", [*(json.dumps({"base": base}) for base in NO_BASES), "", "[]", "5", "null", "{}", "{", "[" * 100_000]
)
def test_a_writer_whose_base_makes_no_sense_counts_as_one_who_had_read_the_latest(text: str) -> None:
    assert resolve_writes(text, 2, lambda _: "{}") == (text, 2)
