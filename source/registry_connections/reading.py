"""Reads all that a plan needs, and plans: nothing here changes anything.

It sees Falcon and AWS only through protocols.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from registry_connections.apply import FalconApi
from registry_connections.crew import Crew
from registry_connections.errors import DeadlineError, ScopeError, SettingsError
from registry_connections.model import (
    AUTODISCOVER,
    FALCON_CLOUDS,
    Connection,
    Credentials,
    Deadline,
    RegionUse,
    Settings,
    mismatch,
)
from registry_connections.plan import Plan, Scope, narrow, plan, scope, with_recovered
from registry_connections.settings import region_names
from registry_connections.state import State
from registry_connections.turns import Account


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that was read, and the plan that follows."""

    state: State
    falcon: FalconApi
    scope: Scope
    existing: Mapping[str, Connection]
    plan: Plan


@dataclass(frozen=True)
class Reader:
    """The means to read. `connect` makes a client of a cloud."""

    account: Account
    connect: Callable[[Credentials, str], FalconApi]
    crew: Crew

    def prepare(self, settings: Settings, problems: Sequence[str], state: State, deadline: Deadline) -> Prepared:
        """Read all that the plan needs, and plan. Raise every problem of the properties together.

        Falcon is asked for a token while AWS is asked about Regions: the two take most of a launch's time.
        """
        credentials = self.crew.begin(self.account.credentials, "Reading the secret")(deadline)
        if isinstance(credentials, DeadlineError):
            raise credentials
        login = self.crew.begin(lambda: self._reach(settings, credentials, state, deadline), "Falcon login")
        regions = self.crew.one(self.account.regions, deadline, "ec2:DescribeRegions")
        whole = scope(settings, regions, region_names((state.settings or {}).get("Regions", "")))
        uses = self.crew.begin_each(self.account.region_use, whole.wanted)
        falcon = login(deadline)
        problems = [*problems, *whole.problems, *(falcon.problems if isinstance(falcon, SettingsError) else ())]
        if problems:
            raise SettingsError(list(dict.fromkeys(problems)))
        if isinstance(falcon, Exception):
            raise falcon
        found = self._read_managed(falcon, state, deadline)
        state = with_recovered(state, state.run, found, settings)
        existing = _by_region(state, found)
        answers = zip(whole.wanted, uses(deadline), strict=True)
        wanted = narrow(whole, {region: use for region, use in answers if isinstance(use, RegionUse)}, settings)
        return Prepared(state, falcon, wanted, existing, plan(wanted.wanted, existing, state, settings))

    def _reach(
        self, settings: Settings, credentials: Credentials | Exception, state: State, deadline: Deadline
    ) -> FalconApi:
        if isinstance(credentials, Exception):
            raise credentials
        if problems := _cloud_problems(settings, credentials):
            raise SettingsError(problems)
        return self.log_in(settings, credentials, state, deadline)

    def log_in(self, settings: Settings, credentials: Credentials, state: State, deadline: Deadline) -> FalconApi:
        """Return a client that is logged in to the tenant's cloud; raise AuthenticationError or FalconError."""
        falcon = self.connect(credentials, _cloud(settings, credentials))
        falcon.log_in(deadline, state.cloud)
        return falcon

    def read_problem(self, falcon: FalconApi, deadline: Deadline) -> str:
        """Return why the API client may not read connections, or nothing."""
        try:
            self.crew.one(lambda: falcon.probe(deadline), deadline)
        except ScopeError as error:
            return str(error)
        return ""

    def _read_managed(self, falcon: FalconApi, state: State, deadline: Deadline) -> list[Connection]:
        """Return those of the state's connections that Falcon has; all if a run may have made some and not said so."""
        if state.run and state.run.creating:
            return self.crew.one(lambda: falcon.list_all(deadline), deadline, "Listing connections in Falcon")
        return falcon.read(sorted(set(state.connections.values())), deadline) if state.connections else []


def _by_region(state: State, found: Sequence[Connection]) -> dict[str, Connection]:
    """Return the connections that the state names, by Region."""
    known = {connection.id: connection for connection in found}
    return {region: known[name] for region, name in state.connections.items() if name in known}


def _cloud(settings: Settings, credentials: Credentials) -> str:
    """Return the cloud that the stack names, else the one that the secret names, else that it must be discovered."""
    return settings.falcon_cloud if settings.falcon_cloud != AUTODISCOVER else credentials.cloud or AUTODISCOVER


def _cloud_problems(settings: Settings, credentials: Credentials) -> list[str]:
    cloud = _cloud(settings, credentials)
    if cloud != AUTODISCOVER and cloud not in FALCON_CLOUDS:
        return [f"The secret names a Falcon cloud that is unknown: use {AUTODISCOVER}, {', '.join(FALCON_CLOUDS)}."]
    # The template chose whom the connection role trusts by its own parameter, whatever the secret says.
    problems = [mismatch(settings.partition, each, settings.principal_arn) for each in (settings.falcon_cloud, cloud)]
    return list(dict.fromkeys(filter(None, problems)))
