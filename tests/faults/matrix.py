"""The fault matrix: what can go wrong, where, and what must come of it. Data only; `rows.Row` says what the words mean.

The README's table is made from this (`python -m tests.faults`); `tests/test_faults.py` runs every row.
"""

import json

from tests.faults.aws_stub import AwsFault, denied, throttled
from tests.faults.cloudformation import Refusal
from tests.faults.rows import (
    BOTH,
    BOTH_SAME,
    BOTH_SET,
    NARROWER,
    NEW_ROLE,
    PURGE,
    PURGE_ACCOUNT,
    REPORT,
    WIDER,
    WIDEST,
    A,
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
    ErrorsInSuccess,
    Fault,
    Hang,
    Html,
    Malformed,
    NoResources,
    Reset,
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

NOTHING = "Nothing: the call was repeated."
NOTHING_AT_ALL = "Nothing."
LATER = "Try again once Falcon works. CrowdStrike's support asks for the trace id in the log."
LIMIT = "Try again later, or for fewer accounts at a time: all share the tenant's rate limit."
CLIENT = "Correct FalconClientID and FalconSecret."
CLOUD = "Correct FalconClientID, or name the right cloud in FalconCloud."
ALLOW_LIST = "Let the API client be used from AWS: its IP allow-list, or the subscription."
SCOPE = "Give the API client the scope Falcon Container Image, READ and WRITE."
ROLE = "Check FalconPrincipalArn and what forbids Falcon to assume the connection role (permissions boundary, SCP)."
GHOST = "Wait until Falcon has forgotten a connection that was deleted, or ask CrowdStrike's support."
SECRET = "Restore the secret, its three keys, and the execution role's access to it."
DENIED = "Let the execution role make the call: an SCP or the permissions boundary denies it."
AWS_LATER = "Try again: AWS limits the rate of these calls, or has a problem."
STATE = "Set the state parameter to {} and update the stack."
ANEW = "Delete the stack and launch it again."
KEPT = "Set the state parameter to {} and delete the stack again: the connections stay in Falcon."
NEWER = "Set S3Key to the newer package."
PURGE_AGAIN = "Delete the stack again; or retain RegistryConnections, and what is left stays in Falcon."
ANSWERLESS = "Nothing: CloudFormation gives up after ServiceTimeout and rolls back."


TEN_REGIONS = (A, B, C, D, "eu-north-1", "eu-west-2", "eu-west-3", "us-east-2", "us-west-1", "us-west-2")
FULL_STATE = f'{{"format":1,"settings":{{}},"connections":{json.dumps({f"zz-{n}-1": f"{n:036}" for n in range(76)})}}}'

# A table: each row takes as few lines as it needs.
# fmt: off

TOKEN = (
    Row("token-500-once", CREATE, Point.TOKEN, "500, once", NOTHING, (Fault("token", Status(500), times=1),)),
    Row("token-502-once", CREATE, Point.TOKEN, "502 and HTML, once", NOTHING, (Fault("token", Html(), times=1),)),
    Row("token-429-once", CREATE, Point.TOKEN, "429, once", NOTHING, (Fault("token", Throttled(2.0), times=1),)),
    Row(
        "token-reset-once", CREATE, Point.TOKEN, "the connection breaks once", NOTHING,
        (Fault("token", Reset(), times=1),)
    ),
    Row(
        "token-truncated-once", CREATE, Point.TOKEN, "half of an answer, once", NOTHING,
        (Fault("token", Truncated(), times=1),)
    ),
    Row(
        "token-malformed-once", CREATE, Point.TOKEN, "an answer that is not JSON, once", NOTHING,
        (Fault("token", Malformed(), times=1),)
    ),
    Row(
        "token-hang-once", CREATE, Point.TOKEN, "no answer within 30 s, once", NOTHING,
        (Fault("token", Hang(), times=1),), remaining=100, within=50
    ),
    Row(
        "token-500-always", CREATE, Point.TOKEN, "500, always", LATER, (Fault("token", Status(500)),), remaining=40,
        status="FAILED", reason="Falcon login.*HTTP 500", falcon={}, persists=True
    ),
    Row(
        "token-reset-always", CREATE, Point.TOKEN, "the connection breaks every time", LATER,
        (Fault("token", Reset()),), remaining=40, status="FAILED", reason="Falcon login.*no answer from localhost",
        falcon={}, persists=True
    ),
    Row(
        "token-malformed-always", CREATE, Point.TOKEN, "answers that are not JSON, always", LATER,
        (Fault("token", Malformed()),), remaining=36, status="FAILED", reason="Falcon login.*not JSON", falcon={}
    ),
    Row(
        "token-429-always", CREATE, Point.TOKEN, "429, always", LIMIT, (Fault("token", Throttled(2.0)),), remaining=40,
        status="FAILED", reason="Falcon login.*HTTP 429: rate limit", falcon={}
    ),
    Row(
        "token-errors-in-200", CREATE, Point.TOKEN, "200 with errors[]", LATER, (Fault("token", ErrorsInSuccess()),),
        status="FAILED", reason="Falcon login: Falcon gave no token", falcon={}
    ),
    Row(
        "token-without-token", CREATE, Point.TOKEN, "2xx without a token", LATER, (Fault("token", NoResources()),),
        status="FAILED", reason="Falcon login: Falcon gave no token", falcon={}
    ),
    Row(
        "token-unknown-client", CREATE, Point.TOKEN, "the client id is wrong, or of another cloud", CLOUD,
        secret='{"FalconClientId":"nobody","FalconSecret":"simulated-client-secret","FalconCloud":"us-1"}',
        status="FAILED", reason="the client id is unknown in us-1", falcon={}, persists=True
    ),
    Row(
        "token-wrong-secret", CREATE, Point.TOKEN, "the client secret is wrong", CLIENT,
        secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong-simulated-client-secret"}',
        status="FAILED", reason="the client secret is wrong", falcon={}, persists=True
    ),
    Row(
        "token-401", CREATE, Point.TOKEN, "401: the API client was revoked", CLIENT, (Fault("token", unauthorized()),),
        status="FAILED", reason="the client secret is wrong, or the API client was revoked", falcon={}
    ),
    Row(
        "token-403-address", CREATE, Point.TOKEN, "403: the address is not allowed", ALLOW_LIST,
        behaviour={"ip_allowed": False}, status="FAILED", reason="IP allow-list", falcon={}
    ),
    Row(
        "update-token-500-always", UPDATE, Point.TOKEN, "500, always", LATER, (Fault("token", Status(500)),),
        before=Before.APPLIED, properties=WIDER, remaining=36, status="FAILED", reason="Falcon login.*HTTP 500",
        falcon=BOTH_SAME, applied=True
    ),
    Row(
        "update-token-wrong-secret", UPDATE, Point.TOKEN, "the client secret is wrong", CLIENT, before=Before.APPLIED,
        properties=WIDER, secret='{"FalconClientId":"simulated-client-id","FalconSecret":"wrong"}', status="FAILED",
        reason="the client secret is wrong", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-token-500-always", DELETE, Point.TOKEN, "500, always", PURGE_AGAIN, (Fault("token", Status(500)),),
        before=Before.APPLIED, properties=PURGE, remaining=36, status="FAILED",
        reason="Falcon login.*HTTP 500.*Delete the stack again, or retain RegistryConnections", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "delete-token-wrong-secret", DELETE, Point.TOKEN, "the API client was revoked", PURGE_AGAIN,
        (Fault("token", unauthorized()),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="revoked.*retain RegistryConnections", falcon=BOTH_SAME, applied=True
    ),
)

CREATES = (
    Row("create-500-once", CREATE, Point.CREATE, "500, once", NOTHING, (Fault("create", Status(500), times=1),)),
    Row("create-502-once", CREATE, Point.CREATE, "502 and HTML, once", NOTHING, (Fault("create", Html(), times=2),)),
    Row("create-503-once", CREATE, Point.CREATE, "503, once", NOTHING, (Fault("create", Status(503), times=2),)),
    Row(
        "create-429-seconds", CREATE, Point.CREATE, "429 and a time in seconds, once", NOTHING,
        (Fault("create", Throttled(2.0), times=2),)
    ),
    Row(
        "create-429-milliseconds", CREATE, Point.CREATE, "429 and a time in milliseconds, once", NOTHING,
        (Fault("create", Throttled(2.0, "milliseconds"), times=2),)
    ),
    Row(
        "create-429-no-header", CREATE, Point.CREATE, "429 without a time, once", NOTHING,
        (Fault("create", Throttled(2.0, "absent"), times=2),)
    ),
    Row(
        "create-429-storm", CREATE, Point.CREATE, "the rate limit is reached by all Regions together", NOTHING,
        behaviour={"requests_per_minute": 5, "time_scale": 20.0},
        regions=TEN_REGIONS,
        properties={"Regions": ""},
        falcon=dict.fromkeys(TEN_REGIONS, MADE),
        remaining=90, within=50
    ),
    Row(
        "create-429-always", CREATE, Point.CREATE, "429, always", LIMIT, (Fault("create", Throttled(2.0)),),
        remaining=40, status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*rate limit", falcon={}
    ),
    Row(
        "create-429-beyond-deadline", CREATE, Point.CREATE, "429 and a time beyond the function's own", LIMIT,
        (Fault("create", Throttled(50.0)),), remaining=45, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*rate limit", falcon={}
    ),
    Row(
        "create-reset-before", CREATE, Point.CREATE, "the connection breaks before the call was carried out", NOTHING,
        (Fault("create", Reset(), times=1),)
    ),
    Row(
        "create-reset-after", CREATE, Point.CREATE, "the connection breaks after the call was carried out", NOTHING,
        (Fault("create", Reset(applied=True), times=2),)
    ),
    Row(
        "create-reset-always", CREATE, Point.CREATE, "the connection breaks every time", LATER,
        (Fault("create", Reset(), region=B),), remaining=40, status="FAILED",
        reason="1 Region failed: eu-west-1.*no answer from localhost", falcon={}
    ),
    Row(
        "create-hang-before", CREATE, Point.CREATE, "no answer within 30 s, once, and nothing was done", NOTHING,
        (Fault("create", Hang(), times=1),), remaining=110, within=60
    ),
    Row(
        "create-hang-after", CREATE, Point.CREATE, "no answer within 30 s, although it was done", NOTHING,
        (Fault("create", Hang(applied=True), times=2),), remaining=110, within=60
    ),
    Row(
        "create-hang-until-deadline", CREATE, Point.CREATE, "no answer until the time is up, although it was done",
        "Nothing: the rollback removes what was made.", (Fault("create", Hang(applied=True), region=B),), remaining=40,
        status="FAILED", reason="1 Region failed: eu-west-1.*(may exist|may have been made)", falcon={B: MADE},
        managed=()
    ),
    Row(
        "create-truncated-once", CREATE, Point.CREATE, "half of an answer, once", NOTHING,
        (Fault("create", Truncated(), times=2),)
    ),
    Row(
        "create-malformed-once", CREATE, Point.CREATE, "an answer that is not JSON, once", NOTHING,
        (Fault("create", Malformed(), times=2),)
    ),
    Row(
        "create-malformed-always", CREATE, Point.CREATE, "answers that are not JSON, always", NOTHING,
        (Fault("create", Malformed()),)
    ),
    Row(
        "create-errors-in-200", CREATE, Point.CREATE, "200 with errors[]", LATER,
        (Fault("create", ErrorsInSuccess(), region=B),), status="FAILED",
        reason="1 Region failed: eu-west-1.*an invented failure", falcon={}
    ),
    Row(
        "create-no-resources-done", CREATE, Point.CREATE, "2xx without resources, although it was done",
        NOTHING_AT_ALL, (Fault("create", NoResources()),)
    ),
    Row(
        "create-no-resources-not-done", CREATE, Point.CREATE, "2xx without resources, and nothing was done", LATER,
        (Fault("create", NoResources(applied=False), region=B),), status="FAILED",
        reason="1 Region failed: eu-west-1.*without an id", falcon={}
    ),
    Row(
        "create-500-always", CREATE, Point.CREATE, "500, always", LATER, (Fault("create", Status(500)),), remaining=42,
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 500", falcon={}
    ),
    Row(
        "create-500-one-region", CREATE, Point.CREATE, "500 in one Region, always", LATER,
        (Fault("create", Status(500), region=B),), remaining=42, status="FAILED",
        reason="1 Region failed: eu-west-1\\. First cause \\(eu-west-1\\): HTTP 500", falcon={}
    ),
    Row(
        "create-500-one-region-report", CREATE, Point.CREATE, "500 in one Region, always (OnRegionFailure=Report)",
        "See the output FailedRegions; the daily repair tries again.", (Fault("create", Status(500), region=B),),
        properties=REPORT, remaining=42, falcon={A: MADE}, says="HTTP 500", next_falcon=BOTH
    ),
    Row(
        "create-500-all-report", CREATE, Point.CREATE, "500 in every Region, always (OnRegionFailure=Report)", LATER,
        (Fault("create", Status(500)),), properties=REPORT, remaining=42, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 500", falcon={}
    ),
    Row(
        "create-lost-and-refused", CREATE, Point.CREATE, "the answer of one Region is lost, another Region is refused",
        LATER, (Fault("create", Reset(applied=True), region=A, times=1), Fault("create", Status(422), region=B)),
        status="FAILED", reason="1 Region failed: eu-west-1.*HTTP 422", falcon={}
    ),
    Row(
        "create-undo-fails", CREATE, Point.CREATE, "one Region is refused, and what was made cannot be removed",
        "Nothing: the rollback removes what is left.",
        (Fault("create", Status(422), region=B), Fault("delete", Status(500))), remaining=45, status="FAILED",
        reason="1 Region failed: eu-west-1.*Left in Falcon: us-east-1", falcon={A: MADE}, unfinished=(A,)
    ),
    Row(
        "create-undo-fails-scope", CREATE, Point.CREATE, "READ is not allowed, and what was made cannot be removed",
        "Give the API client the scope; the rollback removes what is left.",
        (Fault("list", missing_scope()), Fault("delete", Status(500))), remaining=45, status="FAILED",
        reason="READ.*Left in Falcon: eu-west-1, us-east-1", falcon=BOTH, unfinished=(A, B)
    ),
    Row(
        "create-400-role-5s", CREATE, Point.CREATE, "the connection role is not known everywhere for 5 s", NOTHING,
        behaviour={"iam_ready_after": 5.0}, remaining=80, within=30
    ),
    Row(
        "create-400-role-60s", CREATE, Point.CREATE, "the connection role is not known everywhere for 60 s", NOTHING,
        behaviour={"iam_ready_after": 60.0}, remaining=170, within=90
    ),
    Row(
        "create-400-role-never", CREATE, Point.CREATE, "Falcon can never assume the connection role", ROLE,
        behaviour={"iam_ready_after": NEVER}, remaining=45, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*cannot use the connection role", falcon={}
    ),
    Row(
        "create-400-leaves-record", CREATE, Point.CREATE, "a refused role leaves a record, and is usable 5 s later",
        NOTHING, behaviour={"iam_ready_after": 5.0, "bad_credential_leaves_record": True}, remaining=80, within=30
    ),
    Row(
        "create-400-leaves-record-never", CREATE, Point.CREATE, "a refused role leaves a record, and is never usable",
        ROLE, behaviour={"iam_ready_after": NEVER, "bad_credential_leaves_record": True}, remaining=45,
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*cannot use the connection role", falcon={}
    ),
    Row(
        "create-401-once", CREATE, Point.CREATE, "401: the token expired meanwhile", NOTHING,
        (Fault("create", unauthorized(), times=1),)
    ),
    Row(
        "create-401-expired", CREATE, Point.CREATE, "401: the token expires while the role is not known everywhere",
        NOTHING, behaviour={"token_lifetime": 10, "iam_ready_after": 11.0}, remaining=80, within=30
    ),
    Row(
        "create-401-in-many-regions", CREATE, Point.CREATE,
        "401 in more Regions at once than Falcon allows in a minute", NOTHING,
        behaviour={"token_lifetime": 14, "iam_ready_after": 15.0, "bad_bearers_per_minute": 3, "time_scale": 20.0},
        regions=TEN_REGIONS, properties={"Regions": ""}, remaining=110, falcon=dict.fromkeys(TEN_REGIONS, MADE),
        within=45
    ),
    Row(
        "create-401-always", CREATE, Point.CREATE, "401, always", CLIENT, (Fault("create", unauthorized()),),
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 401", falcon={}
    ),
    Row(
        "create-403", CREATE, Point.CREATE, "403: the scope WRITE is missing", SCOPE,
        (Fault("create", missing_scope()),), status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Falcon Container Image: WRITE", falcon={}
    ),
    Row(
        "create-409-ghost", CREATE, Point.CREATE, "409, but no such connection is listed", GHOST,
        (Fault("create", conflict(), region=B),), status="FAILED", reason="1 Region failed: eu-west-1.*lists none",
        falcon={}
    ),
    Row(
        "create-409-adopted", CREATE, Point.CREATE, "409: the connections exist already", NOTHING_AT_ALL,
        before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "create-409-and-refused", CREATE, Point.CREATE, "409 in one Region, another Region is refused", LATER,
        (Fault("create", Status(422), region=B),), before=Before.FOUND_ONE, status="FAILED",
        reason="1 Region failed: eu-west-1\\. First cause \\(eu-west-1\\): HTTP 422.* Not attempted: us-east-1\\.",
        falcon={A: SAME}, managed=()
    ),
    Row(
        "update-create-500-always", UPDATE, Point.CREATE, "500, always", LATER, (Fault("create", Status(500)),),
        before=Before.APPLIED, properties=WIDER, remaining=40, status="FAILED",
        reason="1 Region failed: ap-south-1.*HTTP 500", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "update-create-reset-after", UPDATE, Point.CREATE, "the connection breaks after the call was carried out",
        NOTHING, (Fault("create", Reset(applied=True), times=1),), before=Before.APPLIED, properties=WIDER,
        falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "update-create-hang-until-deadline", UPDATE, Point.CREATE,
        "no answer until the time is up, although it was done", "Nothing: the rollback removes what was made.",
        (Fault("create", Hang(applied=True)),), before=Before.APPLIED, properties=WIDER, remaining=38, status="FAILED",
        reason="1 Region failed: ap-south-1.*(may exist|may have been made)", falcon={**BOTH_SAME, C: MADE},
        managed=(A, B), applied=True
    ),
    Row(
        "update-create-one-of-two", UPDATE, Point.CREATE, "one of two new Regions is refused",
        "Nothing: the rollback removes the new ones; then try again.", (Fault("create", Status(422), region=D),),
        before=Before.APPLIED, properties=WIDEST, status="FAILED", reason="1 Region failed: sa-east-1.*HTTP 422",
        falcon={**BOTH_SAME, C: MADE}, unfinished=(C,), applied=True
    ),
    Row(
        "update-create-403", UPDATE, Point.CREATE, "403: the scope WRITE is missing", SCOPE,
        (Fault("create", missing_scope()),), before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="1 Region failed: ap-south-1.*Falcon Container Image: WRITE", falcon=BOTH_SAME, applied=True
    ),
)

LISTS = (
    Row(
        "list-500-once", CREATE, Point.LIST, "500, once", NOTHING, (Fault("list", Status(500), times=2),),
        before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "list-429-once", CREATE, Point.LIST, "429, once", NOTHING, (Fault("list", Throttled(2.0), times=2),),
        before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "list-reset-once", CREATE, Point.LIST, "the connection breaks once", NOTHING,
        (Fault("list", Reset(), times=2),), before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "list-truncated-once", CREATE, Point.LIST, "half of an answer, once", NOTHING,
        (Fault("list", Truncated(), times=2),), before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "list-hang-once", CREATE, Point.LIST, "no answer within 30 s, once", NOTHING,
        (Fault("list", Hang(), times=1, skip=1),), before=Before.FOUND, remaining=110, within=60, falcon=BOTH_SET
    ),
    Row(
        "list-500-always", CREATE, Point.LIST, "500, always", LATER, (Fault("list", Status(500)),),
        before=Before.FOUND, remaining=45, status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*HTTP 500",
        falcon=BOTH_SAME, managed=()
    ),
    Row(
        "list-500-nothing-to-find", CREATE, Point.LIST, "500, always (nothing to adopt)", NOTHING_AT_ALL,
        (Fault("list", Status(500)),), remaining=80, within=25
    ),
    Row(
        "list-hang-nothing-to-find", CREATE, Point.LIST, "no answer at all (nothing to adopt)", NOTHING_AT_ALL,
        (Fault("list", Hang()),), remaining=80, within=25
    ),
    Row(
        "list-errors-in-200", CREATE, Point.LIST, "200 with errors[]", LATER, (Fault("list", ErrorsInSuccess()),),
        before=Before.FOUND, status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*an invented failure",
        falcon=BOTH_SAME, managed=()
    ),
    Row(
        "list-no-resources", CREATE, Point.LIST, "2xx without resources", LATER, (Fault("list", NoResources()),),
        before=Before.FOUND, status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*no list of resources",
        falcon=BOTH_SAME, managed=()
    ),
    Row(
        "list-403", CREATE, Point.LIST, "403: the scope READ is missing", SCOPE, (Fault("list", missing_scope()),),
        status="FAILED", reason="Falcon Container Image: READ", falcon={}
    ),
    Row(
        "delete-account-500-once", DELETE, Point.LIST, "500, once", NOTHING, (Fault("list", Status(500), times=1),),
        before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, falcon={}
    ),
    Row(
        "delete-account-500-always", DELETE, Point.LIST, "500, always", PURGE_AGAIN, (Fault("list", Status(500)),),
        before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, remaining=40, status="FAILED",
        reason="HTTP 500.*Delete the stack again", falcon={**BOTH_SAME, C: SAME}, managed=(A, B), applied=True
    ),
    Row(
        "delete-account-no-resources", DELETE, Point.LIST, "2xx without resources", PURGE_AGAIN,
        (Fault("list", NoResources()),), before=Before.APPLIED_FOUND, properties=PURGE_ACCOUNT, status="FAILED",
        reason="no list of resources.*Delete the stack again", falcon={**BOTH_SAME, C: SAME}, managed=(A, B),
        applied=True
    ),
)

PATCHES = (
    Row(
        "adopt-patch-500-once", CREATE, Point.PATCH, "500, once", NOTHING, (Fault("update", Status(500), times=2),),
        before=Before.FOUND, falcon=BOTH_SET
    ),
    Row(
        "adopt-patch-500-always", CREATE, Point.PATCH, "500, always", LATER, (Fault("update", Status(500)),),
        before=Before.FOUND_ONE, remaining=45, status="FAILED", reason="1 Region failed: us-east-1.*HTTP 500",
        falcon={A: SAME}, managed=()
    ),
    Row(
        "adopt-patch-403", CREATE, Point.PATCH, "403: the scope WRITE is missing", SCOPE,
        (Fault("update", missing_scope()),), before=Before.FOUND, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Falcon Container Image: WRITE", falcon=BOTH_SAME, managed=()
    ),
    Row(
        "adopt-patch-404-once", CREATE, Point.PATCH, "404: a connection was removed while it was adopted", NOTHING,
        (Fault("update", Hang(1.0), region=B, times=1),), before=Before.FOUND, vanishes=B, falcon={A: SET, B: MADE}
    ),
    Row(
        "patch-500-once", UPDATE, Point.PATCH, "500, once", NOTHING, (Fault("update", Status(500), times=2),),
        before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-429-once", UPDATE, Point.PATCH, "429, once", NOTHING, (Fault("update", Throttled(2.0), times=2),),
        before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-reset-after", UPDATE, Point.PATCH, "the connection breaks after the call was carried out", NOTHING,
        (Fault("update", Reset(applied=True), times=2),), before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-malformed-once", UPDATE, Point.PATCH, "an answer that is not JSON, once", NOTHING,
        (Fault("update", Malformed(), times=2),), before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-no-resources", UPDATE, Point.PATCH, "2xx without resources, although it was done", NOTHING_AT_ALL,
        (Fault("update", NoResources()),), before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-hang-once", UPDATE, Point.PATCH, "no answer within 30 s, once", NOTHING,
        (Fault("update", Hang(), times=1),), before=Before.APPLIED, properties=NEW_ROLE, remaining=110, within=60,
        falcon=BOTH_SET
    ),
    Row(
        "patch-500-one-region", UPDATE, Point.PATCH, "500 in one Region, always",
        "Nothing: the rollback sets the old role everywhere; then try again.",
        (Fault("update", Status(500), region=B),), before=Before.APPLIED, properties=NEW_ROLE, remaining=40,
        status="FAILED", reason="1 Region failed: eu-west-1.*HTTP 500", falcon={A: SET, B: SAME}, applied=True
    ),
    Row(
        "patch-errors-in-200", UPDATE, Point.PATCH, "200 with errors[]",
        "Nothing: the rollback sets the old role everywhere; then try again.",
        (Fault("update", ErrorsInSuccess(), region=B),), before=Before.APPLIED, properties=NEW_ROLE, status="FAILED",
        reason="1 Region failed: eu-west-1.*an invented failure", falcon={A: SET, B: SAME}, applied=True
    ),
    Row(
        "patch-404", UPDATE, Point.PATCH, "404: a connection was removed meanwhile", NOTHING,
        (Fault("update", Hang(1.0), region=B, times=1),), before=Before.APPLIED, properties=NEW_ROLE, vanishes=B,
        falcon={A: SET, B: MADE}
    ),
    Row(
        "patch-404-although-listed", UPDATE, Point.PATCH, "404 for a connection that exists", LATER,
        (Fault("update", not_found(), region=B),), before=Before.APPLIED, properties=NEW_ROLE, status="FAILED",
        reason="1 Region failed: eu-west-1.*HTTP 409", falcon={A: SET, B: SAME}, applied=True
    ),
    Row(
        "patch-400-role-5s", UPDATE, Point.PATCH, "the new connection role is not known everywhere for 5 s", NOTHING,
        behaviour={"iam_ready_after": 5.0}, before=Before.APPLIED, properties=NEW_ROLE, remaining=80, within=30,
        falcon=BOTH_SET
    ),
    Row(
        "patch-400-role-never", UPDATE, Point.PATCH, "Falcon can never assume the new connection role", ROLE,
        behaviour={"iam_ready_after": NEVER}, before=Before.APPLIED, properties=NEW_ROLE, remaining=40,
        status="FAILED", reason="2 Regions failed: eu-west-1, us-east-1.*cannot use the connection role",
        falcon=BOTH_SAME, applied=True
    ),
    Row(
        "patch-401-once", UPDATE, Point.PATCH, "401: the token expired meanwhile", NOTHING,
        (Fault("update", unauthorized(), times=1),), before=Before.APPLIED, properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "patch-403", UPDATE, Point.PATCH, "403: the scope WRITE is missing", SCOPE,
        (Fault("update", missing_scope()),), before=Before.APPLIED, properties=NEW_ROLE, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Falcon Container Image: WRITE", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "adopt-in-failed-update", UPDATE, Point.PATCH, "one new Region was adopted, another is refused",
        "Nothing: what was adopted stays in Falcon; then try again.", (Fault("create", Status(422), region=D),),
        before=Before.APPLIED_FOUND, properties={**WIDEST, **PURGE}, status="FAILED",
        reason="1 Region failed: sa-east-1.*HTTP 422", falcon={**BOTH_SAME, C: SET}, managed=(A, B), applied=True,
        keeps=(C,)
    ),
)

READS = (
    Row(
        "read-500-once", UPDATE, Point.READ, "500, once", NOTHING, (Fault("read", Status(500), times=1),),
        before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-429-once", UPDATE, Point.READ, "429, once", NOTHING, (Fault("read", Throttled(2.0), times=1),),
        before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-reset-once", UPDATE, Point.READ, "the connection breaks once", NOTHING,
        (Fault("read", Reset(), times=1),), before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-truncated-once", UPDATE, Point.READ, "half of an answer, once", NOTHING,
        (Fault("read", Truncated(), times=1),), before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-malformed-once", UPDATE, Point.READ, "an answer that is not JSON, once", NOTHING,
        (Fault("read", Malformed(), times=1),), before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-hang-once", UPDATE, Point.READ, "no answer within 30 s, once", NOTHING,
        (Fault("read", Hang(), times=1),), before=Before.APPLIED, properties=WIDER, remaining=110, within=60,
        falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-500-always", UPDATE, Point.READ, "500, always", LATER, (Fault("read", Status(500)),),
        before=Before.APPLIED, properties=WIDER, remaining=38, status="FAILED", reason="HTTP 500", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "read-errors-in-200", UPDATE, Point.READ, "200 with errors[]", LATER, (Fault("read", ErrorsInSuccess()),),
        before=Before.APPLIED, properties=WIDER, status="FAILED", reason="an invented failure", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "read-no-resources", UPDATE, Point.READ, "2xx without resources", LATER, (Fault("read", NoResources()),),
        before=Before.APPLIED, properties=WIDER, status="FAILED", reason="no list of resources", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "read-404-gone", UPDATE, Point.READ, "404: a connection was removed in Falcon", NOTHING_AT_ALL,
        behaviour={"unknown_id": "not_found"}, before=Before.APPLIED_GONE, properties=REPORT, falcon={A: SAME, B: MADE}
    ),
    Row(
        "read-empty-gone", UPDATE, Point.READ, "a connection is missing from the answer: it was removed in Falcon",
        NOTHING_AT_ALL, before=Before.APPLIED_GONE, properties=REPORT, falcon={A: SAME, B: MADE}
    ),
    Row(
        "read-404-although-there", UPDATE, Point.READ, "404 for connections that exist", NOTHING_AT_ALL,
        (Fault("read", not_found(), times=3),), before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET
    ),
    Row(
        "read-401-once", UPDATE, Point.READ, "401: the token expired meanwhile", NOTHING,
        (Fault("read", unauthorized(), times=1),), before=Before.APPLIED, properties=WIDER,
        falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "read-401-always", UPDATE, Point.READ, "401, always", CLIENT, (Fault("read", unauthorized()),),
        before=Before.APPLIED, properties=WIDER, status="FAILED", reason="HTTP 401", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "read-403", UPDATE, Point.READ, "403: the scope READ is missing", SCOPE, (Fault("read", missing_scope()),),
        before=Before.APPLIED, properties=WIDER, status="FAILED", reason="Falcon Container Image: READ",
        falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-read-500-always", DELETE, Point.READ, "500, always", PURGE_AGAIN, (Fault("read", Status(500)),),
        before=Before.APPLIED, properties=PURGE, remaining=38, status="FAILED",
        reason="HTTP 500.*Delete the stack again", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-read-no-resources", DELETE, Point.READ, "2xx without resources", PURGE_AGAIN,
        (Fault("read", NoResources()),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="no list of resources.*Delete the stack again", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-read-404-gone", DELETE, Point.READ, "404: a connection was removed in Falcon", NOTHING_AT_ALL,
        behaviour={"unknown_id": "not_found"}, before=Before.APPLIED_GONE, properties=PURGE, falcon={}
    ),
)

DELETES = (
    Row(
        "narrow-500-once", UPDATE, Point.DELETE, "500, once", NOTHING, (Fault("delete", Status(500), times=1),),
        before=Before.APPLIED, properties=NARROWER, falcon={A: SAME}
    ),
    Row(
        "narrow-reset-after", UPDATE, Point.DELETE, "the connection breaks after the call was carried out", NOTHING,
        (Fault("delete", Reset(applied=True), times=1),), before=Before.APPLIED, properties=NARROWER, falcon={A: SAME}
    ),
    Row(
        "narrow-500-always", UPDATE, Point.DELETE, "500, always", LATER, (Fault("delete", Status(500)),),
        before=Before.APPLIED, properties=NARROWER, remaining=38, status="FAILED",
        reason="1 Region failed: eu-west-1.*HTTP 500", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "narrow-403", UPDATE, Point.DELETE, "403: the scope WRITE is missing", SCOPE,
        (Fault("delete", missing_scope()),), before=Before.APPLIED, properties=NARROWER, status="FAILED",
        reason="1 Region failed: eu-west-1.*Falcon Container Image: WRITE", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-500-once", DELETE, Point.DELETE, "500, once", NOTHING, (Fault("delete", Status(500), times=2),),
        before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-502-once", DELETE, Point.DELETE, "502 and HTML, once", NOTHING, (Fault("delete", Html(), times=2),),
        before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-429-once", DELETE, Point.DELETE, "429, once", NOTHING, (Fault("delete", Throttled(2.0), times=2),),
        before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-reset-after", DELETE, Point.DELETE, "the connection breaks after the call was carried out", NOTHING,
        (Fault("delete", Reset(applied=True), times=2),), before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-reset-after-unknown-is-empty", DELETE, Point.DELETE,
        "the connection breaks after the call was carried out, and Falcon answers 200 for what is gone", NOTHING,
        (Fault("delete", Reset(applied=True), times=2),), behaviour={"unknown_id_on_delete": "empty"},
        before=Before.APPLIED, properties=PURGE, falcon={}, listed=False
    ),
    Row(
        "delete-hang-once", DELETE, Point.DELETE, "no answer within 30 s, once", NOTHING,
        (Fault("delete", Hang(applied=True), times=1),), before=Before.APPLIED, properties=PURGE, remaining=110,
        within=60, falcon={}
    ),
    Row(
        "delete-truncated-once", DELETE, Point.DELETE, "half of an answer, once", NOTHING,
        (Fault("delete", Truncated(), times=2),), before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-malformed-once", DELETE, Point.DELETE, "an answer that is not JSON, once", NOTHING,
        (Fault("delete", Malformed(), times=2),), before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-no-resources", DELETE, Point.DELETE, "2xx without resources, although it was done", NOTHING_AT_ALL,
        (Fault("delete", NoResources()),), before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-404", DELETE, Point.DELETE, "404: it is gone already", NOTHING_AT_ALL, before=Before.APPLIED_GONE,
        properties=PURGE, falcon={}
    ),
    Row(
        "delete-401-once", DELETE, Point.DELETE, "401: the token expired meanwhile", NOTHING,
        (Fault("delete", unauthorized(), times=1),), before=Before.APPLIED, properties=PURGE, falcon={}
    ),
    Row(
        "delete-500-always", DELETE, Point.DELETE, "500 in one Region, always", PURGE_AGAIN,
        (Fault("delete", Status(500), region=B),), before=Before.APPLIED, properties=PURGE, remaining=40,
        status="FAILED", reason="1 Region failed: eu-west-1.*HTTP 500.*Delete the stack again", falcon={B: SAME},
        applied=True
    ),
    Row(
        "delete-errors-in-200", DELETE, Point.DELETE, "200 with errors[]", PURGE_AGAIN,
        (Fault("delete", ErrorsInSuccess(), region=B),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="1 Region failed: eu-west-1.*an invented failure.*Delete the stack again", falcon={B: SAME},
        applied=True
    ),
    Row(
        "delete-403", DELETE, Point.DELETE, "403: the scope WRITE is missing", PURGE_AGAIN,
        (Fault("delete", missing_scope()),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Image: WRITE.*Delete the stack again", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "delete-keep-nothing-works", DELETE, Point.ALL,
        "nothing works, secret and state are gone (DeleteConnections=Keep)", NOTHING_AT_ALL,
        (Fault("any", Hang()), AwsFault("GetSecretValue", code="ResourceNotFoundException")), before=Before.APPLIED,
        state="", falcon=BOTH_SAME, state_left="as it was", persists=True, within=8
    ),
    Row(
        "unfinished-removed", DELETE, Point.DELETE, "500, once", NOTHING, (Fault("delete", Status(500), times=1),),
        before=Before.UNFINISHED, falcon={}
    ),
    Row(
        "unfinished-500-always", DELETE, Point.DELETE, "500, always", "Delete the stack again.",
        (Fault("delete", Status(500)),), before=Before.UNFINISHED, remaining=38, status="FAILED",
        reason="1 Region failed: us-east-1.*HTTP 500.*Delete the stack again", falcon={A: SAME}, unfinished=(A,)
    ),
)

AWS = (
    Row(
        "secret-missing", CREATE, Point.SECRET, "the secret is gone", SECRET, secret="", status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read: ResourceNotFoundException", falcon={}, persists=True
    ),
    Row(
        "secret-denied", CREATE, Point.SECRET, "access to the secret is denied", SECRET, (denied("GetSecretValue"),),
        status="FAILED", reason="secret falcon-AbCdEf is missing or cannot be read: AccessDenied", falcon={},
        persists=True
    ),
    Row(
        "secret-not-json", CREATE, Point.SECRET, "the secret is not JSON", SECRET, secret="simulated-client-secret",
        status="FAILED", reason="secret falcon-AbCdEf is not JSON", falcon={}
    ),
    Row(
        "secret-not-an-object", CREATE, Point.SECRET, "the secret is JSON, but no object", SECRET,
        secret='["simulated-client-secret"]', status="FAILED", reason="secret falcon-AbCdEf is not a JSON object",
        falcon={}, listed=False
    ),
    Row(
        "secret-without-key", CREATE, Point.SECRET, "the secret lacks a key", SECRET,
        secret='{"FalconClientId": "simulated-client-id", "Secret": "simulated-client-secret"}', status="FAILED",
        reason="secret falcon-AbCdEf has no FalconSecret", falcon={}
    ),
    Row(
        "secret-throttled-thrice", CREATE, Point.SECRET, "throttled three times", NOTHING,
        (throttled("GetSecretValue", 3),)
    ),
    Row(
        "secret-throttled-always", CREATE, Point.SECRET, "throttled, always", AWS_LATER,
        (throttled("GetSecretValue"),), status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read: ThrottlingException", falcon={}, within=25
    ),
    Row(
        "secret-reset-once", CREATE, Point.SECRET, "the connection breaks once", NOTHING,
        (AwsFault("GetSecretValue", "reset", times=1),)
    ),
    Row(
        "secret-malformed", CREATE, Point.SECRET, "an answer that cannot be understood", AWS_LATER,
        (AwsFault("GetSecretValue", "text", status=200, text="<html>"),), status="FAILED",
        reason="secret falcon-AbCdEf", falcon={}
    ),
    Row(
        "update-secret-denied", UPDATE, Point.SECRET, "access to the secret is denied", SECRET,
        (denied("GetSecretValue"),), before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read: AccessDenied", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-secret-missing", DELETE, Point.SECRET, "the secret is gone", PURGE_AGAIN, secret="",
        before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="secret falcon-AbCdEf is missing or cannot be read.*Delete the stack again, or retain",
        falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-keep-secret-denied", DELETE, Point.SECRET, "access to the secret is denied (DeleteConnections=Keep)",
        NOTHING_AT_ALL, (denied("GetSecretValue"),), before=Before.APPLIED, falcon=BOTH_SAME, applied=True,
        persists=True
    ),
    Row(
        "regions-denied", CREATE, Point.REGIONS, "ec2:DescribeRegions is denied", DENIED, (denied("DescribeRegions"),),
        status="FAILED", reason="Regions cannot be listed \\(ec2:DescribeRegions\\): UnauthorizedOperation", falcon={},
        persists=True
    ),
    Row(
        "regions-denied-by-organization", CREATE, Point.REGIONS, "an SCP denies ec2:DescribeRegions", DENIED,
        (denied("DescribeRegions", "with an explicit deny in a service control policy"),), status="FAILED",
        reason="DescribeRegions.*by a service control policy", falcon={}
    ),
    Row(
        "regions-throttled-thrice", CREATE, Point.REGIONS, "throttled three times", NOTHING,
        (throttled("DescribeRegions", 3),)
    ),
    Row(
        "regions-malformed", CREATE, Point.REGIONS, "an answer that cannot be understood", AWS_LATER,
        (AwsFault("DescribeRegions", "text", status=200, text="{}"),), status="FAILED",
        reason="Regions cannot be listed", falcon={}
    ),
    Row(
        "regions-none", CREATE, Point.REGIONS, "AWS lists no Regions", AWS_LATER,
        (AwsFault("DescribeRegions", "text", status=200, text="<DescribeRegionsResponse/>"),), status="FAILED",
        reason="Regions", falcon={}
    ),
    Row(
        "update-regions-denied", UPDATE, Point.REGIONS, "ec2:DescribeRegions is denied", DENIED,
        (denied("DescribeRegions"),), before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="ec2:DescribeRegions", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "ecr-hangs", CREATE, Point.ECR, "ECR does not answer in one of the Regions", NOTHING_AT_ALL,
        (AwsFault("DescribeRepositories", "hang"),), remaining=70, within=30
    ),
    Row(
        "ecr-denied", CREATE, Point.ECR, "ecr:DescribeRepositories is denied by the permissions boundary",
        NOTHING_AT_ALL, (denied("DescribeRepositories"),)
    ),
    Row(
        "logs-denied", CREATE, Point.LOGS, "the log's retention cannot be set",
        "Set the retention of the log group by hand.", (denied("PutRetentionPolicy"),),
        says="The retention of .* cannot be set"
    ),
    Row(
        "logs-hang", CREATE, Point.LOGS, "CloudWatch Logs does not answer",
        "Set the retention of the log group by hand.", (AwsFault("CreateLogGroup", "hang"),), remaining=80, within=25
    ),
)

STATES = (
    Row(
        "state-missing", CREATE, Point.STATE_READ, "the state parameter is gone", ANEW, state="", status="FAILED",
        reason="state /falcon-ecr/state cannot be read: ParameterNotFound", falcon={}, state_left="as it was",
        repair="{}"
    ),
    Row(
        "state-denied", CREATE, Point.STATE_READ, "reading the state is denied", DENIED, (denied("GetParameter"),),
        status="FAILED", reason="state /falcon-ecr/state cannot be read: AccessDenied", falcon={},
        state_left="as it was"
    ),
    Row(
        "state-throttled-thrice", CREATE, Point.STATE_READ, "throttled three times", NOTHING,
        (throttled("GetParameter", 3),)
    ),
    Row(
        "state-malformed", CREATE, Point.STATE_READ, "the state is not what this package writes", ANEW,
        state='{"run": {}, "connections": ["simulated"]}', status="FAILED",
        reason="state parameter holds what this package did not write.*set its value to {}", falcon={},
        state_left="as it was", repair="{}"
    ),
    Row(
        "state-not-json", UPDATE, Point.STATE_READ, "the state is not JSON", STATE, state="x" * 100,
        before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="state parameter holds what this package did not write.*set its value to {}", falcon=BOTH_SAME,
        state_left="as it was", repair="{}"
    ),
    Row(
        "state-deep", UPDATE, Point.STATE_READ, "the state is nested without end", STATE, state="[" * 4000,
        before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="state parameter holds what this package did not write.*set its value to {}", falcon=BOTH_SAME,
        state_left="as it was", repair="{}", listed=False
    ),
    Row(
        "state-of-the-future", UPDATE, Point.STATE_READ, "a newer package wrote the state", NEWER,
        state='{"format": 2, "settings": {}}', before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="state is of format 2, written by a newer package: set S3Key", falcon=BOTH_SAME, state_left="as it was",
        repair="{}"
    ),
    Row(
        "state-empty", UPDATE, Point.STATE_READ, "the state was emptied", "Nothing: what exists is found again.",
        state="{}", before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET
    ),
    Row(
        "state-missing-on-update", UPDATE, Point.STATE_READ, "the state parameter is gone",
        "Nothing: what exists is found again.", state="", before=Before.APPLIED, properties=REPORT, falcon=BOTH_SET
    ),
    Row(
        "state-too-large", UPDATE, Point.STATE_WRITE, "the state would be too large", STATE,
        state=FULL_STATE,
        before=Before.APPLIED, properties=WIDER, status="FAILED",
        reason="state would be [0-9]+ characters; a parameter holds 4096", falcon=BOTH_SAME, state_left="as it was",
        repair="{}"
    ),
    Row(
        "delete-state-missing", DELETE, Point.STATE_READ, "the state parameter is gone", PURGE_AGAIN, state="",
        before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="state /falcon-ecr/state cannot be read.*Delete the stack again", falcon=BOTH_SAME,
        state_left="as it was", repair="{}", next_falcon=BOTH_SAME
    ),
    Row(
        "delete-state-malformed", DELETE, Point.STATE_READ, "the state is not JSON", KEPT, state="x",
        before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="state parameter holds what this package did not write", falcon=BOTH_SAME, state_left="as it was",
        repair="{}", next_falcon=BOTH_SAME
    ),
    Row(
        "delete-keep-state-denied", DELETE, Point.STATE_READ, "reading the state is denied (DeleteConnections=Keep)",
        NOTHING_AT_ALL, (denied("GetParameter"),), before=Before.APPLIED, falcon=BOTH_SAME, state_left="as it was",
        persists=True
    ),
    Row(
        "delete-keep-state-of-the-future", DELETE, Point.STATE_READ,
        "a newer package wrote the state (DeleteConnections=Keep)", NOTHING_AT_ALL, state='{"format": 2}',
        before=Before.APPLIED, falcon=BOTH_SAME, state_left="as it was"
    ),
    Row(
        "state-write-denied", CREATE, Point.STATE_WRITE, "writing the state is denied", DENIED,
        (denied("PutParameter"),), status="FAILED", reason="state /falcon-ecr/state cannot be written: AccessDenied",
        falcon={}, state_left="as it was", persists=True
    ),
    Row(
        "state-write-denied-at-the-end", CREATE, Point.STATE_WRITE,
        "writing the state is denied once the connections are made", DENIED,
        (AwsFault("PutParameter", code="AccessDeniedException", skip=1),), status="FAILED",
        reason="state /falcon-ecr/state cannot be written: AccessDenied", falcon={}, state_left="readable"
    ),
    Row(
        "update-state-write-denied-at-the-end", UPDATE, Point.STATE_WRITE,
        "writing the state is denied once a connection is made", DENIED,
        (AwsFault("PutParameter", code="AccessDeniedException", skip=1),), before=Before.APPLIED, properties=WIDER,
        status="FAILED", reason="state /falcon-ecr/state cannot be written: AccessDenied",
        falcon={**BOTH_SAME, C: MADE}, managed=(A, B), applied=True
    ),
    Row(
        "update-state-write-denied-new-role", UPDATE, Point.STATE_WRITE,
        "writing the state is denied once the new role is set", DENIED,
        (AwsFault("PutParameter", code="AccessDeniedException", skip=1),), before=Before.APPLIED, properties=NEW_ROLE,
        status="FAILED", reason="state /falcon-ecr/state cannot be written: AccessDenied", falcon=BOTH_SET,
        applied=True
    ),
    Row(
        "delete-state-write-denied", DELETE, Point.STATE_WRITE, "writing the state is denied", DENIED,
        (denied("PutParameter"),), before=Before.APPLIED, properties=PURGE, status="FAILED",
        reason="state /falcon-ecr/state cannot be written: AccessDenied.*Delete the stack again", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "delete-state-write-denied-at-the-end", DELETE, Point.STATE_WRITE,
        "writing the state is denied once the connections are removed", "Delete the stack again.",
        (AwsFault("PutParameter", code="AccessDeniedException", skip=1),), before=Before.APPLIED, properties=PURGE,
        status="FAILED", reason="state /falcon-ecr/state cannot be written: AccessDenied.*Delete the stack again",
        falcon={}, state_left="stale"
    ),
    Row(
        "state-write-throttled-thrice", CREATE, Point.STATE_WRITE, "throttled three times", NOTHING,
        (throttled("PutParameter", 3),)
    ),
    Row(
        "state-write-throttled-always", CREATE, Point.STATE_WRITE, "throttled, always", AWS_LATER,
        (throttled("PutParameter"),), status="FAILED",
        reason="state /falcon-ecr/state cannot be written: ThrottlingException", falcon={}, state_left="as it was",
        within=40
    ),
    Row(
        "state-write-lost", CREATE, Point.STATE_WRITE, "the answer is lost, although the state was written", NOTHING,
        (AwsFault("PutParameter", "lost", times=1), AwsFault("PutParameter", "lost", times=1, skip=1))
    ),
    Row(
        "state-overtaken-at-the-start", CREATE, Point.STATE_WRITE, "somebody else writes the state at the same moment",
        NOTHING_AT_ALL, (AwsFault("PutParameter", "overtaken", times=1),)
    ),
    Row(
        "update-state-overtaken-at-the-end", UPDATE, Point.STATE_WRITE,
        "somebody else writes the state while connections are made", NOTHING_AT_ALL,
        (AwsFault("PutParameter", "overtaken", times=1, skip=1),), before=Before.APPLIED, properties=WIDER,
        falcon={**BOTH_SAME, C: MADE}
    ),
)

ANSWERS = (
    Row("answer-500-once", CREATE, Point.ANSWER, "500, once", NOTHING, (Refusal(),)),
    Row(
        "answer-500-thrice", CREATE, Point.ANSWER, "500, 503 and 403, then 200", NOTHING,
        (Refusal(), Refusal(status=503), Refusal(status=403))
    ),
    Row("answer-reset-once", CREATE, Point.ANSWER, "the connection breaks once", NOTHING, (Refusal("reset"),)),
    Row("answer-hang-once", CREATE, Point.ANSWER, "no answer within 5 s, once", NOTHING, (Refusal("hang"),)),
    Row(
        "answer-drips-once", CREATE, Point.ANSWER, "an answer that comes byte by byte, once", NOTHING,
        (Refusal("drip"),)
    ),
    Row(
        "answer-redirected-once", CREATE, Point.ANSWER, "a redirect to another host, which is not followed", NOTHING,
        (Refusal("redirect", location="https://localhost:9/elsewhere"),)
    ),
    Row(
        "answer-500-of-a-failure", CREATE, Point.ANSWER, "500, once, and the launch had failed", SCOPE,
        (Refusal(), Fault("create", missing_scope())), status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Falcon Container Image: WRITE", falcon={}
    ),
    Row(
        "answer-never-taken", CREATE, Point.ANSWER, "no answer is taken at all", ANSWERLESS, (Refusal(),) * 99,
        remaining=35, status="none", applied=True, says="CloudFormation did not take the answer", within=40
    ),
    Row(
        "update-answer-reset-once", UPDATE, Point.ANSWER, "the connection breaks once", NOTHING, (Refusal("reset"),),
        before=Before.APPLIED, properties=WIDER, falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "delete-answer-500-once", DELETE, Point.ANSWER, "500, once", NOTHING, (Refusal(),), before=Before.APPLIED,
        properties=PURGE, falcon={}
    ),
)

DELIVERIES = (
    Row(
        "create-delivered-again", CREATE, Point.DELIVERY, "the same event comes twice", NOTHING_AT_ALL,
        delivered="again"
    ),
    Row(
        "create-delivered-at-once", CREATE, Point.DELIVERY, "the same event comes twice at the same time",
        NOTHING_AT_ALL, delivered="at once"
    ),
    Row(
        "failed-create-delivered-again", CREATE, Point.DELIVERY, "the same event comes twice, and had failed", SCOPE,
        (Fault("create", missing_scope(), times=2),), delivered="again", status="FAILED",
        reason="2 Regions failed: eu-west-1, us-east-1.*Falcon Container Image: WRITE", falcon={}
    ),
    Row(
        "failed-create-delivered-at-once", CREATE, Point.DELIVERY,
        "the same event comes twice at the same time, and fails", SCOPE, (Fault("create", Status(422), region=B),),
        delivered="at once", status="FAILED", reason="1 Region failed: eu-west-1.*HTTP 422", falcon={}
    ),
    Row(
        "update-delivered-again", UPDATE, Point.DELIVERY, "the same event comes twice", NOTHING_AT_ALL,
        before=Before.APPLIED, properties=WIDER, delivered="again", falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "update-delivered-at-once", UPDATE, Point.DELIVERY, "the same event comes twice at the same time",
        NOTHING_AT_ALL, before=Before.APPLIED, properties=WIDER, delivered="at once", falcon={**BOTH_SAME, C: MADE}
    ),
    Row(
        "delete-delivered-again", DELETE, Point.DELIVERY, "the same event comes twice", NOTHING_AT_ALL,
        before=Before.APPLIED, properties=PURGE, delivered="again", falcon={}
    ),
    Row(
        "delete-delivered-at-once", DELETE, Point.DELIVERY, "the same event comes twice at the same time",
        NOTHING_AT_ALL, before=Before.APPLIED, properties=PURGE, delivered="at once", falcon={}
    ),
    Row(
        "create-beside-another-stack", CREATE, Point.DELIVERY,
        "another stack of this account manages the same Regions",
        "Launch one stack in an account only: the later one takes the connections over.", before=Before.OTHER_STACK,
        properties=NEW_ROLE, falcon=BOTH_SET
    ),
    Row(
        "failed-create-beside-another-stack", CREATE, Point.DELIVERY,
        "another stack manages some Regions, and a new one is refused", LATER,
        (Fault("create", Status(422), region=C),), before=Before.OTHER_STACK, properties={**WIDER, **NEW_ROLE},
        status="FAILED", reason="First cause \\(ap-south-1\\): HTTP 422", falcon=BOTH_SAME, managed=()
    ),
    Row(
        "create-beside-a-launch-at-work", CREATE, Point.DELIVERY,
        "another stack of this account is launched for the same Regions at the same time",
        "Launch one stack in an account only: the later one takes the connections over.", before=Before.OTHER_RUNNING,
        remaining=90, within=45
    ),
    Row(
        "delete-of-a-launch-that-never-answered", DELETE, Point.DELIVERY,
        "the function died in the middle of a launch: the Delete has an id that CloudFormation made up",
        NOTHING_AT_ALL, before=Before.KILLED, physical_id="made up", properties=WIDER, falcon={}, within=30
    ),
    Row(
        "delete-of-a-launch-that-never-answered-500", DELETE, Point.DELIVERY,
        "the function died in the middle of a launch, and Falcon does not work", "Delete the stack again.",
        (Fault("list", Status(500)),), before=Before.KILLED, physical_id="made up", properties=WIDER, remaining=45,
        status="FAILED", reason="HTTP 500.*Delete the stack again", falcon={A: SAME, B: SAME, C: SAME}, managed=()
    ),
    Row(
        "delete-while-the-launch-is-at-work", DELETE, Point.DELIVERY, "a launch is cancelled while it is at work",
        NOTHING_AT_ALL, before=Before.RUNNING, physical_id="made up", remaining=90, within=60, falcon={}
    ),
    Row(
        "delete-with-a-foreign-id", DELETE, Point.DELIVERY, "a Delete has an id that is not ours", NOTHING_AT_ALL,
        before=Before.APPLIED, properties=PURGE, physical_id="made up", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "delete-of-the-original-solution", DELETE, Point.DELIVERY,
        "the trigger of the original solution is deleted by an upgrade", NOTHING_AT_ALL, before=Before.APPLIED,
        properties=PURGE, physical_id="original", resource_type="Custom::TriggerLambda", falcon=BOTH_SAME, applied=True
    ),
    Row(
        "create-without-time", CREATE, Point.DELIVERY, "the function has no time left", "Try again.", remaining=25,
        status="FAILED", reason="time", falcon={}
    ),
    Row(
        "update-without-time", UPDATE, Point.DELIVERY, "the function has no time left", "Try again.",
        before=Before.APPLIED, properties=WIDER, remaining=25, status="FAILED", reason="time", falcon=BOTH_SAME,
        applied=True
    ),
    Row(
        "delete-without-time", DELETE, Point.DELIVERY, "the function has no time left", PURGE_AGAIN,
        before=Before.APPLIED, properties=PURGE, remaining=25, status="FAILED", reason="time.*Delete the stack again",
        falcon=BOTH_SAME, applied=True
    ),
)

# fmt: on

MATRIX: tuple[Row, ...] = (
    *TOKEN,
    *CREATES,
    *LISTS,
    *PATCHES,
    *READS,
    *DELETES,
    *AWS,
    *STATES,
    *ANSWERS,
    *DELIVERIES,
)
