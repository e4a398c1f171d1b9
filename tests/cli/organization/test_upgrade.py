"""A fleet goes from one release to the next: every account says its version, and one that fails stays as it was."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cli.artifact import BUILT_PACKAGE, Artifact
from cli.coverage import report
from tests.cli.organization.support import MEMBERS, OrganizationOperator
from tests.cli.releases import publish
from tests.simulator import Fault, missing_scope
from tests.stack.customer import FUNCTION

pytest_plugins = ["tests.cli.fixtures"]

OLD, NEW = "1.0.0", "1.1.0"
FAILING = MEMBERS[3]


def status(administrator: OrganizationOperator, account: str) -> dict[str, Any]:
    """Return the JSON of the account's status."""
    function = administrator.aws.client("lambda", account)
    answer = function.invoke(FunctionName=FUNCTION, Payload=json.dumps({"action": "status"}))
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def versions(administrator: OrganizationOperator) -> dict[str, str]:
    """Return the version that each account's status says."""
    return {account: status(administrator, account)["version"] for account in MEMBERS}


def covered(administrator: OrganizationOperator, directory: Path) -> dict[str, str]:
    """Return the version of each account in the coverage report."""
    administrator.report()
    with (directory / "coverage.csv").open(newline="") as file:
        found = {line["account"].strip("'"): line["version"] for line in csv.DictReader(file)}
    return {account: found[account] for account in MEMBERS}


def test_a_fleet_upgrade_names_who_failed_and_the_second_run_finishes(
    administrator: OrganizationOperator, package: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DIRECTORY", tmp_path)
    new = publish(tmp_path, package, NEW)
    launched = administrator.deploy(given=administrator.credentials)
    assert launched.ok, launched.text + launched.problem
    assert versions(administrator) == dict.fromkeys(MEMBERS, OLD)
    before = administrator.connected()

    administrator.falcon.arm(Fault("read", missing_scope(), region=FAILING))
    first = administrator.deploy(RELEASE=str(new))
    administrator.falcon.disarm()

    assert f"version {NEW} for 6 accounts, release in {new}" in first.text
    assert f"{FAILING} Account {FAILING}  RegistryConnections: " in first.text
    assert "lacks the scope Falcon Container Image: READ" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    (stack,) = administrator.aws.client("cloudformation", FAILING).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # The account that failed is as it was before: the code, the connections, and they are fine.
    function = administrator.aws.client("lambda", FAILING).get_function_configuration(FunctionName=FUNCTION)
    assert function["CodeSha256"] == Artifact(BUILT_PACKAGE, OLD, package).checksum
    assert administrator.connected() == before
    assert status(administrator, FAILING)["ok"]
    assert versions(administrator) == dict.fromkeys(MEMBERS, NEW) | {FAILING: OLD}
    assert covered(administrator, tmp_path) == dict.fromkeys(MEMBERS, NEW) | {FAILING: ""}

    second = administrator.deploy(RELEASE=str(new))

    assert "6 accounts are covered" in second.text
    assert versions(administrator) == dict.fromkeys(MEMBERS, NEW)
    assert covered(administrator, tmp_path) == dict.fromkeys(MEMBERS, NEW)
    assert administrator.connected() == before
