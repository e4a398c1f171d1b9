"""Decides. From what is wanted, what exists and what the stack remembers, what is to be done; nothing else.

No I/O, no clock, no logging: the same arguments give the same plan, in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from registry_connections.core.model import (
    AccountRegions,
    Connection,
    DeletePolicy,
    Identity,
    Outcome,
    OutcomeKind,
    Owner,
    RegionFailurePolicy,
    RegionScope,
    RegionUse,
    Registry,
    Settings,
)
from registry_connections.core.record import Record


@dataclass(frozen=True, slots=True)
class Scope:
    """The Regions that should have a connection, those left out with the reason, and what is wrong."""

    wanted: tuple[str, ...]
    skipped: tuple[Outcome, ...] = ()
    problems: tuple[str, ...] = ()


class Why(StrEnum):
    """Why a credential is set, or a connection removed or left."""

    ADOPTED = "a connection for this registry existed already"
    LOST = "it was made, but the response was lost or a refusal"
    RECOVERED = "this stack made it, and its record did not name it"
    REFUSED = "this stack made it, and it has no credential yet"
    EXPIRED = "Falcon says that its credential expired"
    NOT_WANTED = "the Region is no longer wanted"
    UNFINISHED = "it was made by a stack event that did not succeed"
    PURGED = "the stack is deleted"
    KEPT = "the Region is no longer wanted, and DeleteConnections is Keep"
    SPARED = "the Region is no longer wanted, but others failed"
    OTHER_STACK = "another stack took it over"


class ActionKind(StrEnum):
    """What is to be done with a registry."""

    CREATE = "create"
    REFRESH = "refresh"  # set the credential
    REMOVE = "remove"
    KEEP = "keep"  # wanted, present and right
    LEAVE = "leave"  # not to be touched


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done with one registry, and why.

    Of a connection that is kept, `why` is what Falcon says is wrong with it, and no call mends.
    """

    kind: ActionKind
    registry: Registry
    connection_id: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One action for each Region that is wanted or managed, sorted by Region."""

    actions: tuple[Action, ...]

    def of(self, kind: ActionKind) -> tuple[Action, ...]:
        """Return the actions of one kind."""
        return tuple(action for action in self.actions if action.kind is kind)


def scope(settings: Settings, regions: AccountRegions, accepted: Sequence[str] = ()) -> Scope:
    """Return which Regions are wanted.

    A named Region that AWS does not know is a problem. One that is not enabled is a problem too, unless the stack
    reports failures only, or it is among those that an earlier event accepted: a Region that was disabled since must
    not break a repair.
    """
    chosen = frozenset(settings.regions) or regions.enabled
    wanted = (chosen & regions.enabled) - frozenset(settings.excluded)
    gone = chosen - regions.enabled - frozenset(settings.excluded)
    tolerated = frozenset(accepted)
    if settings.on_region_failure is RegionFailurePolicy.REPORT:
        tolerated |= regions.disabled
    problems = [_region_problem(region, regions) for region in sorted(gone - tolerated)]
    unknown = frozenset(settings.excluded) - regions.enabled - regions.disabled
    problems += [f"ExcludedRegions: AWS knows no Region {region!r} in this partition." for region in sorted(unknown)]
    if not wanted and not problems:
        problems.append("Regions and ExcludedRegions leave no enabled Region to register.")
    skipped = [Outcome(region, OutcomeKind.SKIPPED, message="not enabled in this account") for region in gone]
    skipped += [
        Outcome(region, OutcomeKind.SKIPPED, message=_left_out(region, settings)) for region in regions.enabled - wanted
    ]
    return Scope(tuple(sorted(wanted)), tuple(sorted(skipped)), tuple(problems))


def filter_by_use(whole: Scope, uses: Mapping[str, RegionUse], settings: Settings) -> Scope:
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


def recorded(record: Record, found: Sequence[Connection], identity: Identity) -> dict[str, Connection]:
    """Return, by Region, those connections of the record that Falcon has.

    One whose URL or type is not that of the Region's registry counts as absent: an id proves nothing.
    """
    by_id = {connection.id: connection for connection in found}
    return {
        region: by_id[identifier]
        for region, identifier in record.connections.items()
        if identifier in by_id and by_id[identifier].is_for(identity.registry(region))
    }


def created_by(identity: Identity, found: Sequence[Connection]) -> list[Connection]:
    """Return the connections of this account that this stack created, as their aliases say."""
    return [
        connection
        for connection in found
        if identity.owner(connection.alias) is Owner.CREATED and connection.is_for(identity.registry(connection.region))
    ]


def plan(
    wanted: Sequence[str],
    found: Sequence[Connection],
    record: Record,
    identity: Identity,
    settings: Settings,
    *,
    repair: bool,
) -> Plan:
    """Return what is to be done.

    `found` is what Falcon has of the record's connections, or all that the tenant has if the record is dirty: then
    what this stack created and could not record is found by its alias.
    """
    managed = recorded(record, found, identity)
    created = created_by(identity, found) if record.dirty else []
    stray = {connection.region: connection for connection in created if connection.region not in managed}
    actions: list[Action] = []
    for region in sorted({*wanted, *managed, *stray}):
        registry = identity.registry(region)
        if region in wanted and region in managed:
            refused = region in record.refused
            actions.append(_for_managed(registry, managed[region], identity, repair=repair, refused=refused))
        elif region in wanted and region in stray:
            actions.append(Action(ActionKind.REFRESH, registry, stray[region].id, Why.RECOVERED))
        elif region in wanted:
            actions.append(Action(ActionKind.CREATE, registry))
        elif region in managed:
            actions.append(_for_unwanted(registry, managed[region], identity, settings))
        else:
            actions.append(Action(ActionKind.REMOVE, registry, stray[region].id, Why.UNFINISHED))
    return Plan(tuple(actions))


def _for_managed(registry: Registry, managed: Connection, identity: Identity, *, repair: bool, refused: bool) -> Action:
    if identity.owner(managed.alias) is Owner.OTHER_STACK:
        # Two stacks of one account must not take a connection from each other every day.
        if repair and not managed.expired:
            return Action(ActionKind.LEAVE, registry, managed.id, Why.OTHER_STACK)
        return Action(ActionKind.REFRESH, registry, managed.id, Why.ADOPTED)
    if managed.expired:
        return Action(ActionKind.REFRESH, registry, managed.id, Why.EXPIRED)
    if refused:
        return Action(ActionKind.REFRESH, registry, managed.id, Why.REFUSED)
    return Action(ActionKind.KEEP, registry, managed.id, managed.problem)


def _for_unwanted(registry: Registry, managed: Connection, identity: Identity, settings: Settings) -> Action:
    if identity.owner(managed.alias) is Owner.OTHER_STACK:
        return Action(ActionKind.LEAVE, registry, managed.id, Why.OTHER_STACK)
    if settings.delete_connections is DeletePolicy.KEEP:
        return Action(ActionKind.LEAVE, registry, managed.id, Why.KEPT)
    return Action(ActionKind.REMOVE, registry, managed.id, Why.NOT_WANTED)


# What leaves Falcon when the stack is deleted


def purge(record: Record, found: Sequence[Connection], identity: Identity, policy: DeletePolicy) -> Plan:
    """Return what leaves Falcon with a stack that was launched.

    With `Account` that is every ECR connection of the account; with `Stack` what the record names, and what carries
    this stack's mark: `found` holds the tenant's connections if the record cannot name them all.
    """
    if policy is DeletePolicy.ACCOUNT:
        return _removes([c for c in found if c.belongs_to(identity.account, identity.url_suffix)], identity, Why.PURGED)
    managed = {connection.id for connection in recorded(record, found, identity).values()}
    own = [
        connection
        for connection in found
        if connection.is_for(identity.registry(connection.region))
        and _is_own(identity.owner(connection.alias), managed=connection.id in managed)
    ]
    return _removes(own if policy is DeletePolicy.STACK else [], identity, Why.PURGED)


def _is_own(owner: Owner, *, managed: bool) -> bool:
    return owner in {Owner.CREATED, Owner.ADOPTED} or (owner is Owner.NOBODY and managed)


def purge_unfinished(found: Sequence[Connection], identity: Identity) -> Plan:
    """Return what a launch that did not succeed created, whatever the policy; nothing that was there before."""
    return _removes(created_by(identity, found), identity, Why.UNFINISHED)


def _removes(connections: Sequence[Connection], identity: Identity, why: Why) -> Plan:
    ordered = sorted(connections, key=lambda found: (found.region, found.id))
    return Plan(tuple(Action(ActionKind.REMOVE, identity.registry(found.region), found.id, why) for found in ordered))
