"""What Falcon's answers mean: which error, which resources. Nothing in an answer is trusted to have its type."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from registry_connections.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    FalconError,
    MalformedError,
    NotFoundError,
    ScopeError,
    plain,
)
from registry_connections.model import Connection
from registry_connections.transport import REDIRECTS, Answer

LARGEST_TOTAL: Final = 10_000_000  # a listing that claims more is not believed
OK: Final = range(200, 300)  # create is documented as 201 and seen as 200
REJECTED_CREDENTIAL: Final = "failed to validate registry credential"  # seen live
SCOPE_MISSING: Final = "scope not permitted"  # seen live
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS: Final[Mapping[int, type[FalconError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.NOT_FOUND: NotFoundError,
}


def verify(answer: Answer, method: str, secrets: Sequence[str]) -> None:
    """Raise what the answer means unless it is a success; errors beside a 200 are errors."""
    status = _effective_status(answer)
    if status in OK:
        return
    said = message(answer, secrets)
    details: dict[str, Any] = {"status": status, "trace_id": answer.trace_id}
    text = f"HTTP {status} {said}".strip()
    if status in REDIRECTS:
        raise FalconError(f"HTTP {status}: Falcon redirects elsewhere, which is not followed", **details)
    if status == HTTPStatus.FORBIDDEN:
        access = "READ" if method == "GET" else "WRITE"
        cause = "the API client lacks the scope" if SCOPE_MISSING in said else "access denied: check the scope"
        raise ScopeError(f"{cause} Falcon Container Image: {access} ({text})", **details)
    if status == HTTPStatus.CONFLICT:
        raise ConflictError(text, repeated=answer.repeated, **details)
    if status == HTTPStatus.BAD_REQUEST and REJECTED_CREDENTIAL in said.lower():
        raise CredentialError(f"Falcon cannot use the connection role ({text})", **details)
    raise _KINDS.get(status, FalconError)(text, **details)


def _effective_status(answer: Answer) -> int:
    """Return the status, or the code of the first error beside a 200; a code of no sense counts as Falcon's failure."""
    if answer.status not in OK or answer.body is None:
        return answer.status
    if not isinstance(answer.body, dict):
        raise MalformedError("Falcon's answer is not an object", status=answer.status, trace_id=answer.trace_id)
    if not answer.body.get("errors"):
        return answer.status
    code = _first_error(answer.body).get("code")
    return code if isinstance(code, int) and code in range(400, 600) else 500


def message(answer: Answer, secrets: Sequence[str]) -> str:
    """Return Falcon's own words, fit for a log line."""
    return plain(text(_first_error(answer.body), "message"), secrets=secrets, limit=120)


def _first_error(body: Any) -> Mapping[str, Any]:
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def many(body: Any) -> list[Any]:
    """Return the resources of a read or a listing. Null may stand for none; no word of them is no answer."""
    resources = body.get("resources", "missing") if isinstance(body, dict) else "missing"
    if not isinstance(resources, list | None):
        raise MalformedError("Falcon's answer holds no list of resources")
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


def identifier(value: Any) -> str:
    """Return the id of a connection (a UUID, as far as seen), or nothing if it is none: it goes into calls and logs."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else ""


def connection(item: Any) -> Connection | None:
    """Return a registry object as a connection, or None if it has no id."""
    if not isinstance(item, dict) or not identifier(item.get("id")):
        return None
    credential = item.get("credential")
    credential = credential if isinstance(credential, dict) else {}
    return Connection(
        id=text(item, "id"),
        url=text(item, "url"),
        type=text(item, "type"),
        alias=plain(text(item, "user_defined_alias"), limit=100),
        state=plain(text(item, "state"), limit=40),
        expired=credential.get("expired") is True,
        expired_at=plain(text(credential, "expired_at"), limit=40),
        created_at=plain(text(item, "created_at"), limit=40),
        last_refreshed_at=plain(text(item, "last_refreshed_at"), limit=40),
        next_refresh_at=plain(text(item, "next_refresh_at"), limit=40),
    )
