"""Decides. From what is wanted, what exists and what the stack last applied, what is to be done; nothing else.

No I/O, no clock, no logging: the same arguments give the same plan, in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from registry_connections.model import (
    AccountRegions,
    Connection,
    DeletePolicy,
    Outcome,
    OutcomeKind,
    RegionScope,
    RegionUse,
    Registry,
    Settings,
)
from registry_connections.state import REPAIR, Run, State


@dataclass(frozen=True, slots=True)
class Scope:
    """The Regions that should have a connection, those left out with the reason, and what is wrong."""

    wanted: tuple[str, ...]
    skipped: tuple[Outcome, ...] = ()
    problems: tuple[str, ...] = ()


class Why(StrEnum):
    """Why a credential is set again, or a connection removed or left."""

    ADOPTED = "a connection for this registry existed already"
    LOST = "it was made, but the answer was lost or a refusal"
    ROLE_CHANGED = "the connection role or its external id changed"
    EXPIRED = "Falcon says that its credential expired"
    NOT_WANTED = "the Region is no longer wanted"
    UNFINISHED = "it was made by a stack event that did not succeed"
    PURGE = "the stack is deleted"
    KEPT = "the Region is no longer wanted, and DeleteConnections is Keep"
    SPARED = "the Region is no longer wanted, but others failed"


@dataclass(frozen=True, slots=True)
class Create:
    """Wanted and absent."""

    registry: Registry


@dataclass(frozen=True, slots=True)
class Refresh:
    """Wanted and present, and its credential must be set."""

    registry: Registry
    connection_id: str
    why: Why


@dataclass(frozen=True, slots=True)
class Keep:
    """Wanted, present and right."""

    registry: Registry
    connection_id: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Managed, and no longer wanted."""

    registry: Registry
    connection_id: str
    why: Why


@dataclass(frozen=True, slots=True)
class Leave:
    """Managed, no longer wanted, and not to be removed."""

    registry: Registry
    connection_id: str
    why: Why


Action = Create | Refresh | Keep | Remove | Leave


@dataclass(frozen=True, slots=True)
class Plan:
    """One action for each Region that is wanted or managed, sorted by Region."""

    actions: tuple[Action, ...]

    @property
    def creates(self) -> tuple[Create, ...]:
        """The connections to make."""
        return tuple(action for action in self.actions if isinstance(action, Create))

    @property
    def refreshes(self) -> tuple[Refresh, ...]:
        """The credentials to set."""
        return tuple(action for action in self.actions if isinstance(action, Refresh))

    @property
    def removes(self) -> tuple[Remove, ...]:
        """The connections to remove."""
        return tuple(action for action in self.actions if isinstance(action, Remove))

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.creates or self.refreshes or self.removes)


def scope(settings: Settings, regions: AccountRegions, accepted: Sequence[str] = ()) -> Scope:
    """Return which Regions are wanted.

    A named Region that is unknown or not enabled is a problem, unless it is among those that an earlier event
    accepted: a Region that was disabled since must not break a repair, nor the rollback of an update.
    """
    chosen = frozenset(settings.regions) or regions.enabled
    wanted = (chosen & regions.enabled) - frozenset(settings.excluded)
    gone = chosen - regions.enabled - frozenset(settings.excluded)
    problems = [_region_problem(region, regions) for region in sorted(gone - frozenset(accepted))]
    unknown = frozenset(settings.excluded) - regions.enabled - regions.disabled
    problems += [f"ExcludedRegions: AWS knows no Region {region!r} in this partition." for region in sorted(unknown)]
    if not wanted and not problems:
        problems.append("Regions and ExcludedRegions leave no enabled Region to register.")
    skipped = [Outcome(region, OutcomeKind.SKIPPED, message="not enabled in this account") for region in gone]
    skipped += [
        Outcome(region, OutcomeKind.SKIPPED, message=_left_out(region, settings)) for region in regions.enabled - wanted
    ]
    return Scope(tuple(sorted(wanted)), tuple(sorted(skipped)), tuple(problems))


def narrow(whole: Scope, uses: Mapping[str, RegionUse], settings: Settings) -> Scope:
    """Return the scope without the Regions in which the account may not use ECR, or, if asked for, does not.

    What is not known of a Region does not take it out.
    """
    reasons = {RegionUse.DENIED} | (
        {RegionUse.EMPTY} if settings.region_scope is RegionScope.WITH_REPOSITORIES else set()
    )
    out = {region: str(uses[region]) for region in whole.wanted if uses.get(region) in reasons}
    skipped = [Outcome(region, OutcomeKind.SKIPPED, message=reason) for region, reason in out.items()]
    wanted = tuple(region for region in whole.wanted if region not in out)
    return replace(whole, wanted=wanted, skipped=tuple(sorted((*whole.skipped, *skipped))))


def _region_problem(region: str, regions: AccountRegions) -> str:
    if region in regions.disabled:
        return f"Regions: {region} is not enabled in this account: enable it, or take it out."
    return f"Regions: AWS knows no Region {region!r} in this partition."


def _left_out(region: str, settings: Settings) -> str:
    return "in ExcludedRegions" if region in settings.excluded else "not in Regions"


