"""Files on their way to S3: each under a key that follows from its content, so that a new version is a new key."""

import base64
import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cli.errors import CliError
from cli.package import DEFAULT_PATH

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
PREFIX: Final = "falcon-ecr"
"""Where all objects of this project lie; a bucket policy can name it."""


@dataclass(frozen=True)
class Artifact:
    """A file, and the key that it has in every bucket."""

    path: Path

    @cached_property
    def content(self) -> bytes:
        """What is in the file."""
        return self.path.read_bytes()

    @property
    def checksum(self) -> str:
        """The SHA-256 of the content, as S3 and Lambda write it."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def key(self) -> str:
        """The key. CloudFormation takes no notice of new content under an old one; hence the digest."""
        return f"{PREFIX}/{version()}-{hashlib.sha256(self.content).hexdigest()[:16]}/{self.path.name}"

    @property
    def text(self) -> str:
        """The content of a template."""
        return self.content.decode()


def package() -> Artifact:
    """Return the Lambda package that `make package` built. Raises CliError if it is not there."""
    if not DEFAULT_PATH.is_file():
        raise CliError(f"{DEFAULT_PATH} is missing. Build it: make package")
    return Artifact(DEFAULT_PATH)


def template(name: str = "template.yaml") -> Artifact:
    """Return one of the project's templates."""
    return Artifact(PROJECT / name)


def version() -> str:
    """Return the project's version."""
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(declared["project"]["version"])
