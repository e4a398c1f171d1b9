"""Who may import what, that an import has no effects, and that files and functions stay small."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from tests.readme import ROOT

PACKAGE = "registry_connections"
SOURCE = ROOT / "source" / PACKAGE

MAY_IMPORT = {
    "__init__": set[str](),
    "errors": set[str](),
    "model": set[str](),
    "crew": {"errors", "model"},
    "report": {"model"},
    "settings": {"model"},
    "state": {"errors"},
    "plan": {"model", "state"},
    "turns": {"errors", "model", "state"},
    "apply": {"crew", "errors", "model", "plan"},
    "reading": {"apply", "crew", "errors", "model", "plan", "settings", "state", "turns"},
    "ledger": {"apply", "model", "reading", "report", "state", "turns"},
    "reconcile": {
        "apply", "crew", "errors", "ledger", "model", "plan", "reading", "report", "settings", "state", "turns"
    },
    "views": {"errors", "model", "plan", "reading", "state"},
    "gate": {"errors", "model"},
    "transport": {"__init__", "crew", "errors", "gate", "model"},
    "answers": {"errors", "model", "transport"},
    "falcon": {"answers", "crew", "errors", "model", "transport"},
    "aws": {"errors", "model", "state"},
    "answer": {"crew", "model"},
    "logs": {"report"},
    "handler": {
        "__init__", "answer", "aws", "crew", "errors", "falcon", "logs", "model", "reconcile", "report", "settings",
        "state", "transport", "turns", "views",
    },
}  # fmt: skip
"""The modules of this package that each of them may import, drawn from the inside to the outside."""

ONLY_BY = {
    "requests": {"transport"},
    "urllib3": {"transport"},
    "boto3": {"aws", "handler"},
    "botocore": {"aws"},
    "crhelper": {"handler"},
    "os": {"handler"},
    "logging": {"handler", "logs"},
    "sys": {"logs"},
    "traceback": {"handler"},
    "time": {"answer", "gate", "handler"},
    "random": {"gate"},
    "urllib.request": {"answer"},
}
"""Libraries with effects, and who may import them."""

PURE = {"collections", "dataclasses", "datetime", "enum", "json", "re", "typing", "urllib.parse"}
"""All of the standard library that what decides may use. `datetime` compares moments that are passed in."""

SHELL = ("reconcile", "ledger", "reading", "apply", "turns", "views")
EDGES = {"falcon", "transport", "gate", "aws", "answers", "answer", "handler"}

LONGEST_FILE = 350
LONGEST_FUNCTION = 35
MEDIAN_FUNCTION = 10


def modules() -> list[str]:
    return sorted(path.stem for path in SOURCE.glob("*.py"))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((SOURCE / f"{module}.py").read_text())


def imports(module: str) -> set[str]:
    """Return the dotted names of everything that a module imports, wherever it does."""
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            whole = node.module == PACKAGE
            names |= {f"{PACKAGE}.{alias.name}" for alias in node.names} if whole else {str(node.module)}
    return names


def inner(module: str) -> set[str]:
    """Return the modules of this package that a module imports; what the package itself holds is `__init__`'s."""
    names = {name.split(".")[1] for name in imports(module) if name.startswith(f"{PACKAGE}.")}
    return {name if name in modules() else "__init__" for name in names}


def outer(module: str) -> set[str]:
    return {name for name in imports(module) if name.split(".")[0] != PACKAGE}


def reach(module: str) -> set[str]:
    """Return what a module imports, and what those import, and so on."""
    found: set[str] = set()
    new = {module}
    while new:
        found |= new
        new = {name for each in new for name in inner(each)} - found
    return found


def is_of(name: str, library: str) -> bool:
    return name == library or name.startswith(f"{library}.")


def test_every_module_has_its_row_in_the_table() -> None:
    assert modules() == sorted(MAY_IMPORT)


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_what_the_table_allows_and_no_more(module: str) -> None:
    assert inner(module) == MAY_IMPORT[module]


@pytest.mark.parametrize("library", ONLY_BY)
def test_a_library_with_effects_has_the_importers_that_are_named(library: str) -> None:
    importers = {module for module in modules() if any(is_of(name, library) for name in outer(module))}

    assert importers == ONLY_BY[library]


