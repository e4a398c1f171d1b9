"""What can go wrong with an answer, and when. Each effect is data, so that a table of faults can be written."""

import json
import threading
from dataclasses import dataclass, replace
from typing import Literal

from tests.simulator.messages import GATEWAY, Answer, errors, retry_after
from tests.simulator.server import Exchange

FOREVER = 3600.0  # seconds; longer than any client waits
HOSTILE = "\r\nSet-Cookie: a=b\x00\x07\x1b[2J\x1b]0;title\x07\u202e\u2028<script>"
"""Line ends, a null, a bell, terminal escapes, a right-to-left override: what must not reach a log as it is."""


@dataclass(frozen=True)
class Effect:
    """What a fault does to a call. `respond` answers in the server's place; for most, with what `answer` returns."""

    def respond(self, exchange: Exchange) -> None:
        exchange.send(self.answer(exchange))

    def answer(self, exchange: Exchange) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True)
class Status(Effect):
    """An error envelope with any status, and nothing done."""

    status: int
    message: str = "an invented failure"
    powered_by: str = ""
    """The gateway, if it says so rather than the service behind it."""

    def answer(self, exchange: Exchange) -> Answer:
        return errors(exchange.call, self.status, self.message, powered_by=self.powered_by)


UNAUTHORIZED = Status(401, "access denied, invalid bearer token", GATEWAY)
CONFLICT = Status(409, "registry already exists")
"""Reports a duplicate, although there may be no such connection."""


def missing_scope() -> Status:
    return Status(403, "access denied, scope not permitted", GATEWAY)


@dataclass(frozen=True)
class Html(Effect):
    """A page of a proxy or a captive portal, with any status, instead of an answer of the API. Nothing was done."""

    status: int = 502

    def answer(self, exchange: Exchange) -> Answer:
        del exchange
        page = f"<html><head><title>{self.status}</title></head><body><h1>Sign in</h1></body></html>"
        return Answer(self.status, page.encode(), {"Content-Type": "text/html"})


@dataclass(frozen=True)
class Throttled(Effect):
    """429 although the limit is not reached, with the time to come back."""

    wait: float
    """Seconds until that time."""

    def answer(self, exchange: Exchange) -> Answer:
        answer = errors(exchange.call, 429, "API rate limit exceeded.", powered_by=GATEWAY)
        answer.headers = {"X-Ratelimit-Remaining": "0"} | retry_after(self.wait, "seconds")
        return answer


@dataclass(frozen=True)
class Hang(Effect):
    """No answer for some seconds, then the connection breaks, before or after the call was applied."""

    seconds: float = FOREVER
    applied: bool = False

    def respond(self, exchange: Exchange) -> None:
        if self.applied:
            exchange.apply()
        exchange.pause(self.seconds)
        exchange.reset()


@dataclass(frozen=True)
class Reset(Hang):
    """The connection breaks at once."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Truncated(Effect):
    """The call is applied, but half of its answer is missing when the connection closes."""

    def respond(self, exchange: Exchange) -> None:
        answer = exchange.apply()
        exchange.send(answer, answer.content[: len(answer.content) // 2])


@dataclass(frozen=True)
class Text(Effect):
    """The call is carried out; the body of its answer is this text, which need not be what its headers say."""

    text: str

    def answer(self, exchange: Exchange) -> Answer:
        answer = exchange.apply()
        return Answer(answer.status, self.text.encode(), answer.headers)


@dataclass(frozen=True)
class Redirect(Effect):
    """A redirect to another place, to which credentials must not follow."""

    status: int = 307
    location: str = ""
    """Where to; the harness of the fault matrix names a server that must get nothing."""

    def answer(self, exchange: Exchange) -> Answer:
        del exchange
        return Answer(self.status, None, {"Location": self.location})


@dataclass(frozen=True)
class SlowHeaders(Effect):
    """A header comes byte by byte, without end, so that no single wait for data is long."""

    def respond(self, exchange: Exchange) -> None:
        exchange.drip()


@dataclass(frozen=True)
class Echo(Effect):
    """An error whose message repeats the secrets of the request, among characters that hurt a log or a terminal."""

    status: int = 400

    def answer(self, exchange: Exchange) -> Answer:
        message = " ".join([HOSTILE, *exchange.call.secrets(), HOSTILE])
        return errors(exchange.call, self.status, message)


@dataclass(frozen=True)
class Altered(Effect):
    """The call is carried out; parts of the answer's envelope, fields of its resources or headers are replaced."""

    changes: str = "{}"
    """A JSON object, which may have one for the resources that changes fields of each."""
    headers: tuple[tuple[str, str], ...] = ()
    """A secret, a Region that does not exist, a date that is none."""

    def answer(self, exchange: Exchange) -> Answer:
        answer, changes = exchange.apply(), json.loads(self.changes)
        envelope = answer.body if isinstance(answer.body, dict) else {}
        replaced, true = changes.get("resources"), envelope.get("resources")
        if isinstance(replaced, dict) and true:
            changes["resources"] = [each | replaced for each in true] if isinstance(true, list) else true | replaced
        return Answer(answer.status, envelope | changes, answer.headers | dict(self.headers))


# When it goes wrong

# fmt: off
Operation = Literal[
    "token", "create", "update", "read", "list", "delete", "falcon",
    "GetSecretValue", "GetParameter", "PutParameter", "DescribeRegions", "DescribeRepositories", "CreateLogGroup",
    "PutRetentionPolicy", "aws", "respond",
]
# fmt: on
"""Falcon's, all of these; AWS's as the fault matrix plays it, all of these; to take a response for CloudFormation."""


@dataclass
class Fault:
    """Let `effect` strike calls of one operation. It counts down once it is armed."""

    operation: Operation
    effect: Effect
    region: str = ""
    """Only calls in this Region: of AWS, or those that concern a registry URL in it, in the body or of an id."""
    times: int | None = None
    """How many calls it strikes; without a number, all."""
    skip: int = 0
    """How many calls it lets pass first."""

    def strikes(self, operation: str, service: str, urls: tuple[str, ...]) -> bool:
        """Count a call and say whether the fault strikes it."""
        elsewhere = self.region and not any(self.region in url for url in urls)
        if self.operation not in (operation, service) or elsewhere or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        return True


class Faults:
    """All armed faults, the oldest first: it strikes before the others. Safe to use from several threads."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(replace(fault))

    def strike(self, operation: str, urls: tuple[str, ...] = (), service: str = "falcon") -> Effect | None:
        """Return what happens to a call, if anything."""
        with self._lock:
            return next((fault.effect for fault in self._armed if fault.strikes(operation, service, urls)), None)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
