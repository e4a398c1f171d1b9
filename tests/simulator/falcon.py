"""One simulated Falcon: a tenant, its switches and limits, and what every request passes before its operation."""

import contextlib
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from functools import partial
from typing import Self

from tests.sandbox.tls import Authority
from tests.simulator import operations
from tests.simulator.behaviour import Behaviour
from tests.simulator.clouds import HOSTS
from tests.simulator.effects import Faults
from tests.simulator.messages import GATEWAY, SCOPES, Answer, Call, RefusedError, errors, retry_after
from tests.simulator.server import Exchange, TlsServer
from tests.simulator.tenant import ApiClient, Tenant

CLIENT_ID = "simulated-client-id"
CLIENT_SECRET = "simulated-client-secret"

BAD_BEARERS_PER_MINUTE = 15
"""Requests with a missing, malformed or expired bearer per source address, as CrowdStrike documents."""


# The record of every request, for tests to assert on. It never holds a secret, a token, a query or a body.


@dataclass
class Record:
    """One request, recorded when it arrived and completed when it was answered."""

    cloud: str
    operation: str
    urls: tuple[str, ...]
    """The registry URLs that it concerns, as far as known: of the body, or of the connections that its ids name."""
    user_agent: str
    status: int | None = None
    """What was answered; nothing if it was not yet, or never."""


