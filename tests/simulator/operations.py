"""OAuth2, and the five registry operations, as CrowdStrike's API specification has them and `Behaviour` varies them."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulator.clouds import COMMERCIAL, HOSTS
from tests.simulator.connection import Connection
from tests.simulator.messages import GATEWAY, Answer, Call, RefusedError, success
from tests.simulator.tenant import ApiClient

if TYPE_CHECKING:
    from tests.simulator.falcon import FalconSimulator

SERVICE = "csam"
"""`meta.powered_by` of the token service, as seen live."""

TOKEN_SECONDS = 1799  # as seen live


def token(falcon: "FalconSimulator", call: Call) -> Answer:
    """Issue a token: 201 as specified, or an error as seen live in public issues."""
    form = call.form()
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    elsewhere = redirect(falcon, call, client_id)
    if elsewhere:
        return elsewhere
    client = authenticate(falcon, call, client_id, secret)
    value = falcon.tenant.issue_token(client, TOKEN_SECONDS)
    return Answer(201, {"access_token": value, "expires_in": TOKEN_SECONDS, "token_type": "bearer"})


def redirect(falcon: "FalconSimulator", call: Call, client_id: str) -> Answer | None:
    """Send a client of another commercial cloud there: 308 with an empty body, as seen live in public issues."""
    home = falcon.tenant.cloud
    both_commercial = call.cloud in COMMERCIAL and home in COMMERCIAL
    if call.cloud == home or not both_commercial or falcon.tenant.client(client_id) is None:
        return None
    public = falcon.behaviour.public_locations or home not in falcon.urls
    base = f"https://{HOSTS[home]}" if public else falcon.urls[home]
    headers = {"Location": f"{base}{call.path}", "X-Cs-Region": home, "Strict-Transport-Security": "max-age=31536000"}
    return Answer(308, None, headers)


def authenticate(falcon: "FalconSimulator", call: Call, client_id: str, secret: str) -> ApiClient:
    """Return the client with these credentials, or refuse: unknown here 400, wrong secret 403, address 403."""
    if not falcon.behaviour.ip_allowed:
        raise RefusedError(403, "access denied, authorization failed", powered_by=GATEWAY)
    client = falcon.tenant.client(client_id) if call.cloud == falcon.tenant.cloud else None
    if client is None:
        raise RefusedError(400, f"Failed to generate access token for clientID={client_id}", powered_by=SERVICE)
    if client.secret != secret:
        raise RefusedError(
            403,
            "Failed to issue access token - Client authentication failed (e.g., unknown client, no client "
            "authentication included, or unsupported authentication method)",
            powered_by=SERVICE,
        )
    return client


# Registries

IDS_PER_READ = 100  # "maximum page size" in the specification
IDS_PER_PAGE = 5000  # "maximum page size" in the specification
DEFAULT_PAGE = 100


def create(falcon: "FalconSimulator", call: Call) -> Answer:
    """Add a connection. Unknown fields are ignored, as the live API does."""
    body, behaviour, tenant = call.json_object(), falcon.behaviour, falcon.tenant
    connection = parse(body)
    key = (connection.url, connection.url_uniqueness_key)

    if tenant.has(*key, deleted_within=behaviour.conflict_after_delete):
        raise RefusedError(409, f"registry with url {connection.url} already exists")
    valid = connection.type != "ecr" or falcon.credential_is_valid(connection.details)
    if not valid and not behaviour.bad_credential_leaves_record:
        raise RefusedError(400, behaviour.credential_refusal)
    connection.active_at = time.time() + behaviour.active_after
    tenant.add(connection)
    if not valid:
        raise RefusedError(400, behaviour.credential_refusal)
    return success(call, show(falcon, connection), status=behaviour.create_status)


def parse(body: dict[str, object]) -> Connection:
    """Return the connection that a create asks for, or refuse what the specification does not allow."""
    kind, url = body.get("type"), body.get("url")
    if not isinstance(kind, str):
        raise RefusedError(400, f"invalid registry type: {kind!r}")
    if not isinstance(url, str) or not url.startswith("https://"):
        raise RefusedError(400, "url is required and must start with https://")
    details, credential_type = parse_credential(body, kind)
    monitored = body.get("all_repositories_monitored")
    return Connection(
        url=url,
        type=kind,
        url_uniqueness_key=text(body, "url_uniqueness_key"),
        user_defined_alias=text(body, "user_defined_alias"),
        details=details,
        credential_type=credential_type,
        all_repositories_monitored=monitored if isinstance(monitored, bool) else None,
    )


def parse_credential(body: dict[str, object], kind: str) -> tuple[dict[str, object], str | None]:
    """Return details and type of a credential; ECR's details need a role and an external id."""
    credential = body.get("credential")
    details = credential.get("details") if isinstance(credential, dict) else None
    if not isinstance(credential, dict) or not isinstance(details, dict):
        raise RefusedError(400, "credential.details is required")
    if kind == "ecr":
        for name in ("aws_iam_role", "aws_external_id"):
            if not isinstance(details.get(name), str) or not details[name]:
                raise RefusedError(400, f"credential.details.{name} is required for registry type ecr")
    return details, text(credential, "type") or None


