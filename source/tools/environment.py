"""Makes virtual environments from files of pinned packages.

    python -m tools.environment installer                               make the environment of pip and uv
    python -m tools.environment install DIRECTORY REQUIREMENTS SECONDS  make DIRECTORY, with what REQUIREMENTS pins
    python -m tools.environment uv ARGUMENT...                          run uv, to pin

SECONDS is how long it typically takes. All of it runs before anything is installed, and needs nothing but Python.

uv installs in a tenth of pip's processor time. It is itself pinned, and pip installs it, apart from the environments
that it makes: those hold what their file names and nothing else. Companies configure pip, so uv is given pip's
configuration. What uv cannot use of it (a keyring, say) makes uv fail, and then pip installs instead.
"""

import ast
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

INSTALLER: Final = Path(".venv-installer")
"""Where pip and uv are."""

UV_PINS: Final = Path(__file__).with_name("uv.txt")

ALWAYS: Final = {
    "UV_SYSTEM_CERTS": "1",  # as pip does; uv's own authorities know no company's
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does; which file is taken is decided by its hash
    "UV_PYTHON_DOWNLOADS": "never",
}

OPTIONS: Final[Mapping[str, Sequence[str]]] = {
    "index-url": ["UV_DEFAULT_INDEX"],
    "extra-index-url": ["UV_INDEX"],
    "find-links": ["UV_FIND_LINKS"],
    "trusted-host": ["UV_INSECURE_HOST"],
    "cert": ["SSL_CERT_FILE"],
    "client-cert": ["SSL_CLIENT_CERT"],
    "proxy": ["HTTP_PROXY", "HTTPS_PROXY"],
}
"""Options of pip, and the environment variables by which uv takes them.

Constraints are left out: every version is pinned, and uv demands that constraints are pinned too.
"""

SEPARATORS: Final = {"UV_FIND_LINKS": ","}
"""Between the values of one variable, where that is no space."""


def uv_environment(pip_configuration: str, environ: Mapping[str, str], *, pinned: bool = True) -> dict[str, str]:
    """Return `environ` with what uv needs to act as pip does with `pip_configuration` (of `pip config list`).

    What is not `pinned` by hash yet comes from one index only: else a package of the same name, or a rebuilt one, in
    an index that only this machine knows would be pinned for everybody. What the operator set for uv stays.
    """
    options = pip_options(pip_configuration)
    for elsewhere in () if pinned else ("extra-index-url", "find-links"):
        options.pop(elsewhere, None)
    if bundle := environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE"):
        options.setdefault("cert", bundle)  # pip verifies with these, too
    given = dict(ALWAYS)
    for option, variables in OPTIONS.items():
        for variable in variables if option in options else ():
            given[variable] = SEPARATORS.get(variable, " ").join(map(os.path.expanduser, options[option].split()))
    kept = {name: value for name, value in environ.items() if name.startswith("UV_")}
    return {**environ, **given, **kept}


def pip_options(pip_configuration: str) -> dict[str, str]:
    """Return the options in `pip_configuration`: the environment's win, then those of `install`, then the rest."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in pip_configuration.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found:
            found[section][option] = str(ast.literal_eval(value))
    return {option: value for section in found.values() for option, value in section.items()}


def count_packages(requirements: str) -> int:
    """Return how many packages `requirements` (the content of a file that uv compiled) pins."""
    return sum("==" in line and not line.startswith((" ", "#")) for line in requirements.splitlines())


def make_installer() -> None:
    """Make the environment of pip and uv; without uv, if pip cannot install it."""
    # As a command, because that explains what is missing where a system's Python comes without ensurepip.
    subprocess.run([sys.executable, "-m", "venv", "--clear", INSTALLER], check=True)
    pins = ["--require-hashes", "--requirement", str(UV_PINS)]
    if subprocess.run([*_pip(), "install", "--quiet", *pins], check=False).returncode != 0:
        print("uv cannot be installed here, so pip installs everything, which takes longer", flush=True)


def install(directory: Path, requirements: Path, seconds: str) -> None:
    """Make `directory` a virtual environment with exactly the packages that `requirements` pins."""
    packages = count_packages(requirements.read_text(encoding="utf-8"))
    print(f"Setting up {directory}: {packages} packages, typically {seconds} s", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    venv.create(directory, symlinks=True)
    target = ["--python", str(_python(directory))]
    pinned = ["install", "--require-hashes", "--requirement", str(requirements)]
    if _uv().is_file():
        if run_uv(["pip", *pinned, *target]) == 0:
            return
        print(f"uv could not set up {directory}, so pip does, which takes longer", flush=True)
    subprocess.run([*_pip(), *target, *pinned, "--quiet"], check=True)


def run_uv(arguments: Iterable[str], *, pinned: bool = True) -> int:
    """Run uv, configured as pip is, and return its exit status."""
    configuration = subprocess.run([*_pip(), "config", "list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    # The progress is for people; a log would get a line for each package.
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    environment = uv_environment(configuration, os.environ, pinned=pinned)
    return subprocess.run([_uv(), *quiet, *arguments], check=False, env=environment).returncode


def _uv() -> Path:
    return _python(INSTALLER).with_name("uv")


def _pip() -> list[str]:
    return [str(_python(INSTALLER)), "-m", "pip", "--disable-pip-version-check"]


def _python(directory: Path) -> Path:
    return directory / "bin" / "python"


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` say and return the exit status."""
    try:
        match arguments:
            case ["installer"]:
                make_installer()
            case ["install", directory, requirements, seconds]:
                install(Path(directory), Path(requirements), seconds)
            case ["uv", *rest]:
                return run_uv(rest, pinned=False)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
