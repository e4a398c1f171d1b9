"""The coverage report in a real browser, with an organization as large as they come: 1,000 accounts by 17 Regions."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.coverage import page as coverage_page
from cli.coverage.model import NEED_ATTENTION
from tests.cli.coverage import browser
from tests.cli.coverage.browser import Page
from tests.cli.coverage.sample import AT, facts, sample

BROWSER = browser.find()

# With REQUIRE_BROWSER=1, as CI sets it, these fail instead of being skipped.
pytestmark = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("REQUIRE_BROWSER"), reason=f"no browser on PATH: {', '.join(browser.NAMES)}"
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coverage") / "coverage.html"
    path.write_text(coverage_page.html(sample(), facts(), AT), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def running() -> Iterator[Page]:
    assert BROWSER, "REQUIRE_BROWSER is set, and there is no browser on PATH"
    with browser.running(BROWSER) as page:
        yield page


@pytest.fixture
def page(running: Page, large: Path) -> Iterator[Page]:
    running.open(large)
    yield running
    assert running.requested == {large.as_uri()}
    assert running.complaints == []


def test_a_large_organization_is_shown_from_this_file_alone(page: Page, large: Path) -> None:
    text = page.evaluate("document.body.innerText")

    assert len(page.shown()) == 1001
    assert page.evaluate("document.querySelectorAll('#map td').length") == 1001 * 17
    assert page.evaluate("document.querySelector('#count').textContent") == "1,001 of 1,001 accounts"
    assert re.match(r"Falcon coverage of Amazon ECR\s+Organization o-exampleorgid", text)
    assert re.search(r"\d %\s+Falcon has a connection to", text)
    # What needs attention is on the first screen.
    assert page.evaluate("document.querySelector('#findings').getBoundingClientRect().top < innerHeight")
    assert large.stat().st_size < 2**20


def test_filters_narrow_the_accounts_without_a_server(page: Page) -> None:
    rows = sample().rows
    columns = "[...document.querySelectorAll('#map thead th')].filter(head => head.offsetWidth).length"

    page.click(".tile[data-state=e]")
    expired = {row.account for row in rows if "expired" in {cell.state for cell in row.cells.values()}}
    assert set(page.shown()) == expired

    page.click("#reset")
    page.click("#attention")
    assert set(page.shown()) == {row.account for row in rows if row.worst in NEED_ATTENTION}

    page.enter("#region", "eu-west-1")
    there = {row.account: row.cells["eu-west-1"].state for row in rows if "eu-west-1" in row.cells}
    assert set(page.shown()) == {account for account, state in there.items() if state in NEED_ATTENTION}
    assert page.evaluate(columns) == 2

    page.click("#reset")
    assert page.evaluate(columns) == 18
    page.enter("#search", "PAYMENTS prod-032")
    assert page.shown() == [row.account for row in rows if row.name == "payments-prod-032"]

    page.click("#reset")
    page.click("[data-group='0']")
    assert set(page.shown()) == {account for account, _ in sample().findings()[0].accounts}


def test_everything_can_be_reached_from_the_keyboard_reasons_too(page: Page) -> None:
    first, second, *_ = sample().rows
    (region, cell), *_ = sorted(first.cells.items())
    reason = "document.querySelector('#reason').textContent"

    page.evaluate("document.querySelector('.tile[data-state=o]').focus()")
    page.press(" ", 32)
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert len(page.shown()) == 2

    page.click("#reset")
    page.evaluate("document.querySelector('#map').focus()")
    page.press("ArrowDown", 40)
    assert first.account in page.evaluate(reason)
    assert f"{region}: {cell.state}: {cell.reason}"[:100] in page.evaluate(reason)

    page.press("ArrowRight", 39)
    page.press("ArrowDown", 40)
    assert second.account in page.evaluate(reason)


def test_it_is_readable_at_400_pixels(page: Page) -> None:
    page.resize(400, 800, mobile=True)

    wide = "[...document.querySelectorAll('.tile, #findings td, .summary')].filter(each => each.offsetWidth > 400)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(f"{wide}.length") == 0
    # Cells are seen beside the account.
    assert page.evaluate("document.querySelector('#map tbody td').getBoundingClientRect().left") < 250


def test_all_regions_are_on_the_paper_in_landscape(page: Page) -> None:
    page.resize(1055, 750)  # A4 without its margins
    page.call("Emulation.setEmulatedMedia", media="print")

    assert page.evaluate("document.querySelector('#map').scrollWidth") <= 1055
    assert page.evaluate("getComputedStyle(document.querySelector('#map')).overflow") == "visible"
    assert page.evaluate("document.querySelector('#map thead th:last-child').getBoundingClientRect().right") <= 1055


def test_dark_mode_is_dark_and_its_text_light(page: Page) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    colour = "getComputedStyle(document.body).{}.match(/[0-9]+/g).map(Number)"
    assert max(page.evaluate(colour.format("backgroundColor"))) < 60
    assert min(page.evaluate(colour.format("color"))) > 180


def test_the_pages_own_policy_forbids_what_it_did_not_bring(running: Page, large: Path) -> None:
    running.open(large)

    running.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")

    assert running.evaluate("window.ran") is None
    assert running.complaints
