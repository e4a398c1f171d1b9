"""Who goes first, who waits, who is told that it was cancelled, and which requests were answered already."""

from dataclasses import replace

import pytest

from registry_connections.errors import DeadlineError, RegistrationError, StateChangedError, StateMissingError
from registry_connections.model import Deadline, Settings
from registry_connections.state import Run, State
from registry_connections.turns import REMEMBERED, Kind, Request, Turns, confirm, remember, was_superseded
from tests.fakes import Clock, FakeAccount, Journal, Parameter

SETTINGS = Settings("111122223333", "aws", "amazonaws.com", "role", "external")


class Scene:
    """One state parameter, one function's view of it, and time that passes only in sleep."""

    def __init__(self, state: State | None = None) -> None:
        self.clock = Clock()
        self.parameter = Parameter()
        self.account = FakeAccount(self.parameter, Journal(self.clock, latency=0))
        self.turns = Turns(self.account, self.clock.wall, self.clock.sleep)
        if state:
            self.write(state)

    def write(self, state: State) -> None:
        """Write as somebody else does."""
        other = FakeAccount(self.parameter, Journal(Clock(), latency=0))
        other.swap(replace(state, version=self.parameter.version))

    def at_work(self, request: str, seconds: float = 100, *, ends_after: float | None = None) -> "Scene":
        """Let another run be at work, which may end earlier than it must."""
        self.write(State(run=Run(request, self.clock.wall() + seconds, ("eu-west-1",))))
        if ends_after is not None:
            self.clock.on_pass = lambda: self._end(ends_after)
        return self

    def _end(self, moment: float) -> None:
        state = self.parameter.state
        if self.clock.now >= moment and state.run:
            self.write(replace(state, run=None, cloud="ended"))

    def take(self, request: Request, seconds: float = 500) -> State:
        return self.turns.take(request, Deadline(self.clock.now + seconds, self.clock))


def asked(kind: Kind, identifier: str = "id", *, ours: bool = True) -> Request:
    return Request(kind, identifier, SETTINGS, ours=ours)


@pytest.mark.parametrize("kind", Kind)
def test_while_nobody_is_at_work_nobody_waits(kind: Kind) -> None:
    scene = Scene(State(cloud="us-1"))

    assert scene.take(asked(kind)).cloud == "us-1"
    assert scene.clock.now == 0


@pytest.mark.parametrize("kind", Kind)
def test_a_run_whose_time_is_over_keeps_nobody(kind: Kind) -> None:
    scene = Scene().at_work("reconcile:dead", seconds=0)
    scene.take(asked(kind))

    assert scene.clock.now == 0


@pytest.mark.parametrize(
    ("latecomer", "running"),
    [
        (asked(Kind.REPAIR), "Create:first"),
        (asked(Kind.REPAIR), "Update:first"),
        (asked(Kind.REPAIR), "reconcile:first"),
        (asked(Kind.UPDATE), "reconcile:first"),
        (asked(Kind.DELETE), "reconcile:first"),
        (asked(Kind.CREATE), "Create:id"),
        (asked(Kind.UPDATE), "Update:id"),
        (asked(Kind.DELETE, ours=False), "Create:first"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}{'' if value.ours else ' of a launch'}",
)
def test_a_run_that_may_still_write_goes_first(latecomer: Request, running: str) -> None:
    scene = Scene().at_work(running, ends_after=5)

    assert scene.take(latecomer).cloud == "ended"
    assert 5 <= scene.clock.now <= 6


@pytest.mark.parametrize(
    ("latecomer", "running"),
    [
        (asked(Kind.UPDATE), "Create:first"),
        (asked(Kind.UPDATE), "Update:first"),
        (asked(Kind.DELETE), "Create:first"),
        (asked(Kind.DELETE), "Update:first"),
        (asked(Kind.DELETE, ours=False), "Delete:first"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}{'' if value.ours else ' of a launch'}",
)
def test_an_earlier_event_of_cloudformation_is_over_even_if_it_could_not_say_so(
    latecomer: Request, running: str
) -> None:
    """CloudFormation sends the next event only after the answer to the last."""
    scene = Scene().at_work(running)
    scene.take(latecomer)

    assert scene.clock.now == 0


def test_a_delete_of_a_launch_at_work_cancels_it() -> None:
    scene = Scene().at_work("Create:first")
    with pytest.raises(DeadlineError, match=r"another run \(Create:first\) is still at work"):
        scene.take(asked(Kind.DELETE, ours=False), seconds=10)
    run = scene.parameter.state.run

    assert run
    assert run.cancelled
    assert run.creating == ("eu-west-1",)
    assert len(scene.account.journal.made("swap")) == 1


def test_a_cancelled_launch_cannot_record_its_success() -> None:
    scene = Scene()
    create = asked(Kind.CREATE, "first")
    claimed = scene.turns.claim(scene.account.load(), create, Deadline(100, scene.clock), ("eu-west-1",), "")
    with pytest.raises(DeadlineError):
        scene.take(asked(Kind.DELETE, ours=False), seconds=3)

    with pytest.raises(StateChangedError):
        scene.account.swap(replace(claimed, run=None))


def test_a_wait_ends_with_the_deadline_and_names_who_is_at_work() -> None:
    scene = Scene().at_work("Update:first")
    with pytest.raises(DeadlineError, match=r"another run \(Update:first\)"):
        scene.take(asked(Kind.REPAIR), seconds=30)

    assert scene.clock.now <= 30
    assert scene.account.journal.made("swap") == []


def test_an_update_makes_up_for_a_state_that_is_missing() -> None:
    scene = Scene()
    scene.parameter.text = None

    assert scene.take(asked(Kind.UPDATE)) == State()


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.DELETE, Kind.REPAIR])
def test_nobody_else_makes_up_for_a_state_that_is_missing(kind: Kind) -> None:
    scene = Scene()
    scene.parameter.text = None
    with pytest.raises(StateMissingError):
        scene.take(asked(kind))


