"""Every claim of SECURITY.md names the tests that hold it."""

import re

from tests.docs import tables

TEXT = (tables.ROOT / "SECURITY.md").read_text()


def test_every_claim_names_tests_that_exist() -> None:
    claims = [
        row
        for row in re.findall(r"^\|(.*)\|(.*)\|$", TEXT, re.MULTILINE)
        if "---" not in row[0] and "Claim" not in row[0]
    ]
    modules = {path.stem for path in (tables.ROOT / "tests").rglob("test_*.py")}

    assert claims
    for claim, held_by in claims:
        names = re.findall(r"`(test_\w+)`", held_by)
        assert names, claim
        assert set(names) <= modules, claim
