"""Virtual environments are made by uv, configured as pip is, and by pip where uv cannot."""

from pathlib import Path

import pytest

from tools import environment

CONFIGURED = """\
:env:.cert='/from/environment.pem'
:env:.disable-pip-version-check='1'
global.cert='/from/file.pem'
global.extra-index-url='https://one.example/simple\\nhttps://two.example/simple'
global.index-url='https://rest.example/simple'
install.index-url='https://install.example/simple'
download.index-url='https://download.example/simple'
"""


def test_what_pip_is_told_for_installing_comes_before_the_rest_and_its_environment_before_both() -> None:
    options = environment.pip_options(CONFIGURED)

    assert options["index-url"] == "https://install.example/simple"
    assert options["cert"] == "/from/environment.pem"


def test_a_key_that_several_files_set_has_the_last_value() -> None:
    assert environment.pip_options("global.proxy='a'\nglobal.proxy='b'\n") == {"proxy": "b"}


@pytest.mark.parametrize(
    ("configuration", "variables"),
    [
        ("", {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}),
        ("global.index-url='https://a/simple'", {"UV_DEFAULT_INDEX": "https://a/simple"}),
        ("global.extra-index-url='https://a/\\nhttps://b/'", {"UV_INDEX": "https://a/ https://b/"}),
        ("global.find-links='/a /b'", {"UV_FIND_LINKS": "/a,/b"}),
        ("global.trusted-host='a b'", {"UV_INSECURE_HOST": "a b"}),
        ("global.cert='~/ca.pem'", {"SSL_CERT_FILE": "/home/someone/ca.pem"}),
        ("global.client-cert='/me.pem'", {"SSL_CLIENT_CERT": "/me.pem"}),
        ("global.proxy='http://p:1'", {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}),
    ],
)
def test_uv_is_given_what_pip_has(
    configuration: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    given = environment.uv_environment(configuration, {"PATH": "/bin"})

    assert given == {"PATH": "/bin"} | dict(environment.ALWAYS) | variables


def test_the_bundle_that_pip_takes_from_the_environment_is_uvs_too_unless_pip_has_its_own() -> None:
    environ = {"REQUESTS_CA_BUNDLE": "/bundle.pem"}

    assert environment.uv_environment("", environ)["SSL_CERT_FILE"] == "/bundle.pem"
    assert environment.uv_environment("global.cert='/own.pem'", environ)["SSL_CERT_FILE"] == "/own.pem"


def test_what_is_to_be_pinned_comes_from_one_index() -> None:
    configuration = "global.index-url='https://a/'\nglobal.extra-index-url='https://b/'\nglobal.find-links='/c'"

    given = environment.uv_environment(configuration, {}, pinned=False)

    assert given == dict(environment.ALWAYS) | {"UV_DEFAULT_INDEX": "https://a/"}


def test_what_the_operator_set_for_uv_stays() -> None:
    given = environment.uv_environment("global.index-url='https://a/'", {"UV_DEFAULT_INDEX": "https://mine/"})

    assert given["UV_DEFAULT_INDEX"] == "https://mine/"


class Project:
    """A directory with an installer whose pip and uv write down how they are called."""

    def __init__(self, directory: Path) -> None:
        self._bin = directory / environment.INSTALLER / "bin"
        self._bin.mkdir(parents=True)
        self._calls = directory / "calls"
        self.pins = directory / "pins.txt"
        self.pins.write_text("one==1 \\\n    --hash=sha256:00\n    # via two\ntwo==2 ; sys_platform == 'win32' \\\n")
        self.command("python")

    def command(self, name: str, exit_status: int = 0) -> None:
        """Put a command into the installer."""
        (self._bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\nexit {exit_status}\n')
        (self._bin / name).chmod(0o755)

    def installers(self) -> list[str]:
        """Return the names of those that were asked to install."""
        return [call.split()[0] for call in self._calls.read_text().splitlines() if "install --require-hashes" in call]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def test_uv_installs_and_pip_does_not(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    project.command("uv")

    assert environment.main(["install", ".venv-x", "pins.txt", "5"]) == 0

    assert capfd.readouterr().out == "Setting up .venv-x: 2 packages, typically 5 s\n"
    assert project.installers() == ["uv"]
    assert Path(".venv-x/bin/python").exists()


def test_pip_installs_what_uv_cannot_and_a_line_says_so(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    project.command("uv", exit_status=2)

    assert environment.main(["install", ".venv-x", "pins.txt", "5"]) == 0

    assert "uv could not set up .venv-x, so pip does" in capfd.readouterr().out
    assert project.installers() == ["uv", "python"]


def test_pip_installs_where_uv_is_not_to_be_had(project: Project) -> None:
    assert environment.main(["install", ".venv-x", "pins.txt", "5"]) == 0

    assert project.installers() == ["python"]


def test_what_neither_can_install_fails(project: Project) -> None:
    project.command("python", exit_status=3)

    assert environment.main(["install", ".venv-x", "pins.txt", "5"]) == 3


def test_an_environment_holds_nothing_of_the_one_before(project: Project) -> None:
    project.command("uv")
    Path(".venv-x").mkdir()
    Path(".venv-x/left").touch()

    environment.main(["install", ".venv-x", "pins.txt", "5"])

    assert not Path(".venv-x/left").exists()
