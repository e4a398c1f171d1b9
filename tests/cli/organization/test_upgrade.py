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


def on(version: str) -> dict[str, set[str]]:
    """Return what `versions` is if every account is on this one."""
    return {account: {version} for account in MEMBERS}


def versions(administrator: OrganizationOperator) -> dict[str, set[str]]:
    """Return what each account says of its version: the stack's output, and the JSON of its status."""
    found = {}
    for account in MEMBERS:
        (stack,) = administrator.aws.client("cloudformation", account).describe_stacks()["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        found[account] = {outputs["Version"], status(administrator, account)["version"]}
    return found


def status(administrator: OrganizationOperator, account: str) -> dict[str, Any]:
    """Return the JSON of the account's status."""
    function = administrator.aws.client("lambda", account)
    answer = function.invoke(FunctionName=FUNCTION, Payload=json.dumps({"action": "status"}))
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def code(administrator: OrganizationOperator, account: str) -> str:
    """Return the digest of the code that the account's function runs."""
    function = administrator.aws.client("lambda", account).get_function_configuration(FunctionName=FUNCTION)
    return str(function["CodeSha256"])


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
    assert versions(administrator) == on(OLD)
    before = administrator.connected()

    administrator.falcon.arm(Fault("read", missing_scope(), region=FAILING))
    first = administrator.deploy(RELEASE=str(new))
    print(first.text, first.problem, sep="\n")  # noqa: T201 - shown if it fails
    administrator.falcon.disarm()

    assert f"version {NEW} for 6 accounts, release in {new}" in first.text
    assert f"{FAILING} Account {FAILING}  RegistryConnections: " in first.text
    assert "lacks the scope Falcon Container Image: READ" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    (stack,) = administrator.aws.client("cloudformation", FAILING).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # The account that failed is as it was before: the code, the connections, and they are fine.
    assert code(administrator, FAILING) == Artifact(BUILT_PACKAGE, OLD, package).checksum
    assert administrator.connected() == before
    assert status(administrator, FAILING)["ok"]
    assert versions(administrator) == on(NEW) | {FAILING: {OLD}}
    assert covered(administrator, tmp_path) == dict.fromkeys(MEMBERS, NEW) | {FAILING: ""}

    second = administrator.deploy(RELEASE=str(new))
    print(second.text, second.problem, sep="\n")  # noqa: T201 - shown if it fails

    assert "6 accounts are covered" in second.text
    assert versions(administrator) == on(NEW)
    assert covered(administrator, tmp_path) == dict.fromkeys(MEMBERS, NEW)
    assert administrator.connected() == before
