"""The Lambda Runtime API on loopback, for one function process: the half of AWS Lambda that `awslambdaric` talks to.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.server
import json
import queue
import re
import socket
import threading
from dataclasses import dataclass
from typing import Any, Literal

ANSWER_PATH = re.compile(r"/2018-06-01/runtime/invocation/(?P<request_id>[^/]+)/(?P<kind>response|error)")
INIT_ERROR_PATH = "/2018-06-01/runtime/init/error"

Event = tuple[bytes, dict[str, str]]
"""The payload of an invocation, and what the Runtime API sends beside it."""


@dataclass(frozen=True)
class Signal:
    """What the function process told the Runtime API, or what became of it instead."""

    kind: Literal["ready", "init error", "response", "error", "timeout"]
    request_id: str = ""
    payload: Any = None


class RuntimeApi:
    """One process polls for events; `offer` hands it one; `signals` is what it tells us.

    A process that is replaced gets a new RuntimeApi, so that nothing of a dead process reaches its successor.
    """

    def __init__(self) -> None:
        self.signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._closed = False
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._serve, name="runtime-api", daemon=True)
        self._thread.start()

    def offer(self, request_id: str, payload: bytes, deadline: float, function_arn: str) -> None:
        """Hand the process its next event, which it must answer by an epoch second."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn,
            "Content-Type": "application/json",
        }
        self.events.put((payload, headers))

    def close(self) -> None:
        """Stop serving and let the threads go."""
        self._closed = True
        self.events.put(None)
        with socket.create_connection(("127.0.0.1", self._server.server_port), timeout=1):
            pass  # wakes handle_request
        self._thread.join(timeout=5)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closed:
            self._server.handle_request()


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the process was killed while it was served."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        pass

    def do_GET(self) -> None:
        self.server.api.signals.put(Signal("ready"))
        event = self.server.api.events.get()
        if event is None:  # this environment is over
            self._answer(410)
        else:
            self._answer(200, *event)

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = ANSWER_PATH.fullmatch(self.path)
        if self.path == INIT_ERROR_PATH:
            self.server.api.signals.put(Signal("init error", payload=payload))
        elif answer:
            kind: Literal["response", "error"] = "response" if answer["kind"] == "response" else "error"
            self.server.api.signals.put(Signal(kind, answer["request_id"], payload))
        self._answer(202, b'{"status":"OK"}')

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
