"""Fixtures of the commands' tests: somebody with an account of the local AWS, or with an organization."""

import pytest

from tests.cli.organization.support import OrganizationOperator, organize
from tests.cli.support import Operator
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator


@pytest.fixture
def operator(aws: LocalAws, falcon: FalconSimulator, package: bytes, monkeypatch: pytest.MonkeyPatch) -> Operator:
    assert package  # is built
    return Operator(aws, falcon, monkeypatch)


@pytest.fixture
def administrator(operator: Operator) -> OrganizationOperator:
    return OrganizationOperator(operator.aws, operator.falcon, operator.monkeypatch, units=organize(operator.aws))
