"""EgressProxy: the function's only way out, which leads to simulated Falcon and nowhere else.

    with EgressProxy(falcon) as egress:
        aws.set_function_environment(**egress.environment)
        ...
    assert egress.destinations == {"api.crowdstrike.com"}

The function asks for Falcon by its real names and verifies the certificate for them; nothing of that is faked.
"""

import contextlib
import socket
import threading

from tests.sandbox.environment import HERE
from tests.simulator.clouds import HOSTS
from tests.simulator.falcon import FalconSimulator
from tests.simulator.messages import Answer
from tests.simulator.server import Exchange, LocalServer


class EgressProxy(LocalServer):
    """An HTTPS proxy (CONNECT) that knows Falcon's hosts, refuses the rest, and remembers who was asked for."""

    def __init__(self, falcon: FalconSimulator) -> None:
        super().__init__()
        self._ports = {HOSTS[cloud]: int(url.rpartition(":")[2]) for cloud, url in falcon.urls.items()}
        self.destinations: set[str] = set()
        """The hosts that were asked for, refused ones included."""
        url = f"http://127.0.0.1:{self.port}"
        self.environment = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": HERE}
        """The variables that make HTTP clients use this proxy, but for what is on this machine."""

    def handle(self, exchange: Exchange) -> None:
        exchange.close_connection = True
        host = exchange.path.removesuffix(":443")
        self.destinations.add(host)
        if exchange.command != "CONNECT" or host not in self._ports:
            exchange.send(Answer(403))
            return
        with socket.create_connection(("127.0.0.1", self._ports[host])) as server:
            exchange.send(Answer(200))
            exchange.wfile.flush()
            back = threading.Thread(target=_relay, args=(server, exchange.connection), daemon=True)
            back.start()
            _relay(exchange.connection, server)
            back.join()


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Copy until one side is done, and tell the other."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(64 * 1024):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
