"""What handler, log and CloudFormation's protocol are tested with: who takes responses, and the lines of the log."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from registry_connections import custom_resource, logs
from tests.registry_connections.samples import IDENTITY, RESPONSE_URL
from tests.simulator import CLIENT_ID, CLIENT_SECRET

SECRETS = (CLIENT_ID, CLIENT_SECRET, IDENTITY.external_id, "responses.example", "do-not-log-this", "simulated-token-")
Lines = Callable[[], list[dict[str, Any]]]


class CloudFormation:
    """Takes responses, or does not; `left` are the seconds that were left for the last."""

    def __init__(self) -> None:
        self.takes, self.left = True, 0.0
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def put(self, url: str, body: Mapping[str, Any], left: Callable[[], float]) -> bool:
        self.sent.append((url, json.loads(json.dumps(body))))
        self.left = left()
        return self.takes

    def response(self) -> dict[str, Any]:
        """Return the one response, which was sent where the event says."""
        ((url, body),) = self.sent
        self.sent.clear()
        assert url == RESPONSE_URL
        return body


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    cloudformation = CloudFormation()
    monkeypatch.setenv("AWS_SAM_LOCAL", "")
    monkeypatch.setattr(custom_resource, "put", cloudformation.put)
    custom_resource._helper.cache_clear()
    yield cloudformation
    custom_resource._helper.cache_clear()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Return what gives the lines that were logged; each is JSON and none holds a secret. All loggers are put back."""
    levels = {name: logging.getLogger(name).level for name in (*logs.LIBRARIES, "crhelper", "registry_connections", "")}
    handlers = logging.root.handlers[:]
    monkeypatch.setattr(logs.logger, "handlers", [])
    monkeypatch.setattr(logs.logger, "propagate", True)

    def lines() -> list[dict[str, Any]]:
        text = "".join(capfd.readouterr())
        assert not [secret for secret in SECRETS if secret in text], text
        return [json.loads(line) for line in text.splitlines()]

    yield lines
    logging.root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
