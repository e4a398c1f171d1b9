"""Responses that nobody should trust: of the wrong type or size, with redirects, secrets and terminal escapes in them.

One row of a kind: the unit tests have the variants. That nothing is ever sent to another host, and that no secret and
no control character reaches a log or a response, is checked for every row of every table. None of these rows is in the
table for operators.
"""

from typing import Any

from tests.faults.aws_stub import AwsError, Text
from tests.faults.rows import (
    BOTH_SAME,
    BOTH_SET,
    ELSEWHERE,
    PURGE,
    REPORT,
    WIDER,
    B,
    Before,
    Event,
    Have,
    Point,
    Row,
    row,
)
from tests.simulator import Echo, Fault, Status
from tests.simulator.effects import HOSTILE as ESCAPES
from tests.simulator.effects import Altered, Headers, Huge, Redirect

SECRETS_IN_A_MESSAGE = f"{ESCAPES} simulated-client-secret invented-external-id {ESCAPES}"
SECRETS_IN_HEADERS = (
    ("X-Cs-Traceid", "simulated-client-secret"),
    ("X-Cs-Region", "simulated-client-secret"),
    ("Date", "Thu, 01 Jan 99999 00:00:00 GMT"),
    ("Set-Cookie", "a=b; Domain=.com"),
)
TEXT_FOR_RESOURCES = Altered('{"resources": "registry"}')
TEXT_FOR_ERRORS = Altered('{"errors": "oh no", "resources": null}')
SECRETS_IN_FIELDS = '{"id": "simulated-client-secret", "state": "simulated-client-secret invented-external-id"}'
EVIL_REGION = "<item><regionName>us-east-1.evil.example/#</regionName></item>"
EVIL_REGIONS = f"<DescribeRegionsResponse><regionInfo>{EVIL_REGION}</regionInfo></DescribeRegionsResponse>"
CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE


def _row(name: str, event: Event, point: Point, *faults: Fault, **more: Any) -> Row:
    """Return a row whose name says what is wrong; after a failure nobody compares the record."""
    return row(name, event, point, "", "", faults, compared="reason" not in more, **more)


# A table: each row takes as few lines as it needs.
# fmt: off
HOSTILE: tuple[Row, ...] = (
    # Types and sizes
    _row("token-of-a-wrong-type", CREATE, Point.TOKEN, Fault("token", Altered("[]")),
        reason="Falcon login"),
    _row("create-of-a-wrong-type", CREATE, Point.CREATE, Fault("create", TEXT_FOR_RESOURCES, region=B)),
    _row("create-errors-of-a-wrong-type", CREATE, Point.CREATE, Fault("create", TEXT_FOR_ERRORS, region=B),
        reason="1 Region failed. eu-west-1: ", falcon={B: Have.MADE}),
    _row("read-of-a-wrong-type", DELETE, Point.READ, Fault("read", TEXT_FOR_RESOURCES), properties=PURGE,
        reason="Delete the stack again"),
    _row("token-huge", CREATE, Point.TOKEN, Fault("token", Huge()), remaining=38,
        reason="Falcon login.*larger than 64 KB"),
    _row("list-claims-millions", CREATE, Point.LIST,
        Fault("list", Altered('{"resources": ["a"], "meta": {"pagination": {"total": 9999999}}}')), before=Before.FOUND,
        reason="2 Regions failed", falcon=BOTH_SAME),
    # Secrets, and what hurts a log
    _row("token-echoes", CREATE, Point.TOKEN, Fault("token", Echo(403)), reason="Falcon login"),
    _row("create-echoes", CREATE, Point.CREATE, Fault("create", Echo(400), region=B),
        reason="1 Region failed. eu-west-1: ", remaining=38),
    _row("create-echoes-the-old-token", CREATE, Point.CREATE, Fault("create", Echo(401), region=B, times=1),
        Fault("create", Status(422, SECRETS_IN_A_MESSAGE), region=B), reason="1 Region failed. eu-west-1: HTTP 422"),
    _row("headers-echo", CREATE, Point.ALL, Fault("falcon", Headers(SECRETS_IN_HEADERS))),
    _row("resource-echoes", UPDATE, Point.READ, Fault("read", Altered(f'{{"resources": {SECRETS_IN_FIELDS}}}')),
        properties=REPORT, reason="lists none with this URL"),
    _row("create-id-with-escapes", CREATE, Point.CREATE,
        Fault("create", Altered('{"resources": {"id": "\\u001b[2J"}}'))),
    _row("aws-echoes", CREATE, Point.SECRET,
        Fault("GetSecretValue", AwsError(f"Evil{ESCAPES}Code", SECRETS_IN_A_MESSAGE)), reason="secret"),
    # Redirects
    _row("token-redirect", CREATE, Point.TOKEN, Fault("token", Redirect(ELSEWHERE, 308)), reason="Falcon login"),
    _row("create-redirect", CREATE, Point.CREATE, Fault("create", Redirect(ELSEWHERE, 307)), reason="2 Regions failed"),
    _row("read-redirect", UPDATE, Point.READ, Fault("read", Redirect(ELSEWHERE, 301)), properties=WIDER,
        reason="redirect|not Falcon"),
    _row("aws-redirect", CREATE, Point.SECRET, Fault("GetSecretValue", Redirect(ELSEWHERE)), reason="secret"),
    _row("cloudformation-redirects", CREATE, Point.RESPONSE, Fault("respond", Redirect(ELSEWHERE), times=2)),
    # AWS, and the record
    _row("secret-of-a-wrong-type", CREATE, Point.SECRET, Fault("GetSecretValue", Text('{"SecretString": 7}')),
        reason="secret falcon-AbCd"),
    _row("parameter-of-a-wrong-type", CREATE, Point.RECORD_READ,
        Fault("GetParameter", Text('{"Parameter": "text"}')), reason="record"),
    _row("version-of-a-wrong-type", CREATE, Point.RECORD_WRITE,
        Fault("PutParameter", Text('{"Version": "many"}')), reason="record"),
    _row("region-of-another-host", CREATE, Point.REGIONS, Fault("DescribeRegions", Text(EVIL_REGIONS)),
        properties={"Regions": ""}, reason="Regions cannot be listed"),
    *(_row(f"record-hostile-{name}", UPDATE, Point.RECORD_READ, record=text, properties=REPORT, falcon=BOTH_SET)
      for name, text in (("nested", "[" * 4000), ("lease", '{"format": 2, "lease": ["x", 99999999999]}'))),
)
# fmt: on
