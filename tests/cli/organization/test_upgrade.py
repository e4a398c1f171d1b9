"""A fleet goes from one release to the next: every account says its version, and one that fails stays as it was."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest

from cli import artifact
from cli.artifact import PROJECT
from cli.coverage import report
from tests.cli.organization.support import MEMBERS, OrganizationOperator
from tests.simulator import Fault, missing_scope
from tests.stack.customer import FUNCTION
from tools import release

pytest_plugins = ["tests.cli.fixtures"]

OLD, NEW = "0.9.0", artifact.project_version(PROJECT)
VERSIONED = "registry_connections/__init__.py"
FAILING = MEMBERS[3]


def older(package: bytes) -> bytes:
    """Return the Lambda package as if the old version of it had been built."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as built, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as old:
        for entry in built.infolist():
            content = built.read(entry)
            if entry.filename == VERSIONED:
                content = re.sub(rb'__version__ = ".+"', f'__version__ = "{OLD}"'.encode(), content)
            old.writestr(entry, content)
    return changed.getvalue()


def versions(administrator: OrganizationOperator) -> dict[str, str]:
    """Return the version that each account's status says, of those where all is well."""
    found = {}
    for account in MEMBERS:
        function = administrator.aws.client("lambda", account)
        answer = function.invoke(FunctionName=FUNCTION, Payload=json.dumps({"action": "status"}))
        status = json.loads(answer["Payload"].read())
        found[account] = status["version"] if status["ok"] else ""
    return found


def covered(administrator: OrganizationOperator) -> dict[str, str]:
    """Return the version of each account in the coverage report."""
    administrator.report()
    with (report.DIRECTORY / "coverage.csv").open(newline="") as file:
        found = {line["account"].strip("'"): line["version"] for line in csv.DictReader(file)}
    return {account: found[account] for account in MEMBERS}


def test_a_fleet_upgrade_names_who_failed_and_the_second_run_finishes(
    administrator: OrganizationOperator, package: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DIRECTORY", tmp_path)
    (tmp_path / "old.zip").write_bytes(older(package))
    release.write_release(tmp_path / "release", artifact.BUILT_PACKAGE)
    with monkeypatch.context() as checkout:
        checkout.setattr(artifact, "BUILT_PACKAGE", tmp_path / "old.zip")
        checkout.setattr(artifact, "project_version", lambda _: OLD)
        launched = administrator.deploy(given=administrator.credentials)
    assert launched.ok, launched.text + launched.problem
    assert versions(administrator) == dict.fromkeys(MEMBERS, OLD)
    before = administrator.connected()

    administrator.falcon.arm(Fault("read", missing_scope(), region=FAILING))
    first = administrator.deploy(RELEASE=str(tmp_path / "release"))
    administrator.falcon.disarm()

    assert f"version {NEW} for 6 accounts, release in {tmp_path / 'release'}" in first.text
    assert f"{FAILING} Account {FAILING}  RegistryConnections: " in first.text
    assert "lacks the scope Falcon Container Image: READ" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    # The account that failed is as it was before: the code, the connections, and they are fine.
    (stack,) = administrator.aws.client("cloudformation", FAILING).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert administrator.connected() == before
    assert versions(administrator) == dict.fromkeys(MEMBERS, NEW) | {FAILING: OLD}
    assert covered(administrator) == dict.fromkeys(MEMBERS, NEW) | {FAILING: ""}

    second = administrator.deploy(RELEASE=str(tmp_path / "release"))

    assert "6 accounts are covered" in second.text
    assert versions(administrator) == covered(administrator) == dict.fromkeys(MEMBERS, NEW)
    assert administrator.connected() == before
