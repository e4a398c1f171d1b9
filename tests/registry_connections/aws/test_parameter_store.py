"""The record in Parameter Store: what is sent, which of several writes stands, and what is waited for."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_connections.aws.calls import FRESH_POLICY_SECONDS, FreshPolicy
from registry_connections.aws.parameter_store import WAITS, ParameterStore, render, resolve_writes
from registry_connections.core.errors import RecordChangedError, RecordError
from registry_connections.core.record import Applied, Record
from tests.registry_connections.fakes import Effect, FakeSsm, Fault, Journal, Parameters, VirtualClock, client_error
from tests.registry_connections.samples import EAST, managing

NAME = "/falcon-ecr/1a2b3c4d"
READ = "The stack's record in Parameter Store cannot be read"
WRITE = "The stack's record in Parameter Store cannot be written"


@dataclass
class Ssm:
    """Keeps what it was sent, refuses calls with the codes of `refusals`, and lets others write before a put."""

    inner: FakeSsm
    sent: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    before_put: Callable[[], object] = lambda: None

    def get_parameter(self, **arguments: Any) -> dict[str, Any]:
        self._take(arguments)
        return self.inner.get_parameter(**arguments)

    def put_parameter(self, **arguments: Any) -> dict[str, int]:
        self._take(arguments)
        before, self.before_put = self.before_put, lambda: None
        before()
        return self.inner.put_parameter(**arguments)

    def delete_parameter(self, **arguments: Any) -> None:
        self._take(arguments)
        self.inner.delete_parameter(**arguments)

    def _take(self, arguments: dict[str, Any]) -> None:
        self.sent.append(arguments)
        if self.refusals and (code := self.refusals.pop(0)):
            raise client_error(code)


class Bench:
    """One parameter, and one writer of it."""

    def __init__(self, *texts: str) -> None:
        self.clock = VirtualClock()
        self.parameters = Parameters(list(texts))
        self.journal = Journal(self.clock, latency=0)
        self.ssm = Ssm(FakeSsm(self.parameters, self.journal))
        self.store = ParameterStore(lambda: self.ssm, NAME, FreshPolicy(0), self.clock.sleep)

    def strike(self, operation: str, effect: Effect, times: int = 1) -> None:
        self.journal.faults.append(Fault(operation, effect, times=times))


def written(cloud: str, base: int) -> str:
    """Return the text of a record that somebody wrote who had read that version."""
    return render(Record(cloud=cloud, version=base), by="somebody")


# Read


def test_without_a_parameter_there_is_no_record() -> None:
    assert Bench().store.load() is None


def test_the_record_is_read_with_its_version() -> None:
    bench = Bench(written("us-1", 0), written("eu-1", 1))
    record = bench.store.load()

    assert record == Record(cloud="eu-1")
    assert record
    assert record.version == 2
    assert bench.ssm.sent == [{"Name": NAME}]


@pytest.mark.parametrize("text", ["falcon", "", "[" * 100_000, "{}", '{"format": 1}'])
def test_a_text_that_somebody_else_wrote_is_no_record_but_dirty_and_says_so(text: str) -> None:
    record = Bench(written("us-1", 0), text).store.load()

    assert record
    assert (record.dirty, record.version, record.applied) == (True, 2, None)
    assert record.unreadable.startswith("The stack's record cannot be used: ")


def test_a_record_that_cannot_be_read_says_why() -> None:
    bench = Bench()
    bench.ssm.refusals = ["AccessDeniedException"]
    with pytest.raises(RecordError) as caught:
        bench.store.load()

    assert str(caught.value) == f"{READ}: AccessDeniedException."


def test_a_response_that_aws_does_not_document_is_an_error_of_ours() -> None:
    bench = Bench("{}")
    bench.ssm.get_parameter = lambda **_: {"Parameter": {}}  # type: ignore[method-assign]
    with pytest.raises(RecordError, match=f"{READ}: AWS's response cannot be understood"):
        bench.store.load()


# Write


def test_a_record_is_written_with_the_version_that_it_was_read_with() -> None:
    bench = Bench(written("us-1", 0))
    record = bench.store.load()
    assert record
    now = bench.store.swap(replace(record, cloud="eu-1"))
    sent = bench.ssm.sent[-1]
    text = json.loads(sent["Value"])

    assert now == Record(cloud="eu-1")
    assert now.version == 2
    assert {name: sent[name] for name in sent if name != "Value"} == {
        "Name": NAME, "Type": "String", "Overwrite": True
    }  # fmt: skip
    assert text == {"format": 2, "cloud": "eu-1", "last": [[], []], "base": 1, "by": text["by"]}
    assert len(text["by"]) == 8


def test_two_writers_never_write_the_same_text() -> None:
    one, other = Bench(), Bench()
    one.store.swap(Record())
    other.store.swap(Record())

    assert one.parameters.versions != other.parameters.versions


def test_a_write_that_costs_nobody_anything_is_one_call() -> None:
    bench = Bench()
    bench.store.swap(Record())

    assert bench.journal.calls == [("put", "")]


@pytest.mark.parametrize("start", [[], [written("us-1", 0)]], ids=["first", "later"])
def test_a_race_that_is_lost_is_noticed_by_the_version_and_the_winners_text_stands(start: list[str]) -> None:
    bench = Bench(*start)
    base = len(start)
    bench.ssm.before_put = lambda: bench.parameters.versions.append(written("eu-1", base))
    with pytest.raises(RecordChangedError, match=r"^another run of this function wrote the stack's record meanwhile$"):
        bench.store.swap(Record(cloud="us-2", version=base))

    found = bench.store.load()
    assert found
    assert (found.cloud, found.version) == ("eu-1", base + 1)


def test_after_a_lost_race_the_next_write_of_either_stands() -> None:
    bench = Bench(written("us-1", 0), written("eu-1", 1), written("us-2", 1))
    record = bench.store.load()
    assert record
    bench.store.swap(replace(record, cloud="us-3"))

    assert bench.parameters.record == Record(cloud="us-3")
    assert bench.parameters.record.version == 4


def test_an_own_text_that_was_sent_twice_is_no_lost_race() -> None:
    bench = Bench()
    bench.strike("put", Effect.REPEATED)
    now = bench.store.swap(bench.store.swap(Record(cloud="us-1")))

    assert (now.cloud, now.version) == ("us-1", 3)


def test_a_write_whose_response_was_lost_is_looked_up() -> None:
    bench = Bench(written("us-1", 0))
    bench.strike("put", Effect.LOST)

    assert bench.store.swap(Record(cloud="us-2", version=1)).version == 2
    assert bench.parameters.record.cloud == "us-2"


def test_a_write_whose_response_was_lost_after_a_lost_race_is_lost() -> None:
    bench = Bench(written("us-1", 0))
    bench.strike("put", Effect.LOST)
    bench.ssm.before_put = lambda: bench.parameters.versions.append(written("eu-1", 1))
    with pytest.raises(RecordChangedError):
        bench.store.swap(Record(cloud="us-2", version=1))


def test_a_refused_write_over_which_somebody_else_wrote_is_a_lost_race() -> None:
    bench = Bench(written("us-1", 0), written("eu-1", 1))
    bench.strike("put", Effect.REFUSED)
    with pytest.raises(RecordChangedError):
        bench.store.swap(Record(cloud="us-2", version=1))


@pytest.mark.parametrize("unreadable", [False, True])
@pytest.mark.parametrize("start", [[], [written("us-1", 0)]], ids=["first", "later"])
def test_a_write_that_was_refused_says_why(start: list[str], *, unreadable: bool) -> None:
    bench = Bench(*start)
    bench.strike("put", Effect.REFUSED)
    if unreadable:
        bench.strike("get", Effect.REFUSED)
    with pytest.raises(RecordError) as caught:
        bench.store.swap(Record(cloud="us-2", version=len(start)))

    assert str(caught.value) == f"{WRITE}: InternalServerError."
    assert bench.parameters.versions == start


@pytest.mark.parametrize("base", [1, 3])
def test_a_record_that_was_deleted_meanwhile_is_not_made_again(base: int) -> None:
    bench = Bench()
    with pytest.raises(RecordChangedError, match=r"^the stack's record was deleted meanwhile$"):
        bench.store.swap(Record(version=base))

    assert bench.parameters.versions == []


def test_a_write_whose_race_cannot_be_judged_is_not_taken_for_a_success() -> None:
    bench = Bench(written("us-1", 0))
    bench.strike("put", Effect.REPEATED)
    bench.strike("get", Effect.REFUSED)
    with pytest.raises(RecordError, match=READ):
        bench.store.swap(Record(cloud="us-2", version=1))


# Waits


@pytest.mark.parametrize("code", sorted(WAITS))
def test_what_parameter_store_has_not_caught_up_with_is_waited_for(code: str) -> None:
    bench = Bench(written("us-1", 0))
    bench.ssm.refusals = [code] * 8

    assert bench.store.swap(Record(version=1)).version == 2
    assert bench.clock.now == 4.0


def test_what_does_not_pass_in_seconds_is_an_error() -> None:
    bench = Bench()
    bench.ssm.refusals = ["TooManyUpdates"] * 9
    with pytest.raises(RecordError) as caught:
        bench.store.load()

    assert str(caught.value) == f"{READ}: TooManyUpdates."
    assert len(bench.ssm.sent) == 9


def test_what_is_not_a_wait_is_not_tried_again() -> None:
    bench = Bench()
    bench.ssm.refusals = ["ValidationException", ""]
    with pytest.raises(RecordError):
        bench.store.load()

    assert (len(bench.ssm.sent), bench.clock.now) == (1, 0)


def test_an_earlier_version_that_cannot_be_read_yet_is_waited_for() -> None:
    bench = Bench(written("us-1", 0), written("eu-1", 1), written("us-2", 1))
    bench.ssm.refusals = ["", "ParameterVersionNotFound"]
    record = bench.store.load()

    assert record
    assert record.cloud == "eu-1"
    assert [sent["Name"] for sent in bench.ssm.sent] == [NAME, f"{NAME}:2", f"{NAME}:2"]


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
def test_a_fresh_policy_is_waited_for_in_every_call(code: str) -> None:
    bench = Bench(written("us-1", 0))
    access = FreshPolicy(FRESH_POLICY_SECONDS, bench.clock, bench.clock.sleep)
    store = replace(bench.store, access=access)
    for call in (store.load, lambda: store.swap(Record(version=1)), store.delete):
        bench.ssm.refusals = [code] * 10
        call()

    assert bench.clock.now > 60


# Delete


def test_a_record_is_deleted_once_or_found_gone() -> None:
    bench = Bench(written("us-1", 0))
    bench.store.delete()
    bench.store.delete()

    assert bench.store.load() is None
    assert bench.ssm.sent[:2] == [{"Name": NAME}] * 2


def test_a_record_that_cannot_be_deleted_says_why() -> None:
    bench = Bench(written("us-1", 0))
    bench.strike("delete_parameter", Effect.REFUSED)
    with pytest.raises(RecordError, match=f"{WRITE}: InternalServerError"):
        bench.store.delete()


# The text, and which one stands


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
    assert bench.ssm.sent == []


def test_the_text_is_compact_and_holds_nothing_that_parameter_store_takes_for_a_reference() -> None:
    text = render(managing(EAST, cloud="{{ssm:x}}", version=3), by="me")

    assert "{\\u007bssm:x}}" in text
    assert ": " not in text
    assert json.loads(text)["cloud"] == "{{ssm:x}}"
    assert render(managing(EAST, version=3), by="me") == (
        '{"format":2,"applied":{"choices":{},"digest":""},"connections":{"us-east-1":"id-us-east-1"},'
        '"last":[[],[]],"base":3,"by":"me"}'
    )


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


@pytest.mark.parametrize("base", [None, "1", 1.5, -1, 2, 3, [1], {}])
def test_a_writer_whose_base_makes_no_sense_counts_as_one_who_had_read_the_latest(base: object) -> None:
    text = json.dumps({"base": base})

    assert resolve_writes(text, 2, lambda _: "{}") == (text, 2)


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "{}", "{", "[" * 100_000])
def test_a_text_of_a_person_stands(text: str) -> None:
    assert resolve_writes(text, 7, lambda _: "{}") == (text, 7)
