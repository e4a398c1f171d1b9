"""The shell around the plan: read, plan, apply within a deadline, record, report.

It sees Falcon and AWS only through protocols, and time only through what is passed in.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from registry_connections.apply import Application, Applied, FalconApi
from registry_connections.crew import Crew
from registry_connections.errors import (
    DeadlineError,
    RegistrationError,
    StateChangedError,
    StateError,
    StateMissingError,
)
from registry_connections.ledger import after_event, after_purge
from registry_connections.model import (
    GOVERNMENT_CLOUDS,
    UNSUCCESSFUL,
    Connection,
    Credentials,
    Deadline,
    DeletePolicy,
    Outcome,
    OutcomeKind,
    RegionFailurePolicy,
    RoleGrant,
    Settings,
)
from registry_connections.plan import purge, purges, with_doubts, with_recovered
from registry_connections.reading import Prepared, Reader
from registry_connections.report import LONGEST_REASON, Report, reason, shorten
from registry_connections.settings import parse
from registry_connections.state import Run, State, applied
from registry_connections.turns import POLL_SECONDS, Account, Kind, Request, Turns, remember, was_superseded

ROLE_PATIENCE_SECONDS: Final = 120.0  # AWS gives no bound for a new role to be known everywhere; 2 s is typical
LONGEST_UNDO_SECONDS: Final = 60.0
UNDO_SHARE: Final = 0.25  # of the time that is left
RECORD_SECONDS: Final = 8.0  # to write the state when the deadline is over; the answer needs the rest
CANCELLED: Final = "the launch was cancelled: the stack is being deleted"
# A stack that could not be deleted takes no update, so that its parameters are no way out.
PURGE_ADVICE: Final = " Delete the stack again, or retain RegistryConnections to leave the connections."


@dataclass(frozen=True)
class Shell:
    """The means to answer one request. `connect` makes a client of a cloud; times are in seconds."""

    account: Account
    connect: Callable[[Credentials, str], FalconApi]
    crew: Crew
    turns: Turns
    clock: Callable[[], float]

    def answer(self, request: Request, deadline: Deadline) -> Report:
        """Do what a request asks and return the report of a success; raise RegistrationError with the reason if not."""
        try:
            return self._answer(request, deadline)
        except RegistrationError as error:
            if request.kind is Kind.DELETE:
                raise RegistrationError(_with_advice(str(error))) from None
            raise

    def _answer(self, request: Request, deadline: Deadline) -> Report:
        work = self._delete if request.kind is Kind.DELETE else self._converge
        seen: list[State] = []
        while True:
            state = self._take(request, deadline)
            if state is None:
                return Report()
            request, state = _understood(request, state, seen)
            seen.append(state)
            if was_superseded(state, request):
                return Report(tuple(Outcome(r, OutcomeKind.UNCHANGED, i) for r, i in state.connections.items()))
            try:
                return work(request, state, deadline)
            except StateChangedError:  # somebody else went first: look again
                if request.kind is not Kind.DELETE:  # which must see the launch that it cancels before that ends
                    self.turns.sleep(POLL_SECONDS)

    @property
    def reader(self) -> Reader:
        """The means to read without a turn."""
        return Reader(self.account, self.connect, self.crew)

    def _take(self, request: Request, deadline: Deadline) -> State | None:
        """Return the state once it is this request's turn, or None for a Delete that can do without."""
        while True:
            try:
                return self.crew.one(lambda: self.turns.take(request, deadline), deadline, "Reading the state")
            except StateChangedError:
                continue
            except RegistrationError as error:
                if _needs_no_state(request, error):
                    return None
                raise

    def _swap(self, state: State, deadline: Deadline) -> State:
        return self.crew.one(lambda: self.account.swap(state), deadline, "Writing the state")

    def _claim(
        self, state: State, request: Request, deadline: Deadline, creating: tuple[str, ...], since: str
    ) -> State:
        claim = partial(self.turns.claim, state, request, deadline, creating, since)
        return self.crew.one(claim, deadline, "Writing the state")

    # Create, Update and reconcile: the same path

    def _converge(self, request: Request, state: State, deadline: Deadline) -> Report:
        try:
            prepared = self.reader.prepare(request.settings, request.problems, state, deadline)
        except RegistrationError as error:
            if request.kind is not Kind.REPAIR:
                with suppress(StateError, DeadlineError):  # it only guards against a late duplicate of this event
                    self._swap(remember(state, request, str(error)), _grace(deadline))
            if isinstance(error, DeadlineError):
                raise DeadlineError(f"{error}; nothing was changed") from None
            raise
        is_so = prepared.existing.keys() == state.connections.keys()
        if request.kind is Kind.REPAIR and prepared.plan.quiet and is_so and state.run is None:
            return self._report(request, prepared, Applied.resting(prepared.plan))
        creating = tuple(create.registry.region for create in prepared.plan.creates)
        begun = with_doubts(prepared.state, request.settings)
        claimed = self._claim(begun, request, deadline, creating, prepared.falcon.server_time)
        return self._carry_out(request, replace(prepared, state=claimed), deadline)

    def _application(self, prepared: Prepared, request: Request) -> Application:
        settings = request.settings
        government = prepared.falcon.cloud in GOVERNMENT_CLOUDS
        grant = RoleGrant(settings.role_arn, settings.external_id, settings.partition, government)
        patience = ROLE_PATIENCE_SECONDS if _trust_is_fresh(prepared.state, settings) else 0.0
        return Application(prepared.falcon, self.crew, grant, self.clock, patience)

    def _carry_out(self, request: Request, prepared: Prepared, deadline: Deadline) -> Report:
        launching = request.kind is Kind.CREATE
        undoing = min(LONGEST_UNDO_SECONDS, deadline.left() * UNDO_SHARE) if launching else 0.0
        application = self._application(prepared, request)
        careful = launching and request.settings.on_region_failure is RegionFailurePolicy.FAIL
        applied = application.carry_out(
            prepared.plan, deadline.earlier(undoing), launching=launching, careful=careful, rollout=request.rollout
        )
        failed = bool(self._report(request, prepared, applied).failure)
        if failed and request.kind is not Kind.REPAIR:
            application.spare_all(prepared.plan.removes, applied)
        else:
            application.remove_all(prepared.plan.removes, applied, deadline)
        if failed and launching:
            self._undo(application, request, applied, deadline)
        try:
            self._record(request, prepared, applied, deadline)
        except (StateError, StateChangedError, DeadlineError) as error:
            cancelled = launching and isinstance(error, StateChangedError)
            applied.cause = CANCELLED if cancelled else str(error)
            if launching:
                self._undo(application, request, applied, deadline)
            self._record_failure(request, prepared, applied, deadline)
        return self._report(request, prepared, applied)

    def _undo(self, application: Application, request: Request, applied: Applied, deadline: Deadline) -> None:
        registries = {region: request.settings.registry(region) for region in applied.made}
        application.undo(applied, registries, deadline)

    def _record(self, request: Request, prepared: Prepared, applied: Applied, deadline: Deadline) -> None:
        """Write what is now; raise StateChangedError if a Delete cancelled this run meanwhile."""
        failure = self._report(request, prepared, applied).failure
        state = after_event(request, prepared, applied, failed=bool(failure))
        self._swap(remember(state, request, failure), _grace(deadline))

    def _record_failure(self, request: Request, prepared: Prepared, applied: Applied, deadline: Deadline) -> None:
        """Write what is now over what somebody else wrote, or over a success that AWS did not say was written."""
        with suppress(RegistrationError):  # the answer is the same; what is not written is found by what `claim` wrote
            current = self.crew.one(self.account.load, _grace(deadline), "Reading the state")
            state = replace(prepared.state, handled=current.handled, deleted=current.deleted, version=current.version)
            self._record(request, replace(prepared, state=state), applied, deadline)

    def _report(self, request: Request, prepared: Prepared, applied: Applied) -> Report:
        outcomes = sorted((*applied.outcomes.values(), *_skipped(prepared, applied)))
        report = Report(tuple(outcomes), applied.cause, prepared.falcon.cloud)
        return report if report.succeeded(_policy(request)) else replace(report, failure=reason(report))

    # Delete

    def _delete(self, request: Request, state: State, deadline: Deadline) -> Report:
        """Remove what the policy says; touch neither the secret nor Falcon where it says nothing."""
        if not purges(request.settings, state, ours=request.ours):
            self._mark_deleted(request, state, deadline)
            return Report()
        return self._purge(request, state, deadline)

    def _mark_deleted(self, request: Request, state: State, deadline: Deadline) -> None:
        """Tell a Create that may be at work, or still to come, that its stack is gone."""
        if state.settings is None:
            with suppress(
                StateError, DeadlineError
            ):  # nothing of this stack is left: that must not keep it from being deleted
                self._swap(replace(remember(state, request, ""), deleted=request.id), deadline)

    def _purge(self, request: Request, state: State, deadline: Deadline) -> Report:
        settings = request.settings
        credentials = self.crew.one(self.account.credentials, deadline, "Reading the secret")
        log_in = partial(self.reader.log_in, settings, credentials, state, deadline)
        falcon = self.crew.one(log_in, deadline, "Falcon login")
        interrupted = state.run or Run("", 0)
        claimed = self._claim(state, request, deadline, interrupted.creating, interrupted.since)
        existing = self._purgeable(falcon, settings, state, interrupted, deadline)
        known = with_recovered(claimed, interrupted, existing, settings)
        applied = Applied()
        grant = RoleGrant(settings.role_arn, settings.external_id, settings.partition, government_cloud=False)
        todo = purge(settings, known, existing, ours=request.ours)
        Application(falcon, self.crew, grant, self.clock).remove_all(todo.removes, applied, deadline)
        report = Report(tuple(sorted(applied.outcomes.values())), cloud=falcon.cloud)
        if report.of(UNSUCCESSFUL):
            report = replace(report, failure=_with_advice(reason(report)))
        self._swap(after_purge(request, known, report), _grace(deadline))
        return report

    def _purgeable(
        self, falcon: FalconApi, settings: Settings, state: State, interrupted: Run, deadline: Deadline
    ) -> list[Connection]:
        """Return the connections among which the purge chooses: the state's, or all if the state cannot name them."""
        account_wide = settings.delete_connections is DeletePolicy.ACCOUNT and state.settings is not None
        if account_wide or interrupted.creating:
            return self.crew.one(lambda: falcon.list_all(deadline), deadline, "Listing connections in Falcon")
        return falcon.read(sorted(set(state.connections.values())), deadline)


