"""Answers that nobody should trust: of the wrong type or size, with redirects, secrets and terminal escapes in them.

`tests/test_hostile.py` runs these rows. That nothing is ever sent to another host, and that no secret and no control
character reaches a log or an answer, is checked for every row of every table.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.faults.aws_stub import AwsFault, Operation
from tests.faults.cloudformation import Refusal
from tests.faults.effects import Altered, Body, Headers
from tests.faults.rows import (
    BOTH,
    BOTH_SAME,
    BOTH_SET,
    ELSEWHERE,
    NEW_ROLE,
    PURGE,
    PURGE_ACCOUNT,
    WIDER,
    A,
    B,
    Before,
    Event,
    Have,
    Point,
    Row,
)
from tests.simulator import HOSTILE as ESCAPES
from tests.simulator import WRONG, Echo, Fault, Huge, Redirect, Status, WrongTypes
from tests.simulator import Operation as FalconOperation

SECRETS_IN_A_MESSAGE = f"{ESCAPES} simulated-client-secret invented-external-id {ESCAPES}"
MANY_REGIONS = tuple(f"us-{side}-{n}" for side in ("north", "south", "central") for n in range(1, 13))


SHORTAGE = "Wait until Falcon works again, and ask CrowdStrike's support."
NOTHING = "Nothing."
CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE
MADE, SAME = Have.MADE, Have.SAME

REFUSED_TYPES: Mapping[str, str] = {
    "errors is text": "HTTP 500",
    "errors hold text": "HTTP 500",
    "body is a list": "not an object",
    "body is text": "not an object",
}
"""The variants that make a create fail. After the others the connection is found in a listing."""


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _wrong_on_create(variant: str) -> Row:
    refused = REFUSED_TYPES.get(variant)
    rest: dict[str, Any] = {"status": "FAILED", "reason": f"1 Region failed: eu-west-1.*{refused}", "managed": ()}
    # What was refused may have been made all the same: the rollback finds out.
    return Row(
        f"create-{_slug(variant)}",
        CREATE,
        Point.CREATE,
        variant,
        NOTHING,
        (Fault("create", WrongTypes(variant), region=B),),
        falcon={B: MADE} if refused else BOTH,
        **rest if refused else {},
    )


def _wrong(event: Event, point: Point, operation: FalconOperation, variant: str, **rest: Any) -> Row:
    return Row(
        f"{operation}-{_slug(variant)}-{event.lower()}",
        event,
        point,
        variant,
        NOTHING,
        (Fault(operation, WrongTypes(variant)),),
        **rest,
    )


_UPDATE: dict[str, Any] = {"before": Before.APPLIED, "status": "FAILED", "falcon": BOTH_SAME, "applied": True}
_PURGE: dict[str, Any] = {**_UPDATE, "properties": PURGE}

# A table: each row takes as few lines as it needs.
# fmt: off

WRONG_TYPES = (
    *(_wrong_on_create(variant) for variant in WRONG if "token" not in variant),
    *(
        _wrong(CREATE, Point.TOKEN, "token", variant, status="FAILED", reason="Falcon login", falcon={})
        for variant in ("token is a number", "body is a list", "body is text", "body is null")
    ),
    *(
        _wrong(UPDATE, Point.READ, "read", variant, properties=WIDER, reason=".", **_UPDATE)
        for variant in ("resources is text", "resources is a number", "errors is text", "errors hold text")
    ),
    *(
        _wrong(DELETE, Point.READ, "read", variant, reason="Delete the stack again", **_PURGE)
        for variant in ("resources is text", "errors is text", "body is a list", "body is text")
    ),
    *(
        _wrong(
            DELETE, Point.LIST, "list", variant, reason="Delete the stack again",
            **{**_PURGE, "properties": PURGE_ACCOUNT}
        )
        for variant in ("resources is text", "errors hold text", "body is a list")
    ),
    *(
        _wrong(CREATE, Point.LIST, "list", variant, before=Before.FOUND, status="FAILED", falcon=BOTH_SAME, managed=())
        for variant in (
            "resources is a number",
            "resources holds numbers",
            "ids are numbers",
            "total is text",
            "body is text",
        )
    ),
    *(
        _wrong(UPDATE, Point.PATCH, "update", variant, before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET)
        for variant in ("resources is text", "id is a number", "meta is text", "fields are lists")
    ),
    *(
        _wrong(DELETE, Point.DELETE, "delete", variant, before=Before.APPLIED, properties=PURGE, falcon={})
        for variant in ("resources is text", "ids are numbers", "meta is text")
    ),
)

# Which of the two limits a huge answer meets first depends on how busy the machine is.
TOO_MUCH = "(larger than|took too long)"
SIZES = (
    Row(
        "token-huge", CREATE, Point.TOKEN, "200 MB", SHORTAGE, (Fault("token", Huge()),), remaining=38,
        status="FAILED", reason=f"Falcon login.*{TOO_MUCH}", falcon={}
    ),
    Row(
        "create-huge", CREATE, Point.CREATE, "200 MB", SHORTAGE, (Fault("create", Huge(), region=B),), remaining=38,
        status="FAILED", reason=f"1 Region failed: eu-west-1.*{TOO_MUCH}", falcon={}
    ),
    Row("create-huge-once", CREATE, Point.CREATE, "200 MB, once", NOTHING, (Fault("create", Huge(), times=2),)),
    Row(
        "create-huge-everywhere", CREATE, Point.CREATE,
        "as much as is read, in every Region at once, and costly to parse", SHORTAGE,
        (Fault("create", Body("[" + "{}," * 2600000 + "{}]")),), regions=MANY_REGIONS, properties={"Regions": ""},
        remaining=75, status="FAILED", reason="36 Regions failed", falcon={}, within=60, container="fresh"
    ),
    Row(
        "create-bomb", CREATE, Point.CREATE, "a small answer that unpacks to 64 MB", SHORTAGE,
        (Fault("create", Body(" ", 64 * 2**20, gzipped=True), region=B),), remaining=45, status="FAILED",
        reason="1 Region failed: eu-west-1.*larger than", falcon={}
    ),
    Row(
        "create-nested", CREATE, Point.CREATE, "JSON that is nested without end", SHORTAGE,
        (Fault("create", Body("[", 100000), region=B),), remaining=36, status="FAILED",
        reason="1 Region failed: eu-west-1.*not JSON", falcon={}
    ),
    Row(
        "create-thousands-of-errors", CREATE, Point.CREATE, "ten thousand errors", SHORTAGE,
        (Fault("create", Status(400, "x" * 50, count=10000), region=B),), status="FAILED",
        reason="1 Region failed: eu-west-1.*HTTP 400 xxx", falcon={}
    ),
    Row(
        "list-claims-millions", CREATE, Point.LIST, "a page of one id, and a total of millions", SHORTAGE,
        (Fault("list", Altered('{"resources": ["a"], "meta": {"pagination": {"total": 9999999}}}')),),
        before=Before.FOUND, status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1", falcon=BOTH_SAME,
        managed=()
    ),
    Row(
        "list-empty-claims-thousands", CREATE, Point.LIST, "an empty page, and a total of thousands", SHORTAGE,
        (Fault("list", Altered('{"resources": [], "meta": {"pagination": {"total": 5000}}}')),), before=Before.FOUND,
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1", falcon=BOTH_SAME, managed=()
    ),
)


def _altered_id(name: str, identifier: str) -> Row:
    shown = json.dumps({"resources": {"id": identifier}})
    return Row(f"create-id-{name}", CREATE, Point.CREATE, name, NOTHING, (Fault("create", Altered(shown)),))


_ECHOES: tuple[tuple[FalconOperation, Point, int, str, str], ...] = (
    ("token", Point.TOKEN, 400, "", "Falcon login"),
    ("token", Point.TOKEN, 403, "", "Falcon login"),
    ("create", Point.CREATE, 400, B, "1 Region failed: eu-west-1.*HTTP 400"),
    ("create", Point.CREATE, 403, B, "1 Region failed: eu-west-1.*HTTP 403"),
    ("create", Point.CREATE, 409, B, "1 Region failed: eu-west-1.*HTTP 409"),
)

WORDS = (
    *(
        Row(
            f"{operation}-echoes-{status}", CREATE, point,
            f"HTTP {status} repeats the secrets, among terminal escapes", SHORTAGE,
            (Fault(operation, Echo(status), region=region),), status="FAILED", reason=reason, falcon={}
        )
        for operation, point, status, region, reason in _ECHOES
    ),
    Row(
        "update-echoes", UPDATE, Point.PATCH, "HTTP 400 repeats the secrets, among terminal escapes", SHORTAGE,
        (Fault("update", Echo(400)),), before=Before.APPLIED, properties=NEW_ROLE, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 400", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "read-echoes", UPDATE, Point.READ, "HTTP 400 repeats the secrets, among terminal escapes", SHORTAGE,
        (Fault("read", Echo(400)),), before=Before.APPLIED, properties=WIDER, status="FAILED", reason="HTTP 400",
        falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-echoes", DELETE, Point.DELETE, "HTTP 400 repeats the secrets, among terminal escapes", SHORTAGE,
        (Fault("delete", Echo(400)),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 400", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "create-echoes-the-old-token", CREATE, Point.CREATE, "401 once, then an error that repeats the first token",
        SHORTAGE,
        (Fault("create", Echo(401), region=B, times=1), Fault("create", Status(400, SECRETS_IN_A_MESSAGE), region=B)),
        status="FAILED", reason="1 Region failed: eu-west-1.*HTTP 400", falcon={}
    ),
    _altered_id("with-escapes", "\x1b[2J\x1b]0;title\x07"),
    _altered_id("endless", "a" * 5000),
    _altered_id("with-a-path", "../../oauth2/token?x=1"),
    Row(
        "list-ids-with-escapes", CREATE, Point.LIST, "a listing of ids that are none", SHORTAGE,
        (Fault("list", Altered('{"resources": ["\\u001b[2J", "a&ids=b", 7, null]}')),), before=Before.FOUND,
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1", falcon=BOTH_SAME, managed=()
    ),
)

STRANGE_HEADERS = (
    ("date", (("Date", "yesterday"),)),
    ("limits", (("X-Ratelimit-Limit", "many"), ("X-Ratelimit-Remaining", "nan"))),
    ("limit-0", (("X-Ratelimit-Limit", "0"), ("X-Ratelimit-Remaining", "-1"))),
    ("trace", (("X-Cs-Traceid", "t" * 5000), ("Set-Cookie", "a=b; Domain=.com"))),
    ("region", (("X-Cs-Region", "zz-9" * 100),)),
    ("encoding", (("Content-Type", "text/html; charset=utf-7"),)),
)

HEADERS = (
    *(
        Row(
            f"headers-{name}", CREATE, Point.ALL, f"strange headers: {name}", NOTHING,
            (Fault("any", Headers(headers)),)
        )
        for name, headers in STRANGE_HEADERS
    ),
    *(
        Row(
            f"headers-retry-after-{name}", CREATE, Point.CREATE, f"429 with a strange time: {value}", NOTHING,
            (Fault("any", Headers((("X-Ratelimit-Retryafter", value),), status=429), times=3),)
        )
        for name, value in (("nan", "nan"), ("text", "soon"), ("negative", "-1e300"))
    ),
)

_REFRESH: dict[str, Any] = {
    "before": Before.APPLIED,
    "properties": NEW_ROLE,
    "falcon": BOTH_SAME,
    "applied": True,
}
_REDIRECTED: tuple[tuple[Event, Point, FalconOperation, int, str, dict[str, Any]], ...] = (
    (CREATE, Point.TOKEN, "token", 307, "Falcon login", {"falcon": {}}),
    (CREATE, Point.TOKEN, "token", 308, "Falcon login", {"falcon": {}}),
    (CREATE, Point.CREATE, "create", 307, "2 Regions failed.*redirects", {"falcon": {}}),
    (CREATE, Point.CREATE, "create", 302, "2 Regions failed.*redirects", {"falcon": {}}),
    (UPDATE, Point.PATCH, "update", 308, "2 Regions failed.*redirects", _REFRESH),
    (UPDATE, Point.READ, "read", 301, "redirects", {**_REFRESH, "properties": WIDER}),
    (
        CREATE,
        Point.LIST,
        "list",
        303,
        "2 Regions failed.*redirects",
        {"before": Before.FOUND, "falcon": BOTH_SAME, "managed": ()},
    ),
    (DELETE, Point.DELETE, "delete", 307, "2 Regions failed.*redirects", {**_REFRESH, "properties": PURGE}),
)

REDIRECTS = tuple(
    Row(
        f"{operation}-redirect-{status}", event, point, f"{status} to another host", SHORTAGE,
        (Fault(operation, Redirect(ELSEWHERE, status)),), status="FAILED", reason=reason, **rest
    )
    for event, point, operation, status, reason, rest in _REDIRECTED
)


def _aws(name: str, operation: Operation, point: Point, fault: AwsFault, reason: str, **rest: Any) -> Row:
    return Row(
        f"aws-{operation.lower()}-{name}", CREATE, point, name, SHORTAGE, (fault,), status="FAILED", reason=reason,
        **{"falcon": {}, **rest}
    )


def _answers(operation: Operation, point: Point, reason: str, *texts: str, **rest: Any) -> tuple[Row, ...]:
    return tuple(
        _aws(f"answer-{n}", operation, point, AwsFault(operation, "text", status=200, text=text), reason, **rest)
        for n, text in enumerate(texts)
    )


_REGIONS_XML = "<DescribeRegionsResponse><regionInfo>{}</regionInfo></DescribeRegionsResponse>"
_SECRET, _STATE, _REGIONS = "secret falcon-AbCdEf", "state /falcon-ecr/state cannot be", "Regions cannot be listed"

_AWS_CALLS: tuple[tuple[Operation, Point, str], ...] = (
    ("GetSecretValue", Point.SECRET, _SECRET),
    ("GetParameter", Point.STATE_READ, "state"),
    ("PutParameter", Point.STATE_WRITE, _STATE),
    ("DescribeRegions", Point.REGIONS, _REGIONS),
)
_UNTOUCHED: dict[Point, dict[str, Any]] = {
    Point.STATE_READ: {"state_left": "as it was"},
    Point.STATE_WRITE: {"state_left": "as it was"},
}

AWS_TYPES = (
    *_answers(
        "GetSecretValue", Point.SECRET, _SECRET, '{"SecretString": 7}', '{"SecretString": {"a": 1}}',
        '{"SecretString": "' + "[" * 5000 + '"}', '{"SecretBinary": "c2VjcmV0"}', "[]", '"text"', "null", "7"
    ),
    *_answers(
        "GetParameter", Point.STATE_READ, "state", '{"Parameter": "text"}', '{"Parameter": {}}',
        '{"Parameter": {"Value": 7, "Version": "many"}}', '{"Parameter": {"Value": "{}", "Version": null}}',
        '{"Parameter": []}', "[]", "{}", state_left="as it was"
    ),
    *_answers(
        "PutParameter", Point.STATE_WRITE, _STATE, '{"Version": "many"}', "{}", "[]", '{"Version": -7}', managed=()
    ),
    *_answers(
        "DescribeRegions", Point.REGIONS, _REGIONS, "<", "{}", "<html/>", _REGIONS_XML.format("<item/>"),
        _REGIONS_XML.format("text"), _REGIONS_XML.format("<item><regionName><b/></regionName></item>"),
        _REGIONS_XML.format("<item><regionName>us-east-1.evil.example/#</regionName></item>"),
        _REGIONS_XML.format("<item><regionName>us-east-1&#10;</regionName></item>"), properties={"Regions": ""}
    ),
    Row(
        "aws-ecr-wrong-types", CREATE, Point.ECR, "repositories is a number", NOTHING,
        (AwsFault("DescribeRepositories", "text", status=200, text='{"repositories": 7}'),)
    ),
    Row(
        "aws-logs-wrong-types", CREATE, Point.LOGS, "a list", NOTHING,
        (AwsFault("PutRetentionPolicy", "text", status=200, text="[]"),)
    ),
    *(
        _aws(
            "words", operation, point, AwsFault(operation, code=f"Evil{ESCAPES}Code", message=SECRETS_IN_A_MESSAGE),
            reason, **_UNTOUCHED.get(point, {})
        )
        for operation, point, reason in _AWS_CALLS
    ),
    *(
        _aws(
            "redirect", operation, point, AwsFault(operation, "redirect", status=307, text=ELSEWHERE), reason,
            **_UNTOUCHED.get(point, {})
        )
        for operation, point, reason in _AWS_CALLS
    ),
    _aws(
        "huge", "GetSecretValue", Point.SECRET, AwsFault("GetSecretValue", "huge", status=200), _SECRET,
        container="fresh"
    ),
    Row(
        "cloudformation-redirects", CREATE, Point.ANSWER, "the ResponseURL redirects to another host", NOTHING,
        (Refusal("redirect", location=ELSEWHERE), Refusal("redirect", location=ELSEWHERE))
    ),
)

STATES = tuple(
    Row(
        f"state-hostile-{n}", UPDATE, Point.STATE_READ, "a state of wrong types", SHORTAGE, state=text,
        before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="state parameter holds what this package did not write", falcon=BOTH_SAME, state_left="as it was",
        repair="{}"
    )
    for n, text in enumerate(
        (
            "null",
            "[]",
            '"text"',
            '{"settings": []}',
            '{"settings": {"Regions": 7}}',
            '{"settings": null, "connections": {"us-east-1": 7}}',
            '{"settings": null, "connections": []}',
            '{"settings": null, "run": []}',
            '{"settings": null, "run": {"request": "Create:1", "until": "soon", "creating": [], "since": ""}}',
            '{"settings": null, "run": {"request": "Create:1", "until": 1, "creating": 7, "since": ""}}',
            '{"settings": null, "handled": [["only one"]]}',
            '{"settings": null, "unfinished": 7}',
        )
    )
)

PROPERTIES = tuple(
    Row(
        f"properties-{name}", CREATE, Point.DELIVERY, f"a property of a wrong type or value: {name}",
        "Correct the property.", properties=properties, status="FAILED", reason=reason, falcon={}, can_succeed=False
    )
    for name, properties, reason in (
        ("list", {"Regions": [A, B]}, "Regions must be text"),
        ("object", {"OnRegionFailure": {"a": 1}}, "OnRegionFailure must be text"),
        ("escapes", {"FalconCloud": f"us-1{ESCAPES}"}, "FalconCloud .* is unknown"),
        ("escapes-in-regions", {"Regions": f"us-east-1,{ESCAPES}"}, "Regions: .* is not the name of a Region"),
    )
)


# fmt: on

HOSTILE: tuple[Row, ...] = (
    *WRONG_TYPES,
    *SIZES,
    *WORDS,
    *HEADERS,
    *REDIRECTS,
    *AWS_TYPES,
    *STATES,
    *PROPERTIES,
)
