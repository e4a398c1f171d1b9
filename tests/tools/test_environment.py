"""Virtual environments are made by uv, configured as pip is, and by pip where uv cannot."""

from contextlib import chdir
from pathlib import Path

import pytest

from tools import environment

BUNDLE, INDEX = {"REQUESTS_CA_BUNDLE": "/bundle.pem"}, {"UV_DEFAULT_INDEX": "https://mine/"}


@pytest.mark.parametrize(
    ("configuration", "environ", "variables"),
    [
        ("", {}, {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}),
        ("global.index-url='https://a/simple'", {}, {"UV_DEFAULT_INDEX": "https://a/simple"}),
        ("global.extra-index-url='https://a/\\nhttps://b/'", {}, {"UV_INDEX": "https://a/ https://b/"}),
        ("global.find-links='/a /b'", {}, {"UV_FIND_LINKS": "/a,/b"}),
        ("global.trusted-host='a b'", {}, {"UV_INSECURE_HOST": "a b"}),
        ("global.cert='~/ca.pem'", {}, {"SSL_CERT_FILE": "/home/someone/ca.pem"}),
        ("global.client-cert='/me.pem'", {}, {"SSL_CLIENT_CERT": "/me.pem"}),
        ("global.proxy='http://p:1'", {}, {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}),
        # The environment counts first, then what is for installing, then the last file; what is for others does not.
        (":env:.cert='/a.pem'\nglobal.cert='/b.pem'\ninstall.cert='/c.pem'", {}, {"SSL_CERT_FILE": "/a.pem"}),
        ("install.cert='/a.pem'\nglobal.cert='/b.pem'\ndownload.cert='/c.pem'", {}, {"SSL_CERT_FILE": "/a.pem"}),
        ("global.cert='/a.pem'\nglobal.cert='/b.pem'", {}, {"SSL_CERT_FILE": "/b.pem"}),
        ("", BUNDLE, {"SSL_CERT_FILE": "/bundle.pem"}),
        ("global.cert='/own.pem'", BUNDLE, {"SSL_CERT_FILE": "/own.pem"}),
        ("global.index-url='https://a/'", INDEX, INDEX),
    ],
)
def test_uv_is_given_what_pip_has_and_the_operators_environment_first(
    configuration: str, environ: dict[str, str], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    given = environment.uv_environment(configuration, environ | {"PATH": "/bin"})

    assert given == {"PATH": "/bin"} | dict(environment.ALWAYS) | environ | variables


def test_what_is_to_be_pinned_comes_from_one_index() -> None:
    configuration = "global.index-url='https://a/'\nglobal.extra-index-url='https://b/'\nglobal.find-links='/c'"

    given = environment.uv_environment(configuration, {}, pinned=False)

    assert given == dict(environment.ALWAYS) | {"UV_DEFAULT_INDEX": "https://a/"}


@pytest.mark.parametrize(
    ("exits", "installers", "status"),
    [
        ({"uv": 0, "python": 0}, ["uv"], 0),
        ({"uv": 2, "python": 0}, ["uv", "python"], 0),
        ({"python": 0}, ["python"], 0),
        ({"python": 3}, [], 3),
    ],
    ids=["uv installs", "pip installs what uv cannot", "pip installs where there is no uv", "nobody can"],
)
def test_uv_installs_or_pip_and_nothing_of_an_environment_before_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], exits: dict[str, int], installers: list[str], status: int
) -> None:
    calls, before = tmp_path / "calls", tmp_path / ".venv-x" / "left"
    before.parent.mkdir()
    before.touch()
    pins = "one==1 \\\n    --hash=sha256:00\n    # via two\ntwo==2 ; sys_platform == 'win32' \\\n"
    (tmp_path / "pins.txt").write_text(pins)
    for name, exit_status in exits.items():
        program = tmp_path / environment.INSTALLER / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\nexit {exit_status}\n')
        program.chmod(0o755)

    with chdir(tmp_path):
        assert environment.main(["install", ".venv-x", "pins.txt", "5"]) == status

    asked = [call.split()[0] for call in calls.read_text().splitlines() if "install --require-hashes" in call]
    shown = capfd.readouterr().out
    assert [each for each in asked if status == 0] == installers
    assert shown.startswith("Setting up .venv-x: 2 packages, typically 5 s\n")
    assert ("uv could not set up .venv-x, so pip does" in shown) is (len(installers) > 1)
    assert not before.exists()
    assert status or (tmp_path / ".venv-x/bin/python").exists()
