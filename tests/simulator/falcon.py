"""One simulated Falcon: a tenant, its switches and limits, and what every request passes before its operation."""

import asyncio
import re
import threading
import time

from tests.simulator import oauth, registries
from tests.simulator.behaviour import Behaviour
from tests.simulator.faults import Faults
from tests.simulator.journal import Journal
from tests.simulator.limits import Limits, Verdict
from tests.simulator.messages import GATEWAY, SCOPES, Answer, Call, RefusedError, errors, retry_after
from tests.simulator.tenant import ApiClient, Tenant

BAD_BEARERS_PER_MINUTE = 15
"""Requests with a missing, malformed or expired bearer per source address, as CrowdStrike documents."""

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


class Falcon:
    """The state behind one or several clouds, and the answer to each call."""

    def __init__(self, tenant: Tenant, behaviour: Behaviour) -> None:
        self.tenant = tenant
        self.behaviour = behaviour
        self.journal = Journal()
        self.faults = Faults()
        self.limits = Limits()
        self.urls: dict[str, str] = {}
        """Cloud to the URL at which it listens."""
        self.failures: list[Exception] = []
        """Defects of the simulator, or of a test's `credential_check`, that a client saw as a 500."""
        self._lock = threading.Lock()
        self._roles_first_named: dict[str, float] = {}

    def concerned_urls(self, call: Call) -> tuple[str, ...]:
        """Return the registry URLs that a call is about."""
        if call.operation == "create":
            try:
                url = call.json_object().get("url")
            except RefusedError:
                return ()
            return (url,) if isinstance(url, str) else ()
        named = (self.tenant.get(value) for name in ("id", "ids") for value in call.parameters(name))
        return tuple(connection.url for connection in named if connection)

    async def answer(self, call: Call) -> Answer:
        """Answer a call as Falcon does when nothing is wrong with it, or the network."""
        verdict = self._take(call)
        try:
            answer = await self._operate(call, verdict)
        except RefusedError as refused:
            answer = errors(call, refused.status, refused.message, powered_by=refused.powered_by)
            answer.headers |= refused.headers
        answer.headers.setdefault("X-Ratelimit-Limit", str(verdict.limit))
        answer.headers.setdefault("X-Ratelimit-Remaining", str(verdict.remaining))
        return answer

    def decorate(self, call: Call, answer: Answer) -> Answer:
        """Add the headers that every answer has, unless it has its own."""
        limit = str(self.behaviour.requests_per_minute)
        common = {"X-Cs-Traceid": call.trace_id, "X-Cs-Region": call.cloud}
        common |= {"X-Ratelimit-Limit": limit, "X-Ratelimit-Remaining": limit}
        answer.headers = common | answer.headers
        return answer

    async def credential_is_valid(self, details: dict[str, object]) -> bool:
        """Whether Falcon can assume the role of these ECR credential details by now."""
        role, external_id = details.get("aws_iam_role"), details.get("aws_external_id")
        if not isinstance(role, str) or not isinstance(external_id, str) or not ROLE_ARN.fullmatch(role):
            return False
        now = time.monotonic()
        with self._lock:
            first_named = self._roles_first_named.setdefault(role, now)
        if now - first_named < self.behaviour.iam_ready_after:
            return False
        check = self.behaviour.credential_check
        return check is None or await asyncio.to_thread(check, role, external_id)

    def reset(self) -> None:
        """Forget connections, tokens, limits, faults and the journal; clients and behaviour stay."""
        for forgotten in (self.tenant, self.limits, self.faults, self.journal):
            forgotten.clear()
        with self._lock:
            self._roles_first_named.clear()

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

    async def _operate(self, call: Call, verdict: Verdict) -> Answer:
        if verdict.wait:
            headers = retry_after(verdict.wait, self.behaviour.retry_after_unit)
            raise RefusedError(429, "API rate limit exceeded.", powered_by=GATEWAY, headers=headers)
        if call.operation == "token":
            return oauth.token(self, call)
        client = self._client_of(call)
        if client is None:
            raise RefusedError(401, "access denied, invalid bearer token", powered_by=GATEWAY)
        if call.operation == "other":
            raise RefusedError(404, "404: Page Not Found", powered_by=GATEWAY)
        if SCOPES[call.operation] not in client.scopes:
            raise RefusedError(403, "access denied, scope not permitted", powered_by=GATEWAY)
        return await registries.OPERATIONS[call.operation](self, call)
