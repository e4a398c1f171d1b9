"""What is, and what would be done, as JSON for `jq`. The keys are a contract: README, "Operations"."""

from typing import Any, Final

from registry_connections.errors import (
    AuthenticationError,
    RegistrationError,
    ScopeError,
    SecretError,
    SettingsError,
)
from registry_connections.model import Connection, Settings
from registry_connections.plan import Create, Keep, Leave, Refresh, Remove
from registry_connections.reading import Prepared
from registry_connections.state import State

Json = dict[str, Any]

Change = Create | Refresh | Remove

WRITE: Final = "not known before the first write"
"""Falcon has no call that tells whether an API client may write, but to write."""


def plan_view(prepared: Prepared, settings: Settings, *, read_problem: str) -> Json:
    """Return what a repair would do now, with every Region in one place."""
    acted = {action.registry.region for action in prepared.plan.actions}
    skipped = [outcome for outcome in prepared.scope.skipped if outcome.region not in acted]
    return {
        "ok": not read_problem,
        "account": settings.account,
        "preflight": {
            "credentials": "accepted",
            "cloud": prepared.falcon.cloud,
            "read": "denied" if read_problem else "allowed",
            "write": WRITE,
            "regions": len(prepared.scope.wanted),
        },
        "changes": [_change(action) for action in prepared.plan.actions if isinstance(action, Change)],
        "unchanged": [action.registry.region for action in prepared.plan.actions if isinstance(action, Keep)],
        "left": [
            {"region": action.registry.region, "connection": action.connection_id, "why": str(action.why)}
            for action in prepared.plan.actions
            if isinstance(action, Leave)
        ],
        "skipped": [{"region": outcome.region, "why": outcome.message} for outcome in skipped],
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
        **_row(region, found),
        "wanted": region in prepared.scope.wanted,
        "skipped": skipped,
        "problem": _problem(region, found, prepared, settings),
    }


def _row(region: str, found: Connection | None) -> Json:
    """Return every key of a Region's status, with what Falcon says of its connection."""
    return {
        "region": region,
        "wanted": None,
        "skipped": None,
        "connection": found.id if found else None,
        "alias": found.alias if found else None,
        "state": found.state if found else None,
        "credential_expired": found.expired if found else None,
        "credential_expires_at": (found.expired_at or None) if found else None,
        "last_refresh": (found.last_refreshed_at or None) if found else None,
        "next_refresh": (found.next_refresh_at or None) if found else None,
        "problem": None,
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


def failure_view(action: str, state: State | None, error: RegistrationError) -> Json:
    """Return what can be told when AWS or Falcon does not let us look: what is wrong, and what the state remembers.

    The keys are those of the view that was asked for; what is not known is null.
    """
    shared = {
        "ok": False,
        "account": ((state and state.settings) or {}).get("AccountId"),
        "problems": list(error.problems) if isinstance(error, SettingsError) else [str(error)],
    }
    if action == "plan":
        return {"preflight": _preflight(error), "changes": [], "unchanged": [], "left": [], "skipped": [], **shared}
    known = sorted(state.connections.items()) if state else []
    rows = [{**_row(region, None), "connection": identifier} for region, identifier in known]
    return {"cloud": (state and state.cloud) or None, "regions": rows, **shared}


def _preflight(error: RegistrationError) -> Json:
    """Return how far the preflight came."""
    logged_in, refused = isinstance(error, ScopeError), isinstance(error, AuthenticationError | SecretError)
    return {
        "credentials": "accepted" if logged_in else "refused" if refused else None,
        "cloud": None,
        "read": "denied" if logged_in else None,
        "write": WRITE,
        "regions": None,
    }
