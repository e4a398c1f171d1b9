"""The one PUT that tells CloudFormation how it went.

crhelper composes the answer; its own sender has no timeout, takes any HTTP status for success and never gives up.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from registry_connections.crew import Crew
from registry_connections.model import Deadline

SEND_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
LEFT_BEHIND: Final = 8  # attempts whose answer comes byte by byte, so that no time-out ends them


def put(url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
    """Send the answer until it is taken, while `left` (seconds) allows; return whether it was.

    The URL is a credential: nothing of it is logged or raised.
    """
    content, crew = json.dumps(body).encode(), Crew(LEFT_BEHIND)
    try:
        while (seconds := min(SEND_SECONDS, left())) > 0:
            deadline = Deadline(time.monotonic() + seconds, time.monotonic)
            if crew.begin(lambda: _send(url, content))(deadline) is None:
                return True
            time.sleep(min(PAUSE_SECONDS, max(left(), 0)))
        return False
    finally:
        crew.dismiss()


def _send(url: str, content: bytes) -> None:
    """Send it once; raise whatever urllib raises if there is no connection, no time, or a status of no success."""
    request = urllib.request.Request(url, content, {"Content-Type": ""}, method="PUT")  # noqa: S310 - https: see handler
    with urllib.request.urlopen(request, timeout=SEND_SECONDS):  # noqa: S310 - the same
        pass
