"""Carries out a plan in Falcon: creates first, then refreshes, then removes, so that being cut short costs no coverage.

It sees Falcon only through the protocol below, and time only through what is passed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from registry_connections.crew import Crew
from registry_connections.errors import (
    ConflictError,
    CredentialError,
    DeadlineError,
    FalconError,
    NotFoundError,
    ScopeError,
    UnansweredError,
    plain,
)
from registry_connections.model import (
    UNSUCCESSFUL,
    Connection,
    Deadline,
    Outcome,
    OutcomeKind,
    Registry,
    RoleGrant,
)
from registry_connections.plan import Action, Create, Keep, Leave, Plan, Refresh, Remove, Why, made_since

UNATTEMPTED: Final = "not attempted: "
PROBE_SECONDS: Final = 10.0
REFRESHED_AS: Final = {Why.ADOPTED: OutcomeKind.ADOPTED, Why.LOST: OutcomeKind.CREATED}
GONE_QUIET: Final = frozenset({0, *range(200, 300), *range(500, 600)})
"""Statuses after which nobody knows whether Falcon did what it was asked."""


class FalconApi(Protocol):
    """What this package needs of a Falcon tenant; `falcon.Falcon` says what each call raises."""

    @property
    def cloud(self) -> str:
        """The cloud, once logged in."""

    @property
    def server_time(self) -> str:
        """Falcon's own clock at the login, RFC 3339."""

    def log_in(self, deadline: Deadline, hint: str = "") -> None:
        """Get a token."""

    def probe(self, deadline: Deadline) -> None:
        """Raise ScopeError if connections may not be read."""

    def create(self, registry: Registry, grant: RoleGrant, deadline: Deadline, patience: float) -> str:
        """Make a connection and return its id."""

    def refresh(
        self, registry: Registry, connection_id: str, grant: RoleGrant, deadline: Deadline, patience: float
    ) -> None:
        """Set the credential and the alias of a connection."""

    def remove(self, connection_id: str, deadline: Deadline) -> None:
        """Remove a connection, or find it gone."""

    def read(self, identifiers: Sequence[str], deadline: Deadline) -> list[Connection]:
        """Return those connections that exist."""

    def list_all(self, deadline: Deadline) -> list[Connection]:
        """Return every connection of the tenant."""


@dataclass
class Applied:
    """What a plan came to: one outcome a Region, which connections it made, and where nobody knows."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)  # Region -> id
    unknown: set[str] = field(default_factory=set)  # Regions in which a connection may have been made
    cause: str = ""

    @classmethod
    def resting(cls, plan: Plan) -> "Applied":
        """Return what the actions come to that do nothing."""
        applied = cls()
        applied.note(_resting(plan.actions))
        return applied

    @property
    def failed(self) -> bool:
        """Whether anything went wrong so far."""
        return bool(self.cause) or any(outcome.kind in UNSUCCESSFUL for outcome in self.outcomes.values())

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes."""
        self.outcomes.update({outcome.region: outcome for outcome in outcomes})


