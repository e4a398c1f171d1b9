"""A small HTTP server on loopback, on threads of its own, that a test can make misbehave down to the socket."""

import contextlib
import http.server
import socket
import ssl
import struct
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from tests.sandbox.tls import Authority
from tests.simulator.messages import Answer, Call

if TYPE_CHECKING:
    from tests.simulator.effects import Effect

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST rather than FIN


class LocalServer:
    """Serves on a free port of 127.0.0.1 between entering and leaving the context."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.stopping = threading.Event()
        self._server = _Server(self, context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.port = self._server.server_port

    @abstractmethod
    def handle(self, exchange: "Exchange") -> None:
        """Respond to one request."""

    def start(self) -> Self:
        self._thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, and break every connection."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class TlsServer(LocalServer):
    """Serves over TLS, as one of these hosts."""

    def __init__(self, authority: Authority, *hosts: str) -> None:
        super().__init__(authority.server_context(*hosts))
        self.url = f"https://localhost:{self.port}"


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request that was read whole, and its connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: "_Server"
    call: Call
    apply: Callable[[], Answer]
    """Does what the call asks for, and returns the response that is due; set by who handles the exchange."""
    decorate: Callable[[Answer], Answer] = staticmethod(lambda answer: answer)
    """Returns a response as it is sent."""

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            # Not when it is accepted: a client that is slow must not stop the others.
            self.request.do_handshake()
        super().setup()

    def _respond(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.rfile.read(int(headers.get("content-length", 0)))
        self.call = Call(self.command, self.path, headers, content, self.client_address[0])
        self.server.owner.handle(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _respond  # noqa: N815 - the base class's names

    def respond(self, effect: "Effect | None") -> None:
        """Do what the call asks for, and respond; or let the effect of a fault respond."""
        if effect:
            effect.respond(self)
        else:
            self.send(self.apply())

    def send(self, answer: Answer, part: bytes | None = None) -> None:
        """Send a response; or, if there is a part, its head, this part of its body, and no more."""
        answer = self.decorate(answer)
        kind = {} if answer.body is None else {"Content-Type": "application/json"}
        usual = {"Date": self.date_time_string(), "Content-Length": str(len(answer.content)), **kind}
        self.send_response_only(answer.status)
        for name, value in {**usual, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content if part is None else part)
        self.close_connection = self.close_connection or part is not None

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server runs."""
        self.server.owner.stopping.wait(seconds)

    def drip(self) -> None:
        """Send a header byte by byte until the server stops, so that no single wait for data is long."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.owner.stopping.wait(0.2):
            self.wfile.write(b"y")
            self.wfile.flush()
        self.reset()

    def reset(self) -> None:
        """Break the connection: the client sees a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Say nothing: tests read what they need from the journal."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024

    def __init__(self, owner: LocalServer, context: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._context = context
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", 0), Exchange)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client left, or was killed."""
