"""The one PUT that tells CloudFormation how it went.

crhelper composes the answer; its own sender has no timeout, takes any HTTP status for success and never gives up.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final

SEND_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0


def put(url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
    """Send the answer until it is taken, while `left` (seconds) allows; return whether it was.

    The URL is a credential: nothing of it is logged or raised.
    """
    while left() > 0:
        request = urllib.request.Request(  # noqa: S310 - the handler refuses other schemes than https
            url, json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
        )
        try:
            with urllib.request.urlopen(request, timeout=max(min(SEND_SECONDS, left()), 0.1)):  # noqa: S310
                return True
        except (OSError, HTTPException, ValueError):  # no connection, no time, or a status that is not a success
            time.sleep(min(PAUSE_SECONDS, max(left(), 0)))
    return False
