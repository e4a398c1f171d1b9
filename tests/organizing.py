"""The fixture of an organization's end-to-end tests: six members in two units, and somebody who manages them."""

import pytest

from tests.organization import Operator, organize
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator


@pytest.fixture
def operator(aws: LocalAws, falcon: FalconSimulator, package: bytes, monkeypatch: pytest.MonkeyPatch) -> Operator:
    assert package  # is built
    found, units = organize(aws)
    return Operator(aws, falcon, monkeypatch, units, found)
