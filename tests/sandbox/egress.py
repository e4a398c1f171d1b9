"""EgressProxy: the function's only way out, which leads to simulators on this machine and nowhere else.

    egress = EgressProxy({"api.crowdstrike.com": simulator_port})
    aws.set_function_environment(**egress.environment)
    ...
    assert egress.destinations == {"api.crowdstrike.com"}

The function asks for Falcon by its real names and verifies the certificate for them; nothing of that is faked.
"""

import contextlib
import http.server
import socket
import threading
from collections.abc import Mapping
from typing import Any

NO_PROXY = "localhost,127.0.0.1"  # the local AWS, and the URL that CloudFormation is answered at
CONNECT_SECONDS = 5.0


class EgressProxy(http.server.ThreadingHTTPServer):
    """An HTTPS proxy (CONNECT) on loopback that knows some hosts, refuses the rest, and remembers who was asked for."""

    request_queue_size = 128

    def __init__(self, routes: Mapping[str, int]) -> None:
        """Lead each host to a port of this machine."""
        super().__init__(("127.0.0.1", 0), _Client)
        self.routes = routes
        self.destinations: set[str] = set()
        """The hosts that were asked for, refused ones included."""
        url = f"http://127.0.0.1:{self.server_port}"
        self.environment = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": NO_PROXY}
        """The variables that make HTTP clients use this proxy."""
        threading.Thread(target=self.serve_forever, args=(0.05,), name="egress", daemon=True).start()

    def close(self) -> None:
        """Stop listening; a connection ends with its client or its destination."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client, or its destination, is gone."""


class _Client(http.server.BaseHTTPRequestHandler):
    server: EgressProxy

    def _lead(self) -> None:
        self.close_connection = True
        host = self.path.removesuffix(":443")
        self.server.destinations.add(host)
        if self.command != "CONNECT" or host not in self.server.routes:
            self.send_error(403)
            return
        with socket.create_connection(("127.0.0.1", self.server.routes[host]), CONNECT_SECONDS) as server:
            server.settimeout(None)
            self.send_response_only(200)
            self.end_headers()
            back = threading.Thread(target=_relay, args=(server, self.connection), name="egress back", daemon=True)
            back.start()
            _relay(self.connection, server)
            back.join()

    do_CONNECT = do_GET = do_POST = _lead  # noqa: N815 - names that the base class looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        pass


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Copy until one side is done, and tell the other."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(64 * 1024):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
