"""What one row of the fault matrix says, as types. The rows themselves are in `matrix`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from registry_connections.core.model import Identity
from tests.simulator import Fault

A, B, C, D = "us-east-1", "eu-west-1", "ap-south-1", "sa-east-1"
"""A stack wants the first two unless a row says otherwise."""
ENABLED = (A, B, C, D)
DISABLED = "me-south-1"

ACCOUNT = "111122223333"
EXTERNAL_ID = "invented-external-id"
"""The template takes the stack's UUID; another value shows where it turns up."""
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-other"


def identity(uuid: str) -> Identity:
    stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/falcon-ecr/{uuid}"
    role = f"arn:aws:iam::{ACCOUNT}:role/CrowdStrikeECRConnectionRole-{uuid[:8]}"
    return Identity(ACCOUNT, "aws", "amazonaws.com", stack, role, EXTERNAL_ID)


OURS = identity("1a2b3c4d-1111-4111-8111-111111111111")
OTHER = identity("5e6f7a8b-2222-4222-8222-222222222222")

PHYSICAL_ID = f"falcon-ecr-{OURS.uuid}"
MADE_UP = "falcon-ecr-RegistryConnections-1A2B3C4D5E6F"
"""What CloudFormation gives a resource whose Create never responded."""

USUAL: Mapping[str, str] = {"Regions": f"{A},{B}"}
"""The properties of the stack, as the template passes them."""


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
    RECORD_READ = "Record: read"
    RECORD_WRITE = "Record: write"
    LOGS = "Log retention"
    ECR = "ECR"
    RESPONSE = "Response to CloudFormation"
    DELIVERY = "Delivery of events"


class Before(StrEnum):
    """What there is when the event comes."""

    NOTHING = "nothing"
    APPLIED = "the stack manages A and B"
    APPLIED_GONE = "the stack manages A and B, but somebody removed B's connection"
    APPLIED_FOUND = "the stack manages A and B, and somebody else connected C, with another role"
    FOUND = "A and B are connected by somebody else, with another role"
    KILLED = "a Create of A, B and C died: two were made, of the third only the response was lost"
    RUNNING = "a Create is at work in another container"
    OTHER_STACK = "another stack of this account manages A and B"


class Have(StrEnum):
    """What Falcon has for a Region afterwards."""

    MADE = "made: new, with the stack's role"
    SET = "set: the same as before, with the stack's role now"
    SAME = "same: exactly as before"


BOTH: Mapping[str, Have] = {A: Have.MADE, B: Have.MADE}

WIDER = {"Regions": f"{A},{B},{C}"}


@dataclass(frozen=True)
class Row:
    """One fault at one point, and everything that must come of it."""

    name: str
    event: Event
    point: Point
    fault: str  # in the operator's words
    do: str  # what the operator does about it
    faults: tuple[Fault, ...] = ()
    behaviour: Mapping[str, object] = field(default_factory=dict)  # switches of the Falcon simulator
    before: Before = Before.NOTHING
    properties: Mapping[str, Any] = field(default_factory=dict)
    """What the event's properties differ in from the usual ones (for an Update, from the old ones)."""
    secret: str | None = None  # the secret's text, if it is not the usual one
    record: str | None = None  # the record's text, if it is not what `before` says; empty means that there is none
    held: str = ""  # the physical id that CloudFormation holds; that of the event unless said otherwise
    changes: Mapping[str, Any] = field(default_factory=dict)  # other fields of the event
    delivered: Literal["once", "again", "at once", "late"] = "once"  # late: after the rollback that follows it
    remaining: float = 60.0  # seconds that the invocation has; its work ends 30 s before

    status: Literal["SUCCESS", "FAILED", "none"] = "SUCCESS"  # the response; "none" if CloudFormation never takes one
    reason: str = ""  # a regular expression that the reason of a failure contains
    falcon: Mapping[str, Have] = field(default_factory=lambda: BOTH)
    """What Falcon holds of this account afterwards; nothing else of it may be there."""
    left_out: set[str] = field(default_factory=set)
    """Regions that are skipped, whatever the properties say."""
    managed: tuple[str, ...] | None = None
    """The Regions in the record afterwards; without it, those of `falcon` after a success, and else those before."""
    dirty: bool = False  # whether the record says that Falcon may differ from it
    compared: bool = True  # whether the record afterwards is compared at all
    says: str = ""  # a regular expression that the log contains
    listed: bool = True  # whether the row is in the table for operators

    @property
    def wanted(self) -> set[str]:
        """The Regions that the event's properties ask for, without those that cannot be had."""
        return set((str({**USUAL, **self.properties}["Regions"]) or ",".join(ENABLED)).split(",")) - self.left_out
