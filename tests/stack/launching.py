"""Fixtures of the end-to-end tests: the package, Falcon, and a customer with neighbours that no test may touch."""

import fcntl
from collections.abc import Iterator

import pytest

from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority
from tests.simulator import FalconSimulator
from tests.stack.customer import PACKAGE, PROJECT, Customer, add_neighbours
from tools import package as building

# The directory too: its time is the only one that changes when a file is removed.
SOURCES = ("registry_connections", "registry_connections/**/*.py", "requirements.txt", "tools/package.py")


@pytest.fixture(scope="session")
def package() -> bytes:
    """Return the Lambda package, built if it is older than what goes into it."""
    PACKAGE.parent.mkdir(exist_ok=True)
    with (PACKAGE.parent / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of pytest-xdist want it at the same time
        if not PACKAGE.exists() or PACKAGE.stat().st_mtime < _newest_source():
            building.build(PACKAGE)
        return PACKAGE.read_bytes()


def _newest_source() -> float:
    found = [path for pattern in SOURCES for path in (PROJECT / "source").glob(pattern)]
    return max(path.stat().st_mtime for path in found)


@pytest.fixture
def falcon(authority: Authority) -> Iterator[FalconSimulator]:
    """Run Falcon with one cloud, us-1, and a tenant without connections."""
    with FalconSimulator(authority) as simulator:
        yield simulator


@pytest.fixture
def customer(aws: LocalAws, falcon: FalconSimulator, package: bytes) -> Iterator[Customer]:
    """Return a customer whose tenant holds neighbours too, which must be untouched when the test ends."""
    untouched = add_neighbours(falcon)
    yield Customer(aws, falcon, package)

    assert untouched(), "a connection that is not this account's was changed"
