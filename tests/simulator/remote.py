"""The simulator in a process of its own, so that it does not share the interpreter with what it measures."""

import contextlib
import multiprocessing
import ssl
from multiprocessing.connection import Connection as Pipe
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

from tests.sandbox.tls import Authority
from tests.simulator.behaviour import Behaviour
from tests.simulator.clouds import HOSTS
from tests.simulator.connection import Connection
from tests.simulator.journal import Journal
from tests.simulator.simulator import CLIENT_ID, CLIENT_SECRET, FalconSimulator

STOP_SECONDS = 10.0


class RemoteSimulator:
    """Runs a FalconSimulator with one cloud in a process, which also ends when this process is gone."""

    client_id, client_secret = CLIENT_ID, CLIENT_SECRET

    def __init__(self, authority: Authority, *, seed: int = 0, **behaviour: object) -> None:
        """Prepare to run it with these switches of `Behaviour`, and with `seed` connections of other accounts."""
        self.ca_file = authority.ca_file
        self.url = ""
        chain, key = authority.issue(f"falcon-simulator-{id(self)}", "localhost", "127.0.0.1", HOSTS["us-1"])
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        certificate = Certificate(chain, key, self.ca_file)
        self._process = context.Process(target=_serve, args=(self._theirs, certificate, seed, behaviour), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that its death is noticed
        self.url = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(STOP_SECONDS)
        self._process.kill()

    @property
    def journal(self) -> Journal:
        """A copy of the journal as it is now."""
        return Journal(self._ask("journal.records"))

    def connections_of(self, account: str) -> list[Connection]:
        """Return the connections to the ECR registries of one AWS account, sorted by URL."""
        found: list[Connection] = self._ask("connections_of", account)
        return found

    def add_connection(self, connection: Connection) -> None:
        self._ask("add_connection", connection)

    def reset(self) -> None:
        """Forget connections, tokens, limits, faults and the journal; clients and behaviour stay."""
        self._ask("reset")

    def _ask(self, method: str, *arguments: Any) -> Any:
        self._pipe.send((method, arguments))
        return self._pipe.recv()


class Certificate:
    """A server certificate that was issued in another process."""

    def __init__(self, chain: Path, key: Path, ca_file: Path) -> None:
        self.ca_file = ca_file
        self._chain, self._key = chain, key

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        del hosts  # they were decided when the certificate was issued
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain, self._key)
        return context


def _serve(pipe: Pipe, certificate: Certificate, seed: int, behaviour: dict[str, Any]) -> None:
    with FalconSimulator(certificate, behaviour=Behaviour(**behaviour)) as falcon:
        falcon.seed(seed)
        pipe.send(falcon.url)
        with contextlib.suppress(EOFError):  # whoever started this is gone
            while request := pipe.recv():
                method, arguments = request
                pipe.send(attrgetter(method)(falcon)(*arguments))
