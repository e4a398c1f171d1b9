"""EgressProxy: the function's only way out, which leads to simulators on this machine and nowhere else.

    egress = EgressProxy({"api.crowdstrike.com": simulator_port})
    aws.set_function_environment(**egress.environment)
    ...
    assert egress.destinations == {"api.crowdstrike.com"}

The function asks for Falcon by its real names and verifies the certificate for them; nothing of that is faked.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping

NO_PROXY = "localhost,127.0.0.1"  # the local AWS, and the URL that CloudFormation is answered at
CONNECT_SECONDS = 5.0
HEAD_BYTES = 16 * 1024


class EgressProxy:
    """An HTTPS proxy (CONNECT) on loopback that knows some hosts, refuses the rest, and remembers who was asked for."""

    def __init__(self, routes: Mapping[str, int]) -> None:
        """Lead each host to a port of this machine."""
        self._routes = routes
        self.destinations: set[str] = set()
        """The hosts that were asked for, refused ones included."""
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open = {self._listening}
        url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.environment = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": NO_PROXY}
        """The variables that make HTTP clients use this proxy."""
        threading.Thread(target=self._accept, name="egress", daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            _shut(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), name="egress client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        with contextlib.suppress(OSError, ValueError):  # the client, or its destination, is gone
            self._answer(client)
        with self._lock:
            self._open.discard(client)
        _shut(client)

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):  # nothing is sent after it before we have answered
            if not (received := client.recv(HEAD_BYTES)):
                return
            head += received
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        host = target.removesuffix(":443")
        self.destinations.add(host)
        if method != "CONNECT" or host not in self._routes:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._routes[host]), CONNECT_SECONDS) as server:
            server.settimeout(None)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_relay, args=(server, client), name="egress back", daemon=True)
            back.start()
            _relay(client, server)
            back.join()


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Copy until one side is done, and tell the other."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(64 * 1024):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