@dataclass(frozen=True)
class Application:
    """The means to carry out one plan. `patience` is for how many seconds a fresh role may be unusable."""

    falcon: FalconApi
    crew: Crew
    grant: RoleGrant
    clock: Callable[[], float]
    patience: float = 0.0

    def carry_out(
        self, plan: Plan, deadline: Deadline, *, launching: bool, careful: bool, rollout: bool = False
    ) -> Applied:
        """Make and refresh what a plan says, and return what that came to. Nothing is removed yet.

        When launching, the scope to read is probed as well: later repairs depend on it. That costs no time, except in
        a `rollout`: accounts that launch together ask first, because the answer tells how much is left of the limit
        that they share. With `careful` a failed create ends the attempt before connections that existed before are
        given a role that is about to go.
        """
        applied = Applied.resting(plan)
        probed = self._begin_probe(deadline) if launching else lambda: ""
        if rollout:
            applied.cause = probed()
        creates = () if applied.cause else plan.creates
        conflicts = self._create_all(creates, applied, deadline)
        applied.cause = applied.cause or probed()
        if applied.cause or (careful and applied.failed):
            lost = {create: conflict for create, conflict in conflicts.items() if conflict.repeated}
            found = self._find(lost, applied, deadline)  # what this event made and must undo
            untried = plan.creates if not creates else conflicts.keys() - lost.keys()
            waiting: Sequence[Action] = (*untried, *found, *plan.refreshes)
            applied.note(_unattempted(action, "other Regions failed before") for action in waiting)
            return applied
        adoptions = self._find(conflicts, applied, deadline)
        self._refresh_all((*plan.refreshes, *adoptions), applied, deadline)
        return applied

    def _begin_probe(self, deadline: Deadline) -> Callable[[], str]:
        """Begin to ask whether connections may be read; the function returned gives why not, or nothing.

        Only a clear word counts: a listing that does not answer must not cost a launch its success, nor much time.
        """
        asked = self.crew.begin(lambda: self.falcon.probe(deadline.within(PROBE_SECONDS)))

        def why_not() -> str:
            answer = asked(deadline.within(PROBE_SECONDS))
            return str(answer) if isinstance(answer, ScopeError) else ""

        return why_not

    def _create_all(
        self, creates: Sequence[Create], applied: Applied, deadline: Deadline
    ) -> dict[Create, ConflictError]:
        """Make the connections, and return those that Falcon says exist."""
        conflicts = {}
        results = self.crew.each(lambda create: self._create(create, deadline), creates, deadline)
        for create, result in zip(creates, results, strict=True):
            if isinstance(result, ConflictError):
                conflicts[create] = result
                applied.unknown |= {create.registry.region} if result.repeated else set()
            else:
                self._note_create(create, result, applied)
        return conflicts

    def _create(self, create: Create, deadline: Deadline) -> Outcome:
        started = self.clock()
        identifier = self.falcon.create(create.registry, self.grant, deadline, self.patience)
        return self._outcome(create, OutcomeKind.CREATED, identifier, started)

    def _note_create(self, create: Create, result: Outcome | Exception, applied: Applied) -> None:
        region = create.registry.region
        if isinstance(result, Outcome):
            applied.made[region] = result.connection_id
            applied.note([result])
            return
        applied.note([_failure(create, result)])
        if _in_doubt(result):
            applied.unknown.add(region)

    def _find(self, conflicts: Mapping[Create, ConflictError], applied: Applied, deadline: Deadline) -> list[Refresh]:
        """List the tenant, once, for the connections that exist already; adopt them, and know those just made again."""
        if not conflicts:
            return []
        try:
            everything = self.crew.one(
                lambda: self.falcon.list_all(deadline), deadline, "Listing connections in Falcon"
            )
        except (FalconError, DeadlineError) as error:
            applied.note(_failure(create, error) for create in conflicts)
            return []
        adoptions = []
        for create, conflict in conflicts.items():
            region, existing = create.registry.region, [c for c in everything if c.is_for(create.registry)]
            made = [c for c in existing if conflict.repeated and made_since(c, self.falcon.server_time)]
            if not existing:
                text = f"{conflict}; Falcon says that a connection exists, but lists none with this URL"
                applied.note([_failure(create, FalconError(text, status=conflict.status, trace_id=conflict.trace_id))])
            elif made:
                applied.unknown.discard(region)
                applied.made[region] = _oldest(made).id
                applied.note([Outcome(region, OutcomeKind.CREATED, applied.made[region])])
                adoptions.append(Refresh(create.registry, applied.made[region], Why.LOST))
            else:
                applied.unknown.discard(region)
                adoptions.append(Refresh(create.registry, _oldest(existing).id, Why.ADOPTED))
        return adoptions

    def _refresh_all(self, refreshes: Sequence[Refresh], applied: Applied, deadline: Deadline) -> None:
        results = self.crew.each(lambda refresh: self._refresh(refresh, deadline), refreshes, deadline)
        vanished = []
        for refresh, result in zip(refreshes, results, strict=True):
            if isinstance(result, NotFoundError):
                vanished.append(Create(refresh.registry))
            else:
                applied.note([result if isinstance(result, Outcome) else _failure(refresh, result)])
        again = self._create_all(vanished, applied, deadline)
        applied.note(_failure(create, error) for create, error in again.items())

    def _refresh(self, refresh: Refresh, deadline: Deadline) -> Outcome:
        started = self.clock()
        self.falcon.refresh(refresh.registry, refresh.connection_id, self.grant, deadline, self.patience)
        kind = REFRESHED_AS.get(refresh.why, OutcomeKind.REFRESHED)
        return self._outcome(refresh, kind, refresh.connection_id, started, str(refresh.why))

    def spare_all(self, removes: Sequence[Remove], applied: Applied) -> None:
        """Remove nothing after a failure: CloudFormation goes back to what was, and that may be wanted there."""
        applied.note(_resting(Leave(spared.registry, spared.connection_id, Why.SPARED) for spared in removes))

    def remove_all(self, removes: Sequence[Remove], applied: Applied, deadline: Deadline) -> None:
        """Remove connections. The plan took them from what Falcon returned, with the URL of their registry."""
        results = self.crew.each(lambda remove: self._remove(remove, deadline), removes, deadline)
        for remove, result in zip(removes, results, strict=True):
            outcome = result if isinstance(result, Outcome) else _failure(remove, result)
            earlier = applied.outcomes.get(remove.registry.region)
            if earlier is None or earlier.kind not in UNSUCCESSFUL:  # a Region with two connections fails with either
                applied.note([outcome])

    def _remove(self, remove: Remove, deadline: Deadline) -> Outcome:
        started = self.clock()
        self.falcon.remove(remove.connection_id, deadline)
        return self._outcome(remove, OutcomeKind.REMOVED, remove.connection_id, started, str(remove.why))

    def undo(self, applied: Applied, account: Mapping[str, Registry], deadline: Deadline) -> None:
        """Remove what was made; what cannot be removed is left, and its outcome says so."""
        removes = [Remove(account[region], identifier, Why.UNFINISHED) for region, identifier in applied.made.items()]
        undone = Applied()
        self.remove_all(removes, undone, deadline)
        for region, outcome in undone.outcomes.items():
            known, removed = applied.outcomes[region], outcome.kind is OutcomeKind.REMOVED
            if removed:
                del applied.made[region]
            if known.kind is OutcomeKind.FAILED:  # why it failed counts for more than what became of it
                text = known.message if removed else f"{known.message}; made, and not removed"
                applied.note([replace(known, message=text)])
            else:
                text = outcome.message if removed else f"made, and not removed: {outcome.message}"
                kind = OutcomeKind.REMOVED if removed else OutcomeKind.LEFT
                applied.note([replace(outcome, kind=kind, message=text)])

    def _outcome(self, action: Action, kind: OutcomeKind, identifier: str, started: float, text: str = "") -> Outcome:
        taken = round((self.clock() - started) * 1000)
        return Outcome(action.registry.region, kind, identifier, text, milliseconds=taken)


