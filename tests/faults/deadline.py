"""Whatever hangs, the answer comes in time and says what is missing. `tests/test_deadline.py` runs these rows.

Each has a minute, of which the last thirty seconds are for writing the state and the answer.
"""

from typing import Any

from tests.faults.aws_stub import AwsFault
from tests.faults.cloudformation import Refusal
from tests.faults.rows import (
    BOTH,
    BOTH_SAME,
    NARROWER,
    NEW_ROLE,
    PURGE,
    PURGE_ACCOUNT,
    WIDER,
    A,
    AnyFault,
    B,
    Before,
    C,
    Event,
    Have,
    Point,
    Row,
)
from tests.simulator import Fault, Hang, SlowBody, SlowHeaders, Status

MINUTE = 60.0
SPARE = 5.0  # seconds that must be left when the answer is there
CREATE, UPDATE, DELETE = Event.CREATE, Event.UPDATE, Event.DELETE
NO_ANSWER = "no answer"
AGAIN = "Try again once the service answers."
MANY_REGIONS = tuple(f"us-{side}-{n}" for side in ("north", "south", "central") for n in range(1, 13))


def _row(name: str, event: Event, point: Point, faults: tuple[AnyFault, ...], reason: str, **rest: Any) -> Row:
    usual: dict[str, Any] = {"remaining": MINUTE, "within": MINUTE - SPARE, "status": "FAILED", "reason": reason}
    if event is not CREATE:
        usual |= {"before": Before.APPLIED, "falcon": BOTH_SAME, "applied": True}
    else:
        usual |= {"falcon": {}}
    return Row(name, event, point, name, AGAIN, faults, **(usual | rest))


# A table: each row takes as few lines as it needs.
# fmt: off

