"""The fault matrix: what can go wrong, where, and what must come of it. Data only; `rows.Row` says what the words mean.

Faults that pass, and faults that stay, are the same law at each point: they are made from a list of points and a list
of faults. The other rows say what is special. `README.md` beside this shows the table (`make tables`).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from registry_connections.core.record import FORMAT
from tests.faults.aws_stub import AwsError, Overtaken, denied, throttled
from tests.faults.rows import MADE_UP, OURS, PHYSICAL_ID, WIDER, A, B, Before, C, D, Event, Have, Point, Row
from tests.simulator import NEVER, Echo, Fault, Html, Reset, Status, Throttled, Truncated, missing_scope
from tests.simulator.effects import (
    CONFLICT,
    UNAUTHORIZED,
    Altered,
    Effect,
    Hang,
    Operation,
    Redirect,
    SlowHeaders,
    Text,
)
from tests.simulator.effects import HOSTILE as ESCAPES

CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE
MADE, SET, SAME = Have.MADE, Have.SET, Have.SAME
BOTH_SAME = {A: SAME, B: SAME}
BOTH_SET = {A: SET, B: SET}
WIDEST = {"Regions": f"{A},{B},{C},{D}"}
NARROWER = {"Regions": A, "DeleteConnections": "Stack"}
PURGE = {"DeleteConnections": "Stack"}
PURGE_ACCOUNT = {"DeleteConnections": "Account"}
REPORT = {"OnRegionFailure": "Report"}

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


def row(name: str, event: Event, point: Point, *words_and_faults: Any, **more: Any) -> Row:
    """Return a row with what is usual for its event. One with a reason fails."""
    usual: dict[str, Any] = {"before": Before.NOTHING if event is Event.CREATE else Before.APPLIED}
    if more.get("reason"):
        usual |= {"status": "FAILED", "falcon": {} if event is Event.CREATE else BOTH_SAME}
    elif event is Event.DELETE:
        usual["falcon"] = {}
    return Row(name, event, point, *words_and_faults, **{**usual, **more})


# Faults that pass, and faults that stay, at each point

WIDENED = {"event": UPDATE, "properties": WIDER, "falcon": {**BOTH_SAME, C: MADE}}
NARROWED = {"event": UPDATE, "properties": NARROWER, "falcon": {A: SAME}}
FOUND = {"event": CREATE, "before": Before.FOUND, "falcon": BOTH_SET}
SCENARIOS: dict[str, tuple[Operation, Point, dict[str, Any]]] = {
    "token": ("token", Point.TOKEN, {"event": CREATE}),
    "create": ("create", Point.CREATE, {"event": CREATE}),
    "list": ("list", Point.LIST, FOUND),
    "update": ("update", Point.PATCH, FOUND),
    "read": ("read", Point.READ, WIDENED),
    "delete": ("delete", Point.DELETE, {"event": DELETE, "properties": PURGE}),
    "narrow": ("delete", Point.DELETE, NARROWED),
    "widen": ("create", Point.CREATE, WIDENED),
}
"""An event in which the calls of one kind are made; `narrow` and `widen` make those of an update."""
PASSING: dict[str, tuple[str, Effect]] = {
    "500": ("500, once", Status(500)),
    "html": ("502 and HTML, once", Html()),
    "429": ("429, once", Throttled(1.0)),
    "reset": ("the connection breaks once", Reset()),
    "truncated": ("half of a response, once", Truncated()),
    "malformed": ("a response that is not JSON, once", Text('{"resources": [')),
}
STAYING: dict[str, tuple[str, str, Effect, str]] = {
    "500": ("500, always", LATER, Status(500), "HTTP 500|no response before the time was up"),  # if the last is cut
    "errors": ("200 with errors[]", LATER, Status(200), "an invented failure"),
    "403": ("403: a scope is missing", SCOPE, missing_scope(), "Falcon Container Image: "),
    "401": ("401, always", CLIENT, UNAUTHORIZED, "HTTP 401"),
}
LEFT: dict[str, dict[str, Any]] = {
    "list": {"managed": ()},
    "update": {"managed": ()},
    "delete": {"do": PURGE_AGAIN, "dirty": True},
}
"""What a fault that stays leaves besides what is usual."""
BYSTANDERS = json.dumps({A: f"{0:08}-0000-4000-8000-{1:012}", B: f"{0:08}-0000-4000-8000-{2:012}"})
ELSEWHERE = {"token", "list-403", "list-401"}  # the login and the probe of the scope say so: rows of their own


def _passing() -> Iterator[Row]:
    for name, (operation, point, scenario) in SCENARIOS.items():
        for kind, (words, effect) in PASSING.items():
            if name == operation:
                faults = (Fault(operation, effect, times=1),)
                yield row(f"{name}-{kind}-once", point=point, fault=words, do=REPEATED, faults=faults, **scenario)


def _staying() -> Iterator[Row]:
    for name, (operation, point, scenario) in SCENARIOS.items():
        for kind, (words, do, effect, reason) in STAYING.items():
            if ELSEWHERE & {name, f"{name}-{kind}"}:
                continue
            unknown = operation == "create" and kind in {"500", "errors"}  # it may have been made all the same
            usual = {**scenario, "do": do, "remaining": 45, "dirty": unknown, "reason": reason, **LEFT.get(name, {})}
            usual["falcon"] = {} if name == "create" else BOTH_SAME
            yield row(f"{name}-{kind}-always", point=point, fault=words, faults=(Fault(operation, effect),), **usual)


def _aws_passing() -> Iterator[Row]:
    calls: dict[Operation, Point] = {
        "GetSecretValue": Point.SECRET, "DescribeRegions": Point.REGIONS,
        "GetParameter": Point.RECORD_READ, "PutParameter": Point.RECORD_WRITE,
    }  # fmt: skip
    for operation, point in calls.items():
        reset, name = Fault(operation, Reset(), times=1), f"aws-{operation.lower()}"
        yield row(f"{name}-throttled", CREATE, point, "throttled three times", REPEATED, (throttled(operation, 3),))
        yield row(f"{name}-reset", CREATE, point, "the connection breaks once", REPEATED, (reset,))


def refused(effect: Effect = Status(500)) -> Fault:  # noqa: B008 - it is frozen
    """Return what becomes of one PUT that CloudFormation does not take."""
    return Fault("respond", effect, times=1)


# Whatever hangs, the response comes in time and says what is missing: the last 30 s are for record and response.
def _deadline(name: str, event: Event, point: Point, faults: tuple[Fault, ...], reason: str, **rest: Any) -> Row:
    usual: dict[str, Any] = {"reason": reason, "remaining": 45, "compared": False, "listed": False}
    return row(f"deadline-{name}", event, point, "it hangs until the time is up", LATER, faults, **{**usual, **rest})


# Responses that nobody should trust: of the wrong type or size, with redirects, secrets and terminal escapes in them.
# One row of a kind: the unit tests have the variants. That nothing is ever sent to another host, and that no secret and
# no control character reaches a log or a response, is checked for every row. None of them is in the README.

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


def _hostile(name: str, event: Event, point: Point, *faults: Fault, **more: Any) -> Row:
    """Return a row whose name says what is wrong; after a failure nobody compares the record."""
    return row(name, event, point, "", "", faults, compared="reason" not in more, **more)


# A table: each row takes as few lines as it needs.
# fmt: off
MATRIX: tuple[Row, ...] = (
    *_passing(),
    *_staying(),
    # The login
    row("token-unknown-client", CREATE, Point.TOKEN, "the client id is wrong, or of another cloud", CLOUD,
        secret='{"FalconClientId":"nobody","FalconSecret":"simulated-client-secret","FalconCloud":"us-1"}',
        reason="the client id is unknown in us-1"),
    row("token-wrong-secret", CREATE, Point.TOKEN, "the client secret is wrong", CLIENT,
        secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong-simulated-client-secret"}',
        reason="the client secret is wrong"),
    row("token-403-address", CREATE, Point.TOKEN, "403: the address is not allowed", ALLOW_LIST,
        behaviour={"ip_allowed": False}, reason="IP allow-list"),
    row("update-token-wrong-secret", UPDATE, Point.TOKEN, "the client secret is wrong", CLIENT, properties=WIDER,
        secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong"}', reason="the client secret is wrong"),
    row("delete-token-wrong-secret", DELETE, Point.TOKEN, "the API client was revoked", PURGE_AGAIN,
        (Fault("token", UNAUTHORIZED),), properties=PURGE,
        reason="revoked.*Delete the stack again, or retain RegistryConnections"),
    row("token-page-200", CREATE, Point.TOKEN, "a web page", "Let the function reach Falcon: see FalconApiUrl.",
        (Fault("token", Html(200)),), reason="not Falcon's.*proxy"),
    # Creating
    row("create-429-beyond-deadline", CREATE, Point.CREATE, "429 and a time beyond the function's own", LIMIT,
        (Fault("create", Throttled(50.0)),), remaining=45, reason=r"[12] Regions? failed.*rate limit"),
    row("create-reset-after", CREATE, Point.CREATE, "the connection breaks after the call was carried out", REPEATED,
        (Fault("create", Reset(applied=True), times=2),)),
    row("create-no-resources-done", CREATE, Point.CREATE, "2xx without resources, although it was done", NOTHING,
        (Fault("create", Altered('{"resources": null}')),)),
    row("create-500-one-region-report", CREATE, Point.CREATE, "500 in one Region, always (OnRegionFailure=Report)",
        "See the output FailedRegions; the daily repair tries again.", (Fault("create", Status(500), region=B),),
        properties=REPORT, remaining=42, falcon={A: MADE}, says="HTTP 500", dirty=True),
    row("create-undo-fails", CREATE, Point.CREATE, "one Region is refused, and what was made cannot be removed",
        ROLLED_BACK, (Fault("create", Status(422), region=B), Fault("delete", Status(500))), remaining=45,
        reason="1 Region failed. eu-west-1: .*Left in Falcon: us-east-1", falcon={A: MADE}, dirty=True),
    row("create-400-role-5s", CREATE, Point.CREATE, "the connection role is not known everywhere for 5 s", REPEATED,
        behaviour={"iam_ready_after": 5.0}, remaining=80),
    row("create-400-role-never", CREATE, Point.CREATE, "Falcon can never assume the connection role", ROLE,
        behaviour={"iam_ready_after": NEVER}, remaining=45,
        reason="2 Regions failed. eu-west-1: .*cannot use the connection role", dirty=True),
    row("create-401-once", CREATE, Point.CREATE, "401: the token expired meanwhile", REPEATED,
        (Fault("create", UNAUTHORIZED, times=1),)),
    row("create-409-ghost", CREATE, Point.CREATE, "409, but no such connection is listed", GHOST,
        (Fault("create", CONFLICT, region=B),), reason="1 Region failed. eu-west-1: .*lists none"),
    row("create-409-adopted", CREATE, Point.CREATE, "409: the connections exist already", NOTHING, before=Before.FOUND,
        falcon=BOTH_SET),
    # Listing
    row("list-500-nothing-to-find", CREATE, Point.LIST, "500, always (nothing to adopt)", NOTHING,
        (Fault("list", Status(500)),), remaining=80),
    row("list-403", CREATE, Point.LIST, "403: the scope READ is missing", SCOPE, (Fault("list", missing_scope()),),
        reason="Falcon Container Image: READ"),
    row("delete-account-500-always", DELETE, Point.LIST, "500, always", PURGE_AGAIN, (Fault("list", Status(500)),),
        before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, remaining=38, reason="HTTP 500.*Delete the stack again",
        falcon={**BOTH_SAME, C: SAME}),
    # Updating
    row("adopt-in-failed-update", UPDATE, Point.PATCH, "one new Region was adopted, another is refused",
        "Nothing: what was adopted stays in Falcon; then try again.", (Fault("create", Status(422), region=D),),
        before=Before.APPLIED_FOUND, properties={**WIDEST, **PURGE}, reason="1 Region failed. sa-east-1: HTTP 422",
        falcon={**BOTH_SAME, C: SET}),
    # Reading
    row("read-404-gone", UPDATE, Point.READ, "404: a connection was removed in Falcon", NOTHING,
        behaviour={"unknown_id": "not_found"}, before=Before.APPLIED_GONE, properties=REPORT,
        falcon={A: SAME, B: MADE}),
    # Deleting
    row("delete-read-500-always", DELETE, Point.READ, "500, always", PURGE_AGAIN, (Fault("read", Status(500)),),
        properties=PURGE, remaining=38, reason="HTTP 500.*Delete the stack again"),
    row("delete-404", DELETE, Point.DELETE, "404: it is gone already", NOTHING, before=Before.APPLIED_GONE,
        properties=PURGE),
    row("delete-one-region", DELETE, Point.DELETE, "500 in one Region, always", PURGE_AGAIN,
        (Fault("delete", Status(500), region=B),), properties=PURGE, remaining=40,
        reason="1 Region failed. eu-west-1: HTTP 500.*Delete the stack again", falcon={B: SAME}, managed=(A, B),
        dirty=True),
    row("delete-keep-nothing-works", DELETE, Point.ALL,
        "nothing works, secret and record are gone (DeleteConnections=Keep)", NOTHING,
        (Fault("falcon", Hang()), Fault("GetSecretValue", AwsError("ResourceNotFoundException"))), record="",
        falcon=BOTH_SAME),
    row("unfinished-removed", DELETE, Point.DELETE, "500, once, when a launch that failed is cleared up", REPEATED,
        (Fault("delete", Status(500), times=1),), before=Before.KILLED, properties=WIDER,
        changes={"PhysicalResourceId": f"{PHYSICAL_ID}-failed"}),
    # AWS
    *_aws_passing(),
    row("secret-missing", CREATE, Point.SECRET, "the secret is gone", SECRET, secret="",
        reason="secret falcon cannot be read: ResourceNotFoundException. It may be missing"),
    row("secret-denied-for-a-moment", CREATE, Point.SECRET, "access to the secret is not known for a moment", REPEATED,
        (replace(denied("GetSecretValue"), times=2),)),
    row("secret-not-json", CREATE, Point.SECRET, "the secret is not JSON", SECRET, secret="simulated-client-secret",
        reason="secret falcon is not JSON"),
    row("delete-secret-missing", DELETE, Point.SECRET, "the secret is gone", PURGE_AGAIN, secret="", properties=PURGE,
        reason="secret falcon cannot be read.*Delete the stack again, or"),
    row("update-secret-missing", UPDATE, Point.SECRET, "the secret is gone", SECRET, secret="", properties=WIDER,
        reason="secret falcon cannot be read"),
    row("regions-denied-by-organization", CREATE, Point.REGIONS, "an SCP denies ec2:DescribeRegions", DENIED,
        (denied("DescribeRegions", "with an explicit deny in a service control policy"),),
        reason="DescribeRegions.*by a service control policy"),
    row("ecr-hangs", CREATE, Point.ECR, "ECR does not respond in one of the Regions", NOTHING,
        (Fault("DescribeRepositories", Hang()),), remaining=70),
    row("ecr-denied-by-organization", CREATE, Point.ECR, "an SCP denies ECR in one of the Regions",
        "Nothing: it is skipped until it is admitted.",
        (replace(denied("DescribeRepositories", "with an explicit deny in a service control policy"), region=B),),
        properties={"Regions": ""}, falcon={A: MADE, C: MADE, D: MADE}, left_out={B}, says="service control policy"),
    row("logs-denied", CREATE, Point.LOGS, "the log's retention cannot be set",
        "Set the retention of the log group by hand.", (denied("PutRetentionPolicy"),),
        says="The retention of .* cannot be set"),
    # The record
    row("record-not-json", UPDATE, Point.RECORD_READ, "the record is not JSON", "Nothing: what exists is found again.",
        record="x" * 100, properties=REPORT, falcon=BOTH_SET),
    row("record-missing-on-update", UPDATE, Point.RECORD_READ, "the record is gone",
        "Nothing: what exists is found again.", record="", properties=REPORT, falcon=BOTH_SET),
    row("delete-record-missing", DELETE, Point.RECORD_READ, "the record is gone", NOTHING, record="", properties=PURGE),
    row("record-of-others", DELETE, Point.RECORD_READ, "somebody wrote other accounts' connections into the record",
        NOTHING,
        record=f'{{"format": {FORMAT}, "applied": {{"choices": {{}}, "digest": ""}}, "connections": {BYSTANDERS}}}',
        before=Before.FOUND, properties=PURGE, falcon=BOTH_SAME, listed=False),
    row("record-write-fails-at-the-end", CREATE, Point.RECORD_WRITE,
        "the record cannot be written once the connections are made", AWS_LATER,
        (Fault("PutParameter", AwsError("ValidationException"), skip=1),),
        reason="record in Parameter Store cannot be written: ValidationException", compared=False),
    row("update-record-write-fails-at-the-end", UPDATE, Point.RECORD_WRITE,
        "the record cannot be written once a connection is made", AWS_LATER,
        (Fault("PutParameter", AwsError("ValidationException"), skip=1),), properties=WIDER,
        reason="record in Parameter Store cannot be written: ValidationException", compared=False),
    row("record-write-lost", CREATE, Point.RECORD_WRITE, "the response is lost, although the record was written",
        REPEATED, tuple(Fault("PutParameter", Reset(applied=True), times=1, skip=passing) for passing in (0, 1))),
    row("record-overtaken-at-the-start", CREATE, Point.RECORD_WRITE, "somebody else writes the record at the same time",
        NOTHING, (Fault("PutParameter", Overtaken('{"format": 2}'), times=1),)),
    # The response
    row("response-500-thrice", CREATE, Point.RESPONSE, "500, 503 and 403, then 200", REPEATED,
        (refused(), refused(Status(503)), refused(Status(403)))),
    row("response-hang-once", CREATE, Point.RESPONSE, "no response within 5 s, once", REPEATED, (refused(Hang()),)),
    row("response-drips-once", CREATE, Point.RESPONSE, "a response that comes byte by byte, once", REPEATED,
        (refused(SlowHeaders()),)),
    row("response-of-a-failure", CREATE, Point.RESPONSE, "500, once, and the launch had failed", SCOPE,
        (refused(), Fault("create", missing_scope())),
        reason="2 Regions failed. eu-west-1: .*Falcon Container Image: WRITE"),
    row("response-never-taken", CREATE, Point.RESPONSE, "no response is taken at all", SILENT,
        (Fault("respond", Status(500)),), remaining=35, status="none", managed=(A, B),
        says="CloudFormation did not take the response"),
    row("update-response-reset-once", UPDATE, Point.RESPONSE, "the connection breaks once", REPEATED,
        (refused(Reset()),), properties=WIDER, falcon={**BOTH_SAME, C: MADE}),
    row("delete-response-500-once", DELETE, Point.RESPONSE, "500, once", REPEATED, (refused(),), properties=PURGE),
    # Deliveries
    row("update-delivered-again", UPDATE, Point.DELIVERY, "the same event comes twice", NOTHING, properties=WIDER,
        delivered="again", falcon={**BOTH_SAME, C: MADE}),
    row("create-delivered-at-once", CREATE, Point.DELIVERY, "the same event comes twice at the same time", NOTHING,
        delivered="at once"),
    row("failed-create-delivered-again", CREATE, Point.DELIVERY, "the same event comes twice, and had failed", SCOPE,
        (Fault("create", missing_scope(), times=2),), delivered="again",
        reason="2 Regions failed. eu-west-1: .*Falcon Container Image: WRITE"),
    row("update-delivered-late", UPDATE, Point.DELIVERY, "an event is delivered after its own rollback", NOTHING,
        delivered="late", properties=WIDER, reason="delivered after a later one, and nothing was done"),
    row("delete-delivered-again", DELETE, Point.DELIVERY, "the same event comes twice", NOTHING, properties=PURGE,
        delivered="again"),
    row("create-beside-another-stack", CREATE, Point.DELIVERY, "another stack of this account manages the same Regions",
        ONE_STACK, before=Before.OTHER_STACK, falcon=BOTH_SET),
    row("delete-of-a-launch-that-never-responded", DELETE, Point.DELIVERY,
        "the function died in the middle of a launch: the Delete has an id that CloudFormation made up", NOTHING,
        before=Before.KILLED, changes={"PhysicalResourceId": MADE_UP}, properties=WIDER),
    row("delete-while-the-launch-is-at-work", DELETE, Point.DELIVERY, "a launch is cancelled while it is at work",
        NOTHING, before=Before.RUNNING, changes={"PhysicalResourceId": MADE_UP}, remaining=90),
    row("delete-with-a-foreign-id", DELETE, Point.DELIVERY, "a Delete has an id that is not ours", NOTHING,
        properties=PURGE, changes={"PhysicalResourceId": MADE_UP}, held=PHYSICAL_ID, falcon=BOTH_SAME, managed=(A, B)),
    row("delete-of-the-original-solution", DELETE, Point.DELIVERY,
        "the trigger of the original solution is deleted by an upgrade", NOTHING, properties=PURGE, falcon=BOTH_SAME,
        managed=(A, B),
        changes={"PhysicalResourceId": "CustomResourcePhysicalID", "ResourceType": "Custom::TriggerLambda"}),
    row("delete-of-a-foreign-stack", DELETE, Point.DELIVERY, "an event of another stack", NOTHING,
        properties=PURGE_ACCOUNT, falcon=BOTH_SAME, managed=(A, B),
        changes={"StackId": OURS.stack_id.replace("111122223333", "444455556666")}),
    row("create-without-time", CREATE, Point.DELIVERY, "the function has no time left", "Try again.", remaining=25,
        reason="time", compared=False),
    # Time that runs out
    _deadline("token", CREATE, Point.TOKEN, (Fault("token", SlowHeaders()),), "Falcon login.*nothing was changed"),
    _deadline("creates", CREATE, Point.CREATE, (Fault("create", Hang(applied=True)),),
        "2 Regions failed. eu-west-1: no response.*may have been made", falcon={A: MADE, B: MADE}),
    _deadline("list", CREATE, Point.LIST, (Fault("list", Hang()),), "2 Regions (failed|not attempted). eu-west-1: ",
        before=Before.FOUND, falcon=BOTH_SAME),
    _deadline("deletes", DELETE, Point.DELETE, (Fault("delete", Hang()),), "2 Regions failed. eu-west-1: no response",
        properties=PURGE),
    _deadline("secret", CREATE, Point.SECRET, (Fault("GetSecretValue", Hang()),), "secret.*nothing was changed"),
    _deadline("regions", CREATE, Point.REGIONS, (Fault("DescribeRegions", SlowHeaders()),), "ec2:DescribeRegions"),
    _deadline("record-write", CREATE, Point.RECORD_WRITE, (Fault("PutParameter", Hang()),), "record"),
    _deadline("everything", CREATE, Point.ALL, (Fault("falcon", Hang()), Fault("aws", Hang())), "no response"),
    _deadline("response-too", CREATE, Point.RESPONSE,
        (Fault("create", missing_scope()), refused(Hang()), refused(SlowHeaders())), "2 Regions failed"),
    _deadline("logs", CREATE, Point.LOGS, (Fault("CreateLogGroup", Hang()),), "", status="SUCCESS",
        falcon={A: MADE, B: MADE}),
)
HOSTILE: tuple[Row, ...] = (
    # Types and sizes
    _hostile("token-of-a-wrong-type", CREATE, Point.TOKEN, Fault("token", Text("[]")),
        reason="Falcon login"),
    _hostile("create-of-a-wrong-type", CREATE, Point.CREATE, Fault("create", TEXT_FOR_RESOURCES, region=B)),
    _hostile("create-errors-of-a-wrong-type", CREATE, Point.CREATE, Fault("create", TEXT_FOR_ERRORS, region=B),
        reason="1 Region failed. eu-west-1: ", falcon={B: MADE}),
    _hostile("read-of-a-wrong-type", DELETE, Point.READ, Fault("read", TEXT_FOR_RESOURCES), properties=PURGE,
        reason="Delete the stack again"),
    _hostile("list-claims-millions", CREATE, Point.LIST,
        Fault("list", Altered('{"resources": ["a"], "meta": {"pagination": {"total": 9999999}}}')), before=Before.FOUND,
        reason="2 Regions failed", falcon=BOTH_SAME),
    # Secrets, and what hurts a log
    _hostile("token-echoes", CREATE, Point.TOKEN, Fault("token", Echo(403)), reason="Falcon login"),
    _hostile("create-echoes", CREATE, Point.CREATE, Fault("create", Echo(400), region=B),
        reason="1 Region failed. eu-west-1: ", remaining=38),
    _hostile("create-echoes-the-old-token", CREATE, Point.CREATE, Fault("create", Echo(401), region=B, times=1),
        Fault("create", Status(422, SECRETS_IN_A_MESSAGE), region=B), reason="1 Region failed. eu-west-1: HTTP 422"),
    _hostile("headers-echo", CREATE, Point.ALL, Fault("falcon", Altered(headers=SECRETS_IN_HEADERS))),
    _hostile("resource-echoes", UPDATE, Point.READ, Fault("read", Altered(f'{{"resources": {SECRETS_IN_FIELDS}}}')),
        properties=REPORT, reason="lists none with this URL"),
    _hostile("create-id-with-escapes", CREATE, Point.CREATE,
        Fault("create", Altered('{"resources": {"id": "\\u001b[2J"}}'))),
    _hostile("aws-echoes", CREATE, Point.SECRET,
        Fault("GetSecretValue", AwsError(f"Evil{ESCAPES}Code", SECRETS_IN_A_MESSAGE)), reason="secret"),
    # Redirects
    _hostile("token-redirect", CREATE, Point.TOKEN, Fault("token", Redirect(308)), reason="Falcon login"),
    _hostile("create-redirect", CREATE, Point.CREATE, Fault("create", Redirect(307)), reason="2 Regions failed"),
    _hostile("read-redirect", UPDATE, Point.READ, Fault("read", Redirect(301)), properties=WIDER,
        reason="redirect|not Falcon"),
    _hostile("aws-redirect", CREATE, Point.SECRET, Fault("GetSecretValue", Redirect()), reason="secret"),
    _hostile("cloudformation-redirects", CREATE, Point.RESPONSE, Fault("respond", Redirect(), times=2)),
    # AWS, and the record
    _hostile("secret-of-a-wrong-type", CREATE, Point.SECRET, Fault("GetSecretValue", Text('{"SecretString": 7}')),
        reason="secret falcon "),
    _hostile("parameter-of-a-wrong-type", CREATE, Point.RECORD_READ,
        Fault("GetParameter", Text('{"Parameter": "text"}')), reason="record"),
    _hostile("version-of-a-wrong-type", CREATE, Point.RECORD_WRITE,
        Fault("PutParameter", Text('{"Version": "many"}'))),
    _hostile("region-of-another-host", CREATE, Point.REGIONS, Fault("DescribeRegions", Text(EVIL_REGIONS)),
        properties={"Regions": ""}, reason="Regions cannot be listed"),
    *(_hostile(f"record-hostile-{name}", UPDATE, Point.RECORD_READ, record=text, properties=REPORT, falcon=BOTH_SET)
      for name, text in (("nested", "[" * 4000), ("lease", '{"format": 2, "lease": ["x", 99999999999]}'))),
)
# fmt: on
