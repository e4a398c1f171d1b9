"""Asks the questions of one tenant, and leaves it as it was."""

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from probe.falcon import ENTITIES, QUERIES, CannotAskError, Connection, Credential, Falcon, Response
from probe.questions import KNOWN_REFUSAL, LONG_ALIAS

MARK: Final = "ecr-probe-"
"""The beginning of every alias that is written here. It stands first, in case aliases are cut."""

LOOKS: Final = 5
PAUSE: Final = 3.0  # seconds between looks at a new connection's state
BAD_CALLS: Final = 30
"""Calls with a wrong token, after which the limit must have been reached: CrowdStrike documents 15 a minute."""

MILLISECONDS: Final = 10**12
"""An epoch that is larger is not in seconds: that would be in 33,000 years."""

Answer = tuple[str, str]  # the name of a question, and an answer


@dataclass
class Survey:
    """The questions asked of `falcon` with connections of the registry at `url`, all of which are removed."""

    falcon: Falcon
    url: str
    refused: Credential
    """With a role that cannot be assumed."""
    working: Credential | None = None
    """With one that can, if there is one."""
    sleep: Callable[[float], None] = time.sleep
    _created: set[str] = field(default_factory=set)
    """The ids of connections that were made here, in case their aliases do not come back."""
    _there: list[Connection] = field(default_factory=list)
    """What the tenant had at first."""

    @property
    def secrets(self) -> list[str]:
        """What no report may show."""
        account = self.url.removeprefix("https://").partition(".")[0]
        return [account, *(given.external_id for given in (self.refused, self.working) if given)]

    @property
    def alias(self) -> str:
        """An alias as long as the function's longest."""
        return f"{MARK}{self.url.removeprefix('https://')}"[:50]

    def prepare(self) -> int:
        """Look at what is there, remove what an earlier run left, and return how much; refuse a connected registry."""
        self._there = self.falcon.read(self.falcon.ids())
        removed = self._remove([there.id for there in self._there if self._is_ours(there)])
        if any(there.url == self.url and not self._is_ours(there) for there in self._there):
            raise CannotAskError(f"{self.url} is connected already, and stays as it is: choose another REGION")
        return removed

    def clean_up(self) -> None:
        """Remove what was made here."""
        self._remove([there.id for there in self.falcon.read(self.falcon.ids()) if self._is_ours(there)])

    def _remove(self, ids: Collection[str]) -> int:
        for each in ids:
            self.falcon.delete(each)
        if left := self.falcon.read(list(ids)):
            raise CannotAskError(f"these connections could not be removed: {', '.join(there.id for there in left)}")
        return len(ids)

    def _is_ours(self, there: Connection) -> bool:
        marked = there.url == self.url and there.type == "ecr" and there.alias.startswith(MARK)
        return marked or there.id in self._created

    def ask(self) -> Iterator[Answer]:
        """Yield each answer as it comes."""
        yield from self._ask_what_is_there()
        yield from self._ask_about_unknown_ids()
        credential = self.working
        for answer in self._ask_about_a_refused_role():
            yield answer
            if answer == ("refused-role", "accepted"):
                credential = self.refused
        self._remove(self._created)
        if credential:
            yield from self._ask_about_a_connection(credential)
        yield from self._ask_about_the_rate_limit()

    def _ask_what_is_there(self) -> Iterator[Answer]:
        for there in self._there:
            yield from _shown(there)

    def _ask_about_unknown_ids(self) -> Iterator[Answer]:
        unknown = str(uuid.uuid4())
        response = self.falcon.call("GET", ENTITIES, params={"ids": unknown})
        empty = response.succeeded and not response.resources
        yield "read-unknown", f"{response.outcome} without resources" if empty else response.outcome
        yield "delete-unknown", self.falcon.delete(unknown).outcome

    def _ask_about_a_refused_role(self) -> Iterator[Answer]:
        before = set(self.falcon.ids())
        response = self._create(self.refused)
        yield "refused-role", "accepted" if response.succeeded else response.outcome
        if not response.succeeded:
            known = KNOWN_REFUSAL in response.message.lower()
            yield "refused-role-text", KNOWN_REFUSAL if known else response.message
            new = self.falcon.read([new for new in self.falcon.ids() if new not in before])
            left = [there for there in new if there.url == self.url]
            if unmarked := [there.id for there in left if not self._is_ours(there)]:
                raise CannotAskError(f"{', '.join(unmarked)} came without our alias: remove it if it is nobody's")
            self._created.update(there.id for there in left)
            yield "refused-role-record", "yes" if left else "no"

    def _ask_about_a_connection(self, credential: Credential) -> Iterator[Answer]:
        response = self._create(credential)
        yield "create", response.outcome
        if not (first := _id(response)):
            raise CannotAskError(f"no connection was made with {credential.role}: {response.message}")
        yield "alias", self._alias_of(first, self.alias)
        duplicate = self._create(credential)
        yield "duplicate", "accepted" if duplicate.succeeded else duplicate.outcome
        other = self._create(credential, url_uniqueness_key="probe")
        yield "duplicate-key", "accepted" if other.succeeded else other.outcome
        patched = self.falcon.update(first, self.alias)
        yield "patch", "accepted" if patched.succeeded else patched.outcome
        yield from self._ask_about_a_long_alias(first, credential)
        for _ in range(LOOKS):
            for there in self.falcon.read([first]):
                yield from _shown(there)
            self.sleep(PAUSE)
        if second := _id(other) or _id(duplicate):
            yield from self._ask_about_deleting(first, second)
        self._remove(self._created)
        again = self._create(credential)
        yield "create-again", "accepted" if again.succeeded else again.outcome

    def _ask_about_a_long_alias(self, connection_id: str, credential: Credential) -> Iterator[Answer]:
        alias = f"{self.alias}-".ljust(LONG_ALIAS, "x")
        response = self.falcon.update(connection_id, alias, credential)
        yield "alias-length", self._alias_of(connection_id, alias) if response.succeeded else response.outcome

    def _ask_about_deleting(self, *ids: str) -> Iterator[Answer]:
        response = self.falcon.delete(*ids)
        left = len(self.falcon.read(ids))
        yield "delete-several", "all of them" if not left else f"{response.outcome}, {left} of {len(ids)} are left"

    def _ask_about_the_rate_limit(self) -> Iterator[Answer]:
        for _ in range(BAD_CALLS):
            response = self.falcon.call("GET", QUERIES, token="not-a-token", params={"limit": 1})  # noqa: S106 - it is none
            if response.status == 429:  # noqa: PLR2004 - too many requests
                yield "retry-after", _unit(response.headers.get("X-Ratelimit-Retryafter", ""))
                return

    def _create(self, credential: Credential, **more: str) -> Response:
        response = self.falcon.create(self.url, self.alias, credential, **more)
        if made := _id(response):
            self._created.add(made)
        if response.status in (401, 403):
            raise CannotAskError(f"a create is refused: HTTP {response.status} {response.message}")
        return response

    def _alias_of(self, connection_id: str, sent: str) -> str:
        (came,) = [there.alias for there in self.falcon.read([connection_id])] or [""]
        if came == sent:
            return "as sent"
        return f"cut to {len(came)} characters" if came and sent.startswith(came) else "changed"


def _id(response: Response) -> str:
    first: Any = response.resources[0] if response.succeeded and response.resources else None
    return str(first.get("id") or "") if isinstance(first, dict) else ""


def _shown(there: Connection) -> Iterator[Answer]:
    if there.type == "ecr":
        yield "states", there.state
        yield "details", _shape(there.details)


def _shape(details: Any) -> str:
    """Return what kind of thing `details` is, and never a value in it."""
    if isinstance(details, dict):
        return f"{{{', '.join(sorted(map(str, details)))}}}"
    return "null" if details is None else type(details).__name__


def _unit(value: str) -> str:
    if not value.isdecimal():
        return "absent" if not value else "no number"
    return "milliseconds" if int(value) > MILLISECONDS else "seconds"
