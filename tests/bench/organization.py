"""How an organization's launch fares against the limit that all of its accounts share."""

import os
import random
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import requests

from registry_connections.concurrency import Clock, ThreadPool
from registry_connections.core.model import Credentials, Deadline, Identity
from registry_connections.core.record import Kind, Record, Request
from registry_connections.falcon.auth import Login
from registry_connections.falcon.client import Falcon
from registry_connections.falcon.http import HttpClient, new_session
from registry_connections.falcon.rate_limit import RateLimiter
from registry_connections.reconciler import Reconciler
from registry_connections.snapshot import Reader
from tests.bench.stage import REGIONS
from tests.bench.table import Row
from tests.registry_connections.fakes import FakeAccount, Journal, VirtualClock
from tests.sandbox.tls import Authority
from tests.simulator import CLIENT_ID, CLIENT_SECRET, Behaviour, FalconSimulator

ACCOUNTS: Final = 500
REGIONS_EACH: Final = 17
TOGETHER: Final = 50
LIMIT: Final = 6_000  # requests of the tenant in a minute
CALLS_EACH: Final = REGIONS_EACH + 1  # creates and a probe; logins have a limit of their own
LATENCY: Final = 0.1
SLOWER: Final = 3
"""How many seconds a second lasts. Five hundred accounts have five hundred machines; here they share two cores, which
must not be what is measured. The clock is scaled, not the code: the limit's minute and every wait last longer alike."""


@dataclass
class MemberAccount(FakeAccount):
    """An AWS account and a record in memory: what is measured is the function's conduct towards Falcon."""

    record: Record = field(default_factory=Record)

    def load(self) -> Record:
        return self.record

    def swap(self, record: Record) -> Record:
        self.record = replace(record, version=record.version + 1)
        return self.record

    def delete(self) -> None:
        self.record = Record()


def measure() -> list[Row]:
    """Return the rows of this benchmark."""
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        os.environ["REQUESTS_CA_BUNDLE"] = str(authority.ca_file)
        behaviour = Behaviour(
            latency=LATENCY, time_scale=1 / SLOWER, requests_per_minute=LIMIT, tokens_per_minute=1_000_000
        )
        # The accounts are in a process of their own, so that they do not share the interpreter with Falcon.
        with FalconSimulator(authority, behaviour) as falcon, ProcessPoolExecutor(1, get_context("spawn")) as process:
            started = _clock()
            failed = process.submit(_launch_all, falcon.url).result()
            taken = _clock() - started
            statuses = [record.status for record in falcon.journal.records()]
    refused = sum(status == 429 for status in statuses)
    bound = (ACCOUNTS * CALLS_EACH - 1) // LIMIT * 60.0
    what = f"{ACCOUNTS} accounts x {REGIONS_EACH} Regions, {TOGETHER} at a time"
    return [
        Row("organization", f"{what}, time over the limit's own bound", taken / bound, 1.15),
        Row("organization", f"{what}, refused calls", 100 * refused / len(statuses), 5, "%"),
        Row("organization", f"{what}, failed accounts", failed, 0),
    ]


def _launch_all(url: str) -> int:
    """Launch every account, and return how many failed."""
    credentials = Credentials(CLIENT_ID, CLIENT_SECRET)

    def launch(number: int) -> str:
        time.sleep(random.uniform(0, LATENCY))  # noqa: S311 - StackSets start no two accounts in the same instant
        return _launch(f"{100_000_000_000 + number}", credentials, url)

    with ThreadPoolExecutor(TOGETHER) as accounts:
        return sum(bool(failure) for failure in accounts.map(launch, range(ACCOUNTS)))


def _launch(account_id: str, credentials: Credentials, url: str) -> str:
    pool, http, journal = ThreadPool(), _scaled_client(), Journal(VirtualClock(), latency=0)
    account = MemberAccount(journal, frozenset(REGIONS[:REGIONS_EACH]), secret=credentials)
    stack = f"arn:aws:cloudformation:us-east-1:{account_id}:stack/StackSet-bench/{account_id[-8:]}-1111"
    identity = Identity(account_id, "aws", "amazonaws.com", stack, f"arn:aws:iam::{account_id}:role/bench", account_id)

    def connect(secret: Credentials, cloud: str) -> Falcon:
        return Falcon(Login(http, secret, cloud, url), pool)

    reader = Reader(identity, account, connect, pool)
    reconciler = Reconciler(identity, account, reader, pool, Clock(_clock, time.time, time.sleep))
    report = reconciler.converge(Request(Kind.CREATE, account_id, 0, rollout=True), Deadline(_clock() + 870, _clock))
    pool.shutdown()
    return report.failure


def _clock() -> float:
    return time.monotonic() / SLOWER


def _scaled_client() -> HttpClient:
    """Return a client whose seconds last longer; the moments in Falcon's headers are scaled as well."""
    session = new_session()
    session.hooks["response"].append(_scale_moment)
    limiter = RateLimiter(_clock, lambda: time.time() / SLOWER, lambda seconds: time.sleep(seconds * SLOWER))
    return HttpClient(limiter, session)


def _scale_moment(response: requests.Response, **_: object) -> None:
    if moment := response.headers.get("X-Ratelimit-Retryafter"):
        response.headers["X-Ratelimit-Retryafter"] = str(float(moment) / SLOWER)
