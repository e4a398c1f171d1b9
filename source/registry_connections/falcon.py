"""The Falcon API as far as registry connections need it: a token, the right cloud, and five calls.

Source: CrowdStrike's API specification as its own SDKs carry it. Where the live service is known or suspected to
differ, the comment says so and the code is right either way.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from registry_connections.answers import OK, connection, identifier, many, message, only, total, verify
from registry_connections.crew import Crew
from registry_connections.errors import (
    AuthenticationError,
    ConflictError,
    CredentialError,
    DeadlineError,
    FalconError,
    MalformedError,
    NotFoundError,
    UnansweredError,
    plain,
)
from registry_connections.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    GOVERNMENT_CLOUDS,
    Connection,
    Credentials,
    Deadline,
    Registry,
    RoleGrant,
)
from registry_connections.transport import REDIRECTS, Answer, Transport

ENTITIES: Final = "/container-security/entities/registries/v1"
QUERIES: Final = "/container-security/queries/registries/v1"
IDS_PER_READ: Final = 100  # documented page limit
IDS_PER_PAGE: Final = 5000  # documented page limit
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
LARGEST_LISTING: Final = 2000  # pages; a tenant of 200,000 connections needs as many if Falcon gives 100 at a time
LISTINGS: Final = 3  # while others add and remove, offsets shift: list again until the count fits


@dataclass
class Falcon:
    """One tenant, reached with one API client. `cloud` and `base_url` are known once `log_in` has returned."""

    transport: Transport
    crew: Crew
    credentials: Credentials
    cloud: str = AUTODISCOVER
    api_url: str = ""  # replaces the cloud's own; switches discovery off
    clouds: Mapping[str, str] = field(default_factory=lambda: FALCON_CLOUDS)
    base_url: str = ""
    server_time: str = ""  # Falcon's own clock when it issued the token, RFC 3339
    _token: str = field(default="", repr=False)
    _renewed: bool = False
    _unspeakable: tuple[str, ...] = field(default=(), repr=False)  # besides the credentials
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def log_in(self, deadline: Deadline, hint: str = "") -> None:
        """Get a token, discovering the cloud if none is named; `hint` is where discovery succeeded before.

        Raise AuthenticationError, which tells wrong credentials, cloud and network apart as far as Falcon does.
        """
        discovering = self.cloud == AUTODISCOVER and not self.api_url
        known = self.clouds.keys() - GOVERNMENT_CLOUDS  # the state may name one of those from when it was set
        tried = (hint if hint in known else "us-1") if discovering else self.cloud
        self.base_url = self.api_url or self.clouds[tried]
        answer = self._request_token(deadline)
        if answer.status in REDIRECTS and discovering:
            tried = self._redirected(answer)
            self.base_url = self.clouds[tried]
            answer = self._request_token(deadline)
        self._accept_token(answer, tried)
        if self.cloud == AUTODISCOVER:
            home = self._known_cloud(answer)
            self.cloud = tried if home in GOVERNMENT_CLOUDS and discovering else home or tried
        if discovering:
            self.base_url = self.clouds[self.cloud]

    def _request_token(self, deadline: Deadline) -> Answer:
        form = {"client_id": self.credentials.client_id, "client_secret": self.credentials.client_secret}
        try:
            return self.transport.call("POST", f"{self.base_url}/oauth2/token", deadline, data=form)
        except FalconError as error:
            text = f"Falcon login: {error}"
            raise AuthenticationError(text, status=error.status, trace_id=error.trace_id) from None

    def _redirected(self, answer: Answer) -> str:
        """Return the cloud that a redirect names; the credentials go to hosts of the known list only."""
        cloud = self._known_cloud(answer)
        if cloud and cloud not in GOVERNMENT_CLOUDS:
            return cloud
        named = plain(answer.headers.get("X-Cs-Region", "nowhere known"), limit=30)
        raise AuthenticationError(
            f"Falcon redirects these credentials to {named}: name the cloud in FalconCloud, or set FalconApiUrl.",
            status=answer.status,
            trace_id=answer.trace_id,
        )

    def _known_cloud(self, answer: Answer) -> str:
        named = answer.headers.get("X-Cs-Region", "").lower().replace("-", "")
        return next((cloud for cloud in self.clouds if cloud.replace("-", "") == named), "")

    def _accept_token(self, answer: Answer, cloud: str) -> None:
        token = answer.body.get("access_token") if isinstance(answer.body, dict) else None
        if answer.status not in OK or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._refusal(answer, cloud)
        self._token = token
        self._unspeakable += (token,)
        with suppress(TypeError, ValueError):
            self.server_time = parsedate_to_datetime(answer.headers.get("Date", "")).isoformat()

    def _refusal(self, answer: Answer, cloud: str) -> AuthenticationError:
        """Say why there is no token. Statuses and texts as seen live; the text of a refused IP address too."""
        said = message(answer, self._secrets())
        cloud = cloud if cloud in self.clouds else "the cloud behind FalconApiUrl"
        if answer.status in REDIRECTS:
            home = self._known_cloud(answer)
            home = home if home and home != cloud else "another cloud"
            cause = f"these credentials belong to {home}, not {cloud}: correct FalconCloud"
        elif answer.status == HTTPStatus.BAD_REQUEST:
            cause = f"the client id is unknown in {cloud}: check the client id, and FalconCloud for its cloud"
        elif answer.status in REFUSED and "authorization failed" in said:
            cause = "the API client may not be used from here: check its IP allow-list and the subscription"
        elif answer.status in REFUSED:
            cause = "the client secret is wrong, or the API client was revoked"
        else:
            cause = "Falcon gave no token"
        return AuthenticationError(
            f"Falcon login: {cause} (HTTP {answer.status} {said})".replace(" )", ")"),
            status=answer.status,
            trace_id=answer.trace_id,
        )

    def create(self, registry: Registry, grant: RoleGrant, deadline: Deadline, patience: float) -> str:
        """Make a connection and return its id.

        A fresh role may not be assumable yet: its rejection is tried again for `patience` seconds. Raise
        ConflictError if one exists for this URL, CredentialError, ScopeError, another FalconError or DeadlineError.
        """
        payload: dict[str, Any] = {"type": "ecr", "url": registry.url, "user_defined_alias": registry.alias}
        payload["credential"] = self._credential(grant)
        if grant.government_cloud:
            payload["all_repositories_monitored"] = True  # as CrowdStrike's own onboarding code; meaning unpublished
        answer = self._patiently(deadline, patience, "POST", ENTITIES, json=payload)
        resource = only(answer.body)
        if found := identifier(resource.get("id")):
            return found
        raise ConflictError("accepted without an id", status=answer.status, repeated=True)

    def refresh(
        self, registry: Registry, connection_id: str, grant: RoleGrant, deadline: Deadline, patience: float
    ) -> None:
        """Set the credential and the alias of a connection; raise as `create`, and NotFoundError if it is gone."""
        payload = {"credential": self._credential(grant), "user_defined_alias": registry.alias}
        self._patiently(deadline, patience, "PATCH", ENTITIES, params={"id": connection_id}, json=payload)

    def _credential(self, grant: RoleGrant) -> dict[str, Any]:
        if grant.external_id not in self._unspeakable:
            self._unspeakable += (grant.external_id,)
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
        """Read up to 100. One unknown id may make the whole answer a 404, nobody says: then halve and ask again."""
        try:
            answer = self._call("GET", ENTITIES, deadline, params={"ids": list(batch)})
        except NotFoundError:
            if len(batch) == 1:
                return []
            half = len(batch) // 2
            return self._read_batch(batch[:half], deadline) + self._read_batch(batch[half:], deadline)
        return [found for item in many(answer.body) if (found := connection(item)) and found.id in batch]

    def list_all(self, deadline: Deadline) -> list[Connection]:
        """Return every connection of the tenant; raise FalconError or DeadlineError. Costs one call per 100."""
        identifiers: set[str] = set()
        for _ in range(LISTINGS):
            pages, total = self._list_pages(deadline)
            identifiers |= pages
            if len(identifiers) >= total:
                break
        return self.read(sorted(identifiers), deadline)

    def _list_pages(self, deadline: Deadline) -> tuple[set[str], int]:
        """Return the ids of one listing and how many there should be at least."""
        first = self._page(0, deadline)
        step = len(many(first))
        offsets = range(step, total(first), step) if step else range(0)
        if len(offsets) > LARGEST_LISTING:
            raise MalformedError(f"Falcon lists {step} connections a page, and claims to have {total(first)}")
        rest = self._gather(lambda offset: [self._page(offset, deadline)], offsets, deadline)
        pages = [first, *rest]
        found = {name for page in pages for item in many(page) if (name := identifier(item))}
        return found, max(total(page) for page in pages)

    def _page(self, offset: int, deadline: Deadline) -> Any:
        return self._call("GET", QUERIES, deadline, params={"limit": IDS_PER_PAGE, "offset": offset}).body

    def probe(self, deadline: Deadline) -> None:
        """Raise ScopeError if the API client may not read registry connections."""
        self._call("GET", QUERIES, deadline, params={"limit": 1})

    def _gather(self, work: Any, items: Sequence[Any], deadline: Deadline) -> list[Any]:
        """Return the results of many calls as one list; raise the first error."""
        gathered: list[Any] = []
        for result in self.crew.each(work, items, deadline):
            if isinstance(result, UnansweredError):
                raise UnansweredError(f"Reading connections in Falcon: {result}")
            if isinstance(result, Exception):
                raise result
            gathered += result
        return gathered

    def _patiently(self, deadline: Deadline, patience: float, method: str, path: str, **content: Any) -> Answer:
        until, pause, repeated = deadline.within(patience), 1.0, False
        while True:
            try:
                answer = self._call(method, path, deadline, **content)
            except CredentialError as error:
                try:
                    self.transport.gate.pause(self.transport.gate.jitter(pause / 2, pause), until)
                except DeadlineError:
                    raise error from None
                pause, repeated = min(pause * 1.5, 10.0), True
            except ConflictError as error:
                # A rejected create may have left a record: whether it does is not known.
                raise ConflictError(
                    str(error), status=error.status, trace_id=error.trace_id, repeated=error.repeated or repeated
                ) from None
            else:
                return answer

    def _call(self, method: str, path: str, deadline: Deadline, **content: Any) -> Answer:
        """Call with the token, renewed once if Falcon no longer takes it; raise what the answer means."""
        answer, token = self._authorized(method, path, deadline, **content)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._renew(token, deadline):
            answer, _ = self._authorized(method, path, deadline, **content)
        verify(answer, method, self._secrets())
        return answer

    def _authorized(self, method: str, path: str, deadline: Deadline, **content: Any) -> tuple[Answer, str]:
        """Return the answer, and the token that it is the answer to."""
        used = ""

        def headers() -> dict[str, str]:
            nonlocal used
            used = self._token
            return {"Authorization": f"Bearer {used}"}

        return self.transport.call(method, self.base_url + path, deadline, headers, **content), used

    def _renew(self, refused: str, deadline: Deadline) -> bool:
        """Whether there is a newer token than the refused one. Renewed once: bad tokens are limited to 15 a minute."""
        with self._lock:
            if self._token == refused and not self._renewed:
                self._renewed = True
                self._accept_token(self._request_token(deadline), self.cloud)
            return self._token != refused

    def _secrets(self) -> tuple[str, ...]:
        """Return what no message may hold."""
        return (self.credentials.client_secret, self.credentials.client_id, self._token, *self._unspeakable)
