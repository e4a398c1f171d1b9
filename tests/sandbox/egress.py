"""EgressProxy: the function's only way out, which leads to simulators on this machine and nowhere else.

    with EgressProxy({"api.crowdstrike.com": simulator_port}) as egress:
        aws.set_function_environment(**egress.environment)   # or LambdaRuntime(environment=egress.environment)
        ...
        assert egress.destinations == {"api.crowdstrike.com:443"}

The function asks for Falcon by its real names and verifies the certificate for them; nothing of that is faked.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

NO_PROXY = "localhost,127.0.0.1"  # the local AWS, and the URL that CloudFormation is answered at
CONNECT_SECONDS = 5.0
HEAD_BYTES = 16 * 1024


@dataclass(frozen=True)
class Attempt:
    """Somebody asked for a way out."""

    destination: str
    allowed: bool


class EgressProxy:
    """An HTTPS proxy (CONNECT) on loopback that knows some hosts, refuses the rest, and remembers who was asked for."""

    def __init__(self, routes: Mapping[str, int]) -> None:
        """Lead each host (`name`, or `name:port`; 443 if not said) to a port of this machine."""
        self._routes = {_destination(host): port for host, port in routes.items()}
        self._attempts: list[Attempt] = []
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, name="egress", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make HTTP clients use this proxy."""
        return {"HTTPS_PROXY": self.url, "HTTP_PROXY": self.url, "NO_PROXY": NO_PROXY}

    @property
    def attempts(self) -> list[Attempt]:
        """Return who was asked for, in order."""
        with self._lock:
            return list(self._attempts)

    @property
    def destinations(self) -> set[str]:
        """Return who was asked for, as `host:port`."""
        return {attempt.destination for attempt in self.attempts}

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sockets = [self._listening, *self._open]
        for each in sockets:
            _shut(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="egress client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        try:
            method, target = _request_line(client)
            self._answer(client, method, target)
        except (OSError, ValueError):
            pass  # the client, or its destination, is gone
        finally:
            with self._lock:
                self._open.discard(client)
            _shut(client)

    def _answer(self, client: socket.socket, method: str, target: str) -> None:
        destination = _destination(target)
        port = self._routes.get(destination) if method == "CONNECT" else None
        with self._lock:
            self._attempts.append(Attempt(destination, port is not None))
        if port is None:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS) as server:
            server.settimeout(None)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_relay, args=(server, client), name="egress back", daemon=True)
            back.start()
            _relay(client, server)
            back.join()


def _request_line(client: socket.socket) -> tuple[str, str]:
    """Read the head of a request and return its method and target; nothing is sent before we have answered."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = client.recv(HEAD_BYTES)
        if not received or len(head) > HEAD_BYTES:
            raise ValueError("not a request")
        head += received
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return method, target


def _destination(target: str) -> str:
    """Return `host:port` of a CONNECT target, of a host alone (443), or of an http URL (80)."""
    if target.startswith("http://"):
        host = target.removeprefix("http://").split("/", 1)[0]
        return host if ":" in host else f"{host}:80"
    return target if ":" in target else f"{target}:443"


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
