"""Writes a release.

    python -m tools.release DIRECTORY PACKAGE

puts into DIRECTORY all that an operator needs to launch the stack without building anything: the Lambda PACKAGE, the
templates, the terms, a bill of materials, the release notes, and SHA256SUMS. What is written follows from the commit
alone.

It refuses what could not be found again: changes that are not committed, a tag of another version, and a version that
the CHANGELOG does not describe. The CHANGELOG's section is headed `## [1.0.0] - unreleased` while it grows; the commit
that is tagged gives it a date instead. With `--trial` nothing is refused.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.artifact import PACKAGE, PROJECT, SUMS, TEMPLATE, TEMPLATES_BESIDE, project_version, sha256
from cli.errors import CliError

BILL_OF_MATERIALS: Final = "lambda_function.cdx.json"
RELEASE_NOTES: Final = "release-notes.md"
METADATA: Final = "Metadata:\n"
LARGEST_TEMPLATE: Final = 51_200
"""Bytes that CloudFormation takes with a call."""


def write_release(directory: Path, package: Path, project: Path = PROJECT) -> None:
    """Write the release of `project` to `directory`, which holds nothing else then."""
    version = project_version(project)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    shutil.copyfile(package, directory / PACKAGE)
    template = with_package((project / TEMPLATE).read_text(encoding="utf-8"), version, sha256(package))
    (directory / TEMPLATE).write_text(template, encoding="utf-8")
    for name in TEMPLATES_BESIDE:
        shutil.copyfile(project / "source" / name, directory / name)
    with zipfile.ZipFile(package) as archive:
        for name in ("LICENSE", "NOTICE"):
            (directory / name).write_bytes(archive.read(name))
    write_bill_of_materials(directory / BILL_OF_MATERIALS, project)
    notes = release_notes((project / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    (directory / RELEASE_NOTES).write_text(notes, encoding="utf-8")
    sums = [f"{sha256(file)}  {file.name}\n" for file in sorted(directory.iterdir())]
    (directory / SUMS).write_text("".join(sums), encoding="utf-8")


def refuse_unreleasable(project: Path = PROJECT) -> None:
    """Raise CliError with everything that keeps the commit that is checked out from being released."""
    version = project_version(project)
    problems = []
    if changed := _git(project, "status", "--porcelain"):
        problems.append(f"these changes are not committed:\n{changed}")
    tags = _git(project, "tag", "--points-at", "HEAD", "v*").split()
    if tags and tags != [f"v{version}"]:
        problems.append(f"the commit is tagged {', '.join(tags)}, but its version is {version} (pyproject.toml)")
    try:
        date, _ = section((project / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            problems.append(
                f"CHANGELOG.md heads {version} with {date!r}: give it the date of the release, as 2026-12-31"
            )
    except CliError as error:
        problems.append(str(error))
    if problems:
        raise CliError("\n".join(problems))


def section(changelog: str, version: str) -> tuple[str, str]:
    """Return the date and the text of the section on `version`."""
    heading = rf"^## \[{re.escape(version)}\] - (.+)\n((?:(?!## ).*\n)*)"
    if not (found := re.search(heading, changelog, re.MULTILINE)) or not found[2].strip():
        raise CliError(f"CHANGELOG.md has no section `## [{version}] - DATE` that says what is new")
    return found[1], found[2].strip()


def release_notes(changelog: str, version: str) -> str:
    """Return what the CHANGELOG says of `version`, with how to check what was downloaded."""
    return (
        f"{section(changelog, version)[1]}\n\n## Check what you downloaded\n\n"
        f"`sha256sum --check {SUMS}` compares the files with their digests, and\n"
        f"`gh attestation verify {PACKAGE} --repo OWNER/REPOSITORY` says which commit and workflow built the package.\n"
    )


def with_package(template: str, version: str, digest: str) -> str:
    """Return `template` with the package's version and SHA-256 in its metadata."""
    if template.count(f"\n{METADATA}") != 1:
        raise CliError(f"{TEMPLATE} has no single section Metadata, where the package's digest belongs")
    named = f'{METADATA}  LambdaPackage:\n    Version: "{version}"\n    Sha256: {digest}\n'
    text = template.replace(f"\n{METADATA}", f"\n{named}")
    if (size := len(text.encode())) > LARGEST_TEMPLATE:
        raise CliError(f"{TEMPLATE} would be {size} bytes; CloudFormation takes {LARGEST_TEMPLATE} at most")
    return text


def write_bill_of_materials(path: Path, project: Path) -> None:
    """Write what the package contains, in CycloneDX's format, from the file that pins it."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("cyclonedx-py"),
        "requirements",
        "--output-reproducible",
        "--of",
        "JSON",
    ]
    command += ["--pyproject", project / "pyproject.toml", "--output-file", path]
    # Without the first, a reproducible document has the time that this names. The second is about a graph of
    # dependencies, which a list of pins does not have.
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    environment["PYTHONWARNINGS"] = "ignore"
    subprocess.run([*command, project / "source" / "requirements.txt"], check=True, env=environment)


def _git(project: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=project, check=False, capture_output=True, text=True)
    if ran.returncode:
        raise CliError(f"git {arguments[0]} says: {ran.stderr.strip()}")
    return ran.stdout.rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a release and print what is in it."""
    parser = argparse.ArgumentParser(prog="tools.release", description="Write a release.")
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    parser.add_argument("package", type=Path, metavar="PACKAGE")
    parser.add_argument("--trial", action="store_true", help="also from what could not be found again")
    given = parser.parse_args(arguments)
    try:
        if not given.trial:
            refuse_unreleasable()
        write_release(given.directory, given.package)
    except (CliError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print((given.directory / SUMS).read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