def test_a_claim_says_who_is_at_work_until_when_and_where() -> None:
    scene = Scene()
    scene.clock.now = 7
    scene.turns.claim(scene.account.load(), asked(Kind.CREATE), Deadline(100, scene.clock), ("eu-west-1",), "then")

    assert scene.parameter.state.run == Run("Create:id", scene.clock.wall() + 93, ("eu-west-1",), "then")


def test_of_two_that_claim_at_once_one_goes_first() -> None:
    scene = Scene()
    seen = scene.account.load()
    scene.turns.claim(seen, asked(Kind.REPAIR, "one"), Deadline(100, scene.clock), (), "")

    with pytest.raises(StateChangedError):
        scene.turns.claim(seen, asked(Kind.REPAIR, "two"), Deadline(100, scene.clock), (), "")


# What was answered


def test_the_last_requests_are_remembered_and_the_reason_of_the_latest() -> None:
    state = State()
    for number in range(REMEMBERED + 2):
        state = remember(state, asked(Kind.UPDATE, f"id-{number}"), f"reason {number}")
    *earlier, latest = state.handled

    assert [name for name, _ in state.handled] == ["id-2", "id-3", "id-4", "id-5"]
    assert {reason for _, reason in earlier} == {"failed"}
    assert latest == ("id-5", "reason 5")


def test_a_success_is_remembered_as_one() -> None:
    state = remember(remember(State(), asked(Kind.CREATE, "one"), ""), asked(Kind.UPDATE, "two"), "")

    assert state.handled == (("one", ""), ("two", ""))


def test_a_latecomeris_remembered_once_with_its_last_reason() -> None:
    state = remember(remember(State(), asked(Kind.CREATE), "refused"), asked(Kind.CREATE), "")

    assert state.handled == (("id", ""),)


def test_a_repair_is_not_remembered() -> None:
    assert remember(State(), asked(Kind.REPAIR), "refused") == State()


def test_a_latecomerthat_was_never_answered_is_not_superseded() -> None:
    assert not was_superseded(State(handled=(("other", ""),)), asked(Kind.UPDATE))


def test_a_duplicate_of_the_latest_success_is_done_again() -> None:
    assert not was_superseded(State(handled=(("other", ""), ("id", ""))), asked(Kind.UPDATE))


def test_a_late_duplicate_of_an_earlier_success_is_superseded() -> None:
    assert was_superseded(State(handled=(("id", ""), ("other", ""))), asked(Kind.CREATE))


@pytest.mark.parametrize("handled", [(("id", "refused"),), (("id", "refused"), ("other", ""))])
def test_a_duplicate_of_a_failure_fails_for_the_same_reason(handled: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(RegistrationError, match=r"^refused$"):
        was_superseded(State(handled=handled), asked(Kind.CREATE))


# Confirming


LAUNCHED = State(settings={}, connections={"eu-west-1": "id-1"}, unfinished=frozenset({"eu-west-1"}), unconfirmed=True)


def test_a_launch_whose_answer_was_taken_is_finished() -> None:
    scene = Scene(replace(LAUNCHED, handled=(("id", ""),)))
    confirm(scene.account, "id")
    state = scene.parameter.state

    assert (state.unconfirmed, state.unfinished) == (False, frozenset())
    assert state.connections == {"eu-west-1": "id-1"}


@pytest.mark.parametrize(
    "state",
    [
        replace(LAUNCHED, handled=(("other", ""),)),
        replace(LAUNCHED, handled=(("id", ""), ("other", ""))),
        replace(LAUNCHED, handled=(("id", "refused"),)),
        replace(LAUNCHED, handled=()),
        replace(LAUNCHED, handled=(("id", ""),), unconfirmed=False, unfinished=frozenset()),
    ],
    ids=["another request", "a later request", "a failure", "none", "confirmed already"],
)
def test_nothing_else_is_confirmed(state: State) -> None:
    scene = Scene(state)
    confirm(scene.account, "id")

    assert scene.parameter.state == state
    assert scene.account.journal.made("swap") == []
