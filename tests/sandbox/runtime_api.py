"""The Lambda Runtime API on loopback, for one function process: the half of AWS Lambda that `awslambdaric` talks to.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
from dataclasses import dataclass
from typing import Any, Literal

from tests.simulator.messages import Answer
from tests.simulator.server import Exchange, LocalServer


@dataclass(frozen=True)
class Signal:
    """What the function process told the Runtime API, or what became of it instead."""

    kind: Literal["ready", "response", "error", "timeout"]
    payload: Any = None


class RuntimeApi(LocalServer):
    """One process polls for events; `offer` hands it one; `signals` is what it tells us.

    A process that is replaced gets a new RuntimeApi, so that nothing of a dead process reaches its successor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.address = f"127.0.0.1:{self.port}"
        self.signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def offer(self, request_id: str, payload: bytes, deadline: float, function_arn: str) -> None:
        """Hand the process its next event, which it must answer by an epoch second."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn,
            "Content-Type": "application/json",
        }
        self._events.put(Answer(200, payload, headers))

    def stop(self) -> None:
        """Let the thread go that waits for an event, and end the connection."""
        self._events.put(Answer(410))
        super().stop()

    def handle(self, exchange: Exchange) -> None:
        call = exchange.call
        if call.method == "GET":
            self.signals.put(Signal("ready"))
            exchange.send(self._events.get())
        else:  # the response to an event; or an error, of an event or of the init phase
            self.signals.put(Signal("response" if call.path.endswith("/response") else "error", json.loads(call.body)))
            exchange.send(Answer(202, {"status": "OK"}))
