"""Reads all that a plan needs: nothing here changes anything.

It sees Falcon and AWS only through protocols.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import DeadlineError, ScopeError, SettingsError
from registry_connections.core.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    Connection,
    Credentials,
    Deadline,
    Identity,
    RegionUse,
    Settings,
    mismatch,
)
from registry_connections.core.plan import Scope, filter_by_use, scope
from registry_connections.core.protocols import Account, FalconApi
from registry_connections.core.record import Record
from registry_connections.core.settings import region_names


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: the tenant, the Regions, and what Falcon has."""

    falcon: FalconApi
    scope: Scope
    found: tuple[Connection, ...]


@dataclass(frozen=True)
class Reader:
    """Reads. `connect` makes a client for a cloud."""

    identity: Identity
    account: Account
    connect: Callable[[Credentials, str], FalconApi]
    pool: ThreadPool

    def read(self, settings: Settings, problems: Sequence[str], record: Record, deadline: Deadline) -> Snapshot:
        """Read all that a plan needs. Raise every problem of the properties together.

        The login and the questions about Regions run at the same time: they take most of a launch's time.
        """
        credentials = self.pool.submit(self.account.credentials, "Reading the secret")(deadline)
        if isinstance(credentials, DeadlineError):
            raise credentials
        login = self.pool.submit(lambda: self._reach(settings, credentials, record, deadline), "Falcon login")
        regions = self.pool.run(self.account.regions, deadline, "ec2:DescribeRegions")
        accepted = region_names(record.applied.choices.get("Regions", "")) if record.applied else ()
        whole = scope(settings, regions, accepted)
        uses = self.pool.submit_each(self.account.region_use, whole.wanted)
        falcon = login(deadline)
        problems = [*problems, *whole.problems, *(falcon.problems if isinstance(falcon, SettingsError) else ())]
        if problems:
            raise SettingsError(list(dict.fromkeys(problems)))
        if isinstance(falcon, Exception):
            raise falcon
        found = self.connections(falcon, record, deadline)
        answers = zip(whole.wanted, uses(deadline), strict=True)
        known = {region: use for region, use in answers if isinstance(use, RegionUse)}
        return Snapshot(falcon, filter_by_use(whole, known, settings), tuple(found))

    def log_in(self, settings: Settings, record: Record, deadline: Deadline) -> FalconApi:
        """Return a client that is logged in; raise SecretError, SettingsError or FalconError."""
        credentials = self.pool.run(self.account.credentials, deadline, "Reading the secret")
        return self.pool.run(lambda: self._reach(settings, credentials, record, deadline), deadline, "Falcon login")

    def _reach(
        self, settings: Settings, credentials: Credentials | Exception, record: Record, deadline: Deadline
    ) -> FalconApi:
        if isinstance(credentials, Exception):
            raise credentials
        if problems := _cloud_problems(settings, credentials, self.identity.partition):
            raise SettingsError(problems)
        falcon = self.connect(credentials, _cloud(settings, credentials))
        falcon.log_in(deadline, record.cloud)
        return falcon

    def connections(self, falcon: FalconApi, record: Record, deadline: Deadline) -> list[Connection]:
        """Return those of the record's connections that Falcon has; the tenant's if the record may not name all."""
        if record.dirty:
            return self.pool.run(lambda: falcon.list_all(deadline), deadline, "Listing connections in Falcon")
        return falcon.read(sorted(set(record.connections.values())), deadline) if record.connections else []

    def read_problem(self, falcon: FalconApi, deadline: Deadline) -> str:
        """Return why the API client may not read connections, or nothing."""
        try:
            self.pool.run(lambda: falcon.probe(deadline), deadline)
        except ScopeError as error:
            return str(error)
        return ""


def _cloud(settings: Settings, credentials: Credentials) -> str:
    """Return the cloud that the stack names, else the one that the secret names, else that it must be discovered."""
    return settings.falcon_cloud if settings.falcon_cloud != AUTODISCOVER else credentials.cloud or AUTODISCOVER


def _cloud_problems(settings: Settings, credentials: Credentials, partition: str) -> list[str]:
    cloud = _cloud(settings, credentials)
    if cloud != AUTODISCOVER and cloud not in FALCON_CLOUDS:
        return [f"The secret names a Falcon cloud that is unknown: use {AUTODISCOVER}, {', '.join(FALCON_CLOUDS)}."]
    # The template chose whom the connection role trusts by its own parameter, whatever the secret says.
    problems = [mismatch(partition, each, settings.principal_arn) for each in (settings.falcon_cloud, cloud)]
    return list(dict.fromkeys(filter(None, problems)))
