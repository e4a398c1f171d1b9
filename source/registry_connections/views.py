"""What is, and what would be done, as JSON for `jq`. The keys are a contract: README, "Operations"."""

from collections.abc import Sequence
from typing import Any

from registry_connections.model import Connection, Settings
from registry_connections.plan import Create, Keep, Leave, Refresh, Remove
from registry_connections.reading import Prepared
from registry_connections.state import State

Json = dict[str, Any]

Change = Create | Refresh | Remove


def plan_view(prepared: Prepared, settings: Settings, *, read_problem: str) -> Json:
    """Return what a repair would do now. Whether the API client may write shows only when something is written."""
    return {
        "ok": not read_problem,
        "account": settings.account,
        "preflight": {
            "credentials": "accepted",
            "cloud": prepared.falcon.cloud,
            "read": read_problem or "allowed",
            "write": "not known before the first write",
            "regions": len(prepared.scope.wanted),
        },
        "changes": [_change(action) for action in prepared.plan.actions if isinstance(action, Change)],
        "unchanged": [action.registry.region for action in prepared.plan.actions if isinstance(action, Keep)],
        "left": [
            {"region": action.registry.region, "connection": action.connection_id, "why": str(action.why)}
            for action in prepared.plan.actions
            if isinstance(action, Leave)
        ],
        "skipped": [{"region": outcome.region, "why": outcome.message} for outcome in prepared.scope.skipped],
        "problems": [read_problem] if read_problem else [],
    }


def _change(action: Change) -> Json:
    name = type(action).__name__.lower()
    if isinstance(action, Create):
        why, identifier = "wanted, and not in Falcon", None
    else:
        why, identifier = str(action.why), action.connection_id
    return {"region": action.registry.region, "change": name, "connection": identifier, "why": why}


def status_view(prepared: Prepared, settings: Settings) -> Json:
    """Return, for each Region, the connection as Falcon has it and what is wrong with it."""
    skipped = {outcome.region: outcome.message for outcome in prepared.scope.skipped}
    names = sorted({*prepared.scope.wanted, *prepared.state.connections, *skipped})
    rows = [_status(name, prepared, settings, skipped.get(name)) for name in names]
    problems = [f"{row['region']}: {row['problem']}" for row in rows if row["problem"]]
    return {
        "ok": not problems,
        "account": settings.account,
        "cloud": prepared.falcon.cloud,
        "regions": rows,
        "problems": problems,
    }


def _status(region: str, prepared: Prepared, settings: Settings, skipped: str | None) -> Json:
    found = prepared.existing.get(region)
    return {
        "region": region,
        "wanted": region in prepared.scope.wanted,
        "skipped": skipped,
        "connection": found.id if found else None,
        "alias": found.alias if found else None,
        "state": found.state if found else None,
        "credential_expired": found.expired if found else None,
        "credential_expires_at": (found.expired_at or None) if found else None,
        "last_refresh": (found.last_refreshed_at or None) if found else None,
        "next_refresh": (found.next_refresh_at or None) if found else None,
        "problem": _problem(region, found, prepared, settings),
    }


def _problem(region: str, found: Connection | None, prepared: Prepared, settings: Settings) -> str | None:
    if region not in prepared.scope.wanted:
        return None
    if found is None:
        known = region in prepared.state.connections
        return "its connection is gone from Falcon" if known else "not connected"
    if not found.is_for(settings.registry(region)):
        return "the state names a connection of another registry"
    return "its credential expired" if found.expired else None


def failure_view(state: State | None, problems: Sequence[str]) -> Json:
    """Return what can be told when Falcon or AWS cannot be asked: what is wrong, and what the state remembers."""
    known = sorted(state.connections.items()) if state else []
    return {
        "ok": False,
        "regions": [{"region": region, "connection": identifier} for region, identifier in known],
        "problems": list(problems),
    }