class Journal:
    """All requests so far, oldest first."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self.add, self.clear = self._records.append, self._records.clear

    def records(self, operation: str | None = None) -> list[Record]:
        return [record for record in list(self._records) if operation in (None, record.operation)]

    def count(self, operation: str | None = None) -> int:
        """Count the requests of one operation, or all."""
        return len(self.records(operation))

    def operations(self) -> Counter[str]:
        return Counter(record.operation for record in self.records())


# Rate limits over a sliding minute, as CrowdStrike documents them

MINUTE = 60.0  # seconds


@dataclass(frozen=True)
class Verdict:
    limit: int
    remaining: int
    wait: float = 0.0
    """Seconds until a request is let through again; 0 if this one was."""


class Limits:
    """Counts the requests of each bucket (the tenant, or a source address). Refused requests do not count."""

    def __init__(self) -> None:
        self._arrivals: defaultdict[str, deque[float]] = defaultdict(deque)
        self.clear = self._arrivals.clear

    def take(self, bucket: str, limit: int, *, now: float, time_scale: float = 1.0) -> Verdict:
        """Let a request through if its bucket had fewer than `limit` in the last minute."""
        window = MINUTE / time_scale
        arrivals = self._arrivals[bucket]
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        if len(arrivals) >= limit:
            return Verdict(limit, 0, wait=arrivals[len(arrivals) - limit] + window - now)
        arrivals.append(now)
        return Verdict(limit, limit - len(arrivals))


class FalconSimulator:
    """Falcon on 127.0.0.1, over TLS, between entering and leaving the context.

    `clouds` are served at once, each at its own URL; the tenant lives in `home`, the first of them unless said
    otherwise, and has one API client with both scopes. `home` may be a cloud that is not served.
    """

    client_id, client_secret = CLIENT_ID, CLIENT_SECRET

    def __init__(
        self,
        authority: Authority,
        behaviour: Behaviour | None = None,
        clouds: tuple[str, ...] = ("us-1",),
        home: str = "",
    ) -> None:
        self.tenant = Tenant(home or clouds[0])
        self.tenant.add_client(CLIENT_ID, CLIENT_SECRET)
        self.behaviour = behaviour or Behaviour()
        self.journal, self.faults, self.limits = Journal(), Faults(), Limits()
        self.add_client, self.add_connection, self.seed = self.tenant.add_client, self.tenant.add, self.tenant.seed
        self.connections, self.connections_of = self.tenant.connections, self.tenant.connections_of
        self.arm, self.disarm = self.faults.arm, self.faults.clear
        self.ca_file = authority.ca_file
        self.failures: list[Exception] = []
        """Defects of the simulator, or of a test's `credential_check`, that a client saw as a 500."""
        self._servers = [_Cloud(self, cloud, authority) for cloud in clouds]
        self.urls = {server.cloud: server.url for server in self._servers}
        """Cloud to the URL at which it listens."""
        self.url = self._servers[0].url
        self._running = contextlib.ExitStack()
        self._roles_first_named: dict[str, float] = {}

    def __enter__(self) -> Self:
        for server in self._servers:
            self._running.enter_context(server)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._running.close()
        if self.failures and kind is None:
            raise ExceptionGroup("the simulator failed", self.failures)

    def change(self, **changes: object) -> None:
        """Set several switches by name; one that does not exist is refused."""
        for name, value in changes.items():
            setattr(self.behaviour, name, value)

    def reset(self) -> None:
        """Forget connections, tokens, limits, faults and the journal; clients and behaviour stay."""
        for forgotten in (self.tenant, self.limits, self.faults, self.journal, self._roles_first_named):
            forgotten.clear()

    def handle(self, exchange: Exchange) -> None:
        """Record a request, and respond to it, if no fault strikes it."""
        call = exchange.call
        urls = self._concerned_urls(call)
        record = Record(call.cloud, call.operation, urls, call.headers.get("user-agent", ""))
        self.journal.add(record)

        def apply() -> Answer:
            answer = self._answer(call)
            exchange.pause(call.started + self.behaviour.latency - time.perf_counter())
            return answer

        exchange.apply, exchange.decorate = apply, partial(self._decorate, call, record)
        exchange.respond(self.faults.strike(call.operation, urls))

    def credential_is_valid(self, details: dict[str, object]) -> bool:
        """Whether Falcon can assume the role of these ECR credential details by now."""
        role, external_id = str(details["aws_iam_role"]), str(details["aws_external_id"])
        now = time.monotonic()
        if now - self._roles_first_named.setdefault(role, now) < self.behaviour.iam_ready_after:
            return False
        check = self.behaviour.credential_check
        return check is None or check(role, external_id)

    def _concerned_urls(self, call: Call) -> tuple[str, ...]:
        """Return the registry URLs that a call is about."""
        if call.operation == "create":
            return (str(call.json_object().get("url")),)
        named = (self.tenant.get(value) for name in ("id", "ids") for value in call.parameters(name))
        return tuple(connection.url for connection in named if connection)

    def _answer(self, call: Call) -> Answer:
        """Answer a call as Falcon does when nothing is wrong with it, or the network; one after the other."""
        with self.tenant.lock:
            verdict = self._take(call)
            try:
                answer = self._operate(call, verdict)
            except RefusedError as refused:
                answer = errors(call, refused.status, refused.message, powered_by=refused.powered_by)
                answer.headers |= refused.headers
        answer.headers |= {"X-Ratelimit-Limit": str(verdict.limit), "X-Ratelimit-Remaining": str(verdict.remaining)}
        return answer

    def _decorate(self, call: Call, record: Record, answer: Answer) -> Answer:
        """Record the status; add the headers that every answer has, unless it has its own."""
        record.status = answer.status
        answer.headers = {"X-Cs-Traceid": call.trace_id, "X-Cs-Region": call.cloud} | answer.headers
        return answer

    def _client_of(self, call: Call) -> ApiClient | None:
        return self.tenant.bearer(call.bearer) if call.cloud == self.tenant.cloud else None

    def _take(self, call: Call) -> Verdict:
        """Count a request against the limit that it falls under."""
        if call.operation == "token":
            bucket, limit = f"token {call.source}", self.behaviour.tokens_per_minute
        elif self._client_of(call):
            bucket, limit = "tenant", self.behaviour.requests_per_minute
        else:
            bucket, limit = f"bearer {call.source}", BAD_BEARERS_PER_MINUTE
        return self.limits.take(bucket, limit, now=time.monotonic(), time_scale=self.behaviour.time_scale)

    def _operate(self, call: Call, verdict: Verdict) -> Answer:
        if verdict.wait:
            headers = retry_after(verdict.wait, self.behaviour.retry_after_unit)
            raise RefusedError(429, "API rate limit exceeded.", powered_by=GATEWAY, headers=headers)
        if call.operation == "token":
            return operations.token(self, call)
        client = self._client_of(call)
        if client is None:
            raise RefusedError(401, "access denied, invalid bearer token", powered_by=GATEWAY)
        if SCOPES[call.operation] not in client.scopes:
            raise RefusedError(403, "access denied, scope not permitted", powered_by=GATEWAY)
        return operations.OPERATIONS[call.operation](self, call)


class _Cloud(TlsServer):
    """The server of one cloud."""

    def __init__(self, falcon: FalconSimulator, cloud: str, authority: Authority) -> None:
        super().__init__(authority, "localhost", "127.0.0.1", HOSTS[cloud])
        self.cloud, self._falcon = cloud, falcon

    def handle(self, exchange: Exchange) -> None:
        exchange.call.cloud = self.cloud
        try:
            self._falcon.handle(exchange)
        except OSError:  # the client left
            raise
        except Exception as failure:
            self._falcon.failures.append(failure)
            exchange.send(Answer(500))
            raise
