"""A release follows from a commit that can be found again, and whoever downloads it knows that it is whole."""

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from cli import artifact
from cli.errors import CliError
from tools import release

CHANGELOG = """\
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


def git(project: Path, *arguments: str) -> None:
    somebody = ("-c", "user.name=someone", "-c", "user.email=someone@invalid.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *somebody, *arguments], cwd=project, check=True, capture_output=True)


def write_project(directory: Path) -> Path:
    for name, text in FILES.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that could be released."""
    directory = write_project(tmp_path / "project")
    for command in ("init --quiet", "add .", "commit --quiet --message Everything"):
        git(directory, *command.split())
    return directory


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a release."""
    directory = tmp_path_factory.mktemp("release")
    package = directory / "built.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("LICENSE", "ours")
        archive.writestr("NOTICE", "theirs")
    release.write_release(directory / "release", package, write_project(directory / "project"))
    return directory / "release"


@pytest.fixture
def downloaded(written: Path, tmp_path: Path) -> Path:
    """Return one that may be damaged."""
    return shutil.copytree(written, tmp_path / "release")


def test_it_holds_all_that_an_operator_needs_with_its_digest_and_nothing_in_it_varies(written: Path) -> None:
    names = {file.name for file in written.iterdir()}
    sums = (written / "SHA256SUMS").read_text().splitlines()
    template = yaml.safe_load((written / "template.yaml").read_text())
    bill = json.loads((written / "lambda_function.cdx.json").read_text())
    notes = (written / "release-notes.md").read_text()

    package = {"Version": "1.2.0", "Sha256": artifact.sha256(written / "lambda_function.zip")}
    assert names == {
        *("LICENSE", "NOTICE", "SHA256SUMS", "artifact-bucket.yaml", "lambda_function.cdx.json"),
        *("lambda_function.zip", "release-notes.md", "shared-secret.yaml", "template.yaml"),
    }
    assert sums == [f"{artifact.sha256(written / name)}  {name}" for name in sorted(names - {"SHA256SUMS"})]
    assert template == {"Description": "A thing", "Metadata": {"LambdaPackage": package, "Other": {}}, "Resources": {}}
    assert bill["bomFormat"] == "CycloneDX"
    assert [(part["name"], part["version"]) for part in bill["components"]] == [("one", "1.0")]
    assert bill["metadata"]["component"]["version"] == "1.2.0"
    assert not {"timestamp", "serialNumber"} & {*bill, *bill["metadata"]}
    assert notes.startswith("### Added\n\n- Something.\n\n## Check what you downloaded\n")
    assert "old" not in notes
    assert [(written / name).read_text() for name in ("LICENSE", "NOTICE")] == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("\nMetadata:\n" + "#" * 51_200, "51200 at most"),
        ("Resources: {}\n", "no single section Metadata"),
        ("\nMetadata:\n\nMetadata:\n", "no single section Metadata"),
    ],
    ids=["too large", "no place for the digest", "two places"],
)
def test_a_template_that_cannot_name_its_package_is_refused(template: str, problem: str) -> None:
    with pytest.raises(CliError, match=problem):
        release.with_package(template, "1.2.0", "0" * 64)


# What is not released


@pytest.mark.parametrize(
    ("changelog", "tag", "left", "problem"),
    [
        (CHANGELOG, "", "template.yaml", r"not committed:\n M template.yaml"),
        (CHANGELOG, "", "new", r"not committed:\n\?\? new"),
        (CHANGELOG, "v1.1.0", "", "tagged v1.1.0, but its version is 1.2.0"),
        (CHANGELOG.replace("[1.2.0]", "[1.3.0]"), "", "", r"no section `## \[1.2.0\] - DATE`"),
        (CHANGELOG.replace("### Added\n\n- Something.\n", ""), "", "", r"no section `## \[1.2.0\] - DATE`"),
        (CHANGELOG.replace("2026-11-30", "unreleased"), "", "", "with 'unreleased': give it the date"),
        (CHANGELOG, "v9", "new", r"(?s)not committed.*tagged v9"),
    ],
    ids=["changed", "added", "tag", "no section", "empty section", "no date", "all at once"],
)
def test_what_could_not_be_found_again_is_refused(
    project: Path, changelog: str, tag: str, left: str, problem: str
) -> None:
    (project / "CHANGELOG.md").write_text(changelog)
    git(project, "commit", "--quiet", "--all", "--allow-empty", "--message", "Change")
    if tag:
        git(project, "tag", tag)
    if left:
        (project / left).write_text("")

    with pytest.raises(CliError, match=problem):
        release.refuse_unreleasable(project)


@pytest.mark.parametrize("tags", [[], ["v1.2.0"], ["v1.2.0", "something-else"]])
def test_a_commit_is_released_before_it_is_tagged_and_with_the_tag_of_its_version(
    project: Path, tags: list[str]
) -> None:
    for tag in tags:
        git(project, "tag", tag)

    release.refuse_unreleasable(project)


# What was downloaded


def test_a_whole_release_gives_its_version_and_its_files(downloaded: Path) -> None:
    found = artifact.find(str(downloaded))

    assert (found.version, found.origin) == ("1.2.0", f"release in {downloaded}")
    deployed = (found.package, found.template, found.artifact_bucket, found.shared_secret)
    names = ("lambda_function.zip", "template.yaml", "artifact-bucket.yaml", "shared-secret.yaml")
    assert [each.path for each in deployed] == [downloaded / name for name in names]
    assert found.package.key.startswith("falcon-ecr/1.2.0-")
    assert artifact.find(str(downloaded / "lambda_function.zip")) == found


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("SHA256SUMS", None, "is no release: SHA256SUMS cannot be read"),
        ("SHA256SUMS", "", "not a list of SHA-256 digests"),
        ("SHA256SUMS", f"{'0' * 64}  ../x\n", "not a list of SHA-256 digests"),
        ("NOTICE", None, "NOTICE is missing"),
        ("template.yaml", "x", "template.yaml is not the file that was released"),
    ],
)
def test_a_release_that_is_not_whole_is_refused(downloaded: Path, name: str, text: str | None, problem: str) -> None:
    (downloaded / name).unlink()
    if text is not None:
        (downloaded / name).write_text(text)

    with pytest.raises(CliError, match=problem):
        artifact.find(str(downloaded))
    with pytest.raises(CliError, match=r"is no release: .* RELEASE names the directory that holds the"):
        artifact.find(str(downloaded / "absent"))


def test_a_release_whose_list_was_changed_is_refused(downloaded: Path) -> None:
    package, listed = downloaded / "lambda_function.zip", downloaded / "SHA256SUMS"
    sums, ours = listed.read_text(), artifact.sha256(package)

    listed.write_text(re.sub(".*shared-secret.*\n", "", sums))
    with pytest.raises(CliError, match=r"does not list shared-secret\.yaml"):
        artifact.find(str(downloaded))

    # Another package, and a list that agrees, as somebody would do it on purpose.
    package.write_bytes(b"of another release")
    listed.write_text(sums.replace(ours, artifact.sha256(package)))
    with pytest.raises(CliError, match=r"was not released with this lambda_function\.zip"):
        artifact.find(str(downloaded))


def test_the_command_explains_what_is_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--trial", str(tmp_path / "release"), str(tmp_path / "absent.zip")]) == 1

    assert capsys.readouterr().err.startswith("error: ")
