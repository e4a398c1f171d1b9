"""The quick start from a release: a checkout without templates, a directory with a release, and `make`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cli.artifact import PROJECT
from tests.cli.releases import publish
from tests.sandbox.local_aws import ACCOUNT, LocalAws
from tests.simulator import FalconSimulator

pytest_plugins = ["tests.stack.launching"]


def checkout(directory: Path) -> Path:
    """Return a checkout that could build nothing, and holds no template, with the commands' environment set up."""
    shutil.copytree(PROJECT / "source", directory / "source", ignore=shutil.ignore_patterns("*.yaml", "__pycache__"))
    shutil.copyfile(PROJECT / "Makefile", directory / "Makefile")
    programs = {".venv-cli": f'exec {sys.executable} "$@"', ".venv-installer": "echo nothing may be built; exit 1"}
    for environment, program in programs.items():
        python = directory / environment / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
    for environment in (".venv-installer", ".venv-cli"):  # each is newer than what it is made from
        (directory / environment / ".installed").touch()
    return directory


def test_a_release_is_deployed_without_building_anything(
    aws: LocalAws, falcon: FalconSimulator, package: bytes, tmp_path: Path
) -> None:
    repository = checkout(tmp_path / "repository")
    shutil.move(publish(tmp_path, package, "1.0.7"), repository / "release")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **aws.environment()}
    environment |= {"FALCON_CLIENT_ID": falcon.client_id, "FALCON_CLIENT_SECRET": falcon.client_secret}
    asked = f"PARAMETERS=FalconApiUrl={falcon.url} Regions=us-east-1"

    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["make", *arguments]
        return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)

    deployed = make("deploy", "RELEASE=release", asked)
    status = make("status")
    (repository / "release" / "template.yaml").write_text("Resources: {}")
    changed = make("deploy", "RELEASE=release", asked)

    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "version 1.0.7, release in release\n" in deployed.stdout
    assert len(falcon.connections_of(ACCOUNT)) == 1
    assert "version 1.0.7" in status.stdout
    assert changed.stderr.startswith("error: release: template.yaml is not the file that was released. Download the")
    assert not (repository / "build").exists()
