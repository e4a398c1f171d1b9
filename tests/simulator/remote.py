"""The simulator in a process of its own, so that it does not share the interpreter with what it measures."""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import requests

from tests.sandbox.tls import Authority
from tests.simulator.admin import PREFIX
from tests.simulator.behaviour import Behaviour
from tests.simulator.clouds import HOSTS
from tests.simulator.connection import Connection
from tests.simulator.faults import Fault
from tests.simulator.journal import Journal, Record
from tests.simulator.simulator import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 60.0  # seconds; seeding takes some
STOP_TIMEOUT = 10.0  # seconds
ADMIN_TIMEOUT = 60.0  # seconds


class RemoteSimulator:
    """Starts `python -m tests.simulator` and stops it; it also stops by itself when this process is gone.

    Offers what `FalconSimulator` offers, as far as that makes sense from outside.
    """

    def __init__(
        self,
        authority: Authority,
        *options: str,
        clouds: tuple[str, ...] = ("us-1",),
        home: str = "",
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.ca_file = authority.ca_file
        self.urls: dict[str, str] = {}
        """Cloud to URL."""
        self._authority = authority
        self._clouds = clouds
        self._options = [*options, *(f"--cloud={cloud}" for cloud in clouds), *([f"--home={home}"] if home else [])]
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self._session = requests.Session()
        # Its settings would replace `verify` below.
        self._session.trust_env = False
        self._session.verify = str(self.ca_file)

    @property
    def url(self) -> str:
        """The URL of the first cloud."""
        return self.urls[self._clouds[0]]

    @property
    def journal(self) -> Journal:
        """A copy of the journal as it is now."""
        return Journal([Record.from_json(record) for record in self._get("journal")])

    @property
    def behaviour(self) -> Behaviour:
        """A copy of the switches as they are now; `change` changes them."""
        return Behaviour(**self._post("behaviour"))

    def change(self, **changes: object) -> None:
        """Set switches of `Behaviour` by name."""
        self._post("behaviour", **changes)

    def connections(self) -> list[Connection]:
        return [Connection(**found) for found in self._get("connections")]

    def connections_of(self, account: str) -> list[Connection]:
        """Return the connections to the ECR registries of one AWS account, sorted by URL."""
        return [Connection(**found) for found in self._get("connections", account=account)]

    def add_client(self, client_id: str, secret: str, scopes: tuple[str, ...] = ("read", "write")) -> None:
        self._post("client", client_id=client_id, client_secret=secret, scopes=list(scopes))

    def add_connection(self, connection: Connection) -> Connection:
        return Connection(**self._post("add", **connection.to_json()))

    def seed(self, count: int) -> None:
        """Add connections of other accounts."""
        self._post("seed", count=count)

    def arm(self, fault: Fault) -> None:
        self._post("arm", **fault.to_json())

    def disarm(self) -> None:
        self._post("disarm")

    def struck(self) -> list[int]:
        """Return how often each armed fault struck, in the order in which they were armed."""
        struck: list[int] = self._get("struck")
        return struck

    def expire_tokens(self) -> None:
        self._post("expire")

    def reset(self) -> None:
        """Forget connections, tokens, limits, faults and the journal; clients and behaviour stay."""
        self._post("reset")

    def start(self) -> Self:
        """Start the process and wait until it listens."""
        hosts = ("localhost", "127.0.0.1", *(HOSTS[cloud] for cloud in self._clouds))
        chain, key = self._authority.issue(f"falcon-simulator-{id(self)}", *hosts)
        certificate = [f"--certificate={chain}", f"--key={key}", f"--ca-file={self.ca_file}"]
        credentials = {"FALCON_CLIENT_ID": self.client_id, "FALCON_CLIENT_SECRET": self.client_secret}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by stop()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulator", "--until-stdin-closes", *certificate, *self._options],
            cwd=ROOT,
            env=os.environ | credentials,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        try:
            self.urls = self._ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the process and wait until it is gone."""
        self._session.close()
        process, self._process = self._process, None
        if process and process.stdin and process.stdout:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if self._log:
            self._log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _ready(self, process: "subprocess.Popen[str]") -> dict[str, str]:
        """Return the URLs from the line that the process prints when it listens."""
        assert process.stdout
        readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
        line = process.stdout.readline() if readable else ""
        if not line:
            assert self._log
            self._log.seek(0)
            raise RuntimeError(f"the simulator did not start: {self._log.read()}")
        urls: dict[str, str] = json.loads(line)["urls"]
        return urls

    def _get(self, action: str, **query: str) -> Any:
        return self._checked(self._session.get(f"{self.url}{PREFIX}{action}", params=query, timeout=ADMIN_TIMEOUT))

    def _post(self, action: str, **document: object) -> Any:
        content = json.dumps(document)  # requests itself refuses to write an infinite number
        return self._checked(self._session.post(f"{self.url}{PREFIX}{action}", data=content, timeout=ADMIN_TIMEOUT))

    def _checked(self, response: requests.Response) -> Any:
        document = response.json()
        if not response.ok:
            raise ValueError(document["error"])
        return document
