"""The Lambda package: the same wherever it is built, nothing in it that is not used, and it runs on every Python."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

import registry_connections
from cli.artifact import project_version, sha256
from cli.errors import CliError
from tools import package as building

PROJECT = Path(__file__).resolve().parent.parent.parent
RUNTIME = PROJECT / ".venv-lambda"

LAZY = {"idna/uts46data.py"}
"""Modules that are not imported with the handler: this one, when a host name is not ASCII."""

LIBRARIES = {"certifi", "charset_normalizer", "crhelper", "idna", "requests", "urllib3"}

IMPORT = """
import json, sys
unpacked, *others = sys.argv[1:]
sys.path[:0] = [unpacked]
sys.path += others
import registry_connections.handler
files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
print(json.dumps(sorted(file.removeprefix(unpacked + "/") for file in files if file.startswith(unpacked + "/"))))
"""


@cache
def other_pythons() -> list[str]:
    """Return one Python with pip of every other minor version that is installed here and can run the package."""
    found: dict[int, str] = {}
    for minor in sorted({11, 12, 13, 14} - {sys.version_info.minor}):
        name = f"python3.{minor}"
        for path in filter(None, (shutil.which(name), *map(str, Path.home().glob(f".pyenv/versions/*/bin/{name}")))):
            # What pyenv puts on PATH may have no Python behind it.
            if subprocess.run([path, "-c", "import pip"], capture_output=True, check=False).returncode == 0:
                found[minor] = path
    return list(found.values())


def build(path: Path, python: str = sys.executable, *, umask: int = 0o022, **environment: str) -> Path:
    """Build the package as `make package` does."""
    subprocess.run(
        [python, "-m", "tools.package", path],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "source")} | environment,
        umask=umask,
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package") / "lambda_function.zip")


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked").resolve()
    zipfile.ZipFile(package).extractall(directory)
    return directory


def imported(python: str | Path, unpacked: Path, *others: Path) -> set[str]:
    """Return the files of the package that importing the handler reads, in a Python that sees nothing else."""
    command: list[str | Path] = [python, "-I", "-B", "-W", "error::ImportWarning", "-c", IMPORT, unpacked, *others]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("python", [sys.executable, *other_pythons()], ids=os.path.basename)
def test_every_python_builds_the_same_whatever_umask_time_zone_locale_and_directory_and_imports_the_handler(
    package: Path, unpacked: Path, tmp_path: Path, python: str
) -> None:
    path = tmp_path / "a long" / "way" / "p.zip"
    again = build(path, python, umask=0o077, TZ="Pacific/Apia", LC_ALL="C", PYTHONHASHSEED="7")
    (boto3,) = RUNTIME.glob("lib/python3.*/site-packages")

    assert entries(again) == entries(package)
    # Another zlib may compress the same content to other bytes.
    if zlib_of(python) == zlib_of(sys.executable):
        assert sha256(again) == sha256(package)
    assert "registry_connections/handler.py" in imported(python, unpacked, boto3)


def entries(package: Path) -> list[tuple[object, ...]]:
    """Return all that a package says, but for how it is compressed."""
    infos = zipfile.ZipFile(package).infolist()
    return [(info.filename, info.CRC, info.file_size, info.date_time, info.external_attr) for info in infos]


def zlib_of(python: str) -> str:
    return subprocess.check_output([python, "-c", "import zlib; print(zlib.ZLIB_RUNTIME_VERSION)"], text=True)


def test_it_is_small_and_holds_our_code_and_our_dependencies_as_pure_python_with_their_terms(package: Path) -> None:
    infos = zipfile.ZipFile(package).infolist()
    names = [info.filename for info in infos]
    tops = {name.partition("/")[0] for name in names}
    distributions = {top for top in tops if top.endswith(".dist-info")}
    others = {name for name in names if not name.endswith((".py", "/METADATA", "/certifi/cacert.pem"))}

    assert package.stat().st_size < 700_000
    assert tops - distributions == {"registry_connections", "LICENSE", "NOTICE", *LIBRARIES}
    assert {distribution.partition("-")[0] for distribution in distributions} == LIBRARIES
    assert {Path(name).name.partition(".")[0] for name in others - {"certifi/cacert.pem"}} == {"LICENSE", "NOTICE"}
    assert {name.partition("-")[0] for name in names if "LICENSE" in name and "-" in name} == LIBRARIES
    # Nothing tells where it was built, and the function runs as another user than the owner of its files.
    assert names == sorted(names)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {stat.filemode(info.external_attr >> 16) for info in infos} == {"-rw-r--r--"}


def test_its_notice_names_each_library_with_its_version_and_licence_and_our_own_version_is_one(package: Path) -> None:
    pins = re.findall(r"^([a-z0-9-]+)==([^ ]+)", (PROJECT / "source" / "requirements.txt").read_text(), re.MULTILINE)

    notice = zipfile.ZipFile(package).read("NOTICE").decode()

    assert re.findall(r"^(\S+) (\S+): .+, see \S+\.dist-info$", notice, re.MULTILINE) == pins
    assert registry_connections.__version__ == project_version(PROJECT)


def test_the_handler_imports_with_nothing_but_boto3_and_uses_every_module(unpacked: Path) -> None:
    there = {file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*.py")}

    assert imported(RUNTIME / "bin" / "python", unpacked) == there - LAZY
    assert there >= LAZY


# What cannot be packaged


def source_with_wheel(directory: Path, tag: str, digest: str = "", **files: str) -> Path:
    """Make a source directory whose one dependency is a wheel with these files."""
    info = "invented-1.0.dist-info"
    files |= {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: invented\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    wheel = directory / f"invented-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": "".join(f"{name},,\n" for name in files)}.items():
            archive.writestr(name, text)
    (directory / "requirements.txt").write_text(
        f"invented @ {wheel.as_uri()} --hash=sha256:{digest or sha256(wheel)}\n"
    )
    return directory


@pytest.mark.parametrize(
    ("tag", "files", "problem"),
    [
        ("py3-none-any", {"invented/fast.so": "ELF"}, r"invented/fast\.so is native code"),
        ("cp313-cp313-manylinux_2_17_x86_64", {}, r"(?s)not a supported wheel.*without a pure Python wheel"),
        ("py3-none-any", {"invented/noise.txt": os.urandom(700_000).hex()}, "more than 700000"),
        ("py3-none-any", {"digest": "0" * 64}, "DO NOT MATCH THE HASHES"),
    ],
    ids=["native code in a wheel that claims to be pure", "for one platform", "too large", "another hash"],
)
def test_what_cannot_be_packaged_is_refused_and_leaves_nothing(
    tmp_path: Path, tag: str, files: dict[str, str], problem: str
) -> None:
    source = source_with_wheel(tmp_path, tag, **files)

    with pytest.raises(CliError, match=problem):
        building.build(tmp_path / "package.zip", source)

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"invented-1.0-{tag}.whl", "requirements.txt"]
