"""Builds the Lambda package: our code and its dependencies, byte for byte the same wherever it is built.

    python -m tools.package [--describe] [PATH]

prints the package's path, its size and its SHA-256. With `--describe` it builds nothing.
"""

import argparse
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import BytesHeaderParser
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from cli.artifact import BUILT_PACKAGE, sha256
from cli.errors import CliError

SOURCE: Final = Path(__file__).resolve().parent.parent
LICENSE: Final = SOURCE.parent / "LICENSE"
PACKAGE: Final = "registry_connections"
LARGEST: Final = 700_000
"""Bytes. What each member account of an organization fetches, and what a cold start unpacks."""

LEFT_OUT: Final = (
    "*/__pycache__/*",  # differs between Python versions
    "bin/*",  # command lines: what pip generates, and what the libraries offer beside themselves
    "*/__main__.py",
    "*/cli.py",
    "*/cli/*",
    "requests/help.py",
    "*/tests/*",
    "*.pyi",  # for type checkers
    "*/py.typed",
    "idna/codec.py",  # conveniences that nothing imports
    "idna/compat.py",
    "urllib3/contrib/emscripten/*",  # for browsers
    "urllib3/contrib/pyopenssl.py",  # for libraries that are not in the package
    "urllib3/contrib/socks.py",
    "urllib3/http2/connection.py",
)
"""Files of the dependencies that the function never reads."""

OF_DISTRIBUTION: Final = ("*/METADATA", "*/LICENSE*", "*/NOTICE*")
"""What stays of a `.dist-info`: the terms under which we pass the code on, and what vulnerability scanners read."""

NATIVE: Final = (".so", ".pyd", ".dll", ".dylib")
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the first that a zip can express."""


def build(path: Path, source: Path = SOURCE) -> None:
    """Write the package of `source` to `path`, which is complete or untouched.

    Raises CliError if a dependency cannot be installed, brings native code, or makes the package too large.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="package-", dir=path.parent) as directory:
        libraries, draft = Path(directory, "libraries"), Path(directory, "draft.zip")
        _install(source / "requirements.txt", libraries)
        contents = {**dict(_dependencies(libraries)), **dict(_own(source))}
        _write(draft, {**contents, "LICENSE": LICENSE.read_bytes(), "NOTICE": _notice(contents)})
        _refuse_if_too_large(draft)
        draft.replace(path)


def describe(path: Path) -> str:
    """Return path, size and SHA-256 of the package at `path`, for people and for comparing builds."""
    return f"{os.path.relpath(path)}  {path.stat().st_size} bytes\nsha256 {sha256(path)}"


def _install(requirements: Path, target: Path) -> None:
    """Install the pinned `requirements` into `target`, as pure Python only, with pip's own cache of downloads."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--no-compile"]
    # The lowest Python and no ABI: what is chosen then runs on every architecture and on every later Python.
    command += ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.11"]
    command += ["--target", str(target), "--requirement", str(requirements)]
    # pip refuses --target where its configuration asks for per-user installation.
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PIP_USER": "0"})
    if ran.returncode:
        raise CliError(
            f"pip could not install {os.path.relpath(requirements)}; it says:\n{(ran.stderr or ran.stdout).strip()}\n"
            "Check the network and pip's index settings. A dependency without a pure Python wheel cannot be packaged."
        )


def _dependencies(libraries: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every installed file that the package keeps."""
    for name, file in _files(libraries):
        if name.endswith(NATIVE):
            raise CliError(
                f"{name} is native code, which runs on one architecture only. Pin a version of that dependency "
                "that has a pure Python wheel (py3-none-any) in source/requirements.txt."
            )
        if _is_kept(name):
            content = file.read_bytes()
            yield name, _header(content) if name.endswith("/METADATA") else content


def _own(source: Path) -> Iterator[tuple[str, bytes]]:
    for name, file in _files(source / PACKAGE):
        if name.endswith(".py"):
            yield f"{PACKAGE}/{name}", file.read_bytes()


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for file in directory.rglob("*"):
        if file.is_file():
            yield file.relative_to(directory).as_posix(), file


def _is_kept(name: str) -> bool:
    if name.partition("/")[0].endswith(".dist-info"):
        return any(fnmatch(name, pattern) for pattern in OF_DISTRIBUTION)
    return not any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def _header(metadata: bytes) -> bytes:
    """Return `metadata` without the long description, which is the project's README."""
    return metadata.partition(b"\n\n")[0] + b"\n"


def _notice(contents: Mapping[str, bytes]) -> bytes:
    """Return the text that names every dependency in `contents`, its version and its licence."""
    lines = [
        "The function is under the terms in LICENSE. Its package contains these libraries, each under its own terms:",
        "",
    ]
    for name in sorted(name for name in contents if name.endswith("/METADATA")):
        metadata = BytesHeaderParser().parsebytes(contents[name])
        # In older metadata this may be the whole text.
        (licence, *_) = (metadata["License-Expression"] or metadata["License"] or "unnamed terms").splitlines()
        lines.append(f"{metadata['Name']} {metadata['Version']}: {licence}, see {name.rpartition('/')[0]}")
    return "\n".join([*lines, ""]).encode()


def _write(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a zip whose bytes follow from `contents` alone: no clock, no umask, no order of a file system.

    Only the compressor is left to vary. Stored files would not vary, but take 1.4 MB. The releases of zlib agree with
    each other; a Python built with another implementation (zlib-ng) makes other bytes of the same content, and
    such a package is merely uploaded under a key of its own.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system = 3  # Unix, on whatever it is built
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED, compresslevel=9)


def _refuse_if_too_large(path: Path) -> None:
    if (size := path.stat().st_size) > LARGEST:
        raise CliError(
            f"the package would be {size} bytes, more than {LARGEST}. Look at what the "
            "dependencies brought (unzip -v), and leave out what the function never reads: LEFT_OUT in this program."
        )


def main() -> None:
    """Build the package and describe it."""
    parser = argparse.ArgumentParser(prog="tools.package", description="Build the Lambda package.")
    parser.add_argument("path", nargs="?", type=Path, default=BUILT_PACKAGE, metavar="PATH")
    parser.add_argument("--describe", action="store_true", help="describe the package that is there")
    arguments = parser.parse_args()
    if not arguments.describe:
        build(arguments.path)
    print(describe(arguments.path))


if __name__ == "__main__":
    try:
        main()
    except CliError as error:
        sys.exit(f"error: {error}")
