"""What is read before anything is planned, and that every problem of the properties is told together."""

from dataclasses import replace
from typing import Any

import pytest

from registry_connections.core.errors import NoResponseError, SettingsError
from registry_connections.core.model import Credentials, Deadline, Identity, RegionScope, RegionUse, Settings
from registry_connections.core.record import Applied, Record
from registry_connections.snapshot import Reader, Snapshot
from tests.registry_connections.fakes import Effect, FakeAccount, Fault, InlinePool, Journal, VirtualClock
from tests.registry_connections.samples import EAST, IDENTITY, SOUTH, WEST, managing
from tests.registry_connections.tenant import Entry, FakeFalcon, Tenant


class Bench:
    """A reader of an account and a tenant in memory; the clouds that it connects to, and the time it has."""

    def __init__(self, *, identity: Identity = IDENTITY, cloud: str = "", seconds: float = 100) -> None:
        self.clouds: list[str] = []
        self.clock = VirtualClock()
        self.deadline = Deadline(seconds, self.clock)
        self.journal, self.tenant = Journal(self.clock), Tenant(self.clock)
        self.account = FakeAccount(self.journal, disabled=frozenset({SOUTH}), secret=Credentials("id", "secret", cloud))
        self.reader = Reader(identity, self.account, self._connect, InlinePool(self.clock))

    def _connect(self, _: Credentials, cloud: str) -> FakeFalcon:
        self.clouds.append(cloud)
        return FakeFalcon(self.tenant, self.journal, cloud)

    def read(self, record: Record | None = None, *problems: str, **choices: Any) -> Snapshot:
        return self.reader.read(replace(Settings(), **choices), problems, record or Record(), self.deadline)


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


def test_a_region_is_left_out_by_what_ecr_says_of_it_or_if_it_was_applied_and_is_disabled_since() -> None:
    bench, both = Bench(), (EAST, SOUTH)
    bench.account.uses = {EAST: RegionUse.EMPTY}

    assert bench.read(region_scope=RegionScope.WITH_REPOSITORIES).scope.wanted == (WEST,)
    assert bench.read(Record(Applied({"Regions": ",".join(both)})), regions=both).scope.wanted == (EAST,)
    with pytest.raises(SettingsError):
        bench.read(regions=both)


def test_every_problem_is_told_together_and_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Bench(cloud="us-9").read(None, "One.", "One.", regions=(EAST, "mars-east-1"))

    assert caught.value.problems == (
        "One.",
        "Regions: AWS knows no Region 'mars-east-1' in this partition.",
        "The secret names a Falcon cloud that is unknown: "
        "use autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2.",
    )
    assert str(caught.value) == " ".join(caught.value.problems)


@pytest.mark.parametrize(("seconds", "told"), [(0.1, "Reading the secret"), (0.4, "Falcon login")])
def test_what_gives_no_response_in_time_is_named(seconds: float, told: str) -> None:
    bench = Bench(seconds=seconds)
    with pytest.raises(NoResponseError, match=f"{told}: no response"):
        bench.reader.log_in(Settings(), Record(), bench.deadline)
    bench.journal.latency = 200
    with pytest.raises(NoResponseError, match="Reading the secret: no response"):
        bench.read()


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
    bench = Bench(cloud=in_secret)
    bench.reader.log_in(Settings(falcon_cloud=named), Record(cloud="us-3"), bench.deadline)

    assert bench.clouds == [cloud]
    assert bench.journal.calls == [("secret", ""), ("log_in", "us-3")]


def test_a_government_cloud_that_only_the_secret_names_is_refused() -> None:
    """The template chooses whom the connection role trusts by FalconCloud, which the secret does not change."""
    bench = Bench(identity=replace(IDENTITY, partition="aws-us-gov"), cloud="us-gov-1")
    with pytest.raises(SettingsError, match="set FalconCloud to us-gov-1 or us-gov-2"):
        bench.read()
    bench.read(falcon_cloud="us-gov-1")

    assert bench.clouds == ["us-gov-1"]


def test_whether_the_client_may_read_is_asked_by_a_probe() -> None:
    bench = Bench()
    falcon = bench.read().falcon
    bench.journal.faults.append(Fault("probe", Effect.DENIED))

    assert [bench.reader.read_problem(falcon, bench.deadline) for _ in range(2)] == ["READ is missing", ""]
