"""What goes over the wire: a request that was read whole, and the answer to it. No server, no state."""

import json
import math
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

ROUTES = {
    ("POST", "/oauth2/token"): "token",
    ("POST", "/container-security/entities/registries/v1"): "create",
    ("PATCH", "/container-security/entities/registries/v1"): "update",
    ("DELETE", "/container-security/entities/registries/v1"): "delete",
    ("GET", "/container-security/entities/registries/v1"): "read",
    ("GET", "/container-security/queries/registries/v1"): "list",
}
"""The operations of the API as far as they are simulated; any other request is "other"."""

SCOPES = {"create": "write", "update": "write", "delete": "write", "read": "read", "list": "read"}

GATEWAY = "crowdstrike-api-gateway"
"""`meta.powered_by` of what the gateway refuses, before any service sees it."""


class RefusedError(Exception):
    """The API refuses a request, with a status and a message of its error envelope."""

    def __init__(
        self, status: int, message: str, *, powered_by: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.powered_by, self.headers = status, message, powered_by, headers or {}


@dataclass
class Call:
    """One request."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    source: str
    """The client's IP address."""
    cloud: str = ""
    trace_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        self.operation = ROUTES.get((self.method, self.path), "other")

    def parameters(self, name: str) -> list[str]:
        """Return every value of a query parameter that is not empty."""
        return [value for key, value in self.query if key == name and value]

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json_object(self) -> dict[str, object]:
        """Return the body, which must be a JSON object."""
        document: dict[str, object] = json.loads(self.body)
        return document

    def secrets(self) -> list[str]:
        """Return what the request carries that must not be seen: secret, bearer, external id."""
        secret = self.form().get("client_secret", "") if self.operation == "token" else ""
        external_ids = re.findall(r'"aws_external_id": *"([^"]*)"', self.body.decode("utf-8", "replace"))
        return [value for value in (secret, self.bearer, *external_ids) if value]

    @property
    def bearer(self) -> str:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value if scheme.lower() == "bearer" else ""


@dataclass
class Answer:
    """One answer; a body of None is an empty one, bytes are sent as they are, and all else as JSON."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


def meta(call: Call, *, powered_by: str = "", pagination: dict[str, int] | None = None) -> dict[str, object]:
    """Return the `meta` of an envelope; its query_time is in seconds."""
    envelope: dict[str, object] = {"query_time": time.perf_counter() - call.started, "trace_id": call.trace_id}
    if powered_by:
        envelope["powered_by"] = powered_by
    if pagination is not None:
        envelope["pagination"] = pagination
    return envelope


def success(call: Call, resources: object, *, status: int = 200, pagination: dict[str, int] | None = None) -> Answer:
    body = {"meta": meta(call, powered_by="container-security", pagination=pagination)}
    return Answer(status, body | {"errors": [], "resources": resources})


def errors(call: Call, status: int, message: str, *, powered_by: str = "") -> Answer:
    """Return an error envelope; as in CrowdStrike's specification, that of a write has an object for resources."""
    listed = [{"code": status, "message": message}]
    body: dict[str, object] = {"meta": meta(call, powered_by=powered_by or "container-security"), "errors": listed}
    if call.operation in ("create", "update") and status in (400, 404, 409, 500):
        body["resources"] = None
    return Answer(status, body)


def retry_after(wait: float, unit: str) -> dict[str, str]:
    """Return the header that says when to come back: an epoch, rounded up so that coming back then succeeds."""
    moment = time.time() + wait
    if unit == "absent":
        return {}
    return {"X-Ratelimit-Retryafter": str(math.ceil(moment * 1000 if unit == "milliseconds" else moment))}
