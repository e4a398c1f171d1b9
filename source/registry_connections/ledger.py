"""What the state is after an event: pure, as the plan is, and as much of a decision.

What is written here is all that later events know of this one.
"""

from dataclasses import replace

from registry_connections.apply import Applied
from registry_connections.model import CONNECTED, UNSUCCESSFUL, Connection, OutcomeKind
from registry_connections.reading import Prepared
from registry_connections.report import Report
from registry_connections.state import Run, State
from registry_connections.turns import Kind, Request, remember


def after_event(request: Request, prepared: Prepared, applied: Applied, *, failed: bool) -> State:
    """Return what the stack has applied now, and which connections it manages."""
    before = prepared.state
    succeeded = not failed and request.kind is not Kind.REPAIR
    unconfirmed = request.kind is not Kind.UPDATE and (before.unconfirmed or (succeeded and not before.handled))
    connections = _managed(request, prepared, applied, failed=failed)
    unfinished = _unfinished(request, prepared, applied, done=succeeded and not unconfirmed)
    lost = tuple(sorted(applied.unknown))
    return replace(
        before,
        settings=request.settings.properties if succeeded else before.settings,
        connections=connections,
        unfinished=unfinished & connections.keys(),
        unconfirmed=unconfirmed,
        doubtful=_doubtful(request, prepared, applied, failed=failed) & connections.keys(),
        cloud=prepared.falcon.cloud,
        run=Run(request.run_id, 0, lost, prepared.falcon.server_time) if lost else None,
    )


def _doubtful(request: Request, prepared: Prepared, applied: Applied, *, failed: bool) -> frozenset[str]:
    """Return the Regions whose connection may have another role than the settings name."""
    kinds = CONNECTED - {OutcomeKind.UNCHANGED}
    given = {region for region, outcome in applied.outcomes.items() if outcome.kind in kinds}
    before = prepared.state.doubtful
    return before | given if failed and request.kind is not Kind.REPAIR else before - given


def _managed(request: Request, prepared: Prepared, applied: Applied, *, failed: bool) -> dict[str, str]:
    """Return the connections that the stack manages now, by Region.

    What a failed event adopted was somebody else's before, and must outlive the rollback.
    """
    launch_failed = failed and request.kind is Kind.CREATE
    passing = {OutcomeKind.ADOPTED} if failed and request.kind is Kind.UPDATE else set()
    connections = {region: found.id for region, found in prepared.existing.items() if _is_ours(found, region, request)}
    for region, outcome in applied.outcomes.items():
        if outcome.kind in CONNECTED - passing and not launch_failed:
            connections[region] = outcome.connection_id
        elif outcome.kind is OutcomeKind.REMOVED:
            connections.pop(region, None)
    return connections | applied.made


def _unfinished(request: Request, prepared: Prepared, applied: Applied, *, done: bool) -> frozenset[str]:
    """Return the Regions whose connection an event made that is not known to have succeeded."""
    before = prepared.state
    if done:
        return frozenset()
    if request.kind is Kind.REPAIR and not before.unconfirmed:
        return before.unfinished - set(prepared.scope.wanted)
    if request.kind is Kind.UPDATE and before.unconfirmed:
        return frozenset(applied.made)  # what the launch made is not in doubt any more
    return before.unfinished | applied.made.keys()


def _is_ours(found: Connection, region: str, request: Request) -> bool:
    return found.is_for(request.settings.registry(region))


def after_purge(request: Request, state: State, report: Report) -> State:
    """Return the state without what was removed; with nothing applied once all went well."""
    failed = {outcome.connection_id for outcome in report.of(UNSUCCESSFUL)}
    gone = not failed
    return replace(
        remember(state, request, report.failure),
        settings=None if gone else state.settings,
        connections={region: name for region, name in state.connections.items() if name in failed},
        unfinished=state.unfinished if failed else frozenset(),
        unconfirmed=state.unconfirmed and not gone,
        run=None,
        deleted=request.id if gone else state.deleted,
    )
