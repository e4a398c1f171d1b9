"""CrowdStrike Falcon's API as far as this project uses it, over TLS on the loopback interface.

with FalconSimulator(authority) as falcon:
falcon.arm(Fault("create", Throttled(wait=2), times=1))
...
assert falcon.journal.count("create") == 2
"""

from tests.simulator.behaviour import NEVER, Behaviour
from tests.simulator.clouds import COMMERCIAL, GOVERNMENT, HOSTS
from tests.simulator.connection import Connection
from tests.simulator.effects import Echo, Fault, Html, Reset, Status, Throttled, Truncated, missing_scope
from tests.simulator.falcon import CLIENT_ID, CLIENT_SECRET, FalconSimulator

__all__ = [
    "CLIENT_ID", "CLIENT_SECRET", "COMMERCIAL", "GOVERNMENT", "HOSTS", "NEVER", "Behaviour", "Connection", "Echo",
    "FalconSimulator", "Fault", "Html", "Reset", "Status", "Throttled", "Truncated", "missing_scope",
]  # fmt: skip
