"""Executes a plan in Falcon: creates first, then refreshes, then removes, so that being cut short costs no coverage.

It sees Falcon only through a protocol, and time only through what is passed in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import (
    ConflictError,
    CredentialError,
    DeadlineError,
    FalconError,
    NoResponseError,
    NotFoundError,
    ScopeError,
    sanitize,
)
from registry_connections.core.model import (
    UNSUCCESSFUL,
    Connection,
    Deadline,
    Identity,
    Outcome,
    OutcomeKind,
    Owner,
    RoleGrant,
)
from registry_connections.core.plan import Action, ActionKind, Plan, Why
from registry_connections.core.protocols import FalconApi

PROBE_SECONDS: Final = 10.0
OTHERS_FAILED: Final = "other Regions failed before"
DONE: Final = {
    ActionKind.CREATE: OutcomeKind.CREATED,
    ActionKind.REFRESH: OutcomeKind.REFRESHED,
    ActionKind.REMOVE: OutcomeKind.REMOVED,
    ActionKind.KEEP: OutcomeKind.UNCHANGED,
    ActionKind.LEAVE: OutcomeKind.LEFT,
}
REFRESHED_AS: Final[Mapping[str, OutcomeKind]] = {Why.ADOPTED: OutcomeKind.ADOPTED, Why.LOST: OutcomeKind.CREATED}


@dataclass
class Results:
    """What a plan came to: one outcome a Region, and which connections it made.

    In the Regions of `recovered` it found connections of this stack that the record did not name; those of `kept`
    could not be given a credential. In the Regions of `refused` and `unknown` Falcon may hold something of this stack
    that no outcome names: in the first it refused the role, and nobody says whether it keeps what it refused.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)  # Region -> id
    recovered: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)  # Region -> id
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    cause: str = ""

    @property
    def failed(self) -> bool:
        """Whether anything went wrong so far."""
        return bool(self.cause) or any(outcome.kind in UNSUCCESSFUL for outcome in self.outcomes.values())

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes."""
        self.outcomes.update({outcome.region: outcome for outcome in outcomes})


@dataclass(frozen=True)
class Executor:
    """Executes plans. `fresh` tells that the connection role may not be known everywhere yet; `clock` is in seconds."""

    falcon: FalconApi
    pool: ThreadPool
    identity: Identity
    grant: RoleGrant
    clock: Callable[[], float]
    fresh: bool = False

    def execute(
        self, plan: Plan, deadline: Deadline, *, launching: bool = False, careful: bool = False, rollout: bool = False
    ) -> Results:
        """Create and refresh what a plan says, and return what that came to. Nothing is removed yet.

        When launching, the scope to read is probed as well: later repairs depend on it. That costs no time, except in
        a `rollout`: accounts that launch together ask first, because the response tells how much is left of the limit
        that they share. With `careful` a failed create ends the attempt before connections that existed before are
        given a role that is about to go.
        """
        creates, refreshes, results = plan.of(ActionKind.CREATE), plan.of(ActionKind.REFRESH), Results()
        results.recovered |= {refresh.registry.region for refresh in refreshes if refresh.why == Why.RECOVERED}
        results.add(_done(action) for action in (*plan.of(ActionKind.KEEP), *plan.of(ActionKind.LEAVE)))
        probed = self._begin_probe(deadline) if launching else lambda: ""
        if rollout and (cause := probed()):
            results.cause = cause
            results.add(_not_attempted(action, OTHERS_FAILED) for action in (*creates, *refreshes))
            return results
        conflicts = self._create_all(creates, results, deadline)
        results.cause = probed()
        if results.cause or (careful and results.failed):
            results.add(_not_attempted(action, OTHERS_FAILED) for action in (*conflicts, *refreshes))
            return results
        adoptions = self._find(conflicts, results, deadline)
        self._refresh_all((*refreshes, *adoptions), results, deadline)
        return results

    def _begin_probe(self, deadline: Deadline) -> Callable[[], str]:
        """Begin to ask whether connections may be read; the function returned gives why not, or nothing.

        Only a clear word counts: a listing that does not respond must not cost a launch its success, nor much time.
        """
        asked = self.pool.submit(lambda: self.falcon.probe(deadline.within(PROBE_SECONDS)))

        def why_not() -> str:
            response = asked(deadline.within(PROBE_SECONDS))
            return str(response) if isinstance(response, ScopeError) else ""

        return why_not

    def _call_all(
        self, actions: Sequence[Action], deadline: Deadline
    ) -> Iterator[tuple[Action, str, Outcome | Exception]]:
        """Make the calls of all actions at once, and give for each its Region, and its outcome or error."""
        answers = self.pool.map(lambda action: self._call(action, deadline), actions, deadline)
        for action, answer in zip(actions, answers, strict=True):
            yield action, action.registry.region, answer

    def _call(self, action: Action, deadline: Deadline) -> Outcome:
        started, region, identifier = self.clock(), action.registry.region, action.connection_id
        if action.kind is ActionKind.CREATE:
            alias = self.identity.created_alias(region)
            identifier = self.falcon.create(action.registry, alias, self.grant, deadline, fresh=self.fresh)
        elif action.kind is ActionKind.REFRESH:
            # What a person or this stack named is not renamed: only what it takes over gets its mark.
            alias = self.identity.adopted_alias(region) if action.why == Why.ADOPTED else ""
            self.falcon.refresh(identifier, alias, self.grant, deadline, fresh=self.fresh)
        else:
            self.falcon.remove(identifier, deadline)
        return replace(_done(action), connection_id=identifier, milliseconds=round((self.clock() - started) * 1000))

    def _create_all(
        self, creates: Sequence[Action], results: Results, deadline: Deadline
    ) -> dict[Action, ConflictError]:
        """Make the connections, and return those that Falcon says exist."""
        conflicts = {}
        for create, region, answer in self._call_all(creates, deadline):
            if isinstance(answer, Outcome):
                results.made[region] = answer.connection_id
                results.add([answer])
                continue
            if _outcome_unknown(answer):
                results.unknown.add(region)
            elif isinstance(answer, CredentialError):
                results.refused.add(region)
            if isinstance(answer, ConflictError):
                conflicts[create] = answer
            else:
                results.add([_failure(create, answer)])
        return conflicts

    def _find(self, conflicts: Mapping[Action, ConflictError], results: Results, deadline: Deadline) -> list[Action]:
        """List the tenant, once, for the connections that exist already, and return how to take them up."""
        if not conflicts:
            return []
        try:
            tenant = self.pool.run(lambda: self.falcon.list_all(deadline), deadline, "Listing connections in Falcon")
        except (FalconError, DeadlineError) as error:
            results.add(_failure(create, error) for create in conflicts)
            return []
        tenant = [each for each in tenant if each.belongs_to(self.identity.account, self.identity.url_suffix)]
        taken = []
        for create, conflict in conflicts.items():
            existing = [connection for connection in tenant if connection.is_for(create.registry)]
            if existing:
                taken.append(self._take_up(create, conflict, existing, results))
            else:
                text = f"{conflict}; Falcon says that a connection exists, but lists none with this URL"
                missing = FalconError(text, status=conflict.status, trace_id=conflict.trace_id)
                results.add([_failure(create, missing)])
        return taken

    def _take_up(
        self, create: Action, conflict: ConflictError, existing: Sequence[Connection], results: Results
    ) -> Action:
        """Return how to take up one of the connections for a registry: our own, else the oldest, always the same."""
        region = create.registry.region
        own = [connection for connection in existing if self.identity.owner(connection.alias) is Owner.CREATED]
        taken = min(own or existing, key=lambda connection: (connection.created_at, connection.id))
        results.unknown.discard(region)
        why = Why.RECOVERED if own else Why.ADOPTED
        if own and conflict.may_have_succeeded:
            results.made[region], why = taken.id, Why.LOST
        elif own:
            results.recovered.add(region)
        return Action(ActionKind.REFRESH, create.registry, taken.id, why)

    def _refresh_all(self, refreshes: Sequence[Action], results: Results, deadline: Deadline) -> None:
        vanished = []
        for refresh, region, answer in self._call_all(refreshes, deadline):
            if isinstance(answer, NotFoundError):
                vanished.append(Action(ActionKind.CREATE, refresh.registry))
            elif isinstance(answer, Outcome):
                results.add([answer])
            else:
                results.add([_failure(refresh, answer)])
                if refresh.why in {Why.RECOVERED, Why.LOST, Why.REFUSED}:
                    results.kept[region] = refresh.connection_id
                    results.refused.add(region)
        again = self._create_all(vanished, results, deadline)
        results.add(_failure(create, error) for create, error in again.items())

    def remove(self, plan: Plan, results: Results, deadline: Deadline) -> None:
        """Remove connections. The plan took them from what Falcon returned, with the URL of their registry."""
        for remove, region, answer in self._call_all(plan.of(ActionKind.REMOVE), deadline):
            outcome = answer if isinstance(answer, Outcome) else _failure(remove, answer)
            if outcome.kind in UNSUCCESSFUL and remove.why == Why.UNFINISHED:
                results.unknown.add(region)
            earlier = results.outcomes.get(region)
            if earlier is None or earlier.kind not in UNSUCCESSFUL:  # a Region with two connections fails with either
                results.add([outcome])

    def undo(self, results: Results, deadline: Deadline) -> None:
        """Remove what was made; the outcome of what cannot be removed says so."""
        undone = Results()
        removes = [
            Action(ActionKind.REMOVE, self.identity.registry(region), identifier, Why.UNFINISHED)
            for region, identifier in results.made.items()
        ]
        self.remove(Plan(tuple(removes)), undone, deadline)
        results.unknown |= undone.unknown
        for region, outcome in undone.outcomes.items():
            results.add([_undone(results.outcomes.get(region, outcome), outcome)])
            if outcome.kind is OutcomeKind.REMOVED:
                del results.made[region]


def keep_all(plan: Plan, results: Results) -> None:
    """Remove nothing after a failure: CloudFormation goes back to what was, and that may be wanted there."""
    removes = plan.of(ActionKind.REMOVE)
    results.add(_done(replace(spared, kind=ActionKind.LEAVE, why=Why.SPARED)) for spared in removes)
    results.unknown |= {spared.registry.region for spared in removes if spared.why == Why.UNFINISHED}


def _undone(known: Outcome, outcome: Outcome) -> Outcome:
    """Return the outcome of a Region whose new connection was, or was not, removed again."""
    removed = outcome.kind is OutcomeKind.REMOVED
    if known.kind is OutcomeKind.FAILED:  # why it failed counts for more than what became of it
        return known if removed else replace(known, message=f"{known.message}; made, and not removed")
    if removed:
        return outcome
    return replace(outcome, kind=OutcomeKind.LEFT, message=f"made, and not removed: {outcome.message}")


def _done(action: Action) -> Outcome:
    """Return the outcome of an action that went well, or that needs no call."""
    kind = REFRESHED_AS.get(action.why, DONE[action.kind])
    return Outcome(action.registry.region, kind, action.connection_id, str(action.why))


def _not_attempted(action: Action, text: str) -> Outcome:
    message = f"not attempted: {text}"
    return Outcome(action.registry.region, OutcomeKind.NOT_ATTEMPTED, action.connection_id, message)


def _failure(action: Action, error: Exception) -> Outcome:
    """Return the outcome of an action that raised; an error that nobody foresaw is one Region's failure as well."""
    if isinstance(error, DeadlineError) and not isinstance(error, NoResponseError):
        return _not_attempted(action, str(error))
    status, trace_id = (error.status, error.trace_id) if isinstance(error, FalconError) else (0, "")
    text = str(error) if isinstance(error, FalconError | NoResponseError) else f"unexpected {type(error).__name__}"
    if action.kind is ActionKind.CREATE and isinstance(error, NoResponseError):
        text += ", so it may have been made"
    region, identifier = action.registry.region, action.connection_id
    return Outcome(region, OutcomeKind.FAILED, identifier, sanitize(text), status, trace_id)


def _outcome_unknown(error: Exception) -> bool:
    """Whether a create that ended so may have made a connection."""
    if isinstance(error, FalconError):
        return error.may_have_succeeded
    return isinstance(error, NoResponseError) or not isinstance(error, DeadlineError)
