"""CloudFormation's protocol: which events are its own, physical ids, and the response that is sent until it is taken.

crhelper composes the response; its own sender has no timeout, takes any HTTP status for success and never gives up.
The only importer of crhelper, which is given events of CloudFormation and no others.
"""

import json
import logging
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from crhelper import CfnResource

from registry_connections.concurrency import ThreadPool
from registry_connections.core.errors import RegistrationError, sanitize
from registry_connections.core.model import Deadline, Identity
from registry_connections.core.record import FAILED_SUFFIX, Kind, Request, digest, physical_id
from registry_connections.core.report import Report, data
from registry_connections.core.settings import parse
from registry_connections.logs import log
from registry_connections.tls import tls_context

RESOURCE_TYPE: Final = "Custom::FalconRegistryConnections"
REQUEST_TYPES: Final = frozenset({Kind.CREATE, Kind.UPDATE, Kind.DELETE})
# The fields that every request has (AWS CloudFormation user guide, custom resource request objects).
FIELDS: Final = ("RequestType", "RequestId", "StackId", "ResponseURL", "ResourceType", "LogicalResourceId")
SEND_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
RESERVE_SECONDS: Final = 2.0  # of the invocation, when even the response is given up
ABANDONED: Final = 8  # attempts whose response comes byte by byte, so that no timeout ends them

Work = Callable[[Request], Report]


def is_event(event: Any) -> bool:
    """Whether an event has all that CloudFormation sends. crhelper responds to anything, at whatever URL it knows."""
    return (
        isinstance(event, dict)
        and all(isinstance(event.get(name), str) and event[name] for name in FIELDS)
        and event["RequestType"] in REQUEST_TYPES
    )


def respond(event: Mapping[str, Any], context: Any, identity: Identity, work: Work) -> None:
    """Do the work that an event asks for, and send CloudFormation its outcome."""
    properties = event.get("ResourceProperties")
    own = {name: event[name] for name in FIELDS}  # crhelper acts on fields of its own, which anybody could send
    own["PhysicalResourceId"] = str(event.get("PhysicalResourceId") or "")
    own["ResourceProperties"] = properties if isinstance(properties, dict) else {}
    helper = _helper()
    helper.work = lambda: _handle(own, helper, identity, work)
    helper(own, context)


class _Helper(CfnResource):
    """crhelper with a sender that ends."""

    work: Callable[[], str]

    def _send(self, status: str | None = None, reason: str = "", send_response: object = None) -> None:  # noqa: ARG002
        super()._send(status, reason, self._put)  # type: ignore[misc] # the stub of crhelper leaves it out

    def _put(self, url: str, body: Mapping[str, Any], _verify: object) -> None:
        def left() -> float:
            context: Any = self._context  # type: ignore[attr-defined]
            return float(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS)

        taken = url.lower().startswith("https:") and put(url, body, left)  # urlsplit may raise, and quote the URL
        text = "responded to CloudFormation" if taken else "CloudFormation did not take the response"
        log(logging.INFO if taken else logging.ERROR, text, status=body["Status"], reason=body["Reason"])


@cache
def _helper() -> _Helper:
    """Return crhelper, one for each container."""
    os.environ["AWS_SAM_LOCAL"] = "true"  # its own switch: without the three clients that only its polling needs
    helper = _Helper(json_logging=False, log_level="INFO", boto_level="CRITICAL", sleep_on_delete=0)
    for register in (helper.create, helper.update, helper.delete):
        register(lambda _event, _context: helper.work())
    return helper


def _handle(event: Mapping[str, Any], helper: _Helper, identity: Identity, work: Work) -> str:
    """Do what an event asks, and return the physical id.

    A launch that fails responds with an id of its own, and every success with the same one: so a Delete tells
    whether it is about a launch that succeeded. The id is set before any work, so that a failure reports it as well.
    """
    ours = physical_id(event["StackId"])
    given = event["PhysicalResourceId"] or ours
    kind = Kind(event["RequestType"])
    helper.PhysicalResourceId = f"{ours}{FAILED_SUFFIX}" if kind is Kind.CREATE else given
    if event["StackId"] != identity.stack_id or event["ResourceType"] != RESOURCE_TYPE:
        return _ignore(event, kind, given)
    report = work(_request(event, kind, identity, launched=given == ours))
    helper.Data = {} if kind is Kind.DELETE else data(report)
    return given if kind is Kind.DELETE else ours


def _ignore(event: Mapping[str, Any], kind: Kind, given: str) -> str:
    """Let a resource go that is not ours, such as the trigger of the solution that this stack was upgraded from."""
    if kind is not Kind.DELETE:
        raise RegistrationError(f"This function serves resources of type {RESOURCE_TYPE}, of its own stack, only.")
    about = {"type": sanitize(event["ResourceType"], limit=60), "stack": sanitize(event["StackId"], limit=200)}
    log(logging.INFO, "a resource that is not ours is deleted, with no effect", **about)
    return given


def _request(event: Mapping[str, Any], kind: Kind, identity: Identity, *, launched: bool) -> Request:
    properties = event["ResourceProperties"]
    settings, problems = parse(properties, identity.partition)
    return Request(
        kind,
        sanitize(event["RequestId"], limit=64),
        sent_at(event["ResponseURL"], time.time()),
        settings,
        tuple(problems),
        digest(properties),
        physical_id=event["PhysicalResourceId"],
        logical_id=event["LogicalResourceId"],
        launched=launched,
        rollout=":stack/StackSet-" in event["StackId"],  # so AWS names the stacks of a StackSet
    )


def sent_at(url: str, now: float) -> float:
    """Return when an event was sent, in seconds since the epoch: when its URL was signed, else now."""
    with suppress(ValueError, KeyError):
        signed = datetime.strptime(parse_qs(urlsplit(url).query)["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
        return min(signed.timestamp(), now)
    return now


def put(url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
    """Send a response until it is taken, while `left` (seconds) allows; return whether it was.

    The URL is a credential: nothing of it is logged or raised.
    """
    content, pool = json.dumps(body).encode(), ThreadPool(ABANDONED)
    try:
        while (seconds := min(SEND_SECONDS, left())) > 0:
            deadline = Deadline(time.monotonic() + seconds, time.monotonic)
            if pool.submit(lambda: _send(url, content))(deadline) is None:
                return True
            time.sleep(min(PAUSE_SECONDS, max(left(), 0)))
        return False
    finally:
        pool.shutdown()


def _send(url: str, content: bytes) -> None:
    """Send it once; raise whatever urllib raises if there is no connection, no time, or a status of no success."""
    request = urllib.request.Request(url, content, {"Content-Type": ""}, method="PUT")  # noqa: S310 - https: see _put
    context = tls_context("AWS_CA_BUNDLE", "SSL_CERT_FILE")
    with urllib.request.urlopen(request, timeout=SEND_SECONDS, context=context):  # noqa: S310 - the same
        pass