def test_nothing_else_is_imported_from_outside_the_standard_library() -> None:
    roots = {name.split(".")[0] for module in modules() for name in outer(module)}

    assert roots - set(sys.stdlib_module_names) == {"requests", "urllib3", "boto3", "botocore", "crhelper"}


@pytest.mark.parametrize("module", ["plan", "settings", "report", "state", "model", "errors"])
def test_what_decides_can_reach_no_network_file_clock_or_log(module: str) -> None:
    used = {name for each in reach(module) for name in outer(each)}

    assert {name for name in used if not any(is_of(name, pure) for pure in PURE)} == set()


@pytest.mark.parametrize("module", ["plan", "settings", "report", "state", "model", "errors"])
def test_what_decides_asks_nobody_for_the_time_and_opens_nothing(module: str) -> None:
    names = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}

    assert names & {"now", "utcnow", "today", "open", "print", "input", "eval", "exec", "environ", "getenv"} == set()


@pytest.mark.parametrize("module", SHELL)
def test_the_shell_sees_falcon_and_aws_through_protocols_only(module: str) -> None:
    assert reach(module) & EDGES == set()
    assert not {name for each in reach(module) for name in outer(each) if is_of(name, "requests") or "boto" in name}


def test_no_module_imports_itself_by_a_detour() -> None:
    circles = {module for module in modules() if any(module in reach(other) for other in inner(module))}

    assert circles == set()


WATCH = """
import importlib, json, logging, os, sys, threading

package, known, names = json.loads(sys.stdin.read())
for name in known:
    importlib.import_module(name)

import boto3, crhelper, requests

seen = []


def note(what):
    def noted(*arguments, **more):
        seen.append(f"{what} {arguments[1:]!r}")
        raise RuntimeError(what)
    return noted


def hear(event, _):
    if event.startswith(("socket.", "os.putenv", "subprocess.")):
        seen.append(event)


sys.addaudithook(hear)
for owner, method in (
    (type(os.environ), "__getitem__"), (type(os.environ), "__iter__"), (boto3.session.Session, "__init__"),
    (boto3, "client"), (boto3, "resource"), (requests.Session, "__init__"), (crhelper.CfnResource, "__init__"),
    (logging.Logger, "addHandler"), (logging.Logger, "setLevel"), (logging, "basicConfig"), (threading.Thread, "start"),
):
    setattr(owner, method, note(method))
os.getenv = note("getenv")
if sys.argv[1:] == ["self-check"]:
    try:
        os.environ.get("HOME")
    except RuntimeError:
        pass
    import socket
    socket.socket()
    names = []
for name in names:
    importlib.import_module(f"{package}.{name}")
print(json.dumps(seen))
"""


def watched(*arguments: str) -> list[str]:
    """Return what a fresh interpreter saw while it imported every module, after all that they import from outside."""
    known = sorted({name for module in modules() for name in outer(module)})
    names = [name for name in modules() if name != "__init__"]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments],
        input=json.dumps([PACKAGE, known, names]),
        env={"PYTHONPATH": str(ROOT / "source")},
        cwd=Path(sys.prefix),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    seen: list[str] = json.loads(done.stdout)
    return seen


def test_an_import_opens_no_socket_reads_no_environment_builds_no_client_and_configures_no_log() -> None:
    assert watched() == []


def test_the_watch_over_imports_would_see_it() -> None:
    seen = watched("self-check")

    assert [event.split()[0] for event in seen] == ["__getitem__", "socket.__new__"]


@pytest.mark.parametrize("module", modules())
def test_no_file_is_longer_than_can_be_read_at_once(module: str) -> None:
    assert len((SOURCE / f"{module}.py").read_text().splitlines()) <= LONGEST_FILE


def lengths() -> dict[str, int]:
    return {
        f"{module}.{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_functions_stay_short() -> None:
    assert {name for name, lines in lengths().items() if lines > LONGEST_FUNCTION} == set()
    assert median(lengths().values()) <= MEDIAN_FUNCTION


def test_every_module_says_what_it_is_for() -> None:
    assert {module for module in modules() if not ast.get_docstring(tree(module))} == set()
