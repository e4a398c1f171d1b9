"""What is deployed: package and templates, built from this checkout or of a release that was downloaded."""

import base64
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.errors import CliError

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
BUILT_PACKAGE: Final = PROJECT / "build" / "lambda_function.zip"
PREFIX: Final = "falcon-ecr"
"""Where all objects of this project lie; a bucket policy can name it."""

PACKAGE: Final = "lambda_function.zip"
TEMPLATE: Final = "template.yaml"
TEMPLATES_BESIDE: Final = ("artifact-bucket.yaml", "shared-secret.yaml")
DEPLOYED: Final = (PACKAGE, TEMPLATE, *TEMPLATES_BESIDE)
"""The files of a release that are deployed, in the order of the fields of `Artifacts`."""
SUMS: Final = "SHA256SUMS"

_AGAIN: Final = "Download the release again."


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file, and the key that it has in every bucket: a new version or other content is a new key."""

    path: Path
    version: str
    content: bytes = field(repr=False)
    """Read once, so that what is deployed is what was checked."""

    @property
    def checksum(self) -> str:
        """The SHA-256 of the content, as S3 and Lambda write it."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def key(self) -> str:
        """The key. CloudFormation takes no notice of new content under an old one; hence the digest."""
        return f"{PREFIX}/{self.version}-{hashlib.sha256(self.content).hexdigest()[:16]}/{self.path.name}"

    @property
    def text(self) -> str:
        """The content of a template."""
        return self.content.decode()


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Everything that is deployed, of one version."""

    version: str
    origin: str
    """Where the files come from, for people."""
    package: Artifact
    template: Artifact
    artifact_bucket: Artifact
    shared_secret: Artifact


def find(release: str) -> Artifacts:
    """Return the release in the directory `release` (or of the file there), else what was built from this checkout.

    Raises CliError if the package was not built, or the release is not whole.
    """
    if release:
        path = Path(release).expanduser()
        return verify_release(path.parent if path.is_file() else path)
    if not BUILT_PACKAGE.is_file():
        raise CliError(f"{BUILT_PACKAGE} is missing. Build it: make package")
    paths = (BUILT_PACKAGE, PROJECT / TEMPLATE, *(PROJECT / "source" / name for name in TEMPLATES_BESIDE))
    version = project_version(PROJECT)
    found = (Artifact(path, version, path.read_bytes()) for path in paths)
    return Artifacts(version, "built from this checkout", *found)


def project_version(project: Path) -> str:
    """Return the version that pyproject.toml declares."""
    declared: str = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return declared


def verify_release(directory: Path) -> Artifacts:
    """Return the release in `directory`, every file of which has the digest that SHA256SUMS gives.

    Raises CliError, naming each file that is missing or another.
    """
    try:
        sums = _parse_sums((directory / SUMS).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            f"{directory} is no release: {SUMS} cannot be read: {error}. RELEASE names the directory that holds the "
            "files of a release, or one of these files."
        ) from error
    problems = [f"{SUMS} does not list {name}" for name in DEPLOYED if name not in sums]
    files = {name: (directory / name).read_bytes() for name in sums if (directory / name).is_file()}
    for name, digest in sums.items():
        if name not in files:
            problems.append(f"{name} is missing")
        elif hashlib.sha256(files[name]).hexdigest() != digest:
            problems.append(f"{name} is not the file that was released")
    if problems:
        raise CliError(f"{directory}: {'; '.join(problems)}. {_AGAIN}")
    version = _described(files[TEMPLATE].decode(), sums[PACKAGE], directory)
    found = (Artifact(directory / name, version, files[name]) for name in DEPLOYED)
    return Artifacts(version, f"release in {directory}", *found)


def _parse_sums(text: str) -> Mapping[str, str]:
    """Return digest by name; a name that leads out of the directory is no name of ours."""
    found = [re.fullmatch(r"([0-9a-f]{64}) [ *]([\w-][\w.-]*)", line) for line in text.splitlines()]
    if not found or not all(found):
        raise CliError(f"{SUMS} is not a list of SHA-256 digests and names of files. {_AGAIN}")
    return {match[2]: match[1] for match in found if match}


def _described(template: str, digest: str, directory: Path) -> str:
    """Return the version that `template` belongs to, if it was released with the package of this digest."""
    pattern = r'^  LambdaPackage:\n    Version: "(.+)"\n    Sha256: (.+)$'
    metadata = re.search(pattern, template, re.MULTILINE)
    if not metadata or metadata[2] != digest:
        raise CliError(f"{directory}: {TEMPLATE} was not released with this {PACKAGE}. {_AGAIN}")
    return metadata[1]


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file at `path` in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
