"""The README says what the template says, and only commands that exist."""

import re
from pathlib import Path

import pytest

from tests import readme

TEXT = readme.README.read_text()
MAKEFILE = (readme.ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", readme.TABLES)
def test_a_table_of_the_readme_equals_the_template(name: str) -> None:
    assert readme.section(TEXT, name) == readme.TABLES[name](readme.template())


def test_every_resource_of_the_template_is_listed() -> None:
    provisions = TEXT.split("## What it provisions")[1].split("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\|[^|]*\|([^|]*)\|", provisions, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert listed == set(readme.template()["Resources"])


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    used = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", TEXT, re.MULTILINE))

    assert used
    assert used <= targets


def test_every_linked_file_and_heading_exists() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    local = [target for target in targets if "://" not in target]

    assert local
    for target in local:
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (readme.ROOT / target).exists(), target


def test_every_path_in_the_readme_exists() -> None:
    paths = set(re.findall(r"`((?:source|tests)/[\w./-]+)`", TEXT))

    assert paths
    assert [path for path in paths if not Path(readme.ROOT / path).exists()] == []
