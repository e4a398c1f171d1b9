"""One run at a time: the state tells who is at work, and which requests were answered already.

CloudFormation may deliver an event twice, also at the same time; it deletes a launch that was cancelled while its
Create still runs; and the schedule does not know of stack events. Whoever writes the state first goes first.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from registry_connections.errors import DeadlineError, RegistrationError, StateChangedError, StateMissingError
from registry_connections.model import AccountRegions, Credentials, Deadline, RegionUse, Settings
from registry_connections.state import REPAIR, Run, State

POLL_SECONDS: Final = 1.0
REMEMBERED: Final = 4  # requests, against late duplicates
FORGOTTEN_REASON: Final = "failed"  # of all but the latest: the state is small
CUT_SHORT: Final = "The function was cut short, and CloudFormation went on without its answer."


class Account(Protocol):
    """What this package needs of AWS; `aws.AwsAccount` says what each call raises."""

    def credentials(self) -> Credentials:
        """Return the Falcon credentials."""

    def regions(self) -> AccountRegions:
        """Return the account's Regions."""

    def region_use(self, region: str) -> RegionUse:
        """Return what ECR says of a Region."""

    def load(self) -> State:
        """Return the state."""

    def swap(self, state: State) -> State:
        """Write the state if nobody did since it was loaded."""


class Kind(StrEnum):
    """What is asked for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    REPAIR = REPAIR


@dataclass(frozen=True, slots=True)
class Request:
    """One event. `ours` tells that its physical id is the one that this stack's Create answers with."""

    kind: Kind
    id: str
    settings: Settings
    problems: tuple[str, ...] = ()
    ours: bool = True
    rollout: bool = False  # launched by a StackSet, together with other accounts

    @property
    def run_id(self) -> str:
        """How the state names the run of this request."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True)
class Turns:
    """Access to the state, one run after the other. `sleep` and `wall_clock` are in seconds."""

    account: Account
    wall_clock: Callable[[], float]
    sleep: Callable[[float], None]

    def take(self, request: Request, deadline: Deadline) -> State:
        """Return the state once nobody else is at work on it.

        An update makes up for a state that is missing: what exists is found again when Falcon says that it does.
        A Delete with an id that CloudFormation made up tells a Create that is still at work to undo what it did.
        Raise StateError, or DeadlineError if the other run does not end.
        """
        launch: Run | None = None
        while True:
            state = self._load(request)
            run = state.run
            if run is None or not self._must_wait(request, run):
                return _with_cancelled(state, launch) if launch else state
            if request.kind is Kind.DELETE and not run.cancelled and run.kind == Kind.CREATE:
                launch = run
                with suppress(StateChangedError):  # it ended this very moment: look again
                    self.account.swap(replace(state, run=replace(run, cancelled=True)))
            if deadline.left() <= POLL_SECONDS:
                raise DeadlineError(f"another run ({run.request}) is still at work: try again later")
            self.sleep(POLL_SECONDS)

    def _load(self, request: Request) -> State:
        try:
            return self.account.load()
        except StateMissingError:
            if request.kind is Kind.UPDATE:
                return State()
            raise

    def _must_wait(self, request: Request, run: Run) -> bool:
        """Whether that run goes first.

        CloudFormation sends a resource's next event only after the answer to the last, so a run of an earlier event
        is over even if it could not say so; all but a Create whose Delete has a made-up id.
        """
        if run.until <= self.wall_clock():
            return False
        is_duplicate = run.request == request.run_id
        cancels = request.kind is Kind.DELETE and not request.ours and run.kind == Kind.CREATE
        return is_duplicate or cancels or Kind.REPAIR in {request.kind, run.kind}

    def claim(self, state: State, request: Request, deadline: Deadline, creating: tuple[str, ...], since: str) -> State:
        """Say that this request is at work until the deadline; raise StateChangedError if somebody else went first."""
        until = self.wall_clock() + deadline.left()
        run = Run(request.run_id, until, creating, since)
        return self.account.swap(replace(_with_cut_short(state, request), run=run))


def confirm(account: Account, request_id: str) -> None:
    """Note that CloudFormation took the answer to a launch, which is finished with that; raise AwsError if it cannot.

    Until then a Delete with a made-up id, which is what follows a launch that never answered, undoes it.
    """
    state = account.load()
    if state.unconfirmed and state.run is None and state.handled[-1:] == ((request_id, ""),):
        account.swap(replace(state, unconfirmed=False, unfinished=frozenset()))


def _with_cancelled(state: State, launch: Run) -> State:
    """Return the state for a Delete that found this launch at work: whatever the launch answered since came too late.

    If it succeeded, and was even told that its answer was taken, what it made is found as after one that was cut short.
    """
    if state.settings is None or state.unconfirmed:
        return state
    made = Run(launch.request, 0, launch.creating, launch.since)
    return replace(state, settings=None, connections={}, unfinished=frozenset(), doubtful=frozenset(), run=made)


def remember(state: State, request: Request, reason: str) -> State:
    """Return the state with this request among those that were answered."""
    if request.kind is Kind.REPAIR:
        return state
    return _with_handled(_with_cut_short(state, request), request.id, reason)


def _with_cut_short(state: State, request: Request) -> State:
    """Return the state with the event whose run this request finds cut short among those that failed.

    CloudFormation has given it up: a late duplicate of it must not be done on top of what came after.
    """
    run, known = state.run, {request.id, *(name for name, _ in state.handled)}
    if run is None or run.kind == Kind.REPAIR or run.event in known:
        return state
    return _with_handled(state, run.event, CUT_SHORT)


def _with_handled(state: State, event: str, reason: str) -> State:
    earlier = [(name, why and FORGOTTEN_REASON) for name, why in state.handled if name != event]
    return replace(state, handled=(*earlier[1 - REMEMBERED :], (event, reason)))


def was_superseded(state: State, request: Request) -> bool:
    """Whether this is a late duplicate of a request that was answered; raise its failure if it failed.

    A duplicate of the latest request that succeeded is simply done again, which changes nothing.
    """
    for position, (name, reason) in enumerate(state.handled, start=1):
        if name == request.id and reason:
            raise RegistrationError(reason)
        if name == request.id and position < len(state.handled):
            return True
    return False