def plan(wanted: Sequence[str], existing: Mapping[str, Connection], state: State, settings: Settings) -> Plan:
    """Return what is to be done.

    `existing` holds, by Region, those of the state's connections that Falcon still has. A connection whose URL or
    type is not that of the Region's registry is nobody's business here and counts as absent.
    """
    ours = {region: found for region, found in existing.items() if found.is_for(settings.registry(region))}
    actions = [
        _for_wanted(region, ours.get(region), state, settings)
        if region in wanted
        else _for_unwanted(region, ours[region], state, settings)
        for region in sorted(set(wanted) | set(ours))
    ]
    return Plan(tuple(actions))


def _for_wanted(region: str, found: Connection | None, state: State, settings: Settings) -> Action:
    registry = settings.registry(region)
    if found is None:
        return Create(registry)
    if region in with_doubts(state, settings).doubtful:
        return Refresh(registry, found.id, Why.ROLE_CHANGED)
    if found.expired:
        return Refresh(registry, found.id, Why.EXPIRED)
    return Keep(registry, found.id)


def _for_unwanted(region: str, found: Connection, state: State, settings: Settings) -> Action:
    registry = settings.registry(region)
    if region in state.unfinished and not state.unconfirmed:
        return Remove(registry, found.id, Why.UNFINISHED)
    if settings.delete_connections is DeletePolicy.KEEP:
        return Leave(registry, found.id, Why.KEPT)
    return Remove(registry, found.id, Why.NOT_WANTED)


def with_doubts(state: State, settings: Settings) -> State:
    """Return the state with every connection in doubt if the role or the external id changes with these settings.

    Falcon never returns either, so that the state must tell to which connections they were given.
    """
    return replace(state, doubtful=frozenset(state.connections)) if _role_changed(state, settings) else state


def _role_changed(state: State, settings: Settings) -> bool:
    applied = state.settings or {}
    return (applied.get("ConnectionRoleArn"), applied.get("ExternalId")) != (settings.role_arn, settings.external_id)


def purge(settings: Settings, state: State, existing: Sequence[Connection], *, ours: bool) -> Plan:
    """Return which of `existing` leave Falcon when the stack is deleted.

    The Delete that follows a launch which did not succeed takes away what that launch made, whatever the policy, and
    nothing that was there before. Otherwise the policy says, if the Delete is about our resource (`ours`).
    """
    managed = {identifier: region for region, identifier in state.connections.items()}
    launch_failed = _launch_failed(state, ours=ours)
    removes: list[Remove] = []
    for found in existing:
        region = managed.get(found.id, "")
        is_managed = bool(region) and found.is_for(settings.registry(region))
        if launch_failed:
            gone = is_managed and region in state.unfinished
        else:
            gone = ours and _is_purged(found, settings, is_managed=is_managed)
        if gone:
            why = Why.UNFINISHED if launch_failed else Why.PURGE
            removes.append(Remove(settings.registry(found.region), found.id, why))
    removes.sort(key=lambda remove: (remove.registry, remove.connection_id))
    return Plan(tuple(removes))


def purges(settings: Settings, state: State, *, ours: bool) -> bool:
    """Whether deleting the stack needs Falcon at all."""
    if _launch_failed(state, ours=ours):
        return bool(state.unfinished) or bool(state.run and state.run.creating)
    return ours and settings.delete_connections is not DeletePolicy.KEEP


def _launch_failed(state: State, *, ours: bool) -> bool:
    """Whether a Delete is about a launch that failed, or that CloudFormation never heard to have succeeded.

    The physical id of such a Delete is made up, while that of every later one is ours.
    """
    return state.settings is None or (state.unconfirmed and not ours)


def _is_purged(found: Connection, settings: Settings, *, is_managed: bool) -> bool:
    if settings.delete_connections is DeletePolicy.ACCOUNT:
        return found.belongs_to(settings.account, settings.url_suffix)
    return settings.delete_connections is DeletePolicy.STACK and is_managed


def with_recovered(state: State, run: Run | None, connections: Sequence[Connection], settings: Settings) -> State:
    """Return the state with what a run made that ended before it could say so.

    Its connections are those of the Regions in which it was making one, made since it began, by Falcon's own clock.
    """
    if run is None:
        return state
    made = {
        region: found.id
        for found in connections
        for region in run.creating
        if found.is_for(settings.registry(region)) and made_since(found, run.since)
    }
    recovered = {**state.connections, **made}  # where it made one, what the state knew was gone
    in_doubt = run.kind != REPAIR or state.unconfirmed  # no event takes back what a repair made
    return replace(
        state,
        connections=recovered,
        unfinished=state.unfinished | (made.keys() - state.connections.keys() if in_doubt else set()),
        doubtful=state.doubtful | made.keys(),
    )


def made_since(found: Connection, since: str) -> bool:
    """Whether a connection is younger than a moment (RFC 3339); one that does not tell its age is not."""
    try:
        return datetime.fromisoformat(found.created_at) >= datetime.fromisoformat(since)
    except (TypeError, ValueError):
        return False
