"""What the pages show exists: commands, variables, paths, links, tests. What they show as shell can be parsed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from cli.__main__ import VARIABLES
from tests.docs import tables
from tests.docs.tables import README, ROOT

LONGEST_README: Final = 320  # lines: a person reads it
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "source").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")
ENVIRONMENT: Final = frozenset(
    {"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET"}
)


def text(page: Path) -> str:
    """Return a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[str]:
    """Yield the shell commands that a page shows, each block without its indentation."""
    for indent, block in re.findall(r"^( *)```sh\n(.*?)^ *```$", text(page), re.MULTILINE | re.DOTALL):
        yield re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """Yield the lines that a page shows as commands, in blocks and within a line."""
    yield from (line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines())
    yield from re.findall(r"`([^`\n]+)`", text(page))


def by_name(page: Path) -> str:
    """Return how a page is called in the list of tests."""
    return str(page.relative_to(ROOT))


def heading_ids(page: Path) -> set[str]:
    """Return what a link to a heading of this page ends in."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    for target in (link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link):
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not heading or heading in heading_ids(linked), target


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_target_and_variable_of_make_exists(page: Path) -> None:
    targets = {name for line in re.findall(r"^([a-z -]+):", MAKEFILE, re.MULTILINE) for name in line.split()}
    variables = {*VARIABLES, *ENVIRONMENT, *re.findall(r"[A-Z][A-Z0-9_]+", MAKEFILE)}
    found = (re.findall(r"(?:^|[;&|(] *)make ([a-z-][^|;&)]*)", command) for command in commands(page))
    for call in chain.from_iterable(found):
        assert {word for word in call.split() if re.fullmatch(r"[a-z][a-z-]*", word)} <= targets, call
        assert set(re.findall(r"(?:^|\s)([A-Z0-9_]+)=", re.sub(r"'[^']*'|\"[^\"]*\"", "", call))) <= variables, call


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_path_exists(page: Path) -> None:
    found = (re.findall(r"(?<![\w./-])(?:source|tests)/[\w./-]+", command) for command in commands(page))

    assert [path for path in chain.from_iterable(found) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_command_can_be_parsed_and_has_no_comment_which_would_be_arguments_in_zsh(page: Path, shell: str) -> None:
    if not (program := shutil.which(shell)):
        pytest.skip(f"{shell} is not installed")
    for block in blocks(page):
        parsed = subprocess.run([program, "-n"], input=block, text=True, capture_output=True, check=False)
        assert (parsed.returncode, parsed.stderr) == (0, ""), block
        assert not re.search(r"(?:^|\s)#", block), block


def test_every_claim_of_security_names_tests_that_exist() -> None:
    claims = re.findall(r"^\| (?!Claim|---)(.*) \| (.*) \|$", text(ROOT / "SECURITY.md"), re.MULTILINE)
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}

    assert claims
    for claim, held_by in claims:
        names = set(re.findall(r"`(test_\w+)`", held_by))
        assert names, claim
        assert names <= modules, claim


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_of_the_readme_equals_the_template(name: str) -> None:
    written = tables.section(text(README), name)

    assert written == tables.TABLES[name](tables.template()), "make tables writes it anew"


def test_the_readme_lists_every_resource_of_the_template_and_can_be_read() -> None:
    cells = re.findall(r"^\|([^|]*)\|", tables.section(text(README), "resources"), re.MULTILINE)

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(tables.template()["Resources"])
    assert len(text(README).splitlines()) <= LONGEST_README
