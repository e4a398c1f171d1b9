"""What a test or a demonstration asks of a simulator in another process, under /_simulator/."""

from collections.abc import Callable
from dataclasses import asdict
from ipaddress import ip_address

from aiohttp import web

from tests.simulator.connection import Connection
from tests.simulator.falcon import Falcon
from tests.simulator.faults import Fault

PREFIX = "/_simulator/"

Document = dict[str, object]


def connections(falcon: Falcon, query: Document) -> object:
    """Return the connections of `account`, or all, with everything that the API never shows."""
    account = query.get("account")
    found = falcon.tenant.connections_of(str(account)) if account else falcon.tenant.connections()
    return [connection.to_json() for connection in found]


def add(falcon: Falcon, document: Document) -> object:
    return falcon.tenant.add(Connection(**document)).to_json()  # type: ignore[arg-type]  # checked by the dataclass


def journal(falcon: Falcon, query: Document) -> object:
    """Return the records of `operation`, or all."""
    operation = query.get("operation")
    return [asdict(record) for record in falcon.journal.records(str(operation) if operation else None)]


def arm(falcon: Falcon, document: Document) -> object:
    falcon.faults.arm(Fault.from_json(document))
    return len(falcon.faults.armed)


def disarm(falcon: Falcon, _: Document) -> object:
    falcon.faults.clear()
    return None


def struck(falcon: Falcon, _: Document) -> object:
    """Return how often each armed fault struck."""
    return [armed.struck for armed in falcon.faults.armed]


def behaviour(falcon: Falcon, document: Document) -> object:
    falcon.behaviour.change(**document)
    return {name: value for name, value in asdict(falcon.behaviour).items() if name != "credential_check"}


def client(falcon: Falcon, document: Document) -> object:
    scopes = document.get("scopes", ["read", "write"])
    if not isinstance(scopes, list):
        raise TypeError("scopes must be a list")
    falcon.tenant.add_client(str(document["client_id"]), str(document["client_secret"]), scopes)
    return None


def seed(falcon: Falcon, document: Document) -> object:
    falcon.tenant.seed(int(str(document["count"])))
    return len(falcon.tenant.connections())


def state(falcon: Falcon, document: Document) -> object:
    falcon.tenant.force_state(str(document["id"]), str(document["state"]))
    return None


def expire(falcon: Falcon, document: Document) -> object:
    """Expire the credential of the connection `id`, or, without one, every token."""
    if "id" in document:
        falcon.tenant.expire_credential(str(document["id"]))
    else:
        falcon.tenant.expire_tokens()
    return None


def reset(falcon: Falcon, _: Document) -> object:
    falcon.reset()
    return None


def clear_journal(falcon: Falcon, _: Document) -> object:
    falcon.journal.clear()
    return None


READS: dict[str, Callable[[Falcon, Document], object]] = {
    "connections": connections,
    "journal": journal,
    "struck": struck,
}
WRITES: dict[str, Callable[[Falcon, Document], object]] = {
    "add": add,
    "arm": arm,
    "behaviour": behaviour,
    "clear-journal": clear_journal,
    "client": client,
    "disarm": disarm,
    "expire": expire,
    "reset": reset,
    "seed": seed,
    "state": state,
}


async def handle(falcon: Falcon, request: web.BaseRequest) -> web.StreamResponse:
    """Answer an administrative request, from this machine only."""
    if not ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104  # not an address to listen on
        return web.json_response({"error": "not from here"}, status=403)
    name = request.path.removeprefix(PREFIX)
    action = {"GET": READS, "POST": WRITES}.get(request.method, {}).get(name)
    if action is None:
        return web.json_response({"error": f"no such action: {request.method} {name}"}, status=404)
    document: Document = await request.json() if request.can_read_body else dict(request.query)
    try:
        return web.json_response(action(falcon, document))
    except (KeyError, TypeError, ValueError) as problem:
        return web.json_response({"error": str(problem)}, status=400)
