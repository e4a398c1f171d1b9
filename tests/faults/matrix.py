"""The fault matrix: what can go wrong, where, and what must come of it. Data only; `rows.Row` says what the words mean.

Faults that pass, and faults that stay, are the same law at each point: they are made from a list of points and a list
of faults. The other rows say what is special. `README.md` beside this shows the table (`python -m tests.faults`).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from registry_connections.core.record import FORMAT
from tests.faults.aws_stub import AwsFault, Operation, denied, throttled
from tests.faults.cloudformation import Refusal
from tests.faults.rows import (
    BOTH,
    BOTH_SAME,
    BOTH_SET,
    NARROWER,
    OURS,
    PURGE,
    PURGE_ACCOUNT,
    REPORT,
    WIDER,
    WIDEST,
    A,
    AnyFault,
    B,
    Before,
    C,
    D,
    Event,
    Have,
    Point,
    Row,
)
from tests.simulator import (
    NEVER,
    Effect,
    ErrorsInSuccess,
    Fault,
    Hang,
    Html,
    Malformed,
    NoResources,
    Reset,
    SlowBody,
    SlowHeaders,
    Status,
    Throttled,
    Truncated,
    conflict,
    missing_scope,
    not_found,
    unauthorized,
)

CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE
MADE, SET, SAME = Have.MADE, Have.SET, Have.SAME

# What the operator does

NOTHING = "Nothing."
REPEATED = "Nothing: the call was repeated."
LATER = "Try again once Falcon works. CrowdStrike's support asks for the trace id in the log."
LIMIT = "Try again later, or for fewer accounts at a time: all share the tenant's rate limit."
CLIENT = "Correct FalconClientID and FalconSecret, with another CredentialsVersion."
CLOUD = "Correct FalconClientID, or name the right cloud in FalconCloud."
ALLOW_LIST = "Let the API client be used from AWS: its IP allow-list, or the subscription."
SCOPE = "Give the API client the scope Falcon Container Image, READ and WRITE."
ROLE = (
    "Check FalconPrincipalArn and what forbids Falcon to assume the connection role (an RCP, a permissions boundary)."
)
GHOST = "Wait until Falcon has forgotten a connection that was deleted, or ask CrowdStrike's support."
SECRET = "Restore the secret, its keys, and the execution role's access to it."
DENIED = "Let the execution role make the call: an SCP or the permissions boundary denies it."
AWS_LATER = "Try again: AWS limits the rate of these calls, or has a problem."
PURGE_AGAIN = "Delete the stack again; or retain RegistryConnections, and what is left stays in Falcon."
ROLLED_BACK = "Nothing: the rollback removes what was made."
ONE_STACK = "Launch one stack in an account only: the later one takes the connections over."
SILENT = "Nothing: CloudFormation gives up after ServiceTimeout and rolls back."

# Scenarios: an event in which the calls of one kind are made

FOUND: dict[str, Any] = {"event": CREATE, "before": Before.FOUND, "falcon": BOTH_SET}
WIDENED: dict[str, Any] = {
    "event": UPDATE, "before": Before.APPLIED, "properties": WIDER, "falcon": {**BOTH_SAME, C: MADE},
}  # fmt: skip
PURGED: dict[str, Any] = {"event": DELETE, "before": Before.APPLIED, "properties": PURGE, "falcon": {}}
NARROWED: dict[str, Any] = {
    "event": UPDATE, "before": Before.APPLIED, "properties": NARROWER, "falcon": {A: SAME},
}  # fmt: skip
SCENARIOS: dict[str, tuple[Point, dict[str, Any]]] = {
    "token": (Point.TOKEN, {"event": CREATE}),
    "create": (Point.CREATE, {"event": CREATE}),
    "list": (Point.LIST, FOUND),
    "update": (Point.PATCH, FOUND),
    "read": (Point.READ, WIDENED),
    "delete": (Point.DELETE, PURGED),
}

# Faults that pass

PASSING: dict[str, tuple[str, Effect]] = {
    "500": ("500, once", Status(500)),
    "html": ("502 and HTML, once", Html()),
    "429": ("429, once", Throttled(1.0)),
    "reset": ("the connection breaks once", Reset()),
    "truncated": ("half of a response, once", Truncated()),
    "malformed": ("a response that is not JSON, once", Malformed()),
}


def _passing() -> Iterator[Row]:
    for operation, (point, scenario) in SCENARIOS.items():
        for name, (words, effect) in PASSING.items():
            faults = (Fault(operation, effect, times=1),)  # type: ignore[arg-type] # a name of an operation
            yield Row(f"{operation}-{name}-once", point=point, fault=words, do=REPEATED, faults=faults, **scenario)


# Faults that stay


def _refused(operation: str) -> str:
    return "READ" if operation in {"list", "read"} else "WRITE"


STAYING: dict[str, tuple[str, str, Effect, str]] = {
    "500": ("500, always", LATER, Status(500), "HTTP 500|no response before the time was up"),  # if the last is cut
    "errors": ("200 with errors[]", LATER, ErrorsInSuccess(), "an invented failure"),
    "403": ("403: a scope is missing", SCOPE, missing_scope(), "Falcon Container Image: "),
    "401": ("401, always", CLIENT, unauthorized(), "HTTP 401"),
}
FAILS: dict[str, dict[str, Any]] = {
    "create": {"falcon": {}},
    "list": {"falcon": BOTH_SAME, "managed": ()},
    "update": {"falcon": BOTH_SAME, "managed": ()},
    "read": {"falcon": BOTH_SAME},
    "delete": {"falcon": BOTH_SAME, "do": PURGE_AGAIN, "dirty": True},
    "narrow": {"falcon": BOTH_SAME},
    "widen": {"falcon": BOTH_SAME},
}
"""What a failure leaves, by operation; `narrow` and `widen` are the removal and the creation of an update."""
NOT_LAUNCHED = {"list-403", "list-401"}  # the probe of the scope says so before anything is adopted: rows of their own


def _staying() -> Iterator[Row]:
    more = {"narrow": (Point.DELETE, NARROWED, "delete"), "widen": (Point.CREATE, WIDENED, "create")}
    scenarios = {name: (point, scenario, name) for name, (point, scenario) in SCENARIOS.items()} | more
    for name, left in FAILS.items():
        point, scenario, operation = scenarios[name]
        for kind, (words, do, effect, reason) in STAYING.items():
            if f"{name}-{kind}" in NOT_LAUNCHED:
                continue
            unknown = name in {"create", "widen"} and kind in {"500", "errors"}  # it may have been made all the same
            expected = {**scenario, "do": do, "remaining": 38, "dirty": unknown, **left}
            faults = (Fault(operation, effect),)  # type: ignore[arg-type] # a name of an operation
            yield Row(
                f"{name}-{kind}-always", point=point, fault=words, faults=faults, status="FAILED", reason=reason,
                **expected,
            )  # fmt: skip


# A table: each row takes as few lines as it needs.
# fmt: off

TOKEN = (
    Row("token-reset-always", CREATE, Point.TOKEN, "the connection breaks every time", LATER,
        (Fault("token", Reset()),), remaining=36, status="FAILED", reason="Falcon login.*no response from", falcon={}),
    Row("token-429-always", CREATE, Point.TOKEN, "429, always", LIMIT, (Fault("token", Throttled(2.0)),),
        remaining=36, status="FAILED", reason="Falcon login.*HTTP 429: rate limit", falcon={}),
    Row("token-without-token", CREATE, Point.TOKEN, "2xx without a token", LATER, (Fault("token", NoResources()),),
        status="FAILED", reason="Falcon login", falcon={}),
    Row("token-unknown-client", CREATE, Point.TOKEN, "the client id is wrong, or of another cloud", CLOUD,
        secret='{"FalconClientId":"nobody","FalconSecret":"simulated-client-secret","FalconCloud":"us-1"}',
        status="FAILED", reason="the client id is unknown in us-1", falcon={}),
    Row("token-wrong-secret", CREATE, Point.TOKEN, "the client secret is wrong", CLIENT,
        secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong-simulated-client-secret"}',
        status="FAILED", reason="the client secret is wrong", falcon={}),
    Row("token-403-address", CREATE, Point.TOKEN, "403: the address is not allowed", ALLOW_LIST,
        behaviour={"ip_allowed": False}, status="FAILED", reason="IP allow-list", falcon={}),
    Row("update-token-wrong-secret", UPDATE, Point.TOKEN, "the client secret is wrong", CLIENT, before=Before.APPLIED,
        properties=WIDER, secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong"}', status="FAILED",
        reason="the client secret is wrong", falcon=BOTH_SAME),
    Row("update-token-500-always", UPDATE, Point.TOKEN, "500, always", LATER, (Fault("token", Status(500)),),
        before=Before.APPLIED, properties=WIDER, remaining=36, status="FAILED", reason="Falcon login.*HTTP 500",
        falcon=BOTH_SAME),
    Row("delete-token-wrong-secret", DELETE, Point.TOKEN, "the API client was revoked", PURGE_AGAIN,
        (Fault("token", unauthorized()),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="revoked.*Delete the stack again, or retain RegistryConnections", falcon=BOTH_SAME),
    Row("token-page-200", CREATE, Point.TOKEN, "a web page", "Let the function reach Falcon: see FalconApiUrl.",
        (Fault("token", Html(200)),), status="FAILED", reason="not Falcon's.*proxy", falcon={}),
    Row("token-page-403", CREATE, Point.TOKEN, "403 and a web page", "Let the function reach Falcon: see FalconApiUrl.",
        (Fault("token", Html(403)),), status="FAILED", reason="not Falcon's.*proxy", falcon={}),
)

CREATES = (
    Row("create-429-milliseconds", CREATE, Point.CREATE, "429 and a time in milliseconds, once", REPEATED,
        (Fault("create", Throttled(1.0, "milliseconds"), times=2),)),
    Row("create-429-no-header", CREATE, Point.CREATE, "429 without a time, once", REPEATED,
        (Fault("create", Throttled(1.0, "absent"), times=2),)),
    Row("create-429-beyond-deadline", CREATE, Point.CREATE, "429 and a time beyond the function's own", LIMIT,
        (Fault("create", Throttled(50.0)),), remaining=45, status="FAILED", reason="2 Regions failed.*rate limit",
        falcon={}),
    Row("create-reset-after", CREATE, Point.CREATE, "the connection breaks after the call was carried out", REPEATED,
        (Fault("create", Reset(applied=True), times=2),)),
    Row("create-hang-after", CREATE, Point.CREATE, "no response within 30 s, although it was done", REPEATED,
        (Fault("create", Hang(applied=True), times=2),), remaining=110),
    Row("create-no-resources-done", CREATE, Point.CREATE, "2xx without resources, although it was done", NOTHING,
        (Fault("create", NoResources()),)),
    Row("create-no-resources-not-done", CREATE, Point.CREATE, "2xx without resources, and nothing was done", LATER,
        (Fault("create", NoResources(applied=False), region=B),), status="FAILED",
        reason="1 Region failed. eu-west-1: .*without an id", falcon={}, dirty=True),
    Row("create-500-one-region-report", CREATE, Point.CREATE, "500 in one Region, always (OnRegionFailure=Report)",
        "See the output FailedRegions; the daily repair tries again.", (Fault("create", Status(500), region=B),),
        properties=REPORT, remaining=42, falcon={A: MADE}, says="HTTP 500", next_falcon=BOTH,
        dirty=True),
    Row("create-lost-and-refused", CREATE, Point.CREATE,
        "the response of one Region is lost, another Region is refused", LATER,
        (Fault("create", Reset(applied=True), region=A, times=1), Fault("create", Status(422), region=B)),
        status="FAILED", reason="1 Region failed. eu-west-1: HTTP 422", falcon={A: MADE}, dirty=True),
    Row("create-undo-fails", CREATE, Point.CREATE, "one Region is refused, and what was made cannot be removed",
        ROLLED_BACK, (Fault("create", Status(422), region=B), Fault("delete", Status(500))), remaining=45,
        status="FAILED", reason="1 Region failed. eu-west-1: .*Left in Falcon: us-east-1", falcon={A: MADE},
        dirty=True),
    Row("create-undo-fails-scope", CREATE, Point.CREATE, "READ is not allowed, and what was made cannot be removed",
        "Give the API client the scope; the rollback removes what is left.",
        (Fault("list", missing_scope()), Fault("delete", Status(500))), remaining=45, status="FAILED",
        reason="READ.*Left in Falcon: eu-west-1, us-east-1", falcon={A: MADE, B: MADE}, dirty=True),
    Row("create-400-role-5s", CREATE, Point.CREATE, "the connection role is not known everywhere for 5 s", REPEATED,
        behaviour={"iam_ready_after": 5.0}, remaining=80),
    Row("create-400-other-words", CREATE, Point.CREATE, "the same, in words that were not seen before", REPEATED,
        behaviour={"iam_ready_after": 2.0, "credential_refusal": "failed to assume the given role: access denied"},
        remaining=80),
    Row("create-400-role-never", CREATE, Point.CREATE, "Falcon can never assume the connection role", ROLE,
        behaviour={"iam_ready_after": NEVER}, remaining=45, status="FAILED",
        reason="2 Regions failed. eu-west-1: .*cannot use the connection role", falcon={}, dirty=True),
    Row("create-400-leaves-record", CREATE, Point.CREATE, "a refused role leaves a record, and is usable 5 s later",
        REPEATED, behaviour={"iam_ready_after": 5.0, "bad_credential_leaves_record": True}, remaining=80),
    Row("create-400-leaves-record-never", CREATE, Point.CREATE, "a refused role leaves a record, and is never usable",
        ROLE, behaviour={"iam_ready_after": NEVER, "bad_credential_leaves_record": True}, remaining=45,
        status="FAILED", reason="2 Regions (failed|not attempted)", falcon={}, dirty=True),
    Row("create-401-once", CREATE, Point.CREATE, "401: the token expired meanwhile", REPEATED,
        (Fault("create", unauthorized(), times=1),)),
    Row("create-409-ghost", CREATE, Point.CREATE, "409, but no such connection is listed", GHOST,
        (Fault("create", conflict(), region=B),), status="FAILED", reason="1 Region failed. eu-west-1: .*lists none",
        falcon={}),
    Row("create-409-adopted", CREATE, Point.CREATE, "409: the connections exist already", NOTHING,
        before=Before.FOUND, falcon=BOTH_SET),
    Row("create-409-and-refused", CREATE, Point.CREATE, "409 in one Region, another Region is refused", LATER,
        (Fault("create", Status(422), region=B),), before=Before.FOUND_ONE, status="FAILED",
        reason="1 Region failed. eu-west-1: HTTP 422.* Not attempted: us-east-1\\.", falcon={A: SAME}, managed=()),
    Row("update-create-reset-after", UPDATE, Point.CREATE, "the connection breaks after the call was carried out",
        REPEATED, (Fault("create", Reset(applied=True), times=1),), before=Before.APPLIED, properties=WIDER,
        falcon={**BOTH_SAME, C: MADE}),
    Row("update-create-hang-until-deadline", UPDATE, Point.CREATE,
        "no response until the time is up, although it was done", ROLLED_BACK,
        (Fault("create", Hang(applied=True)),), before=Before.APPLIED, properties=WIDER, remaining=38, status="FAILED",
        reason="1 Region failed. ap-south-1: ", falcon={**BOTH_SAME, C: MADE}, dirty=True),
    Row("update-create-one-of-two", UPDATE, Point.CREATE, "one of two new Regions is refused", LATER,
        (Fault("create", Status(422), region=D),), before=Before.APPLIED, properties=WIDEST, status="FAILED",
        reason="1 Region failed. sa-east-1: HTTP 422", falcon=BOTH_SAME),
)

LISTS = (
    Row("list-500-nothing-to-find", CREATE, Point.LIST, "500, always (nothing to adopt)", NOTHING,
        (Fault("list", Status(500)),), remaining=80),
    Row("list-hang-nothing-to-find", CREATE, Point.LIST, "no response at all (nothing to adopt)", NOTHING,
        (Fault("list", Hang()),), remaining=80),
    Row("list-403", CREATE, Point.LIST, "403: the scope READ is missing", SCOPE, (Fault("list", missing_scope()),),
        status="FAILED", reason="Falcon Container Image: READ", falcon={}),
    Row("list-no-resources", CREATE, Point.LIST, "2xx without resources", LATER, (Fault("list", NoResources()),),
        before=Before.FOUND, status="FAILED", reason="no list of resources", falcon=BOTH_SAME, managed=()),
    Row("delete-account-500-once", DELETE, Point.LIST, "500, once", REPEATED, (Fault("list", Status(500), times=1),),
        before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, falcon={}),
    Row("delete-account-500-always", DELETE, Point.LIST, "500, always", PURGE_AGAIN, (Fault("list", Status(500)),),
        before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, remaining=38, status="FAILED",
        reason="HTTP 500.*Delete the stack again", falcon={**BOTH_SAME, C: SAME}),
)

PATCHES = (
    Row("adopt-patch-404-once", CREATE, Point.PATCH, "404: a connection was removed while it was adopted", REPEATED,
        (Fault("update", Hang(1.0), region=B, times=1),), before=Before.FOUND, vanishes=B, falcon={A: SET, B: MADE}),
    Row("adopt-in-failed-update", UPDATE, Point.PATCH, "one new Region was adopted, another is refused",
        "Nothing: what was adopted stays in Falcon; then try again.", (Fault("create", Status(422), region=D),),
        before=Before.APPLIED_FOUND, properties={**WIDEST, **PURGE}, status="FAILED",
        reason="1 Region failed. sa-east-1: HTTP 422", falcon={**BOTH_SAME, C: SET}),
)

READS = (
    Row("read-404-gone", UPDATE, Point.READ, "404: a connection was removed in Falcon", NOTHING,
        behaviour={"unknown_id": "not_found"}, before=Before.APPLIED_GONE, properties=REPORT,
        falcon={A: SAME, B: MADE}),
    Row("read-empty-gone", UPDATE, Point.READ, "a connection is missing from the response: it was removed in Falcon",
        NOTHING, before=Before.APPLIED_GONE, properties=REPORT, falcon={A: SAME, B: MADE}),
    Row("read-404-although-there", UPDATE, Point.READ, "404 for connections that exist", NOTHING,
        (Fault("read", not_found(), times=3),), before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET),
    Row("read-404-page", UPDATE, Point.READ, "404 and a web page", LATER, (Fault("read", Html(404)),),
        before=Before.APPLIED, properties=WIDER, status="FAILED", reason="not Falcon's", falcon=BOTH_SAME),
    Row("read-hang-once", UPDATE, Point.READ, "no response within 30 s, once", REPEATED,
        (Fault("read", Hang(), times=1),), before=Before.APPLIED, properties=WIDER, remaining=110,
        falcon={**BOTH_SAME, C: MADE}),
)

DELETES = (
    Row("delete-reset-after", DELETE, Point.DELETE, "the connection breaks after the call was carried out", REPEATED,
        (Fault("delete", Reset(applied=True), times=2),), before=Before.APPLIED, properties=PURGE, falcon={}),
    Row("delete-read-500-always", DELETE, Point.READ, "500, always", PURGE_AGAIN, (Fault("read", Status(500)),),
        before=Before.APPLIED, properties=PURGE, remaining=38, status="FAILED",
        reason="HTTP 500.*Delete the stack again", falcon=BOTH_SAME),
    Row("delete-404", DELETE, Point.DELETE, "404: it is gone already", NOTHING, before=Before.APPLIED_GONE,
        properties=PURGE, falcon={}),
    Row("delete-one-region", DELETE, Point.DELETE, "500 in one Region, always", PURGE_AGAIN,
        (Fault("delete", Status(500), region=B),), before=Before.APPLIED, properties=PURGE, remaining=40,
        status="FAILED", reason="1 Region failed. eu-west-1: HTTP 500.*Delete the stack again", falcon={B: SAME},
        managed=(A, B), dirty=True),
    Row("delete-keep-nothing-works", DELETE, Point.ALL,
        "nothing works, secret and record are gone (DeleteConnections=Keep)", NOTHING,
        (Fault("any", Hang()), AwsFault("GetSecretValue", code="ResourceNotFoundException")), before=Before.APPLIED,
        record="", falcon=BOTH_SAME),
    Row("unfinished-removed", DELETE, Point.DELETE, "500, once, when a launch that failed is cleared up", REPEATED,
        (Fault("delete", Status(500), times=1),), before=Before.UNFINISHED, physical_id="failed", falcon={}),
)

AWS = (
    Row("secret-missing", CREATE, Point.SECRET, "the secret is gone", SECRET, secret="", status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read: ResourceNotFoundException", falcon={}),
    Row("secret-denied-for-a-moment", CREATE, Point.SECRET, "access to the secret is not known for a moment", REPEATED,
        (replace(denied("GetSecretValue"), times=2),)),
    Row("secret-not-json", CREATE, Point.SECRET, "the secret is not JSON", SECRET, secret="simulated-client-secret",
        status="FAILED", reason="secret falcon-AbCdEf is not JSON", falcon={}),
    Row("delete-secret-missing", DELETE, Point.SECRET, "the secret is gone", PURGE_AGAIN, secret="",
        before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read.*Delete the stack again, or", falcon=BOTH_SAME),
    Row("update-secret-missing", UPDATE, Point.SECRET, "the secret is gone", SECRET, secret="", before=Before.APPLIED,
        properties=WIDER, status="FAILED", reason="secret falcon-AbCdEf is missing", falcon=BOTH_SAME),
    Row("regions-denied-by-organization", CREATE, Point.REGIONS, "an SCP denies ec2:DescribeRegions", DENIED,
        (denied("DescribeRegions", "with an explicit deny in a service control policy"),), status="FAILED",
        reason="DescribeRegions.*by a service control policy", falcon={}),
    Row("ecr-hangs", CREATE, Point.ECR, "ECR does not respond in one of the Regions", NOTHING,
        (AwsFault("DescribeRepositories", "hang"),), remaining=70),
    Row("ecr-denied", CREATE, Point.ECR, "ecr:DescribeRepositories is denied by the permissions boundary", NOTHING,
        (denied("DescribeRepositories"),)),
    Row("logs-denied", CREATE, Point.LOGS, "the log's retention cannot be set",
        "Set the retention of the log group by hand.", (denied("PutRetentionPolicy"),),
        says="The retention of .* cannot be set"),
)


def _aws_passing() -> Iterator[Row]:
    calls: tuple[tuple[Operation, Point], ...] = (
        ("GetSecretValue", Point.SECRET), ("DescribeRegions", Point.REGIONS),
        ("GetParameter", Point.RECORD_READ), ("PutParameter", Point.RECORD_WRITE),
    )
    for operation, point in calls:
        kinds: dict[str, tuple[str, AnyFault]] = {
            "throttled": ("throttled three times", throttled(operation, 3)),
            "reset": ("the connection breaks once", AwsFault(operation, "reset", times=1)),
        }
        for name, (words, fault) in kinds.items():
            yield Row(f"aws-{operation.lower()}-{name}", CREATE, point, words, REPEATED, (fault,))


RECORDS = (
    Row("record-too-many-updates", CREATE, Point.RECORD_WRITE, "Parameter Store asks to wait", REPEATED,
        (AwsFault("PutParameter", code="TooManyUpdates", times=2),)),
    Row("record-not-json", UPDATE, Point.RECORD_READ, "the record is not JSON", "Nothing: what exists is found again.",
        record="x" * 100, before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET),
    Row("record-of-another-format", UPDATE, Point.RECORD_READ, "another package wrote the record",
        "Nothing: what exists is found again.", record='{"format": 1, "settings": {}}', before=Before.APPLIED,
        properties=REPORT, falcon=BOTH_SET),
    Row("record-missing-on-update", UPDATE, Point.RECORD_READ, "the record is gone",
        "Nothing: what exists is found again.", record="", before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET),
    Row("delete-record-missing", DELETE, Point.RECORD_READ, "the record is gone", NOTHING, record="",
        before=Before.APPLIED, properties=PURGE, falcon={}),
    Row("delete-record-not-json", DELETE, Point.RECORD_READ, "the record is not JSON", NOTHING, record="x",
        before=Before.APPLIED, properties=PURGE, falcon={}),
    Row("record-of-others", DELETE, Point.RECORD_READ, "somebody wrote other accounts' connections into the record",
        NOTHING, record=json.dumps({"format": FORMAT, "applied": {"choices": {}, "digest": ""},
        "connections": {A: "00000000-0000-4000-8000-000000000001", B: "00000000-0000-4000-8000-000000000002"}}),
        before=Before.FOUND, properties=PURGE, falcon=BOTH_SAME, listed=False),
    Row("record-write-fails-at-the-end", CREATE, Point.RECORD_WRITE,
        "the record cannot be written once the connections are made", AWS_LATER,
        (AwsFault("PutParameter", code="ValidationException", skip=1),), status="FAILED",
        reason="record in Parameter Store cannot be written: ValidationException", falcon={}, compared=False),
    Row("update-record-write-fails-at-the-end", UPDATE, Point.RECORD_WRITE,
        "the record cannot be written once a connection is made", AWS_LATER,
        (AwsFault("PutParameter", code="ValidationException", skip=1),), before=Before.APPLIED, properties=WIDER,
        status="FAILED", reason="record in Parameter Store cannot be written: ValidationException", falcon=BOTH_SAME,
        compared=False),
    Row("record-write-lost", CREATE, Point.RECORD_WRITE, "the response is lost, although the record was written",
        REPEATED, (AwsFault("PutParameter", "lost", times=1), AwsFault("PutParameter", "lost", times=1, skip=1))),
    Row("record-overtaken-at-the-start", CREATE, Point.RECORD_WRITE, "somebody else writes the record at the same time",
        NOTHING, (AwsFault("PutParameter", "overtaken", times=1, text='{"format": 2}'),)),
)

RESPONSES = (
    Row("response-500-thrice", CREATE, Point.RESPONSE, "500, 503 and 403, then 200", REPEATED,
        (Refusal(), Refusal(status=503), Refusal(status=403))),
    Row("response-reset-once", CREATE, Point.RESPONSE, "the connection breaks once", REPEATED, (Refusal("reset"),)),
    Row("response-hang-once", CREATE, Point.RESPONSE, "no response within 5 s, once", REPEATED, (Refusal("hang"),)),
    Row("response-drips-once", CREATE, Point.RESPONSE, "a response that comes byte by byte, once", REPEATED,
        (Refusal("drip"),)),
    Row("response-of-a-failure", CREATE, Point.RESPONSE, "500, once, and the launch had failed", SCOPE,
        (Refusal(), Fault("create", missing_scope())), status="FAILED",
        reason="2 Regions failed. eu-west-1: .*Falcon Container Image: WRITE", falcon={}),
    Row("response-never-taken", CREATE, Point.RESPONSE, "no response is taken at all", SILENT, (Refusal(),) * 99,
        remaining=35, status="none", says="CloudFormation did not take the response", managed=(A, B)),
    Row("update-response-reset-once", UPDATE, Point.RESPONSE, "the connection breaks once", REPEATED,
        (Refusal("reset"),), before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}),
    Row("delete-response-500-once", DELETE, Point.RESPONSE, "500, once", REPEATED, (Refusal(),),
        before=Before.APPLIED, properties=PURGE, falcon={}),
)

DELIVERIES = (
    Row("create-delivered-again", CREATE, Point.DELIVERY, "the same event comes twice", NOTHING, delivered="again"),
    Row("create-delivered-at-once", CREATE, Point.DELIVERY, "the same event comes twice at the same time", NOTHING,
        delivered="at once"),
    Row("failed-create-delivered-again", CREATE, Point.DELIVERY, "the same event comes twice, and had failed", SCOPE,
        (Fault("create", missing_scope(), times=2),), delivered="again", status="FAILED",
        reason="2 Regions failed. eu-west-1: .*Falcon Container Image: WRITE", falcon={}),
    Row("update-delivered-at-once", UPDATE, Point.DELIVERY, "the same event comes twice at the same time", NOTHING,
        before=Before.APPLIED, properties=WIDER, delivered="at once", falcon={**BOTH_SAME, C: MADE}),
    Row("delete-delivered-again", DELETE, Point.DELIVERY, "the same event comes twice", NOTHING,
        before=Before.APPLIED, properties=PURGE, delivered="again", falcon={}),
    Row("create-beside-another-stack", CREATE, Point.DELIVERY,
        "another stack of this account manages the same Regions", ONE_STACK, before=Before.OTHER_STACK,
        falcon=BOTH_SET),
    Row("delete-of-a-launch-that-never-responded", DELETE, Point.DELIVERY,
        "the function died in the middle of a launch: the Delete has an id that CloudFormation made up", NOTHING,
        before=Before.KILLED, physical_id="made up", properties=WIDER, falcon={}),
    Row("delete-of-a-launch-that-never-responded-500", DELETE, Point.DELIVERY,
        "the function died in the middle of a launch, and Falcon does not work", "Delete the stack again.",
        (Fault("list", Status(500)),), before=Before.KILLED, physical_id="made up", properties=WIDER, remaining=45,
        status="FAILED", reason="HTTP 500.*Delete the stack again", falcon={A: SAME, B: SAME, C: SAME}, managed=(),
        dirty=True),
    Row("delete-while-the-launch-is-at-work", DELETE, Point.DELIVERY, "a launch is cancelled while it is at work",
        NOTHING, before=Before.RUNNING, physical_id="made up", remaining=90, falcon={}),
    Row("delete-with-a-foreign-id", DELETE, Point.DELIVERY, "a Delete has an id that is not ours", NOTHING,
        before=Before.APPLIED, properties=PURGE, physical_id="made up", held="ours", falcon=BOTH_SAME, managed=(A, B)),
    Row("delete-of-an-earlier-try", DELETE, Point.DELIVERY, "a resumed launch's first try is deleted", NOTHING,
        before=Before.APPLIED, properties=PURGE, physical_id="failed", held="ours", falcon=BOTH_SAME, managed=(A, B)),
    Row("delete-of-the-original-solution", DELETE, Point.DELIVERY,
        "the trigger of the original solution is deleted by an upgrade", NOTHING, before=Before.APPLIED,
        properties=PURGE, physical_id="original", changes={"ResourceType": "Custom::TriggerLambda"}, falcon=BOTH_SAME,
        managed=(A, B)),
    Row("delete-of-a-foreign-stack", DELETE, Point.DELIVERY, "an event of another stack", NOTHING,
        before=Before.APPLIED, properties=PURGE_ACCOUNT, falcon=BOTH_SAME, managed=(A, B),
        changes={"StackId": OURS.stack_id.replace("111122223333", "444455556666")}),
    Row("create-without-time", CREATE, Point.DELIVERY, "the function has no time left", "Try again.", remaining=25,
        status="FAILED", reason="time", falcon={}, compared=False),
)

# Whatever hangs, the response comes in time and says what is missing: the last 30 s are for record and response.
HANGS = "it hangs until the time is up"


def _deadline(name: str, event: Event, point: Point, faults: tuple[AnyFault, ...], reason: str, **rest: Any) -> Row:
    usual: dict[str, Any] = {"falcon": {}} if event is CREATE else {"before": Before.APPLIED, "falcon": BOTH_SAME}
    failed = {"status": "FAILED", "reason": reason, "remaining": 45, "compared": False, "listed": False}
    return Row(f"deadline-{name}", event, point, HANGS, LATER, faults, **{**usual, **failed, **rest})


DEADLINES = (
    _deadline("token", CREATE, Point.TOKEN, (Fault("token", SlowHeaders()),), "Falcon login.*nothing was changed"),
    _deadline("token-body", CREATE, Point.TOKEN, (Fault("token", SlowBody(0.5)),), "Falcon login: "),
    _deadline("creates", CREATE, Point.CREATE, (Fault("create", Hang(applied=True)),),
        "2 Regions failed. eu-west-1: no response.*may have been made", falcon={A: MADE, B: MADE}),
    _deadline("undo", CREATE, Point.CREATE, (Fault("create", Hang(), region=B), Fault("delete", Hang())),
        "1 Region failed. eu-west-1: .*Left in Falcon: us-east-1", falcon={A: MADE}),
    _deadline("list", CREATE, Point.LIST, (Fault("list", Hang()),), "2 Regions failed. eu-west-1: ",
        before=Before.FOUND, falcon=BOTH_SAME),
    _deadline("reads", UPDATE, Point.READ, (Fault("read", Hang()),), "no response.*nothing was changed",
        properties=WIDER),
    _deadline("removal", UPDATE, Point.DELETE, (Fault("delete", Hang()),), "1 Region failed. eu-west-1: no response",
        properties=NARROWER),
    _deadline("deletes", DELETE, Point.DELETE, (Fault("delete", Hang()),), "2 Regions failed. eu-west-1: no response",
        properties=PURGE),
    _deadline("secret", CREATE, Point.SECRET, (AwsFault("GetSecretValue", "hang"),), "secret.*nothing was changed"),
    _deadline("regions", CREATE, Point.REGIONS, (AwsFault("DescribeRegions", "drip"),), "ec2:DescribeRegions"),
    _deadline("record-read", CREATE, Point.RECORD_READ, (AwsFault("GetParameter", "hang"),), "record.*no response"),
    _deadline("record-write", CREATE, Point.RECORD_WRITE, (AwsFault("PutParameter", "hang"),), "record"),
    _deadline("everything", CREATE, Point.ALL, (Fault("any", Hang()), AwsFault("any", "hang")), "no response"),
    _deadline("everything-on-keep", DELETE, Point.ALL, (Fault("any", Hang()), AwsFault("any", "hang")), "",
        status="SUCCESS"),
    _deadline("response-too", CREATE, Point.RESPONSE,
        (Fault("create", missing_scope()), Refusal("hang"), Refusal("drip")), "2 Regions failed"),
    _deadline("logs", CREATE, Point.LOGS, (AwsFault("CreateLogGroup", "hang"),), "", status="SUCCESS",
        falcon={A: MADE, B: MADE}),
)
# fmt: on

MATRIX: tuple[Row, ...] = (
    *_passing(),
    *_staying(),
    *TOKEN,
    *CREATES,
    *LISTS,
    *PATCHES,
    *READS,
    *DELETES,
    *AWS,
    *_aws_passing(),
    *RECORDS,
    *RESPONSES,
    *DELIVERIES,
    *DEADLINES,
)