def _resting(actions: Iterable[Action]) -> list[Outcome]:
    """Return the outcomes of actions that do nothing."""
    kept = [
        Outcome(action.registry.region, OutcomeKind.UNCHANGED, action.connection_id)
        for action in actions
        if isinstance(action, Keep)
    ]
    left = [
        Outcome(action.registry.region, OutcomeKind.LEFT, action.connection_id, str(action.why))
        for action in actions
        if isinstance(action, Leave)
    ]
    return kept + left


def _unattempted(action: Action, text: str) -> Outcome:
    identifier = "" if isinstance(action, Create) else action.connection_id
    return Outcome(action.registry.region, OutcomeKind.NOT_ATTEMPTED, identifier, UNATTEMPTED + text)


def _failure(action: Action, error: Exception) -> Outcome:
    """Return the outcome of an action that raised; an error that nobody foresaw is one Region's failure as well."""
    if isinstance(error, DeadlineError) and not isinstance(error, UnansweredError):
        return _unattempted(action, str(error))
    identifier = "" if isinstance(action, Create) else action.connection_id
    status, trace_id = (error.status, error.trace_id) if isinstance(error, FalconError) else (0, "")
    text = str(error) if isinstance(error, FalconError | UnansweredError) else f"unexpected {type(error).__name__}"
    if isinstance(action, Create) and isinstance(error, UnansweredError):
        text += ", so it may have been made"
    return Outcome(
        action.registry.region, OutcomeKind.FAILED, identifier, plain(text), status, plain(trace_id, limit=64)
    )


def _in_doubt(error: Exception) -> bool:
    """Whether a create that ended so may have made a connection: whether a rejected one leaves it is not known."""
    if isinstance(error, CredentialError | DeadlineError):
        return True
    return isinstance(error, FalconError) and error.status in GONE_QUIET


def _oldest(connections: Iterable[Connection]) -> Connection:
    """Return the oldest of several connections for one URL, which uniqueness keys allow; always the same one."""
    return min(connections, key=lambda found: (found.created_at, found.id))
