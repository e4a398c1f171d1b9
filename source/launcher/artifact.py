"""Files on their way to S3: each under a key that follows from its content, so that a new version is a new key."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher.aws_cli import AwsCli, AwsCliError
from launcher.errors import LauncherError
from launcher.package import DEFAULT_PATH, sha256

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
PREFIX: Final = "falcon-ecr"
"""Where all objects of this project lie; a bucket policy can name it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file, and the key that it has in every bucket."""

    path: Path
    key: str

    @classmethod
    def of(cls, path: Path) -> "Artifact":
        """Return the artifact of the file at `path`.

        CloudFormation takes no notice of new content under an old key; hence the digest.
        """
        return cls(path, f"{PREFIX}/{version()}-{sha256(path)[:16]}/{path.name}")

    def upload(self, aws: AwsCli, bucket: str) -> bool:
        """Put the file into `bucket` and return True, or return False if it is there already."""
        if self._is_in(bucket, aws):
            return False
        aws.call("s3api", "put-object", "--bucket", bucket, "--key", self.key, "--body", str(self.path))
        return True

    def _is_in(self, bucket: str, aws: AwsCli) -> bool:
        try:
            aws.call("s3api", "head-object", "--bucket", bucket, "--key", self.key)
        except AwsCliError as error:
            # S3 answers 403 instead of 404 to who may not list the bucket; the upload will tell what matters.
            if error.code in {"404", "NoSuchKey", "403", "Forbidden", "AccessDenied"}:
                return False
            raise
        return True


def package() -> Artifact:
    """Return the Lambda package that `make package` built.

    Raises LauncherError if it is not there.
    """
    if not DEFAULT_PATH.is_file():
        raise LauncherError(f"{DEFAULT_PATH} is missing. Build it: make package")
    return Artifact.of(DEFAULT_PATH)


def template() -> Artifact:
    """Return the project's template."""
    return Artifact.of(PROJECT / "template.yaml")


def version() -> str:
    """Return the project's version."""
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(declared["project"]["version"])
