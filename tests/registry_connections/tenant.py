"""A Falcon tenant in memory, and what one function sees of it: `executor.FalconApi`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from registry_connections.core import errors
from registry_connections.core.model import Connection, Deadline, Registry, RoleGrant
from registry_connections.falcon.client import FRESH_ROLE_SECONDS
from tests.registry_connections.fakes import Effect, Journal, KilledError, VirtualClock, check


@dataclass
class Entry:
    """A connection as Falcon keeps it, with what it never returns; `maker` and `user` are for the tests."""

    url: str
    type: str = "ecr"
    alias: str = ""
    key: str = ""
    role: str = ""
    expired: bool = False
    created_at: str = ""
    maker: str = "somebody"
    user: str = "somebody"  # who set its credential last
    id: str = ""

    def shown(self) -> Connection:
        shown = Connection(self.id, self.url, self.type, self.alias, "active", created_at=self.created_at)
        return replace(shown, expired=self.expired)


@dataclass
class Tenant:
    """The connections of one Falcon tenant, and how Falcon behaves where nobody knows."""

    clock: VirtualClock
    entries: dict[str, Entry] = field(default_factory=dict)
    rejects_leave_entry: bool = False
    rejecting: set[str] = field(default_factory=set)  # Regions where the role is refused
    longest_alias: int = 100  # characters of an alias that come back
    role_delay: float = 0.0  # seconds from when a role is first named until Falcon can use it
    first_named: dict[str, float] = field(default_factory=dict)
    removed: list[tuple[Entry, str]] = field(default_factory=list)  # what is gone, and who removed it
    _serial: int = 0

    def add(self, entry: Entry) -> Entry:
        self._serial += 1
        entry.id = f"{self._serial:08d}-0000-4000-8000-000000000000"
        entry.created_at = entry.created_at or self.clock.moment()
        entry.alias = entry.alias[: self.longest_alias]
        self.entries[entry.id] = entry
        return entry

    def find(self, url: str, key: str = "") -> Entry | None:
        return next((found for found in self.entries.values() if (found.url, found.key) == (url, key)), None)

    def remove(self, identifier: str, remover: str = "somebody") -> None:
        if found := self.entries.pop(identifier, None):
            self.removed.append((found, remover))


@dataclass
class FakeFalcon:
    """What one function sees of a tenant: `executor.FalconApi`."""

    tenant: Tenant
    journal: Journal
    named: str = "us-1"
    maker: str = "function"
    cloud: str = ""

    def log_in(self, deadline: Deadline, hint: str = "") -> None:
        self._enter("log_in", hint, deadline)
        self.cloud = self.named if self.named != "autodiscover" else "us-1"

    def probe(self, deadline: Deadline) -> None:
        self._enter("probe", "", deadline)

    def create(self, registry: Registry, alias: str, grant: RoleGrant, deadline: Deadline, *, fresh: bool) -> str:
        effect = self._enter("create", registry.region, deadline)
        if self.tenant.find(registry.url):
            raise errors.ConflictError("exists", status=409)
        rejected = self._is_rejected(effect, registry.region) or not self._can_use(grant, deadline, fresh=fresh)
        if rejected and not self.tenant.rejects_leave_entry:
            raise errors.CredentialError("failed to validate registry credential", status=400)
        made = self.tenant.add(Entry(registry.url, "ecr", alias, "", grant.role_arn, maker=self.maker, user=self.maker))
        if rejected:
            raise errors.CredentialError("failed to validate registry credential", status=400)
        self._lose(effect, deadline)
        if effect is Effect.REPEATED:
            raise errors.ConflictError("exists", status=409, may_have_succeeded=True)
        return made.id

    def refresh(self, connection_id: str, alias: str, grant: RoleGrant, deadline: Deadline, *, fresh: bool) -> None:
        effect = self._enter("refresh", connection_id, deadline)
        if effect is Effect.VANISHED:
            self.tenant.remove(connection_id)
        found = self.tenant.entries.get(connection_id)
        if found is None:
            raise errors.NotFoundError("no such connection", status=404)
        rejected = self._is_rejected(effect, found.shown().region)
        if rejected or not self._can_use(grant, deadline, fresh=fresh):
            raise errors.CredentialError("failed to validate registry credential", status=400)
        found.role = grant.role_arn
        found.alias = (alias or found.alias)[: self.tenant.longest_alias]
        found.expired, found.user = False, self.maker
        self._lose(effect, deadline)

    def remove(self, connection_id: str, deadline: Deadline) -> None:
        effect = self._enter("remove", connection_id, deadline)
        self.tenant.remove(connection_id, self.maker)
        self._lose(effect, deadline)

    def read(self, identifiers: Sequence[str], deadline: Deadline) -> list[Connection]:
        self._enter("read", "", deadline)
        return [self.tenant.entries[name].shown() for name in identifiers if name in self.tenant.entries]

    def list_all(self, deadline: Deadline) -> list[Connection]:
        self._enter("list", "", deadline)
        return [entry.shown() for entry in self.tenant.entries.values()]

    def _enter(self, operation: str, subject: str, deadline: Deadline) -> Effect | None:
        if not deadline.left():
            raise errors.DeadlineError("the time of this invocation is used up")
        effect = self.journal.enter(operation, subject)
        if effect is Effect.HANGS:
            self._lose(Effect.HANGS_APPLIED, deadline)
        access = "WRITE" if operation in {"create", "refresh", "remove"} else "READ"
        denied = errors.ScopeError(f"{access} is missing", status=403)
        check(effect, errors.AuthenticationError("no token", status=403) if operation == "log_in" else denied)
        return effect

    def _lose(self, effect: Effect | None, deadline: Deadline) -> None:
        """Raise what becomes of a call that was carried out and whose response does not come."""
        if effect is Effect.KILLED_APPLIED:
            raise KilledError
        if effect is Effect.HANGS_APPLIED:
            self.tenant.clock.sleep(deadline.left() + 0.1)
        if effect in {Effect.LOST, Effect.HANGS_APPLIED}:
            raise errors.FalconError("no response from api.crowdstrike.com (ReadTimeout)", may_have_succeeded=True)

    def _is_rejected(self, effect: Effect | None, region: str) -> bool:
        return effect is Effect.REJECTED or region in self.tenant.rejecting

    def _can_use(self, grant: RoleGrant, deadline: Deadline, *, fresh: bool) -> bool:
        clock = self.tenant.clock
        ready_at = self.tenant.first_named.setdefault(grant.role_arn, clock.now) + self.tenant.role_delay
        if clock.now < ready_at <= deadline.within(FRESH_ROLE_SECONDS if fresh else 0.0).at:
            clock.sleep(ready_at - clock.now)
        return clock.now >= ready_at
