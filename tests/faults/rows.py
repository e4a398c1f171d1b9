"""What one row of the fault matrix says, as types. The rows themselves are in `matrix`, `hostile` and `deadline`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from tests.faults.aws_stub import AwsFault
from tests.faults.cloudformation import Refusal
from tests.simulator import Fault

A, B, C, D = "us-east-1", "eu-west-1", "ap-south-1", "sa-east-1"
"""The Regions that the account has enabled; a stack wants the first two unless a row says otherwise."""
DISABLED = "me-south-1"
ELSEWHERE = "https://elsewhere.example"
"""Stands for another host in redirects; a server that must get nothing."""

ACCOUNT = "111122223333"
EXTERNAL_ID = "invented-external-id"
"""The template takes the stack's UUID; another value shows where it turns up."""
ROLE = f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-ours"
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-other"

USUAL: Mapping[str, str] = {
    "AccountId": ACCOUNT,
    "Partition": "aws",
    "UrlSuffix": "amazonaws.com",
    "ConnectionRoleArn": ROLE,
    "ExternalId": EXTERNAL_ID,
    "Regions": f"{A},{B}",
}
"""The properties of the stack, as the template passes them."""

AnyFault = Fault | AwsFault | Refusal


class Event(StrEnum):
    """What CloudFormation asks for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Point(StrEnum):
    """Where a fault strikes."""

    TOKEN = "Falcon: token"
    CREATE = "Falcon: create"
    PATCH = "Falcon: update"
    READ = "Falcon: read"
    LIST = "Falcon: list"
    DELETE = "Falcon: delete"
    ALL = "Falcon: every call"
    SECRET = "Secret"
    REGIONS = "Regions"
    STATE_READ = "State: read"
    STATE_WRITE = "State: write"
    LOGS = "Log retention"
    ECR = "ECR"
    ANSWER = "Answer to CloudFormation"
    DELIVERY = "Delivery of events"


class Before(StrEnum):
    """What there is when the event comes."""

    NOTHING = "nothing"
    APPLIED = "the stack manages A and B"
    APPLIED_GONE = "the stack manages A and B, but somebody removed B's connection"
    APPLIED_FOUND = "the stack manages A and B, and somebody else connected C, with another role"
    FOUND = "A and B are connected by somebody else, with another role"
    FOUND_ONE = "A is connected by somebody else, with another role"
    UNFINISHED = "a failed Create left A behind, and says so in the state"
    KILLED = "a Create of A, B and C died: two were made, of the third only the answer was lost"
    RUNNING = "a Create is at work in another container"
    OTHER_RUNNING = "a Create of another stack is at work, for the same Regions"
    OTHER_STACK = "another stack of this account manages A and B"


class Have(StrEnum):
    """What Falcon has for a Region afterwards."""

    MADE = "made: new, with the stack's role"
    SET = "set: the same as before, with the stack's role now"
    SAME = "same: exactly as before"


BOTH: Mapping[str, Have] = {A: Have.MADE, B: Have.MADE}
BOTH_SAME: Mapping[str, Have] = {A: Have.SAME, B: Have.SAME}
BOTH_SET: Mapping[str, Have] = {A: Have.SET, B: Have.SET}

WIDER = {"Regions": f"{A},{B},{C}"}
WIDEST = {"Regions": f"{A},{B},{C},{D}"}
NARROWER = {"Regions": A, "DeleteConnections": "Stack"}
NEW_ROLE = {"ConnectionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-new"}
PURGE = {"DeleteConnections": "Stack"}
PURGE_ACCOUNT = {"DeleteConnections": "Account"}
REPORT = {"OnRegionFailure": "Report"}


@dataclass(frozen=True)
class Row:
    """One fault at one point, and everything that must come of it."""

    name: str
    event: Event
    point: Point
    fault: str
    """In the operator's words."""
    do: str
    """What the operator does about it."""
    faults: tuple[AnyFault, ...] = ()
    behaviour: Mapping[str, object] = field(default_factory=dict)
    """Switches of the Falcon simulator."""
    before: Before = Before.NOTHING
    properties: Mapping[str, Any] = field(default_factory=dict)
    """What the event's properties differ in from the usual ones (for an Update, from the old ones)."""
    secret: str | None = None
    """The secret's text, if it is not the usual one."""
    state: str | None = None
    """The state's text, if it is not what `before` says; empty means that the parameter is missing."""
    regions: tuple[str, ...] = (A, B, C, D)
    """The Regions that the account has enabled."""
    physical_id: Literal["ours", "made up", "original"] = "ours"
    resource_type: str = "Custom::FalconRegistryConnections"
    delivered: Literal["once", "again", "at once"] = "once"
    vanishes: str = ""
    """A Region whose connection somebody removes while the first update of a connection is under way."""
    remaining: float = 60.0
    """Seconds that the invocation has; its work ends 30 s before."""

    status: Literal["SUCCESS", "FAILED", "none"] = "SUCCESS"
    """The answer; "none" if CloudFormation never takes one."""
    reason: str = ""
    """A regular expression that the reason of a failure contains."""
    falcon: Mapping[str, Have] = field(default_factory=lambda: BOTH)
    """What Falcon holds of this account afterwards; nothing else of it may be there."""
    managed: tuple[str, ...] | None = None
    """The Regions in the state afterwards; those of `falcon` unless said otherwise. None at all if it is unreadable."""
    unfinished: tuple[str, ...] = ()
    applied: bool | None = None
    """Whether the state says that settings were applied; after a success they were, unless said otherwise."""
    state_left: Literal["readable", "as it was", "stale"] = "readable"
    """Whether it can be compared; "stale" if it still names what is gone."""
    keeps: tuple[str, ...] = ()
    """Regions that stay connected, with the usual role, when CloudFormation rolls back."""
    within: float = 20.0
    """Seconds until the answer at most."""
    says: str = ""
    """A regular expression that the log contains."""
    persists: bool = False
    """Whether the fault is still there when CloudFormation rolls back."""
    repair: str | None = None
    """What the operator sets the state to before the next attempt."""
    next_falcon: Mapping[str, Have] | None = None
    """What Falcon holds once the next attempts have ended, if that is not plain from the event."""
    can_succeed: bool = True
    """Whether the same event succeeds once the fault is gone; its properties may be what is wrong."""
    container: Literal["warm", "fresh"] = "warm"
    listed: bool = True
    """Whether the row is in the README's table."""

    @property
    def is_slow(self) -> bool:
        """Whether something hangs, so that threads are left behind in the container."""
        return any(_hangs(fault) for fault in self.faults) or self.container == "fresh"


def _hangs(fault: AnyFault) -> bool:
    if isinstance(fault, Fault):
        return type(fault.effect).__name__ in {"Hang", "SlowBody", "SlowHeaders", "Huge"}
    return fault.kind in {"hang", "drip", "huge"}