def _understood(request: Request, state: State, seen: Sequence[State]) -> tuple[Request, State]:
    """Return the request and the state as what was `seen` while the request tried before makes them understood.

    Raise RegistrationError if a launch is not wanted any more.
    """
    before = seen[-1] if seen else state
    if request.kind is Kind.REPAIR:
        return _as_applied(request, state), state
    if request.kind is Kind.CREATE and state.deleted != before.deleted:
        raise RegistrationError(CANCELLED)
    if request.kind is Kind.DELETE and before.unconfirmed and state.settings is not None:
        # That CloudFormation took the answer to the launch, which it was deleting by then, was noted too late.
        return request, replace(state, unconfirmed=True, unfinished=before.unfinished)
    return request, state


def _as_applied(request: Request, state: State) -> Request:
    """Return a repair with what the stack has applied by now: it may have waited for an update to end."""
    settings, problems = parse(applied(state))
    return replace(request, settings=settings, problems=tuple(problems))


def _policy(request: Request) -> RegionFailurePolicy:
    """Return what a failed Region means: a repair always tells, so that alarms see it."""
    return RegionFailurePolicy.FAIL if request.kind is Kind.REPAIR else request.settings.on_region_failure


def _needs_no_state(request: Request, error: RegistrationError) -> bool:
    """Whether a Delete can do without: it keeps everything, or is about a launch of which there is no trace."""
    if request.kind is not Kind.DELETE:
        return False
    keeps = request.ours and request.settings.delete_connections is DeletePolicy.KEEP
    return keeps or (not request.ours and isinstance(error, StateMissingError))


def _with_advice(text: str) -> str:
    if text.endswith(PURGE_ADVICE):
        return text
    sentence = text if text.endswith(".") else f"{text}."
    return shorten(sentence, LONGEST_REASON - len(PURGE_ADVICE)) + PURGE_ADVICE


def _grace(deadline: Deadline) -> Deadline:
    """Return the deadline for writing the state, which must be tried even if the work used its time up."""
    return Deadline(max(deadline.at, deadline.clock()) + RECORD_SECONDS, deadline.clock)


def _trust_is_fresh(state: State, settings: Settings) -> bool:
    """Whether the connection role, or whom it trusts, changed with this event."""
    applied = state.settings or {}
    decisive = ("ConnectionRoleArn", "ExternalId", "FalconCloud", "FalconPrincipalArn")
    return any(applied.get(name, "") != settings.properties.get(name, "") for name in decisive)


def _skipped(prepared: Prepared, applied: Applied) -> list[Outcome]:
    """Return the Regions that are left out and of which nothing else is to be told."""
    return [outcome for outcome in prepared.scope.skipped if outcome.region not in applied.outcomes]
