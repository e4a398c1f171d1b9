"""What is, and what would be done, as JSON for `jq`. The keys are a contract: see this package's README."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry_connections.core.errors import (
    AuthenticationError,
    RegistrationError,
    ScopeError,
    SecretError,
    SettingsError,
)
from registry_connections.core.model import Connection, Identity, Owner
from registry_connections.core.plan import Action, ActionKind, Plan, Scope, recorded
from registry_connections.core.record import Record

Json = dict[str, Any]

CHANGES: Final = frozenset({ActionKind.CREATE, ActionKind.REFRESH, ActionKind.REMOVE})
CREATE: Final = "wanted, and not known to be connected: create, or adopt if it is connected already"
WRITE: Final = "not known before the first write"
"""Falcon has no call that says whether an API client may write, but to write."""


@dataclass(frozen=True, slots=True)
class View:
    """All that was read, and the plan that follows."""

    identity: Identity
    record: Record
    scope: Scope
    found: Sequence[Connection]
    plan: Plan
    cloud: str


def plan_view(seen: View, *, read_problem: str) -> Json:
    """Return what a repair would do now, with every Region in one place."""
    acted = {action.registry.region for action in seen.plan.actions}
    skipped = [outcome for outcome in seen.scope.skipped if outcome.region not in acted]
    return {
        "ok": not read_problem,
        "account": seen.identity.account,
        "preflight": {
            "credentials": "accepted",
            "cloud": seen.cloud,
            "read": "denied" if read_problem else "allowed",
            "write": WRITE,
            "regions": len(seen.scope.wanted),
        },
        "changes": [_change(action) for action in seen.plan.actions if action.kind in CHANGES],
        "unchanged": [action.registry.region for action in seen.plan.of(ActionKind.KEEP)],
        "left": [_about(action) for action in seen.plan.of(ActionKind.LEAVE)],
        "skipped": [{"region": outcome.region, "why": outcome.message} for outcome in skipped],
        "problems": [read_problem] if read_problem else [],
    }


def _change(action: Action) -> Json:
    return {"region": action.registry.region, "change": str(action.kind), **_about(action)}


def _about(action: Action) -> Json:
    why = CREATE if action.kind is ActionKind.CREATE else str(action.why)
    return {"region": action.registry.region, "connection": action.connection_id or None, "why": why}


def status_view(seen: View) -> Json:
    """Return, for each Region, the connection as Falcon has it and what is wrong with it."""
    existing = recorded(seen.record, seen.found, seen.identity)
    skipped = {outcome.region: outcome.message for outcome in seen.scope.skipped}
    names = sorted({*seen.scope.wanted, *seen.record.connections, *skipped})
    rows = [_status(name, existing.get(name), seen, skipped.get(name)) for name in names]
    problems = [f"{row['region']}: {row['problem']}" for row in rows if row["problem"]]
    attention = [f"{region}: {text}" for region, found in existing.items() if (text := _attention(found, seen))]
    if seen.record.dirty:
        attention.append("A run is at work, or ended before it could record what it did: then a repair puts it right.")
    return {
        "ok": not problems,
        "account": seen.identity.account,
        "cloud": seen.cloud,
        "regions": rows,
        "problems": problems,
        "attention": attention,
    }


def _attention(found: Connection, seen: View) -> str:
    """Return what a person may want to know of a connection, though nothing is wrong with it."""
    if seen.identity.owner(found.alias) is Owner.NOBODY:
        return f"its alias was changed to {found.alias!r}; it stays so" if found.alias else ""
    return ""


def _status(region: str, found: Connection | None, seen: View, skipped: str | None) -> Json:
    return {
        **_row(region, found),
        "wanted": region in seen.scope.wanted,
        "skipped": skipped,
        "problem": _problem(region, found, seen),
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


def _problem(region: str, found: Connection | None, seen: View) -> str | None:
    if region not in seen.scope.wanted:
        return None
    identifier = seen.record.connections.get(region)
    if found is None and identifier in {connection.id for connection in seen.found}:
        return "the stack's record names a connection of another registry"
    if found is None:
        return "its connection is gone from Falcon" if identifier else "not connected"
    if seen.identity.owner(found.alias) is Owner.OTHER_STACK:
        return f"another stack took it over (alias {found.alias}): another CredentialsVersion here takes it back"
    if region in seen.record.refused:
        return "it has no credential yet: the next repair sets it"
    return found.problem or None


def failure_view(action: str, identity: Identity, record: Record, error: RegistrationError) -> Json:
    """Return what is known when AWS or Falcon does not let us look: what is wrong, and what the record names.

    The keys are those of the view that was asked for; what is not known is null.
    """
    shared = {
        "ok": False,
        "account": identity.account,
        "problems": list(error.problems) if isinstance(error, SettingsError) else [str(error)],
    }
    if action == "plan":
        return {"preflight": _preflight(error), "changes": [], "unchanged": [], "left": [], "skipped": [], **shared}
    rows = [{**_row(region, None), "connection": name} for region, name in sorted(record.connections.items())]
    return {"cloud": record.cloud or None, "regions": rows, "attention": [], **shared}


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
