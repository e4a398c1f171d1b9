"""The Falcon API as plainly as possible: one call, one response, nothing repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests

ENTITIES: Final = "/container-security/entities/registries/v1"
QUERIES: Final = "/container-security/queries/registries/v1"
TIMEOUT: Final = 30.0  # seconds
IDS_PER_PAGE: Final = 1000
IDS_PER_READ: Final = 100

HOSTS: Final[Mapping[str, str]] = {
    "us-1": "api.crowdstrike.com",
    "us-2": "api.us-2.crowdstrike.com",
    "us-3": "api.us-3.crowdstrike.com",
    "eu-1": "api.eu-1.crowdstrike.com",
    "us-gov-1": "api.laggar.gcw.crowdstrike.com",
    "us-gov-2": "api.us-gov-2.crowdstrike.mil",
}


class CannotAskError(Exception):
    """No question can be asked any more. The text says why, and what to do."""


@dataclass(frozen=True)
class Credential:
    """A role that Falcon is to assume."""

    role: str
    external_id: str = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """What a read shows of a connection."""

    id: str
    type: str
    url: str
    alias: str
    state: str
    details: Any


class Response:
    """A response, whatever it is."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body: Mapping[str, Any] = body if isinstance(body, dict) else {}
        resources, errors = self.body.get("resources") or [], self.body.get("errors") or []
        self.resources: list[Any] = resources if isinstance(resources, list) else [resources]
        first = errors[0] if isinstance(errors, list) and errors else None
        self.message = str(first.get("message", "")) if isinstance(first, dict) else ""
        self.succeeded = status in range(200, 300) and not errors
        self.outcome = f"{status} with errors" if status in range(200, 300) and errors else str(status)


class Falcon:
    """The API at one URL. `verify` is as in requests."""

    def __init__(self, url: str, *, verify: str | bool = True) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._verify = verify  # given with each call, or REQUESTS_CA_BUNDLE would win
        self._session.auth = lambda request: request  # else requests looks for a password in .netrc
        self.token = ""

    def login(self, client_id: str, client_secret: str) -> Response:
        """Get the token for all calls."""
        form = {"client_id": client_id, "client_secret": client_secret}
        response = self.call("POST", "/oauth2/token", data=form)
        if home := response.headers.get("X-Cs-Region") if response.status in range(300, 400) else None:
            raise CannotAskError(f"these credentials belong to another cloud: FALCON_CLOUD={home}")
        self.token = str(response.body.get("access_token") or "")
        if not response.succeeded or not self.token:
            raise CannotAskError(f"Falcon gives no token: HTTP {response.status} {response.message}")
        return response

    def call(self, method: str, path: str, *, token: str | None = None, **content: Any) -> Response:
        """Return the response to one call."""
        if bearer := self.token if token is None else token:
            content["headers"] = {"Authorization": f"Bearer {bearer}"}
        try:
            got = self._session.request(
                method, self.url + path, verify=self._verify, timeout=TIMEOUT, allow_redirects=False, **content
            )
        except requests.RequestException as error:
            raise CannotAskError(f"no response to {method} {path}: {type(error).__name__}") from error
        try:
            return Response(got.status_code, got.headers, got.json())
        except ValueError:
            return Response(got.status_code, got.headers, None)

    def create(self, url: str, alias: str, credential: Credential, **more: str) -> Response:
        """Ask for a connection."""
        body = {"type": "ecr", "url": url, "user_defined_alias": alias, "credential": _credential(credential), **more}
        return self.call("POST", ENTITIES, json=body)

    def update(self, connection_id: str, alias: str, credential: Credential | None = None) -> Response:
        """Ask for another alias, and for the credential if there is one."""
        body: dict[str, Any] = {"user_defined_alias": alias}
        if credential:
            body["credential"] = _credential(credential)
        return self.call("PATCH", ENTITIES, params={"id": connection_id}, json=body)

    def delete(self, *ids: str) -> Response:
        """Ask for the removal of connections."""
        return self.call("DELETE", ENTITIES, params={"ids": list(ids)})

    def ids(self) -> list[str]:
        """Return the ids of all connections of the tenant."""
        found: list[str] = []
        while page := self._expect(QUERIES, {"limit": IDS_PER_PAGE, "offset": len(found)}):
            found += map(str, page)
        return found

    def read(self, ids: Sequence[str]) -> list[Connection]:
        """Return those of these connections that exist. One unknown id may hide the others: then each is read alone."""
        found: list[Any] = []
        for at in range(0, len(ids), IDS_PER_READ):
            batch = ids[at : at + IDS_PER_READ]
            found += self._expect(ENTITIES, {"ids": batch}) or [
                shown for each in batch for shown in self._expect(ENTITIES, {"ids": each})
            ]
        return [_connection(shown) for shown in found]

    def _expect(self, path: str, parameters: Mapping[str, Any]) -> list[Any]:
        response = self.call("GET", path, params=parameters)
        if response.status == requests.codes.not_found:
            return []
        if not response.succeeded:
            raise CannotAskError(f"GET {path}: HTTP {response.outcome} {response.message}")
        return response.resources


def _credential(credential: Credential) -> dict[str, Any]:
    return {"type": "ecr", "details": {"aws_iam_role": credential.role, "aws_external_id": credential.external_id}}


def _connection(shown: Mapping[str, Any]) -> Connection:
    credential = shown.get("credential") or {}
    texts = {name: str(shown.get(name) or "") for name in ("id", "type", "url", "state")}
    return Connection(**texts, alias=str(shown.get("user_defined_alias") or ""), details=credential.get("details"))
