"""Everything that is installed is pinned by hash, can be pinned anew, and is kept up to date."""

import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
TEXTS = [path for pattern in ("*.txt", "source/**/*.txt", "tests/**/*.txt") for path in PROJECT.glob(pattern)]
PINNED = sorted(path.relative_to(PROJECT).as_posix() for path in TEXTS if "--hash=sha256:" in path.read_text())
ACTION = re.compile(r"uses: ([^@\s]+)@(\S+)(?: # (\S+))?")


@pytest.mark.parametrize("name", sorted({*PINNED, "source/requirements.txt"}))
def test_each_pinned_file_has_every_hash_is_made_by_one_command_and_looked_after_by_dependabot(name: str) -> None:
    packages = re.split(r"^(?=[a-z])", (PROJECT / name).read_text(), flags=re.MULTILINE)
    updates = yaml.safe_load((PROJECT / ".github" / "dependabot.yml").read_text())["updates"]
    directories = next(update["directories"] for update in updates if update["package-ecosystem"] == "pip")

    assert [package for package in packages[1:] if "==" not in package or "--hash=sha256:" not in package] == []
    assert f"-o {name}\n" in (PROJECT / "Makefile").read_text()
    assert f"/{Path(name).parent}".replace("/.", "/") in directories
    if name == "source/cli/requirements.txt":
        assert len(packages[1:]) <= 15  # what deploying installs is little


def test_each_action_is_pinned_by_commit_and_one_commit_is_one_version() -> None:
    workflows = (PROJECT / ".github" / "workflows").glob("*.yml")
    used = [match.groups() for workflow in workflows for match in ACTION.finditer(workflow.read_text())]

    assert [action for action in used if not re.fullmatch("[0-9a-f]{40}", action[1]) or not action[2]] == []
    assert len({action for action, *_ in used}) == len(set(used))