def text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise RefusedError(400, f"{name} must be a string")
    return value or ""


def show(falcon: "FalconSimulator", connection: Connection) -> dict[str, object]:
    details: object = None if falcon.behaviour.details_as_null else {}
    shown = connection.resource(time.time(), details=details)
    for name in ("user_defined_alias", "url_uniqueness_alias"):
        shown[name] = str(shown[name])[: falcon.behaviour.alias_characters]
    return shown


def update(falcon: "FalconSimulator", call: Call) -> Answer:
    """Change alias or credential of one connection; its URL and type never change."""
    named = call.parameters("id")
    if len(named) != 1:
        raise RefusedError(400, "query parameter id is required, once")
    body, connection = call.json_object(), falcon.tenant.get(named[0])
    if connection is None:
        raise RefusedError(404, f"registry {named[0]} not found")
    if "credential" in body or falcon.behaviour.patch_needs_credential:
        replace_credential(falcon, connection, body)
    connection.user_defined_alias = text(body, "user_defined_alias") or connection.user_defined_alias
    connection.updated_at = time.time()
    return success(call, show(falcon, connection))


def replace_credential(falcon: "FalconSimulator", connection: Connection, body: dict[str, object]) -> None:
    details, credential_type = parse_credential(body, connection.type)
    if falcon.behaviour.patch_needs_credential and not credential_type:
        raise RefusedError(400, "credential.type is required")
    if connection.type == "ecr" and not falcon.credential_is_valid(details):
        raise RefusedError(400, falcon.behaviour.credential_refusal)
    connection.details = details
    connection.credential_type = credential_type or connection.credential_type
    connection.credential_updated_at = time.time()


def delete(falcon: "FalconSimulator", call: Call) -> Answer:
    """Remove connections and return them."""
    ids = known_ids(falcon, call, falcon.behaviour.unknown_id_on_delete)
    if len(ids) > 1 and not falcon.behaviour.delete_many:
        raise RefusedError(400, "only one id may be deleted at a time")
    return success(call, [show(falcon, connection) for connection in map(falcon.tenant.remove, ids) if connection])


def read(falcon: "FalconSimulator", call: Call) -> Answer:
    """Return the connections with these ids."""
    ids = known_ids(falcon, call, falcon.behaviour.unknown_id)
    if len(ids) > IDS_PER_READ:
        raise RefusedError(400, f"at most {IDS_PER_READ} ids may be read at a time")
    return success(call, [show(falcon, connection) for connection in map(falcon.tenant.get, ids) if connection])


def known_ids(falcon: "FalconSimulator", call: Call, unknown_id: str) -> list[str]:
    """Return the ids that a call names, or refuse it for one that is unknown, if the switch says so."""
    ids = list(dict.fromkeys(call.parameters("ids")))
    if not ids:
        raise RefusedError(400, "query parameter ids is required")
    unknown = [value for value in ids if falcon.tenant.get(value) is None]
    if unknown and unknown_id == "not_found":
        raise RefusedError(404, f"registry {unknown[0]} not found")
    return ids


def list_ids(falcon: "FalconSimulator", call: Call) -> Answer:
    """Return a page of the ids of all connections of the tenant."""
    asked = dict(call.query)
    limit, offset = int(asked.get("limit", DEFAULT_PAGE)), int(asked.get("offset", 0))
    if not 0 < limit <= IDS_PER_PAGE:
        raise RefusedError(400, f"limit must be at most {IDS_PER_PAGE}")
    ids, total = falcon.tenant.page(offset, limit)
    return success(call, ids, pagination={"limit": limit, "offset": offset, "total": total})


OPERATIONS: dict[str, Callable[["FalconSimulator", Call], Answer]] = {
    "create": create,
    "update": update,
    "delete": delete,
    "read": read,
    "list": list_ids,
}
