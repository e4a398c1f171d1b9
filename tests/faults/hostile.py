"""Responses that nobody should trust: of the wrong type or size, with redirects, secrets and terminal escapes in them.

That nothing is ever sent to another host, and that no secret and no control character reaches a log or a response, is
checked for every row of every table.
"""

from collections.abc import Iterator
from typing import Any

from tests.faults.aws_stub import AwsFault, Operation
from tests.faults.cloudformation import Refusal
from tests.faults.effects import Body
from tests.faults.rows import (
    BOTH_SAME,
    ELSEWHERE,
    PURGE,
    REPORT,
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
from tests.simulator import WRONG, Altered, Echo, Fault, Headers, Huge, Redirect, Status, WrongTypes

SECRETS_IN_A_MESSAGE = f"{ESCAPES} simulated-client-secret invented-external-id {ESCAPES}"
MANY_REGIONS = tuple(f"us-{side}-{n}" for side in ("north", "south", "central") for n in range(1, 13))
CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE
SHORTAGE = "Wait until Falcon works again, and ask CrowdStrike's support."
FAILED: dict[str, Any] = {"status": "FAILED", "compared": False}
REFUSED_TYPES = {"errors is text", "errors hold text", "body is a list", "body is text"}
"""The variants that make a create fail. After the others the connection is found in a listing."""


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _wrong_types() -> Iterator[Row]:
    for variant in WRONG:
        if "token" not in variant:
            refused = variant in REFUSED_TYPES
            yield Row(
                f"create-{_slug(variant)}",
                CREATE,
                Point.CREATE,
                variant,
                SHORTAGE,
                (Fault("create", WrongTypes(variant), region=B),),
                falcon={A: Have.MADE, B: Have.MADE} if not refused else {B: Have.MADE},
                **(FAILED | {"reason": "1 Region failed. eu-west-1: "} if refused else {}),
            )
    for variant in ("token is a number", "body is a list", "body is text", "body is null"):
        fault = Fault("token", WrongTypes(variant))
        yield Row(
            f"token-{_slug(variant)}", CREATE, Point.TOKEN, variant, SHORTAGE, (fault,), falcon={}, **FAILED,
            reason="Falcon login",
        )  # fmt: skip
    for variant in ("resources is text", "resources is a number", "errors hold text", "body is a list"):
        fault = Fault("read", WrongTypes(variant))
        yield Row(
            f"read-{_slug(variant)}", DELETE, Point.READ, variant, SHORTAGE, (fault,), before=Before.APPLIED,
            properties=PURGE, falcon=BOTH_SAME, reason="Delete the stack again", **FAILED,
        )  # fmt: skip


# A table: each row takes as few lines as it needs.
# fmt: off
SIZES = (
    Row("token-huge", CREATE, Point.TOKEN, "200 MB", SHORTAGE, (Fault("token", Huge()),), remaining=38,
        reason="Falcon login.*larger than 64 KB", falcon={}, **FAILED),
    Row("create-huge-everywhere", CREATE, Point.CREATE, "as much as is read, in every Region at once", SHORTAGE,
        (Fault("create", Body("[" + "{}," * 2600000 + "{}]")),), regions=MANY_REGIONS, properties={"Regions": ""},
        remaining=50, reason="36 Regions failed", falcon={}, container="fresh", **FAILED),
    Row("create-bomb", CREATE, Point.CREATE, "a small response that unpacks to 64 MB", SHORTAGE,
        (Fault("create", Body(" ", 64 * 2**20, gzipped=True), region=B),), remaining=38,
        reason="1 Region failed. eu-west-1: .*(larger than|no response)", falcon={}, **FAILED),
    Row("create-nested", CREATE, Point.CREATE, "JSON that is nested without end", SHORTAGE,
        (Fault("create", Body("[", 60000), region=B),), remaining=36,
        reason="1 Region failed. eu-west-1: .*not JSON", falcon={}, **FAILED),
    Row("list-claims-millions", CREATE, Point.LIST, "a page of one id, and a total of millions", SHORTAGE,
        (Fault("list", Altered('{"resources": ["a"], "meta": {"pagination": {"total": 9999999}}}')),),
        before=Before.FOUND, reason="2 Regions failed", falcon=BOTH_SAME, **FAILED),
    Row("list-empty-claims-thousands", CREATE, Point.LIST, "an empty page, and a total of thousands", SHORTAGE,
        (Fault("list", Altered('{"resources": [], "meta": {"pagination": {"total": 5000}}}')),), before=Before.FOUND,
        reason="2 Regions failed", falcon=BOTH_SAME, **FAILED),
)

WORDS = (
    *(Row(f"token-echoes-{status}", CREATE, Point.TOKEN, f"HTTP {status} repeats the secrets", SHORTAGE,
          (Fault("token", Echo(status)),), reason="Falcon login", falcon={}, **FAILED) for status in (400, 403)),
    *(Row(f"create-echoes-{status}", CREATE, Point.CREATE, f"HTTP {status} repeats the secrets", SHORTAGE,
          (Fault("create", Echo(status), region=B),), reason="1 Region failed. eu-west-1: ", falcon={}, remaining=38,
          **FAILED)
      for status in (400, 403, 409)),
    Row("read-echoes", UPDATE, Point.READ, "HTTP 400 repeats the secrets", SHORTAGE, (Fault("read", Echo(400)),),
        before=Before.APPLIED, properties=WIDER, reason="HTTP 400", falcon=BOTH_SAME, **FAILED),
    Row("create-echoes-the-old-token", CREATE, Point.CREATE, "401 once, then an error that repeats the first token",
        SHORTAGE,
        (Fault("create", Echo(401), region=B, times=1), Fault("create", Status(422, SECRETS_IN_A_MESSAGE), region=B)),
        reason="1 Region failed. eu-west-1: HTTP 422", falcon={}, **FAILED),
    Row("headers-echo", CREATE, Point.ALL, "headers repeat the secrets", SHORTAGE,
        (Fault("any", Headers((("X-Cs-Traceid", "simulated-client-secret"), ("X-Cs-Region", "simulated-client-secret"),
                               ("Date", "Thu, 01 Jan 99999 00:00:00 GMT"), ("Set-Cookie", "a=b; Domain=.com")))),)),
    Row("resource-echoes", UPDATE, Point.READ, "id, alias and state repeat the secrets", SHORTAGE,
        (Fault("read", Altered('{"resources": {"id": "simulated-client-secret", "state": "simulated-client-secret",'
                               '"user_defined_alias": "invented-external-id"}}')),),
        before=Before.APPLIED, properties=REPORT, reason="lists none with this URL", falcon=BOTH_SAME, **FAILED),
    *(Row(f"create-id-{name}", CREATE, Point.CREATE, f"an id: {name}", SHORTAGE,
          (Fault("create", Altered(f'{{"resources": {{"id": "{identifier}"}}}}')),))
      for name, identifier in (("with-escapes", "\\u001b[2J"), ("endless", "a" * 5000),
                               ("with-a-path", "../../oauth2/token?x=1"), ("a-secret", "simulated-client-secret"))),
)

HEADERS = (
    *(Row(f"headers-{name}", CREATE, Point.ALL, f"strange headers: {name}", SHORTAGE,
          (Fault("any", Headers(headers)),))
      for name, headers in (("limits", (("X-Ratelimit-Limit", "many"), ("X-Ratelimit-Remaining", "nan"))),
                            ("limit-0", (("X-Ratelimit-Limit", "0"), ("X-Ratelimit-Remaining", "-1"))),
                            ("trace", (("X-Cs-Traceid", "t" * 5000),)))),
    *(Row(f"headers-retry-after-{name}", CREATE, Point.CREATE, f"429 with a strange time: {value}", SHORTAGE,
          (Fault("any", Headers((("X-Ratelimit-Retryafter", value),), status=429), times=2),))
      for name, value in (("nan", "nan"), ("text", "soon"), ("negative", "-1e300"))),
)

REDIRECTS = (
    Row("token-redirect", CREATE, Point.TOKEN, "308 to another host", SHORTAGE,
        (Fault("token", Redirect(ELSEWHERE, 308)),), reason="Falcon login", falcon={}, **FAILED),
    Row("create-redirect", CREATE, Point.CREATE, "307 to another host", SHORTAGE,
        (Fault("create", Redirect(ELSEWHERE, 307)),), reason="2 Regions failed", falcon={}, **FAILED),
    Row("read-redirect", UPDATE, Point.READ, "301 to another host", SHORTAGE,
        (Fault("read", Redirect(ELSEWHERE, 301)),), before=Before.APPLIED, properties=WIDER,
        reason="redirect|not Falcon", falcon=BOTH_SAME, **FAILED),
    Row("delete-redirect", DELETE, Point.DELETE, "307 to another host", SHORTAGE,
        (Fault("delete", Redirect(ELSEWHERE, 307)),), before=Before.APPLIED, properties=PURGE,
        reason="2 Regions failed", falcon=BOTH_SAME, **FAILED),
    Row("cloudformation-redirects", CREATE, Point.RESPONSE, "the ResponseURL redirects to another host", SHORTAGE,
        (Refusal("redirect", location=ELSEWHERE), Refusal("redirect", location=ELSEWHERE))),
)

_REGIONS_XML = "<DescribeRegionsResponse><regionInfo>{}</regionInfo></DescribeRegionsResponse>"
_AWS_CALLS: dict[Operation, tuple[Point, str, tuple[str, ...]]] = {
    "GetSecretValue": (Point.SECRET, "secret falcon-AbCdEf", ('{"SecretString": 7}', '{"SecretString": {"a": 1}}',
                       '{"SecretBinary": "c2VjcmV0"}', "[]", "<html>")),
    "GetParameter": (Point.RECORD_READ, "record", ('{"Parameter": "text"}', '{"Parameter": {}}', "[]")),
    "PutParameter": (Point.RECORD_WRITE, "record", ('{"Version": "many"}', "[]")),
    "DescribeRegions": (Point.REGIONS, "Regions cannot be listed", ("<", "{}", _REGIONS_XML.format("<item/>"),
                        _REGIONS_XML.format("<item><regionName>us-east-1.evil.example/#</regionName></item>"))),
}


def _aws() -> Iterator[Row]:
    for operation, (point, reason, texts) in _AWS_CALLS.items():
        faults = {f"text-{n}": AwsFault(operation, "text", status=200, text=text) for n, text in enumerate(texts)}
        faults["words"] = AwsFault(operation, code=f"Evil{ESCAPES}Code", message=SECRETS_IN_A_MESSAGE)
        faults["redirect"] = AwsFault(operation, "redirect", status=307, text=ELSEWHERE)
        for name, fault in faults.items():
            yield Row(f"aws-{operation.lower()}-{name}", CREATE, point, name, SHORTAGE, (fault,), reason=reason,
                      falcon={}, properties={"Regions": ""} if operation == "DescribeRegions" else {}, **FAILED)


RECORDS = tuple(
    Row(f"record-hostile-{n}", UPDATE, Point.RECORD_READ, "a record of wrong types", SHORTAGE, record=text,
        before=Before.APPLIED, properties=REPORT, falcon={A: Have.SET, B: Have.SET})
    for n, text in enumerate((
        "null", "[]", '"text"', "[" * 4000, '{"format": 2, "applied": []}',
        '{"format": 2, "connections": {"us-east-1": 7}}',
        '{"format": 2, "lease": ["x", 1e400]}', '{"format": 2, "lease": ["x", 99999999999]}',
        '{"format": 2, "events": [["only one"]]}', '{"format": 2, "last": 7}',
    ))
)

PROPERTIES = tuple(
    Row(f"properties-{name}", CREATE, Point.DELIVERY, f"a property of a wrong type or value: {name}",
        "Correct the property.", properties=properties, reason=reason, falcon={}, can_succeed=False, **FAILED)
    for name, properties, reason in (
        ("list", {"Regions": [A, B]}, "Regions must be text"),
        ("escapes", {"FalconCloud": f"us-1{ESCAPES}"}, "FalconCloud .* is unknown"),
        ("escapes-in-regions", {"Regions": f"us-east-1,{ESCAPES}"}, "Regions: .* is not the name of a Region"),
    )
)
# fmt: on

HOSTILE: tuple[Row, ...] = (
    *_wrong_types(),
    *SIZES,
    *WORDS,
    *HEADERS,
    *REDIRECTS,
    *_aws(),
    *RECORDS,
    *PROPERTIES,
)
"""None of them is in the table for operators."""
