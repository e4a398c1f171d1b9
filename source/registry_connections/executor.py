"""Executes a plan in Falcon: creates first, then refreshes, then removes, so that being cut short costs no coverage.

It sees Falcon only through a protocol, and time only through what is passed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from registry_connections.core.plan import Action, Create, Keep, Leave, Plan, Refresh, Remove, Why
from registry_connections.core.protocols import FalconApi

PROBE_SECONDS: Final = 10.0
REFRESHED_AS: Final = {Why.ADOPTED: OutcomeKind.ADOPTED, Why.LOST: OutcomeKind.CREATED}


@dataclass
class Results:
    """What a plan came to: one outcome a Region, and which connections it made.

    In the Regions of `unknown` Falcon may hold something of this stack that no outcome names.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)  # Region -> id
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
        results = Results()
        results.add(_unchanged(plan.actions))
        probed = self._begin_probe(deadline) if launching else lambda: ""
        if rollout:
            results.cause = probed()
        creates = () if results.cause else plan.creates
        conflicts = self._create_all(creates, results, deadline)
        results.cause = results.cause or probed()
        if results.cause or (careful and results.failed):
            waiting: Sequence[Action] = (*(conflicts if creates else plan.creates), *plan.refreshes)
            results.add(_not_attempted(action, "other Regions failed before") for action in waiting)
            return results
        adoptions = self._find(conflicts, results, deadline)
        self._refresh_all((*plan.refreshes, *adoptions), results, deadline)
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

    def _create_all(
        self, creates: Sequence[Create], results: Results, deadline: Deadline
    ) -> dict[Create, ConflictError]:
        """Make the connections, and return those that Falcon says exist."""
        conflicts = {}
        answers = self.pool.map(lambda create: self._create(create, deadline), creates, deadline)
        for create, answer in zip(creates, answers, strict=True):
            region = create.registry.region
            if isinstance(answer, ConflictError):
                conflicts[create] = answer
                results.unknown |= {region} if answer.may_have_succeeded else set()
            elif isinstance(answer, Outcome):
                results.made[region] = answer.connection_id
                results.add([answer])
            else:
                results.unknown |= {region} if _outcome_unknown(answer) else set()
                results.add([_failure(create, answer)])
        return conflicts

    def _create(self, create: Create, deadline: Deadline) -> Outcome:
        started, registry = self.clock(), create.registry
        alias = self.identity.created_alias(registry.region)
        identifier = self.falcon.create(registry, alias, self.grant, deadline, fresh=self.fresh)
        return self._outcome(create, OutcomeKind.CREATED, identifier, started)

    def _find(self, conflicts: Mapping[Create, ConflictError], results: Results, deadline: Deadline) -> list[Refresh]:
        """List the tenant, once, for the connections that exist already, and return what to take up."""
        if not conflicts:
            return []
        try:
            tenant = self.pool.run(lambda: self.falcon.list_all(deadline), deadline, "Listing connections in Falcon")
        except (FalconError, DeadlineError) as error:
            results.add(_failure(create, error) for create in conflicts)
            return []
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
        self, create: Create, conflict: ConflictError, existing: Sequence[Connection], results: Results
    ) -> Refresh:
        """Return how to take up one of the connections for a registry: our own, else the oldest, always the same."""
        region = create.registry.region
        own = [connection for connection in existing if self.identity.owner(connection.alias) is Owner.CREATED]
        taken = min(own or existing, key=lambda connection: (connection.created_at, connection.id))
        results.unknown.discard(region)
        if own and conflict.may_have_succeeded:
            results.made[region] = taken.id
            return Refresh(create.registry, taken.id, Why.LOST)
        return Refresh(create.registry, taken.id, Why.RECOVERED if own else Why.ADOPTED)

    def _refresh_all(self, refreshes: Sequence[Refresh], results: Results, deadline: Deadline) -> None:
        answers = self.pool.map(lambda refresh: self._refresh(refresh, deadline), refreshes, deadline)
        vanished = []
        for refresh, answer in zip(refreshes, answers, strict=True):
            if isinstance(answer, NotFoundError):
                vanished.append(Create(refresh.registry))
            elif isinstance(answer, Outcome):
                results.add([answer])
            else:
                results.add([_failure(refresh, answer)])
                results.unknown |= {refresh.registry.region} if refresh.why in {Why.RECOVERED, Why.LOST} else set()
        again = self._create_all(vanished, results, deadline)
        results.add(_failure(create, error) for create, error in again.items())

    def _refresh(self, refresh: Refresh, deadline: Deadline) -> Outcome:
        started, region = self.clock(), refresh.registry.region
        # What a person or this stack named is not renamed: only what it takes over gets its mark.
        alias = self.identity.adopted_alias(region) if refresh.why is Why.ADOPTED else ""
        self.falcon.refresh(refresh.connection_id, alias, self.grant, deadline, fresh=self.fresh)
        kind = REFRESHED_AS.get(refresh.why, OutcomeKind.REFRESHED)
        return self._outcome(refresh, kind, refresh.connection_id, started, str(refresh.why))

    def remove_all(self, removes: Sequence[Remove], results: Results, deadline: Deadline) -> None:
        """Remove connections. The plan took them from what Falcon returned, with the URL of their registry."""
        answers = self.pool.map(lambda remove: self._remove(remove, deadline), removes, deadline)
        for remove, answer in zip(removes, answers, strict=True):
            region = remove.registry.region
            outcome = answer if isinstance(answer, Outcome) else _failure(remove, answer)
            if outcome.kind in UNSUCCESSFUL and remove.why is Why.UNFINISHED:
                results.unknown.add(region)
            earlier = results.outcomes.get(region)
            if earlier is None or earlier.kind not in UNSUCCESSFUL:  # a Region with two connections fails with either
                results.add([outcome])

    def _remove(self, remove: Remove, deadline: Deadline) -> Outcome:
        started = self.clock()
        self.falcon.remove(remove.connection_id, deadline)
        return self._outcome(remove, OutcomeKind.REMOVED, remove.connection_id, started, str(remove.why))

    def undo(self, results: Results, deadline: Deadline) -> None:
        """Remove what was made; the outcome of what cannot be removed says so."""
        removes = [
            Remove(self.identity.registry(region), identifier, Why.UNFINISHED)
            for region, identifier in results.made.items()
        ]
        undone = Results()
        self.remove_all(removes, undone, deadline)
        results.unknown |= undone.unknown
        for region, outcome in undone.outcomes.items():
            results.add([_undone(results.outcomes.get(region, outcome), outcome)])
            if outcome.kind is OutcomeKind.REMOVED:
                del results.made[region]

    def _outcome(self, action: Action, kind: OutcomeKind, identifier: str, started: float, text: str = "") -> Outcome:
        taken = round((self.clock() - started) * 1000)
        return Outcome(action.registry.region, kind, identifier, text, milliseconds=taken)


