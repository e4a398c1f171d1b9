"""What is read before anything is planned, and that every problem of the properties is told together."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from registry_connections.core.errors import (
    AuthenticationError,
    AwsError,
    NoResponseError,
    RegistrationError,
    SecretError,
    SettingsError,
)
from registry_connections.core.model import Credentials, Deadline, Identity, RegionScope, RegionUse, Settings
from registry_connections.core.record import Applied, Record
from registry_connections.snapshot import Reader, Snapshot
from tests.registry_connections.fakes import Effect, FakeAccount, Fault, InlinePool, Journal, VirtualClock
from tests.registry_connections.samples import EAST, IDENTITY, SOUTH, WEST, managing
from tests.registry_connections.tenant import Entry, FakeFalcon, Tenant


@dataclass
class Bench:
    """A reader of an account and a tenant in memory."""

    identity: Identity = IDENTITY
    clouds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.journal, self.tenant = Journal(self.clock), Tenant(self.clock)
        self.account = FakeAccount(self.journal, disabled=frozenset({SOUTH}))
        self.reader = Reader(self.identity, self.account, self._connect, InlinePool(self.clock))

    def _connect(self, _: Credentials, cloud: str) -> FakeFalcon:
        self.clouds.append(cloud)
        return FakeFalcon(self.tenant, self.journal, cloud)

    def strike(self, operation: str, effect: Effect) -> "Bench":
        self.journal.faults.append(Fault(operation, effect))
        return self

    def read(self, record: Record | None = None, *problems: str, **choices: Any) -> Snapshot:
        deadline = Deadline(self.clock.now + 100, self.clock)
        return self.reader.read(replace(Settings(), **choices), problems, record or Record(), deadline)


def test_nothing_is_read_of_falcon_for_a_first_launch_and_regions_are_asked_about_during_the_login() -> None:
    bench = Bench()
    snapshot = bench.read()

    assert bench.clock.now == pytest.approx(0.75)
    assert (snapshot.scope.wanted, snapshot.found) == ((WEST, EAST), ())
    assert sorted(bench.journal.calls) == [
        ("log_in", ""), ("region_use", WEST), ("region_use", EAST), ("regions", ""), ("secret", "")
    ]  # fmt: skip


def test_what_the_record_names_is_read_and_the_tenant_is_listed_only_if_the_record_is_dirty() -> None:
    bench = Bench()
    entry = bench.tenant.add(Entry(IDENTITY.registry(EAST).url))
    bench.tenant.add(Entry(IDENTITY.registry(WEST).url))
    record = managing(connections={EAST: entry.id, WEST: "gone"}, cloud="eu-1")

    assert [found.id for found in bench.read(record).found] == [entry.id]
    assert len(bench.read(replace(record, dirty=True)).found) == 2
    assert bench.journal.made("read", "list") == ["", ""]
    assert bench.journal.made("log_in") == ["eu-1"] * 2


def test_regions_are_left_out_by_what_ecr_says_of_them() -> None:
    bench = Bench()
    bench.account.uses = {EAST: RegionUse.EMPTY}

    assert bench.read(region_scope=RegionScope.WITH_REPOSITORIES).scope.wanted == (WEST,)


def test_a_region_that_the_organization_denies_is_skipped_until_it_is_admitted() -> None:
    bench = Bench()
    bench.account.uses = {EAST: RegionUse.DENIED}

    assert bench.read().scope.wanted == (WEST,)
    bench.account.uses = {}
    assert bench.read(Record(Applied({}), skipped=(EAST,))).scope.wanted == (WEST, EAST)


def test_a_region_that_was_applied_and_is_disabled_since_is_skipped() -> None:
    record = Record(Applied({"Regions": f"{EAST},{SOUTH}"}))

    assert Bench().read(record, regions=(EAST, SOUTH)).scope.wanted == (EAST,)
    with pytest.raises(SettingsError):
        Bench().read(regions=(EAST, SOUTH))


def test_every_problem_is_told_together_and_once() -> None:
    bench = Bench()
    bench.account.secret = Credentials("id", "secret", "us-9")
    with pytest.raises(SettingsError) as caught:
        bench.read(None, "One.", "One.", regions=(EAST, "mars-east-1"))

    assert caught.value.problems == (
        "One.",
        "Regions: AWS knows no Region 'mars-east-1' in this partition.",
        "The secret names a Falcon cloud that is unknown: "
        "use autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2.",
    )


@pytest.mark.parametrize(
    ("operation", "effect", "kind"),
    [
        ("secret", Effect.REFUSED, SecretError),
        ("log_in", Effect.DENIED, AuthenticationError),
        ("regions", Effect.REFUSED, AwsError),
    ],
)
def test_what_cannot_be_read_is_raised(operation: str, effect: Effect, kind: type[RegistrationError]) -> None:
    with pytest.raises(kind):
        Bench().strike(operation, effect).read()


@pytest.mark.parametrize(("seconds", "told"), [(0.1, "Reading the secret"), (0.4, "Falcon login")])
def test_what_gives_no_response_in_time_is_named(seconds: float, told: str) -> None:
    bench = Bench()
    with pytest.raises(NoResponseError, match=f"{told}: no response"):
        bench.reader.log_in(Settings(), Record(), Deadline(seconds, bench.clock))
    bench.journal.latency = 200
    with pytest.raises(NoResponseError, match="Reading the secret: no response"):
        bench.read()


def test_a_login_alone_reads_the_secret() -> None:
    bench = Bench()

    assert bench.reader.log_in(Settings(), Record(cloud="eu-1"), Deadline(100, bench.clock)).cloud == "us-1"
    assert bench.journal.calls == [("secret", ""), ("log_in", "eu-1")]


@pytest.mark.parametrize(
    ("named", "in_secret", "cloud"),
    [
        ("autodiscover", "", "autodiscover"),
        ("autodiscover", "eu-1", "eu-1"),
        ("us-2", "eu-1", "us-2"),
        ("us-2", "", "us-2"),
    ],
)
def test_the_cloud_is_the_stacks_else_the_secrets_else_it_is_discovered(named: str, in_secret: str, cloud: str) -> None:
    bench = Bench()
    bench.account.secret = Credentials("id", "secret", in_secret)
    bench.read(falcon_cloud=named)

    assert bench.clouds == [cloud]


def test_a_government_cloud_that_only_the_secret_names_is_refused() -> None:
    """The template chooses whom the connection role trusts by FalconCloud, which the secret does not change."""
    bench = Bench(replace(IDENTITY, partition="aws-us-gov"))
    bench.account.secret = Credentials("id", "secret", "us-gov-1")
    with pytest.raises(SettingsError, match="set FalconCloud to us-gov-1 or us-gov-2"):
        bench.read()
    bench.read(falcon_cloud="us-gov-1")

    assert bench.clouds == ["us-gov-1"]


@pytest.mark.parametrize(("effect", "problem"), [(None, ""), (Effect.DENIED, "READ is missing")])
def test_whether_the_client_may_read_is_asked_by_a_probe(effect: Effect | None, problem: str) -> None:
    bench = Bench()
    falcon = bench.read().falcon
    if effect:
        bench.strike("probe", effect)

    assert bench.reader.read_problem(falcon, Deadline(100, bench.clock)) == problem
