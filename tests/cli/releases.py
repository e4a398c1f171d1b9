"""Releases as an operator downloads them: the real package and templates, of whatever version a test needs."""

import io
import re
import shutil
import zipfile
from pathlib import Path

from cli.artifact import PROJECT
from tools import release

FILES = ("pyproject.toml", "template.yaml", "source/artifact-bucket.yaml", "source/shared-secret.yaml")
VERSIONED = "registry_connections/__init__.py"


def publish(directory: Path, package: bytes, version: str) -> Path:
    """Write a release of this version below `directory`, and return where it is."""
    project, written = directory / f"project-{version}", directory / f"release-{version}"
    for name in (*FILES, "source/requirements.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, project / name)
    declared = (project / "pyproject.toml").read_text(encoding="utf-8")
    replaced = re.sub(r'^version = ".+"$', f'version = "{version}"', declared, count=1, flags=re.MULTILINE)
    (project / "pyproject.toml").write_text(replaced, encoding="utf-8")
    (project / "CHANGELOG.md").write_text(f"## [{version}] - 2027-01-01\n\n- Something.\n", encoding="utf-8")
    (project / "built.zip").write_bytes(with_version(package, version))
    release.write_release(written, project / "built.zip", project)
    return written


def with_version(package: bytes, version: str) -> bytes:
    """Return the Lambda package as if this version of it had been built."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == VERSIONED:
                content = re.sub(rb'__version__ = ".+"', f'__version__ = "{version}"'.encode(), content)
            new.writestr(entry, content)
    return changed.getvalue()