def keep_all(removes: Sequence[Remove], results: Results) -> None:
    """Remove nothing after a failure: CloudFormation goes back to what was, and that may be wanted there."""
    results.add(_unchanged([Leave(spared.registry, spared.connection_id, Why.SPARED) for spared in removes]))
    results.unknown |= {spared.registry.region for spared in removes if spared.why is Why.UNFINISHED}


def _undone(known: Outcome, outcome: Outcome) -> Outcome:
    """Return the outcome of a Region whose new connection was, or was not, removed again."""
    removed = outcome.kind is OutcomeKind.REMOVED
    if known.kind is OutcomeKind.FAILED:  # why it failed counts for more than what became of it
        return known if removed else replace(known, message=f"{known.message}; made, and not removed")
    if removed:
        return outcome
    return replace(outcome, kind=OutcomeKind.LEFT, message=f"made, and not removed: {outcome.message}")


def _unchanged(actions: Sequence[Action]) -> list[Outcome]:
    """Return the outcomes of actions that do nothing."""
    kept = [
        Outcome(action.registry.region, OutcomeKind.UNCHANGED, action.connection_id, action.problem)
        for action in actions
        if isinstance(action, Keep)
    ]
    left = [
        Outcome(action.registry.region, OutcomeKind.LEFT, action.connection_id, str(action.why))
        for action in actions
        if isinstance(action, Leave)
    ]
    return kept + left


def _not_attempted(action: Action, text: str) -> Outcome:
    identifier = "" if isinstance(action, Create) else action.connection_id
    return Outcome(action.registry.region, OutcomeKind.NOT_ATTEMPTED, identifier, f"not attempted: {text}")


def _failure(action: Action, error: Exception) -> Outcome:
    """Return the outcome of an action that raised; an error that nobody foresaw is one Region's failure as well."""
    if isinstance(error, DeadlineError) and not isinstance(error, NoResponseError):
        return _not_attempted(action, str(error))
    identifier = "" if isinstance(action, Create) else action.connection_id
    status, trace_id = (error.status, error.trace_id) if isinstance(error, FalconError) else (0, "")
    text = str(error) if isinstance(error, FalconError | NoResponseError) else f"unexpected {type(error).__name__}"
    if isinstance(action, Create) and isinstance(error, NoResponseError):
        text += ", so it may have been made"
    return Outcome(action.registry.region, OutcomeKind.FAILED, identifier, sanitize(text), status, trace_id)


def _outcome_unknown(error: Exception) -> bool:
    """Whether a create that ended so may have made a connection: whether a rejected one leaves it is not known."""
    if isinstance(error, FalconError):
        return error.may_have_succeeded or isinstance(error, CredentialError)
    return isinstance(error, NoResponseError) or not isinstance(error, DeadlineError)
