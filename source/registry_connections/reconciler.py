"""Read, plan, execute, record, report: one path for Create, Update and repair, and the same with nothing wanted.

Everything happens under the lease of the record, so that one run works at a time. It sees Falcon and AWS only
through protocols, and time only through what is passed in.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from registry_connections.concurrency import Clock, ThreadPool
from registry_connections.core.errors import (
    AwsError,
    DeadlineError,
    RecordChangedError,
    RecordError,
    RegistrationError,
)
from registry_connections.core.model import (
    GOVERNMENT_CLOUDS,
    UNSUCCESSFUL,
    Deadline,
    DeletePolicy,
    Identity,
    RegionFailurePolicy,
    RoleGrant,
)
from registry_connections.core.plan import Plan, plan, purge, purge_unfinished, recorded
from registry_connections.core.protocols import FalconApi, RecordStore
from registry_connections.core.record import (
    LEASE_SECONDS,
    RECORD_SECONDS,
    WORK_SECONDS,
    Kind,
    Record,
    Request,
    after_run,
    begin,
    check_room,
    end,
    is_applied,
    is_duplicate,
    may_give_up_regions,
    physical_id,
    remembered_report,
)
from registry_connections.core.report import Report, reason, with_room_for
from registry_connections.core.settings import parse
from registry_connections.executor import Executor, Results, keep_all
from registry_connections.logs import log
from registry_connections.snapshot import Reader, Snapshot

POLL_SECONDS: Final = 1.0
REPAIR_WAIT_SECONDS: Final = 120.0
EVENT_AGE_SECONDS: Final = 180.0  # after which Lambda delivers an event no more; the template sets it
LONGEST_UNDO_SECONDS: Final = 60.0
UNDO_SHARE: Final = 0.25  # of the time that is left
LAST_WRITE_SECONDS: Final = 10.0  # to write the record when the deadline is over; the response needs the rest
AT_WORK: Final = "another run is at work"
LOGICAL_ID: Final = "RegistryConnections"  # in the template
RECORD_GONE: Final = "The stack's record is gone. Update the stack, for instance with another CredentialsVersion."
NOTHING_APPLIED: Final = "nothing is applied yet"
# A stack that could not be deleted takes no update, so that its parameters are no way out.
DELETE_ADVICE: Final = "Delete the stack again, or retain RegistryConnections to leave the connections."


@dataclass(frozen=True)
class Held:
    """A record under our lease: as it was before, as it is now, and until when to work."""

    before: Record
    now: Record
    deadline: Deadline
    rolls_back: bool = False  # the request is an update to what is applied


@dataclass(frozen=True)
class Reconciler:
    """Answers requests: returns the report of a success, raises RegistrationError with the reason if not."""

    identity: Identity
    store: RecordStore
    reader: Reader
    pool: ThreadPool
    clock: Clock

    # Create, Update and repair

    def converge(self, request: Request, deadline: Deadline) -> Report:
        """Make Falcon what a Create, an Update or a repair wants."""
        held = self._acquire(request, deadline)
        if isinstance(held, Report):
            return held
        try:
            return self._converge(request, held)
        except RegistrationError as error:
            if held.rolls_back:
                return self._rolled_back(request, held, str(error))
            self._release(request, held, str(error))
            if isinstance(error, DeadlineError):
                raise DeadlineError(f"{error}; nothing was changed") from None
            raise
        except Exception as error:
            self._release(request, held, f"unexpected {type(error).__name__}", dirty=True)
            raise

    def _converge(self, request: Request, held: Held) -> Report:
        if request.is_repair:
            request = _as_applied(request, held.before, self.identity.partition)
        settings, before = request.settings, held.before
        snapshot = self.reader.read(settings, request.problems, before, held.deadline)
        wanted = snapshot.scope.wanted
        check_room(held.now, wanted, settings.choices)
        todo = plan(wanted, snapshot.found, before, self.identity, settings, repair=request.is_repair)
        results = self._execute(request, todo, snapshot, held)
        return self._finish(request, snapshot, results, held)

    def _execute(self, request: Request, todo: Plan, snapshot: Snapshot, held: Held) -> Results:
        """Execute a plan. A Create or Update that fails removes nothing, and undoes what it created."""
        deadline, undoes = held.deadline, not (request.is_repair or held.rolls_back)
        undoing = min(LONGEST_UNDO_SECONDS, deadline.left() * UNDO_SHARE) if undoes else 0.0
        executor = self._executor(snapshot.falcon, fresh=not request.is_repair)
        launching = request.kind is Kind.CREATE
        results = executor.execute(
            todo,
            deadline.earlier(undoing),
            launching=launching,
            careful=launching and request.settings.on_region_failure is RegionFailurePolicy.FAIL,
            rollout=request.rollout,
        )
        if undoes and self._report(request, snapshot, results).failure:
            keep_all(todo, results)
        else:
            executor.remove(todo, results, deadline)
        if undoes and self._report(request, snapshot, results).failure:
            executor.undo(results, deadline)
        return results

    def _executor(self, falcon: FalconApi, *, fresh: bool) -> Executor:
        grant = RoleGrant(
            self.identity.role_arn,
            self.identity.external_id,
            self.identity.partition,
            government_cloud=falcon.cloud in GOVERNMENT_CLOUDS,
        )
        return Executor(falcon, self.pool, self.identity, grant, self.clock.monotonic, fresh)

    def _finish(self, request: Request, snapshot: Snapshot, results: Results, held: Held) -> Report:
        """Record what is now, and return the report. What a stack event cannot record has failed, and is undone."""
        report = self._report(request, snapshot, results)
        if report.failure and held.rolls_back:
            log(logging.WARNING, "rolled back, but not all of it: the next repair goes on", why=report.failure)
            report = replace(report, failure="", cause="")
        try:
            self._record(request, snapshot, results, report, held)
        except (AwsError, DeadlineError) as error:
            if held.rolls_back:
                return report
            results.cause = str(error)
            if not request.is_repair:
                self._executor(snapshot.falcon, fresh=False).undo(results, held.deadline)
            report = self._report(request, snapshot, results)
            with suppress(RegistrationError):  # the response is the same; the record stays dirty
                self._record(request, snapshot, results, report, self._written(request, held))
        return report

    def _record(self, request: Request, snapshot: Snapshot, results: Results, report: Report, held: Held) -> None:
        found = recorded(held.before, snapshot.found, self.identity)
        connections = {region: connection.id for region, connection in found.items()} | results.kept
        unknown, refused = set(results.unknown), set(results.refused)
        if report.failure and not request.is_repair:
            # What a failed event made and could not undo, or found, is found by its alias by whoever comes next.
            unknown |= results.made.keys() | results.recovered
        if not held.before.dirty:  # else the tenant was listed, and shows what earlier refusals left
            refused |= set(held.before.refused)
        after = after_run(held.now, request, report, connections, unknown=unknown, refused=refused)
        self._swap(end(after, request, report.failure), held)

    def _written(self, request: Request, held: Held) -> Held:
        """Return the held record with the version that a write had of which it is not known whether it succeeded."""
        current = self.load(held.deadline, LAST_WRITE_SECONDS)
        ours = bool(current.events) and current.events[-1].request == request.id
        return replace(held, now=replace(held.now, version=current.version)) if ours else held

    def _rolled_back(self, request: Request, held: Held, problem: str) -> Report:
        """Succeed although Falcon could not be put right: a rollback must not fail. The next repair tries again."""
        log(logging.WARNING, "rolled back, but Falcon could not be asked: the next repair goes on", why=problem)
        with suppress(RegistrationError):
            self._swap(end(held.now, request), held)
        return remembered_report(held.before)

    def _report(self, request: Request, snapshot: Snapshot, results: Results) -> Report:
        skipped = [outcome for outcome in snapshot.scope.skipped if outcome.region not in results.outcomes]
        outcomes = tuple(sorted((*results.outcomes.values(), *skipped)))
        report = Report(outcomes, results.cause, snapshot.falcon.cloud)
        # A repair always says what failed, so that alarms see it.
        policy = RegionFailurePolicy.FAIL if request.is_repair else request.settings.on_region_failure
        return report if report.succeeded(policy) else replace(report, failure=reason(report))

    # Delete

    def delete(self, request: Request, deadline: Deadline) -> Report:
        """Remove what is to leave Falcon with the stack.

        If CloudFormation knows the launch to have succeeded the policy decides. If not, what the launch created is
        removed, whatever the policy.
        """
        if request.launched and request.settings.delete_connections is DeletePolicy.KEEP:
            self._forget(deadline)
            return Report()
        try:
            held = self._acquire(request, deadline)
            if isinstance(held, Report):
                return held
            return self._delete(request, held)
        except RegistrationError as error:
            raise RegistrationError(with_room_for(str(error), DELETE_ADVICE)) from None

    def _delete(self, request: Request, held: Held) -> Report:
        try:
            report = self._purge(request, held) if request.launched else self._purge_unfinished(request, held)
        except RegistrationError as error:
            self._release(request, held, str(error))
            raise
        if report.failure:
            self._release(request, held, report.failure, dirty=True)
            raise RegistrationError(report.failure)
        if not report.note:
            self._forget(held.deadline)
        return report

    def _purge(self, request: Request, held: Held) -> Report:
        falcon = self.reader.log_in(request.settings, held.before, held.deadline)
        policy = request.settings.delete_connections
        # What is in Falcon is not known from a record that is dirty, or missing.
        listing = policy is DeletePolicy.ACCOUNT or held.before.applied is None
        found = self.reader.connections(falcon, replace(held.before, dirty=held.before.dirty or listing), held.deadline)
        if held.before.connections and not found:
            # All are gone, or what answers does not know the API: then this says so.
            self.pool.run(lambda: falcon.probe(held.deadline), held.deadline, "Listing connections in Falcon")
        return self._remove(falcon, purge(held.before, found, self.identity, policy), held)

    def _purge_unfinished(self, request: Request, held: Held) -> Report:
        before = held.before
        if before.applied and not self._is_held(request.logical_id, request.physical_id, held.deadline):
            self._release(request, held)
            return Report(note="the Delete is about an earlier resource, and nothing is done")
        if before.is_empty:
            self._outlast_create(request, held)
            return Report()
        falcon = self.reader.log_in(request.settings, before, held.deadline)
        tenant = self.reader.connections(falcon, replace(before, dirty=True), held.deadline)
        return self._remove(falcon, purge_unfinished(tenant, self.identity), held)

    def _is_held(self, logical_id: str, physical_id: str, deadline: Deadline) -> bool:
        """Whether CloudFormation says that it holds this id."""
        try:
            return self.pool.run(lambda: self.reader.account.holds(logical_id, physical_id), deadline, "CloudFormation")
        except RegistrationError as error:
            log(logging.WARNING, "nothing is done, because CloudFormation does not say what it holds", why=str(error))
            return False

    def _outlast_create(self, request: Request, held: Held) -> None:
        """Wait until a Create that was never seen can be delivered no more: our event in the record refuses it."""
        if held.before.version or request.is_after_failure:
            return
        until = request.sent + EVENT_AGE_SECONDS
        while (left := until - self.clock.wall()) > 0 and held.deadline.left() > POLL_SECONDS:
            self.clock.sleep(min(left, POLL_SECONDS))

    def _remove(self, falcon: FalconApi, todo: Plan, held: Held) -> Report:
        results = Results()
        self._executor(falcon, fresh=False).remove(todo, results, held.deadline)
        report = Report(tuple(sorted(results.outcomes.values())), cloud=falcon.cloud)
        return replace(report, failure=reason(report)) if report.of(UNSUCCESSFUL) else report

    # The record and its lease

    def _acquire(self, request: Request, deadline: Deadline) -> Held | Report:
        """Return the record under our lease, or the report of a request that needs nothing done.

        Raise RegistrationError for an event that came too late, DeadlineError if another run does not end in time.
        """
        waiting = deadline.within(REPAIR_WAIT_SECONDS) if request.is_repair else deadline
        while True:
            record = self.load(deadline)
            now = self.clock.wall()
            if request.is_repair and not record.version and self._is_launched(deadline):
                raise RecordError(RECORD_GONE)
            if report := _known(record, request, now):
                return report
            if record.lease is None or not record.lease.holds_at(now):
                with suppress(RecordChangedError):
                    return self._take(record, request, deadline)
            if waiting.left() <= POLL_SECONDS:
                if request.is_repair:
                    return Report(note=AT_WORK)
                raise DeadlineError(f"{AT_WORK}: try again later")
            self.clock.sleep(POLL_SECONDS)

    def _is_launched(self, deadline: Deadline) -> bool:
        """Whether CloudFormation knows the launch to have succeeded, whatever the record says."""
        return self._is_held(LOGICAL_ID, physical_id(self.identity.stack_id), deadline)

    def load(self, deadline: Deadline, beyond: float = 0.0) -> Record:
        """Return the record, an empty one if there is none; `beyond` are seconds after the deadline."""
        return self.pool.run(self.store.load, _beyond(deadline, beyond), "Reading the stack's record") or Record()

    def _take(self, record: Record, request: Request, deadline: Deadline) -> Held | Report:
        share = 0.5 if request.is_repair else 1.0
        if record.refused and may_give_up_regions(record, request):
            record = replace(record, dirty=True)
        held = Held(record, record, deadline.within(WORK_SECONDS * share), is_applied(record, request))
        if held.rolls_back and not record.dirty:
            return self._already_applied(request, held)
        seconds = held.deadline.left() + (LEASE_SECONDS - WORK_SECONDS) * share
        try:
            return replace(held, now=self._swap(begin(record, request, self.clock.wall(), seconds), held))
        except RecordChangedError:
            raise
        except RegistrationError as error:
            if held.rolls_back:
                return self._rolled_back(request, held, str(error))
            self._release(request, held, str(error))  # it is not known whether the lease was written
            raise

    def _already_applied(self, request: Request, held: Held) -> Report:
        """Answer an update that changes nothing from the record alone, and note it: what it overtook comes too late."""
        try:
            self._swap(end(held.now, request), held)
        except RecordChangedError:
            raise
        except RegistrationError as error:
            log(logging.WARNING, "the stack's record could not be written", why=str(error))
        return remembered_report(held.before)

    def _swap(self, record: Record, held: Held) -> Record:
        until = _beyond(held.deadline, LAST_WRITE_SECONDS)
        until = Deadline(min(until.at, held.deadline.at + RECORD_SECONDS), until.clock)
        return self.pool.run(lambda: self.store.swap(record), until, "Writing the stack's record")

    def _release(self, request: Request, held: Held, problem: str = "", *, dirty: bool = False) -> None:
        """Give the lease back after a run that changed nothing in Falcon, or may have left it `dirty`."""
        with suppress(RegistrationError):  # it ends by itself
            current = self.load(held.deadline, LAST_WRITE_SECONDS)
            if current.lease and current.lease.holder == request.id:
                self._swap(end(replace(current, dirty=held.before.dirty or dirty), request, problem), held)

    def _forget(self, deadline: Deadline) -> None:
        """Delete the record; a stack that is gone must not fail for it."""
        try:
            self.pool.run(self.store.delete, deadline, "Deleting the stack's record")
        except RegistrationError as error:
            log(logging.WARNING, "the record could not be deleted", why=str(error))


def _beyond(deadline: Deadline, seconds: float) -> Deadline:
    """Return a deadline so many seconds after one that may be over."""
    return Deadline(max(deadline.at, deadline.clock()) + seconds, deadline.clock)


def _known(record: Record, request: Request, now: float) -> Report | None:
    """Return the report of a request for which the record alone suffices."""
    if request.is_repair:
        if record.unreadable:
            raise RecordError(f"{record.unreadable} Update the stack, for instance with another CredentialsVersion.")
        return Report(note=NOTHING_APPLIED) if record.applied is None else None
    return remembered_report(record) if is_duplicate(record, request, now) else None


def _as_applied(request: Request, record: Record, partition: str) -> Request:
    """Return a repair with the choices that the stack has applied."""
    settings, problems = parse(record.applied.choices if record.applied else {}, partition)
    return replace(request, settings=settings, problems=tuple(problems))
