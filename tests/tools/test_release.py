"""A release follows from a commit that can be found again, and whoever downloads it knows that it is whole."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cli import artifact
from cli.errors import CliError
from tools import release

CHANGELOG = """\
# Changelog

## [1.2.0] - 2026-11-30

### Added

- Something.

## [1.1.0] - 2026-01-01

- Something old.
"""

FILES = {
    "pyproject.toml": '[project]\nname = "thing"\nversion = "1.2.0"\n',
    "CHANGELOG.md": CHANGELOG,
    "template.yaml": "Description: A thing\n\nMetadata:\n  Other: {}\n\nResources: {}\n",
    "source/artifact-bucket.yaml": "Resources: {}\n",
    "source/shared-secret.yaml": "Resources: {}\n",
    "source/requirements.txt": f"one==1.0 \\\n    --hash=sha256:{'0' * 64}\n",
}

GIT = ("git", "-c", "user.name=someone", "-c", "user.email=someone@invalid.example", "-c", "commit.gpgsign=false")


def git(project: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that could be released."""
    directory = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    git(directory, "init", "--quiet")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "--message", "Everything")
    return directory


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Path:
    """Return one that may be changed."""
    return shutil.copytree(committed, tmp_path / "project")


@pytest.fixture(scope="module")
def written(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a release."""
    directory = tmp_path_factory.mktemp("release")
    package = directory / "built.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("LICENSE", "ours")
        archive.writestr("NOTICE", "theirs")
    release.write_release(directory / "release", package, committed)
    return directory / "release"


@pytest.fixture
def downloaded(written: Path, tmp_path: Path) -> Path:
    """Return one that may be damaged."""
    return shutil.copytree(written, tmp_path / "release")


def test_it_holds_all_that_an_operator_needs_and_the_digest_of_each_file(written: Path) -> None:
    assert {file.name for file in written.iterdir()} == {
        "LICENSE",
        "NOTICE",
        "SHA256SUMS",
        "artifact-bucket.yaml",
        "lambda_function.cdx.json",
        "lambda_function.zip",
        "release-notes.md",
        "shared-secret.yaml",
        "template.yaml",
    }
    assert (written / "SHA256SUMS").read_text().splitlines() == [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"
        for file in sorted(written.iterdir())
        if file.name != "SHA256SUMS"
    ]


def test_its_template_says_which_package_it_belongs_to(written: Path) -> None:
    template = yaml.safe_load((written / "template.yaml").read_text())

    assert template == {
        "Description": "A thing",
        "Metadata": {
            "LambdaPackage": {"Version": "1.2.0", "Sha256": artifact.sha256(written / "lambda_function.zip")},
            "Other": {},
        },
        "Resources": {},
    }


def test_its_terms_are_those_in_the_package(written: Path) -> None:
    assert (written / "LICENSE").read_text() == "ours"
    assert (written / "NOTICE").read_text() == "theirs"


def test_its_bill_of_materials_lists_what_is_pinned_and_nothing_that_varies(written: Path) -> None:
    bill = json.loads((written / "lambda_function.cdx.json").read_text())

    assert bill["bomFormat"] == "CycloneDX"
    assert [(part["name"], part["version"]) for part in bill["components"]] == [("one", "1.0")]
    assert bill["metadata"]["component"]["version"] == "1.2.0"
    assert "timestamp" not in bill["metadata"]
    assert "serialNumber" not in bill


def test_its_notes_are_the_section_of_its_version(written: Path) -> None:
    notes = (written / "release-notes.md").read_text()

    assert notes.startswith("### Added\n\n- Something.\n\n## Check what you downloaded\n")
    assert "old" not in notes


def test_a_template_that_would_be_too_large_is_refused() -> None:
    with pytest.raises(CliError, match="51200 at most"):
        release.with_package("\nMetadata:\n" + "#" * 51_200, "1.2.0", "0" * 64)


@pytest.mark.parametrize("template", ["Resources: {}\n", "\nMetadata:\n\nMetadata:\n"])
def test_a_template_without_one_place_for_the_digest_is_refused(template: str) -> None:
    with pytest.raises(CliError, match="no single section Metadata"):
        release.with_package(template, "1.2.0", "0" * 64)


# What is not released


def change_changelog(old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        (project / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new))
        git(project, "commit", "--quiet", "--all", "--message", "Change")

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda project: (project / "template.yaml").write_text(""), r"not committed:\n M template.yaml"),
        (lambda project: (project / "new").touch(), r"not committed:\n\?\? new"),
        (lambda project: git(project, "tag", "v1.1.0"), "tagged v1.1.0, but its version is 1.2.0"),
        (change_changelog("[1.2.0]", "[1.3.0]"), r"no section `## \[1.2.0\] - DATE`"),
        (change_changelog("### Added\n\n- Something.\n", ""), r"no section `## \[1.2.0\] - DATE`"),
        (change_changelog("2026-11-30", "unreleased"), "with 'unreleased': give it the date"),
    ],
    ids=["changed", "added", "tag", "no section", "empty section", "no date"],
)
def test_what_could_not_be_found_again_is_refused(project: Path, change: Callable[[Path], None], problem: str) -> None:
    change(project)

    with pytest.raises(CliError, match=problem):
        release.refuse_unreleasable(project)


@pytest.mark.parametrize("tags", [[], ["v1.2.0"], ["v1.2.0", "something-else"]])
def test_a_commit_is_released_before_it_is_tagged_and_with_the_tag_of_its_version(
    project: Path, tags: list[str]
) -> None:
    for tag in tags:
        git(project, "tag", tag)

    release.refuse_unreleasable(project)


def test_all_that_is_in_the_way_is_said_at_once(project: Path) -> None:
    git(project, "tag", "v9.9.9")
    (project / "new").touch()

    with pytest.raises(CliError, match=r"(?s)not committed.*tagged v9\.9\.9"):
        release.refuse_unreleasable(project)


# What was downloaded


def test_a_whole_release_gives_its_version_and_its_files(downloaded: Path) -> None:
    found = artifact.find(str(downloaded))

    assert (found.version, found.origin) == ("1.2.0", f"release in {downloaded}")
    deployed = (found.package, found.template, found.artifact_bucket, found.shared_secret)
    assert [each.path for each in deployed] == [
        downloaded / name
        for name in ("lambda_function.zip", "template.yaml", "artifact-bucket.yaml", "shared-secret.yaml")
    ]
    assert found.package.key.startswith("falcon-ecr/1.2.0-")
    assert artifact.find(str(downloaded / "lambda_function.zip")) == found


def test_where_there_is_no_release_it_says_what_is_taken(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"absent is no release: .* RELEASE names the directory that holds the files"):
        artifact.find(str(tmp_path / "absent"))


def list_again(directory: Path) -> None:
    """Make SHA256SUMS agree with the files, as somebody would who changed them on purpose."""
    names = [line.split()[1] for line in (directory / "SHA256SUMS").read_text().splitlines()]
    (directory / "SHA256SUMS").write_text("".join(f"{artifact.sha256(directory / name)}  {name}\n" for name in names))


def other_package(directory: Path) -> None:
    (directory / "lambda_function.zip").write_bytes(b"of another release")
    list_again(directory)


def unlist(directory: Path) -> None:
    sums = directory / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(keepends=True) if "shared-secret" not in line))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda directory: (directory / "SHA256SUMS").unlink(), "is no release: SHA256SUMS cannot be read"),
        (lambda directory: (directory / "SHA256SUMS").write_text(""), "not a list of SHA-256 digests"),
        (
            lambda directory: (directory / "SHA256SUMS").write_text(f"{'0' * 64}  ../x\n"),
            "not a list of SHA-256 digests",
        ),
        (lambda directory: (directory / "NOTICE").unlink(), "NOTICE is missing"),
        (
            lambda directory: (directory / "template.yaml").write_text("x"),
            "template.yaml is not the file that was released",
        ),
        (unlist, "does not list shared-secret.yaml"),
        (other_package, "was not released with this lambda_function.zip"),
    ],
    ids=["no sums", "empty sums", "path", "missing", "changed", "unlisted", "mixed"],
)
def test_a_release_that_is_not_whole_is_refused(downloaded: Path, damage: Callable[[Path], None], problem: str) -> None:
    damage(downloaded)

    with pytest.raises(CliError, match=problem):
        artifact.find(str(downloaded))


def test_the_command_explains_what_is_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--trial", str(tmp_path / "release"), str(tmp_path / "absent.zip")]) == 1

    assert capsys.readouterr().err.startswith("error: ")
