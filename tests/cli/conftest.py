"""Fixtures of the commands' tests: somebody with an account of the local AWS, or with an organization."""

import pytest

from cli import stack
from cli.organization import stack_set
from tests.cli.support import MEMBERS, Operator
from tests.sandbox.local_aws import LocalAws
from tests.simulator import FalconSimulator


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stack, stack_set):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.02)


@pytest.fixture
def operator(aws: LocalAws, falcon: FalconSimulator, package: bytes, monkeypatch: pytest.MonkeyPatch) -> Operator:
    assert package  # is built
    return Operator(aws, falcon, monkeypatch)


@pytest.fixture
def administrator(operator: Operator) -> Operator:
    """Return who manages an organization with two units, one of them with a unit below, and six members."""
    organizations = operator.aws.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    units: dict[str, str] = {}
    for name, parent in (("security", root), ("workloads", root), ("production", "workloads")):
        answer = organizations.create_organizational_unit(ParentId=units.get(parent, parent), Name=name)
        units[name] = answer["OrganizationalUnit"]["Id"]
    for account, unit in zip(MEMBERS, ("security", *("workloads",) * 2, *("production",) * 3), strict=True):
        operator.aws.join_organization(account, units[unit])
    operator.aws.client("cloudformation").activate_organizations_access()
    del units["production"]  # below workloads
    operator.units = units
    return operator
