"""A fleet goes from one release to the next, and an account that fails stays as it was."""

import csv
import shutil
import zipfile
from pathlib import Path

import pytest

from cli import artifact
from cli.artifact import BUILT_PACKAGE, PROJECT, Artifact
from cli.coverage import report
from tests.cli.organization.support import MEMBERS, OrganizationOperator
from tests.simulator import Fault, missing_scope
from tests.stack.customer import FUNCTION
from tools import release

NEW = artifact.project_version(PROJECT)
FAILING = MEMBERS[3]


def running(administrator: OrganizationOperator) -> dict[str, str]:
    """Return the digest of the code that each account's function runs."""
    functions = {account: administrator.aws.client("lambda", account) for account in MEMBERS}
    return {
        account: function.get_function_configuration(FunctionName=FUNCTION)["CodeSha256"]
        for account, function in functions.items()
    }


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
    release.write_release(tmp_path / "release", BUILT_PACKAGE)
    older = shutil.copyfile(BUILT_PACKAGE, tmp_path / "older.zip")
    with zipfile.ZipFile(older, "a") as archive:
        archive.writestr("what was dropped", "")
    old, new = (Artifact(older, "", content).checksum for content in (older.read_bytes(), package))
    with monkeypatch.context() as checkout:
        checkout.setattr(artifact, "BUILT_PACKAGE", older)
        checkout.setattr(artifact, "project_version", lambda _: "0.9.0")
        launched = administrator.deploy(given=administrator.credentials)
    assert launched.ok, launched.text + launched.problem
    assert running(administrator) == dict.fromkeys(MEMBERS, old)
    assert covered(administrator) == dict.fromkeys(MEMBERS, "0.9.0")
    before = administrator.connected()

    administrator.falcon.arm(Fault("read", missing_scope(), region=FAILING))
    first = administrator.deploy(RELEASE=str(tmp_path / "release"))
    administrator.falcon.disarm()

    assert f"version {NEW} for 6 accounts, release in {tmp_path / 'release'}" in first.text
    assert f"{FAILING} Account {FAILING}  RegistryConnections: " in first.text
    assert "lacks the scope Falcon Container Image: READ" in first.text
    assert first.problem.startswith("1 of 6 accounts failed")
    (stack,) = administrator.aws.client("cloudformation", FAILING).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert running(administrator) == dict.fromkeys(MEMBERS, new) | {FAILING: old}
    assert covered(administrator) == dict.fromkeys(MEMBERS, NEW) | {FAILING: ""}
    assert administrator.connected() == before

    second = administrator.deploy(RELEASE=str(tmp_path / "release"))

    assert "6 accounts are covered" in second.text
    assert running(administrator) == dict.fromkeys(MEMBERS, new)
    assert covered(administrator) == dict.fromkeys(MEMBERS, NEW)
    assert administrator.connected() == before
