"""CrowdStrike Falcon's API as far as this project uses it, over TLS on the loopback interface.

    with FalconSimulator(authority) as falcon:
        falcon.arm(Fault("create", Throttled(wait=2), times=1))
        ...
        assert falcon.journal.count("create") == 2

`RemoteSimulator` runs it in a process of its own.
"""

from tests.simulator.behaviour import NEVER, Behaviour
from tests.simulator.clouds import COMMERCIAL, GOVERNMENT, HOSTS
from tests.simulator.connection import Connection
from tests.simulator.effects import (
    HOSTILE,
    Altered,
    Echo,
    Effect,
    ErrorsInSuccess,
    Hang,
    Headers,
    Html,
    Huge,
    Malformed,
    NoResources,
    Redirect,
    Reset,
    SlowBody,
    SlowHeaders,
    Status,
    Throttled,
    Truncated,
    WrongTypes,
    conflict,
    missing_scope,
    not_found,
    unauthorized,
)
from tests.simulator.faults import Fault
from tests.simulator.remote import RemoteSimulator
from tests.simulator.simulator import CLIENT_ID, CLIENT_SECRET, FalconSimulator

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "COMMERCIAL",
    "GOVERNMENT",
    "HOSTILE",
    "HOSTS",
    "NEVER",
    "Altered",
    "Behaviour",
    "Connection",
    "Echo",
    "Effect",
    "ErrorsInSuccess",
    "FalconSimulator",
    "Fault",
    "Hang",
    "Headers",
    "Html",
    "Huge",
    "Malformed",
    "NoResources",
    "Redirect",
    "RemoteSimulator",
    "Reset",
    "SlowBody",
    "SlowHeaders",
    "Status",
    "Throttled",
    "Truncated",
    "WrongTypes",
    "conflict",
    "missing_scope",
    "not_found",
    "unauthorized",
]
