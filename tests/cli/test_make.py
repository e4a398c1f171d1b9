"""What `make` hands to the commands: values as they are, and secrets to nobody else. And how all of it is pinned."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parent.parent.parent
SHOW = """#!/bin/sh
echo "$0 $*"
env | grep -E "^(PARAMETERS|TAGS|RELEASE|MAKE_VARIABLES|FALCON_[A-Z_]*)="
exit 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a directory with our Makefile, where Python prints what it is given."""
    (tmp_path / "Makefile").write_text((PROJECT / "Makefile").read_text(encoding="utf-8"))
    for name in ("cli/requirements.txt", "tools/uv.txt", "tools/package.py", "requirements.txt"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).touch()
    (tmp_path / "source" / "registry_connections").mkdir()
    for environment in (".venv-cli", ".venv-installer"):
        program = tmp_path / environment / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(SHOW)
        program.chmod(0o755)
        (tmp_path / environment / ".installed").touch()
    return tmp_path


def make(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "HOME": str(project)} | environment
    return subprocess.run(["make", *arguments], cwd=project, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("value", ["x=my$role", "$(shell touch ran)", "a=${HOME} b=$$c", "a='b c' d=#e", "`touch ran`"])
def test_values_are_taken_as_they_are(project: Path, value: str) -> None:
    ran = make(project, "plan", f"PARAMETERS={value}", TAGS=value)

    assert f"PARAMETERS={value}\n" in ran.stdout
    assert f"TAGS={value}\n" in ran.stdout
    assert not (project / "ran").exists()


def test_falcons_variables_reach_the_command_and_no_other_program(project: Path) -> None:
    ran = make(project, "deploy", FALCON_CLIENT_ID="an-id", FALCON_CLIENT_SECRET="a$(x)$secret")

    build, command = ran.stdout.split(".venv-cli/bin/python -m cli deploy")
    assert "-m tools.package" not in build  # its output is of no interest
    assert "FALCON_CLIENT_SECRET=a$(x)$secret\n" in command
    assert "FALCON" not in build
    assert "FALCON" not in make(project, "package", FALCON_CLIENT_SECRET="a-secret").stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        *(
            (f"deploy {name}=invented", f"{name} is on the command line, where others can read it")
            for name in ("FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET")
        ),
        ("sandbox HELP=1", "make sandbox has no HELP=1. What each target does: make help."),
    ],
)
def test_a_secret_on_the_command_line_and_a_target_without_help_are_refused_at_once(
    project: Path, arguments: str, problem: str
) -> None:
    ran = make(project, *arguments.split())

    assert (ran.returncode, ran.stdout) == (2, "")
    assert problem in ran.stderr
    assert "invented" not in ran.stderr


def test_help_builds_nothing_and_a_command_learns_which_variables_were_given_to_make(project: Path) -> None:
    ran = make(project, "deploy", "HELP=1", "STAK=test", REGON="in the environment")

    command, given = ran.stdout.splitlines()
    assert command == ".venv-cli/bin/python -m cli deploy --help"
    assert sorted(given.removeprefix("MAKE_VARIABLES=").split()) == ["HELP", "STAK"]


@pytest.mark.parametrize("command", ["deploy", "publish", "deploy-org", "coverage-report"])
def test_where_a_release_is_given_nothing_is_built(project: Path, command: str) -> None:
    built = make(project, "--dry-run", command).stdout
    released = make(project, command, "RELEASE=a $release").stdout

    assert "-m tools.package" in built
    assert released.splitlines()[0] == f".venv-cli/bin/python -m cli {command}"
    assert "RELEASE=a $release\n" in released


def test_the_list_of_commands_is_grouped_and_fits_a_terminal() -> None:
    lines = make(PROJECT, "help").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    account, organization = lines.index("A real AWS account"), lines.index("An organization")
    assert account < next(number for number, line in enumerate(lines) if line.startswith("  delete ")) < organization
    assert organization < next(number for number, line in enumerate(lines) if line.startswith("  deploy-org "))


# What it installs

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
