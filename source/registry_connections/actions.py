"""What people, the schedule and the Region event ask for: plan, status and reconcile."""

import json
from typing import Any, Final

from registry_connections.core.errors import RecordError, RegistrationError
from registry_connections.core.model import Deadline
from registry_connections.core.plan import plan
from registry_connections.core.record import Kind, Record, Request
from registry_connections.core.settings import parse
from registry_connections.core.views import Json, View, failure_view, plan_view, status_view
from registry_connections.reconciler import Reconciler

ACTIONS: Final = ("plan", "status", "reconcile")


def action(event: Any) -> str:
    """Return the action that an event asks for; raise RegistrationError, which lists what is accepted."""
    if isinstance(event, dict):
        detail = event.get("detail")
        enabled = isinstance(detail, dict) and detail.get("status") == "ENABLED"
        if event.get("source") == "aws.account" and enabled:
            return "reconcile"
        if event.get("action") in ACTIONS:
            return str(event["action"])
    accepted = ", ".join(json.dumps({"action": name}) for name in ACTIONS)
    raise RegistrationError(f"Unknown event. Accepted: {accepted}, or an event of CloudFormation or of a Region.")


def repair(request_id: str, now: float) -> Request:
    """Return the request of a repair."""
    return Request(Kind.REPAIR, request_id, now)


def view(name: str, reconciler: Reconciler, deadline: Deadline) -> Json:
    """Return what is, or what a repair would do. Nothing is changed, and what is wrong is part of the JSON."""
    record = Record()
    try:
        record = reconciler.load(deadline)
        return _view(name, reconciler, record, deadline)
    except RegistrationError as error:
        return failure_view(name, reconciler.identity, record, error)


def _view(name: str, reconciler: Reconciler, record: Record, deadline: Deadline) -> Json:
    if record.applied is None:
        deleting = (
            "A deletion of the stack has begun. If it failed, delete the stack again." if record.connections else ""
        )
        text = "The stack has not applied anything yet: create or update it first."
        raise RecordError(record.unreadable or deleting or text)
    identity, reader = reconciler.identity, reconciler.reader
    settings, problems = parse(record.applied.choices, identity.partition)
    snapshot = reader.read(settings, problems, record, deadline)
    todo = plan(snapshot.scope.wanted, snapshot.found, record, identity, settings, repair=True)
    seen = View(identity, record, snapshot.scope, snapshot.found, todo, snapshot.falcon.cloud)
    if name == "status":
        return status_view(seen)
    return plan_view(seen, read_problem=reader.read_problem(snapshot.falcon, deadline))
