"""Fixtures for all tests."""

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.sandbox.environment import tidy
from tests.sandbox.local_aws import LocalAws
from tests.sandbox.tls import Authority

tidy(os.environ)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it sends to the background so, and programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A first run must not be the one that meets a new counterexample; `make histories` looks for them.
settings.register_profile("deterministic", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=1000, database=None, deadline=None, print_blob=True)
settings.load_profile("deterministic")

pytest_plugins = ["tests.stack.launching"]


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
    """Run one local AWS for the whole run, or for each worker of it; a test wants `aws`."""
    with LocalAws(authority, directory=tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(running_aws: LocalAws) -> LocalAws:
    """Return the local AWS, empty."""
    running_aws.reset()
    return running_aws
