"""Imports point one way, and importing has no effects."""

import ast
import sys
from functools import cache

from tests.docs.tables import ROOT

PACKAGE = "registry_connections"
SOURCE = ROOT / "source" / PACKAGE

LAYERS = (
    {"handler"},
    {"actions", "custom_resource"},
    {"reconciler"},
    {"executor", "snapshot"},
    {"aws", "falcon", "logs"},
    {"concurrency", "tls"},
    {"core"},
    {"__init__"},
)
"""From the outside to the inside: a module may import those of its own layer and of the layers below."""

NEVER = {"reconciler": {"aws", "falcon"}, "aws": {"falcon"}, "falcon": {"aws", "logs"}}
"""What a module must not reach, though the layers would let it: AWS and Falcon are seen through protocols."""

IMPORTERS = {
    "requests": {"falcon"},
    "boto3": {"aws", "handler"},
    "botocore": {"aws"},
    "urllib3": {"aws", "falcon", "tls"},
    "certifi": {"tls"},
    "crhelper": {"custom_resource"},
}
"""The libraries from outside the standard library, and the parts that import each."""

PURE = {"collections", "dataclasses", "enum", "hashlib", "json", "re", "typing", "urllib.parse"}
"""All of the standard library that the core may use: nothing with I/O, a clock or a log."""


def part(module: str) -> str:
    """Return the module or the folder directly in the package to which a dotted name belongs."""
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0] or "__init__"


@cache
def imports() -> dict[str, set[str]]:
    """Return, for each part of the package, the dotted names of all that it imports."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        module = ".".join((PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        names = found.setdefault(part(module), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports relatively"
                whole = node.module == PACKAGE
                names |= {f"{PACKAGE}.{alias.name}" if whole else str(node.module) for alias in node.names}
    return found


@cache
def inner(name: str) -> frozenset[str]:
    """Return the other parts of the package that a part imports; what the package itself holds is `__init__`'s."""
    own = {part(each) for each in imports()[name] if each.partition(".")[0] == PACKAGE}
    return frozenset(each if each in imports() else "__init__" for each in own) - {name}


def test_imports_point_from_the_handler_inwards_and_nothing_of_aws_or_falcon_is_reached_by_what_decides() -> None:
    depth = {name: number for number, layer in enumerate(LAYERS) for name in layer}

    def reach(name: str) -> set[str]:
        return set().union(inner(name), *(reach(each) for each in inner(name)))

    assert imports().keys() == depth.keys()
    wrong = {(name, each) for name in imports() for each in inner(name) if depth[each] < depth[name]}
    assert wrong == set()
    assert [(name, each) for name, never in NEVER.items() for each in reach(name) & never] == []
    assert inner("core") == {"__init__"}
    assert all(name not in reach(name) for name in imports())


def test_a_library_has_the_importers_that_are_named() -> None:
    roots = {name: {each.partition(".")[0] for each in names} for name, names in imports().items()}
    others = set().union(*roots.values()) - set(sys.stdlib_module_names) - {PACKAGE}

    assert {each: {name for name in roots if each in roots[name]} for each in others} == IMPORTERS


def test_the_core_uses_nothing_with_effects() -> None:
    used = {name for name in imports()["core"] if name.partition(".")[0] != PACKAGE}

    assert {name for name in used if name not in PURE and name.partition(".")[0] not in PURE} == set()


HARMLESS = {
    "Config",
    "CLIENT.merge",
    "TypeVar",
    "dataclass",
    "field",
    "frozenset",
    "logging.getLogger",
    "range",
    "re.compile",
    "str.maketrans",
}
"""All that may be called while the package is imported: nothing that reads, sends, starts or configures anything."""


def used_at_import(node: ast.AST) -> set[str]:
    """Return what runs when a module is imported, outside of all functions: what is called, and the environment."""
    text = ast.unparse(node.func if isinstance(node, ast.Call) else node)
    found = {text} if isinstance(node, ast.Call) or text in {"os.environ", "environ"} else set()
    for name, value in ast.iter_fields(node):
        if name != "body" or not isinstance(node, ast.FunctionDef | ast.Lambda):
            inside = value if isinstance(value, list) else [value]
            found |= set().union(*(used_at_import(each) for each in inside if isinstance(each, ast.AST)))
    return found


def test_an_import_opens_no_socket_reads_no_environment_builds_no_client_and_configures_no_log() -> None:
    sees = "a = lambda: f()\nclass B:\n    c = os.environ['c']\n    def d(self, e=g()): h()"

    assert set().union(*(used_at_import(ast.parse(path.read_text())) for path in SOURCE.rglob("*.py"))) <= HARMLESS
    assert used_at_import(ast.parse(sees)) == {"os.environ", "g"}
