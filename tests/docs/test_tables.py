"""The tables of the README say what the template says."""

import re

import pytest

from tests.docs import tables

TEXT = tables.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_of_the_readme_equals_the_template(name: str) -> None:
    assert tables.section(TEXT, name) == tables.TABLES[name](tables.template()), "python -m tests.docs.tables"


def test_every_resource_of_the_template_is_listed() -> None:
    cells = re.findall(r"^\|([^|]*)\|", tables.section(TEXT, "resources"), re.MULTILINE)

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(tables.template()["Resources"])
