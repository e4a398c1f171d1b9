"""A small HTTPS server on loopback, on threads of its own, that a test can make misbehave down to the socket."""

import http.server
import socket
import ssl
import struct
import threading
from abc import abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.sandbox.tls import Authority

EMPTY: Mapping[str, str] = {}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST rather than FIN


class TlsServer:
    """Serves on a free port of 127.0.0.1 between entering and leaving the context."""

    def __init__(self, authority: Authority) -> None:
        self.stopping = threading.Event()
        self._server = _Server(self, authority.server_context())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}"

    @abstractmethod
    def handle(self, exchange: "Exchange") -> None:
        """Answer one request."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request that was read whole, and its connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"
    body: bytes = b""

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def _respond(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.owner.handle(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - names that the base class looks for

    def send(self, status: int, body: bytes = b"", content_type: str = "", headers: Mapping[str, str] = EMPTY) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {**({"Content-Type": content_type} if content_type else {}), **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang(self) -> None:
        """Say nothing until the server stops; then break the connection."""
        self.server.owner.stopping.wait()
        self.reset()

    def drip(self) -> None:
        """Send a header byte by byte until the server stops, so that no single wait for data is long."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.owner.stopping.wait(0.2):
            self.wfile.write(b"y")
        self.reset()

    def reset(self) -> None:
        """Break the connection: the client sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Say nothing: tests read what they need from the journal."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: TlsServer, context: ssl.SSLContext) -> None:
        self.owner = owner
        self._context = context
        super().__init__(("127.0.0.1", 0), Exchange)

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        # The handshake is left to the connection's own thread: a client that is slow must not stop the others.
        return self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client left, or was killed."""
