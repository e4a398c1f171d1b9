"""What Falcon's responses mean: which error, which resources. Nothing in a response is sure to have its type."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from registry_connections.core.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    FalconError,
    MalformedError,
    NotFalconError,
    NotFoundError,
    ScopeError,
    sanitize,
)
from registry_connections.core.model import Connection
from registry_connections.falcon.http import OK, REDIRECTS, SERVER_ERRORS, Response

LARGEST_TOTAL: Final = 10_000_000  # a listing that claims more is not believed
REJECTED_CREDENTIAL: Final = "failed to validate registry credential"  # seen live
SCOPE_MISSING: Final = "scope not permitted"  # seen live
NOT_FALCON: Final = "the response is not Falcon's: is there a proxy, a firewall or a login page in between?"
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_KINDS: Final[Mapping[int, type[FalconError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
}


def verify(response: Response, method: str, *, sets_credential: bool = False) -> None:
    """Raise what the response means unless it is a success; errors beside a 200 are errors.

    A 400 on a call that sets a credential is Falcon's refusal of the role, whatever its text.
    """
    status = _effective_status(response)
    if status in OK:
        return
    response = replace(response, status=status)
    said = message(response)
    text = f"HTTP {status} {said}".strip()
    if status in REDIRECTS:
        raise response.error(FalconError, f"HTTP {status}: Falcon redirects elsewhere, which is not followed")
    if status == HTTPStatus.FORBIDDEN:
        access = "READ" if method == "GET" else "WRITE"
        cause = "the API client lacks the scope" if SCOPE_MISSING in said else "access denied: check the scope"
        raise response.error(ScopeError, f"{cause} Falcon Container Image: {access} ({text})")
    if status == HTTPStatus.BAD_REQUEST and sets_credential:
        known = REJECTED_CREDENTIAL in said.lower()
        cause = "Falcon cannot use the connection role" if known else "Falcon refuses the connection, or its role"
        raise response.error(CredentialError, f"{cause} ({text})")
    error = response.error(_KINDS.get(status, FalconError), text)
    error.may_have_succeeded |= status in SERVER_ERRORS  # a success with such an error in it
    raise error


def is_falcons(response: Response) -> bool:
    """Whether it looks like Falcon's: an object with its envelope, or nothing with the header that Falcon sends."""
    if response.body is None:
        return response.status in OK or "X-Cs-Traceid" in response.headers
    return isinstance(response.body, dict) and bool({"meta", "errors", "resources"} & response.body.keys())


def _effective_status(response: Response) -> int:
    """Return the status, or the code of the first error beside a 200; a code of no sense counts as Falcon's failure."""
    if not is_falcons(response):  # a web page's 404 must not look as if a connection were gone
        error = response.error(NotFalconError, f"HTTP {response.status}: {NOT_FALCON}")
        error.may_have_succeeded |= response.status in OK
        raise error
    if response.status not in OK or response.body is None or not response.body.get("errors"):
        return response.status
    code = _first_error(response.body).get("code")
    return code if isinstance(code, int) and code in range(400, 600) else 500


def message(response: Response) -> str:
    """Return Falcon's own words, fit for a log line."""
    return sanitize(text(_first_error(response.body), "message"), secrets=response.secrets, limit=120)


def _first_error(body: Any) -> Mapping[str, Any]:
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def many(body: Any) -> list[Any]:
    """Return the resources of a read or a listing. Null may stand for none; no word of them is no response."""
    resources = body.get("resources", "missing") if isinstance(body, dict) else "missing"
    if not isinstance(resources, list | None):
        raise MalformedError("Falcon's response holds no list of resources")
    return resources or []


def only(body: Any) -> Mapping[str, Any]:
    """Return the one resource of a create, which is documented as an object where reads have a list."""
    resources = body.get("resources") if isinstance(body, dict) else None
    if isinstance(resources, list) and len(resources) == 1:
        resources = resources[0]
    return resources if isinstance(resources, dict) else {}


def total(body: Any) -> int:
    """Return how many resources a listing says there are, or 0 if it does not say."""
    meta = body.get("meta") if isinstance(body, dict) else None
    pagination = meta.get("pagination") if isinstance(meta, dict) else None
    number = pagination.get("total") if isinstance(pagination, dict) else None
    return number if isinstance(number, int) and 0 <= number <= LARGEST_TOTAL else 0


def text(item: Mapping[str, Any], name: str) -> str:
    """Return a field if it is text, else nothing."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def identifier(value: Any, secrets: Sequence[str]) -> str:
    """Return the id of a connection (a UUID, as far as seen), or nothing if it is none: it goes into calls and logs."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        return ""
    return "" if any(secret in value for secret in secrets) else value


def _url(value: str, secrets: Sequence[str]) -> str:
    """Return the URL of a registry, or nothing if it echoes a secret: what stands for its Region goes into logs."""
    # Hosts are compared in lower case.
    return "" if any(secret.lower() in value.lower() for secret in secrets) else value


def connection(item: Any, secrets: Sequence[str]) -> Connection | None:
    """Return a registry object as a connection, or None if it has no id."""
    if not isinstance(item, dict) or not identifier(item.get("id"), secrets):
        return None

    def shown(fields: Mapping[str, Any], name: str, limit: int) -> str:
        return sanitize(text(fields, name), secrets=secrets, limit=limit)

    credential = item.get("credential")
    credential = credential if isinstance(credential, dict) else {}
    return Connection(
        id=text(item, "id"),
        url=_url(text(item, "url"), secrets),
        type=text(item, "type"),
        alias=shown(item, "user_defined_alias", 100),
        state=shown(item, "state", 40),
        expired=credential.get("expired") is True,
        expired_at=shown(credential, "expired_at", 40),
        created_at=shown(item, "created_at", 40),
        last_refreshed_at=shown(item, "last_refreshed_at", 40),
        next_refresh_at=shown(item, "next_refresh_at", 40),
    )