DEADLINE: tuple[Row, ...] = (
    _row("deadline-token-hangs", CREATE, Point.TOKEN, (Fault("token", Hang()),), "Falcon login: no answer"),
    _row(
        "deadline-token-headers-drip", CREATE, Point.TOKEN, (Fault("token", SlowHeaders()),),
        "Falcon login: no answer.*nothing was changed"
    ),
    _row("deadline-token-body-drips", CREATE, Point.TOKEN, (Fault("token", SlowBody(0.5)),), "Falcon login: no answer"),
    _row(
        "deadline-creates-hang", CREATE, Point.CREATE, (Fault("create", Hang()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer.*may have been made"
    ),
    _row(
        "deadline-creates-are-done-and-drip", CREATE, Point.CREATE, (Fault("create", SlowHeaders()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer.*may have been made", falcon=BOTH, managed=()
    ),
    _row(
        "deadline-one-create-hangs-and-the-undoing", CREATE, Point.CREATE,
        (Fault("create", Hang(), region=B), Fault("delete", Hang())),
        "1 Region failed: eu-west-1.*Left in Falcon: us-east-1", falcon={A: Have.MADE}, unfinished=(A,)
    ),
    _row(
        "deadline-many-creates-hang", CREATE, Point.CREATE, (Fault("create", Hang()), Fault("list", Hang())),
        "36 Regions failed.*no answer", regions=MANY_REGIONS, properties={"Regions": ""}
    ),
    _row(
        "deadline-many-creates-hang-and-aws", CREATE, Point.CREATE,
        (Fault("create", Hang()), Fault("list", Hang()), AwsFault("PutParameter", "hang", skip=1)), "state",
        regions=MANY_REGIONS, properties={"Regions": ""}
    ),
    _row(
        "deadline-list-hangs", CREATE, Point.LIST, (Fault("list", Hang()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer", before=Before.FOUND, falcon=BOTH_SAME, managed=()
    ),
    _row(
        "deadline-adoptions-hang", CREATE, Point.PATCH, (Fault("update", Hang()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer", before=Before.FOUND, falcon=BOTH_SAME, managed=()
    ),
    _row(
        "deadline-reads-hang", UPDATE, Point.READ, (Fault("read", Hang()),), "no answer.*nothing was changed",
        properties=WIDER
    ),
    _row(
        "deadline-refreshes-hang", UPDATE, Point.PATCH, (Fault("update", Hang()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer", properties=NEW_ROLE
    ),
    _row(
        "deadline-one-new-region-hangs", UPDATE, Point.CREATE, (Fault("create", Hang(applied=True)),),
        "1 Region failed: ap-south-1.*no answer.*may have been made", properties=WIDER,
        falcon={**BOTH_SAME, C: Have.MADE}, managed=(A, B)
    ),
    _row(
        "deadline-removal-hangs", UPDATE, Point.DELETE, (Fault("delete", Hang()),),
        "1 Region failed: eu-west-1.*no answer", properties=NARROWER
    ),
    _row(
        "deadline-deletes-hang", DELETE, Point.DELETE, (Fault("delete", Hang()),),
        "2 Regions failed: eu-west-1, us-east-1.*no answer.*Delete the stack again", properties=PURGE
    ),
    _row(
        "deadline-account-list-hangs", DELETE, Point.LIST, (Fault("list", SlowHeaders()),),
        "Listing connections in Falcon: no answer.*Delete the stack again", properties=PURGE_ACCOUNT
    ),
    _row(
        "deadline-delete-reads-drip", DELETE, Point.READ, (Fault("read", SlowBody(0.5)),),
        "no answer.*Delete the stack again", properties=PURGE
    ),
    _row(
        "deadline-secret-hangs", CREATE, Point.SECRET, (AwsFault("GetSecretValue", "hang"),),
        "secret.*no answer.*nothing was changed"
    ),
    _row(
        "deadline-secret-drips", CREATE, Point.SECRET, (AwsFault("GetSecretValue", "drip"),),
        "secret.*no answer.*nothing was changed"
    ),
    _row(
        "deadline-regions-hang", CREATE, Point.REGIONS, (AwsFault("DescribeRegions", "hang"),),
        "ec2:DescribeRegions.*no answer.*nothing was changed"
    ),
    _row(
        "deadline-state-read-hangs", CREATE, Point.STATE_READ, (AwsFault("GetParameter", "hang"),), "state.*no answer",
        state_left="as it was"
    ),
    _row(
        "deadline-state-write-hangs", CREATE, Point.STATE_WRITE, (AwsFault("PutParameter", "hang"),),
        "state.*no answer", state_left="as it was"
    ),
    _row(
        "deadline-state-write-hangs-at-the-end", CREATE, Point.STATE_WRITE,
        (AwsFault("PutParameter", "hang", skip=1),), "state.*cannot be written.*Left in Falcon: eu-west-1, us-east-1",
        falcon=BOTH, managed=()
    ),
    _row(
        "deadline-delete-state-write-hangs-at-the-end", DELETE, Point.STATE_WRITE,
        (AwsFault("PutParameter", "hang", skip=1),), "state.*(cannot be written|no answer).*Delete the stack again",
        properties=PURGE, falcon={}, state_left="stale"
    ),
    _row(
        "deadline-everything-hangs", CREATE, Point.ALL, (Fault("any", Hang()), AwsFault("any", "hang")), "no answer",
        state_left="as it was"
    ),
    _row(
        "deadline-everything-hangs-on-delete", DELETE, Point.ALL, (Fault("any", Hang()), AwsFault("any", "hang")),
        "no answer.*Delete the stack again", properties=PURGE, state_left="as it was"
    ),
    _row(
        "deadline-everything-hangs-on-keep", DELETE, Point.ALL, (Fault("any", Hang()), AwsFault("any", "hang")), "",
        status="SUCCESS", state_left="as it was"
    ),
    _row(
        "deadline-answer-hangs-too", CREATE, Point.ANSWER,
        (Fault("create", Hang()), Refusal("hang"), Refusal("drip"), Refusal("hang")), "2 Regions failed"
    ),
    _row(
        "deadline-logs-hang", CREATE, Point.LOGS,
        (AwsFault("CreateLogGroup", "hang"), AwsFault("PutRetentionPolicy", "hang")), "", status="SUCCESS", falcon=BOTH
    ),
    _row(
        "deadline-500-and-the-undoing-too", CREATE, Point.ALL,
        (Fault("create", Status(500), region=B), Fault("delete", Status(500))),
        "1 Region failed: eu-west-1.*HTTP 500.*Left in Falcon: us-east-1", falcon={A: Have.MADE}, unfinished=(A,)
    ),
)
