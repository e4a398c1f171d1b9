"""Fixtures: one local AWS for a whole test run (one per pytest-xdist worker), wiped before each test that uses it."""

import tempfile
from collections.abc import Iterator

import pytest

from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put temporary files where pytest clears up, because a worker that is killed does not."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("temporary"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the certificate authority that every local server and client of this run trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def running_aws(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """Run the local AWS; a test wants `aws`."""
    with LocalAws(authority, directory=tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(running_aws: LocalAws) -> LocalAws:
    """Return the local AWS, empty."""
    running_aws.reset()
    return running_aws
