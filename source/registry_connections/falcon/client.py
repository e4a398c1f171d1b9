"""The Falcon API as far as registry connections need it: five calls, each with a token.

Source: CrowdStrike's API specification as its own SDKs carry it. Where the live service is known or suspected to
differ, the comment says so and the code is right either way.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import (
    ConflictError,
    CredentialError,
    DeadlineError,
    FalconError,
    MalformedError,
    NoResponseError,
    NotFoundError,
)
from registry_connections.core.model import Connection, Deadline, Registry, RoleGrant
from registry_connections.falcon.auth import Login
from registry_connections.falcon.http import LARGEST_LISTING, Response
from registry_connections.falcon.responses import (
    REJECTED_CREDENTIAL,
    connection,
    identifier,
    many,
    only,
    total,
    verify,
)

ENTITIES: Final = "/container-security/entities/registries/v1"
QUERIES: Final = "/container-security/queries/registries/v1"
IDS_PER_READ: Final = 100  # documented page limit
IDS_PER_PAGE: Final = 5000  # documented page limit
MOST_PAGES: Final = 2000  # a tenant of 200,000 connections needs as many if Falcon gives 100 at a time
LISTINGS: Final = 3  # while others add and remove, offsets shift: list again until the count fits
FRESH_ROLE_SECONDS: Final = 120.0  # AWS gives no bound for a new role to be known everywhere; 2 s is typical
UNKNOWN_REFUSAL_SECONDS: Final = 60.0  # the same, where Falcon refuses it in words that were not seen before

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass
class Falcon:
    """One tenant, reached with one API client."""

    login: Login
    pool: ThreadPool
    _renewed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def cloud(self) -> str:
        """The cloud, once logged in."""
        return self.login.cloud

    def log_in(self, deadline: Deadline, hint: str = "") -> None:
        """Get a token; raise FalconError. `hint` is the cloud where discovery succeeded before."""
        self.login.log_in(deadline, hint)

    def create(self, registry: Registry, alias: str, grant: RoleGrant, deadline: Deadline, *, fresh: bool) -> str:
        """Make a connection and return its id.

        A `fresh` role may not be assumable yet: then its refusal is tried again. Raise ConflictError if a connection
        exists for this URL, CredentialError, ScopeError, another FalconError or DeadlineError.
        """
        payload: dict[str, Any] = {"type": "ecr", "url": registry.url, "user_defined_alias": alias}
        payload["credential"] = self._credential(grant)
        if grant.government_cloud:
            payload["all_repositories_monitored"] = True  # as CrowdStrike's own onboarding code; meaning unpublished
        response = self._set_credential("POST", deadline, fresh=fresh, json=payload)
        if found := identifier(only(response.body).get("id"), response.secrets):
            return found
        raise ConflictError("accepted without an id", status=response.status, may_have_succeeded=True)

    def refresh(self, connection_id: str, alias: str, grant: RoleGrant, deadline: Deadline, *, fresh: bool) -> None:
        """Set the credential of a connection, and its alias if one is given; raise as `create`, and NotFoundError."""
        payload = {"credential": self._credential(grant), **({"user_defined_alias": alias} if alias else {})}
        self._set_credential("PATCH", deadline, fresh=fresh, params={"id": connection_id}, json=payload)

    def _credential(self, grant: RoleGrant) -> dict[str, Any]:
        self.login.http.protect(grant.external_id)
        return grant.credential()

    def remove(self, connection_id: str, deadline: Deadline) -> None:
        """Remove a connection; one that is gone already is as good. Raise FalconError or DeadlineError."""
        try:
            # One id a call: several are not documented.
            self._call("DELETE", ENTITIES, deadline, params={"ids": connection_id})
        except NotFoundError:
            return
        except FalconError as error:
            # What Falcon says of an unknown id is not documented; absence is what was wanted.
            if error.status != HTTPStatus.BAD_REQUEST or self._read_batch([connection_id], deadline):
                raise

    def read(self, identifiers: Sequence[str], deadline: Deadline) -> list[Connection]:
        """Return those of these connections that exist; raise FalconError or DeadlineError."""
        batches = [identifiers[at : at + IDS_PER_READ] for at in range(0, len(identifiers), IDS_PER_READ)]
        return self._gather(lambda batch: self._read_batch(batch, deadline), batches, deadline)

    def _read_batch(self, batch: Sequence[str], deadline: Deadline) -> list[Connection]:
        """Read up to 100. One unknown id may make the whole response a 404, nobody says: then halve and ask again."""
        try:
            response = self._list(ENTITIES, deadline, ids=list(batch))
        except NotFoundError:
            if len(batch) == 1:
                return []
            half = len(batch) // 2
            return self._read_batch(batch[:half], deadline) + self._read_batch(batch[half:], deadline)
        items = (connection(item, response.secrets) for item in many(response.body))
        return [found for found in items if found and found.id in batch]

    def list_all(self, deadline: Deadline) -> list[Connection]:
        """Return every connection of the tenant; raise FalconError or DeadlineError. Costs one call per 100."""
        identifiers: set[str] = set()
        for _ in range(LISTINGS):
            pages, expected = self._list_pages(deadline)
            identifiers |= pages
            if len(identifiers) >= expected:
                break
        return self.read(sorted(identifiers), deadline)

    def _list_pages(self, deadline: Deadline) -> tuple[set[str], int]:
        """Return the ids of one listing and how many there should be at least."""
        first = self._page(0, deadline)
        step = len(many(first.body))
        offsets = range(step, total(first.body), step) if step else range(0)
        if len(offsets) > MOST_PAGES:
            raise MalformedError(f"Falcon lists {step} connections a page, and claims to have {total(first.body)}")
        pages = [first, *self._gather(lambda offset: [self._page(offset, deadline)], offsets, deadline)]
        found = {name for page in pages for item in many(page.body) if (name := identifier(item, page.secrets))}
        return found, max(total(page.body) for page in pages)

    def _page(self, offset: int, deadline: Deadline) -> Response:
        return self._list(QUERIES, deadline, limit=IDS_PER_PAGE, offset=offset)

    def probe(self, deadline: Deadline) -> None:
        """Raise ScopeError if the API client may not read registry connections."""
        self._list(QUERIES, deadline, limit=1)

    def _list(self, path: str, deadline: Deadline, **params: Any) -> Response:
        return self._call("GET", path, deadline, params=params, largest=LARGEST_LISTING)

    def _gather(self, work: Callable[[Item], list[Found]], items: Sequence[Item], deadline: Deadline) -> list[Found]:
        """Return the results of many calls as one list; raise the first error."""
        gathered: list[Found] = []
        for result in self.pool.map(work, items, deadline):
            if isinstance(result, NoResponseError):
                raise NoResponseError(f"Reading connections in Falcon: {result}")
            if isinstance(result, Exception):
                raise result
            gathered += result
        return gathered

    def _set_credential(self, method: str, deadline: Deadline, *, fresh: bool, **content: Any) -> Response:
        """Call with a credential, again while Falcon refuses a fresh role."""
        limiter, started, pause, refusal = self.login.http.limiter, deadline.clock(), 1.0, None
        while True:
            try:
                return self._call(method, ENTITIES, deadline, sets_credential=True, **content)
            except CredentialError as error:
                known = REJECTED_CREDENTIAL in str(error).lower()
                seconds = (FRESH_ROLE_SECONDS if known else UNKNOWN_REFUSAL_SECONDS) if fresh else 0.0
                until = Deadline(min(deadline.at, started + seconds), deadline.clock)
                try:
                    limiter.pause(limiter.jitter(pause / 2, pause), until)
                except DeadlineError:
                    raise error from None
                pause, refusal = min(pause * 1.5, 10.0), error
            except FalconError as error:
                # A refused create may have left a record: whether it does is not known.
                error.may_have_succeeded |= refusal is not None
                raise
            except DeadlineError as error:
                raise refusal or error from None

    def _call(
        self, method: str, path: str, deadline: Deadline, *, sets_credential: bool = False, **content: Any
    ) -> Response:
        """Call with the token, renewed once if Falcon no longer takes it; raise what the response means."""
        response, token = self._authorized(method, path, deadline, **content)
        if response.status == HTTPStatus.UNAUTHORIZED and self._renew(token, deadline):
            response, _ = self._authorized(method, path, deadline, **content)
        verify(response, method, sets_credential=sets_credential)
        return response

    def _authorized(self, method: str, path: str, deadline: Deadline, **content: Any) -> tuple[Response, str]:
        """Return the response, and the token that it is the response to."""
        used = ""

        def token() -> str:
            nonlocal used
            used = self.login.token
            return used

        return self.login.http.call(method, self.login.base_url + path, deadline, token, **content), used

    def _renew(self, refused: str, deadline: Deadline) -> bool:
        """Whether there is a newer token than the refused one. Renewed once: bad tokens are limited to 15 a minute."""
        with self._lock:
            if self.login.token == refused and not self._renewed:
                self._renewed = True
                self.login.renew(deadline)
            return self.login.token != refused
