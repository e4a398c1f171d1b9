"""The coverage report in a real browser, with an organization as large as they come: 1,000 accounts by 17 Regions."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import coverage_page
from tests import browser
from tests.browser import Page, visit
from tests.coverage_sample import about, sample
from tests.test_coverage import HOSTILE, hostile

BROWSER = browser.find()

# With REQUIRE_BROWSER=1, as CI sets it, these fail instead of being skipped.
pytestmark = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("REQUIRE_BROWSER"), reason=f"no browser on PATH: {', '.join(browser.NAMES)}"
)


@pytest.fixture(scope="module")
def devtools() -> Iterator[str]:
    assert BROWSER, "REQUIRE_BROWSER is set, and there is no browser on PATH"
    with browser.running(BROWSER) as address:
        yield address


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coverage") / "coverage.html"
    path.write_text(coverage_page.html(sample(), about()), encoding="utf-8")
    return path


def test_a_large_organization_is_shown_soon_and_from_this_file_alone(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        assert len(await page.shown()) == 1001
        assert await page.evaluate("document.querySelectorAll('#map td').length") == 1001 * 17
        assert await page.evaluate("document.querySelector('#count').textContent") == "1,001 of 1,001 accounts"
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        assert await page.evaluate(paint) < 15_000  # milliseconds; a fraction of it on an idle machine
        assert page.requested == {large.as_uri()}
        assert page.complaints == []

    visit(devtools, large, act)
    assert large.stat().st_size < 2**20


def test_filters_narrow_the_accounts_without_a_server(devtools: str, large: Path) -> None:
    coverage = sample()
    expired = {row.account for row in coverage.rows if any(cell.state == "expired" for cell in row.cells.values())}
    perfect = {row.account for row in coverage.rows if {cell.state for cell in row.cells.values()} == {"connected"}}
    troubled_there = {
        row.account
        for row in coverage.rows
        if row.cells.get("eu-west-1") and row.cells["eu-west-1"].state != "connected"
    }

    async def act(page: Page) -> None:
        await page.click(".tile[data-state=e]")
        assert set(await page.shown()) == expired

        await page.click("#reset")
        await page.click("#attention")
        assert set(await page.shown()) == {row.account for row in coverage.rows} - perfect

        await page.enter("#region", "eu-west-1")
        assert set(await page.shown()) == troubled_there
        columns = "[...document.querySelectorAll('#map thead th')].filter(head => head.offsetWidth).length"
        assert await page.evaluate(columns) == 2

        await page.click("#reset")
        assert await page.evaluate(columns) == 18
        await page.enter("#search", "PAYMENTS prod-032")
        assert await page.shown() == [row.account for row in coverage.rows if row.name == "payments-prod-032"]

        await page.click("#reset")
        await page.click("[data-group='0']")
        assert set(await page.shown()) == {account for account, _ in coverage.findings()[0].accounts}
        assert page.complaints == []

    visit(devtools, large, act)


def test_everything_can_be_done_from_the_keyboard(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        await page.evaluate("document.querySelector('.tile[data-state=o]').focus()")
        for kind in ("keyDown", "char", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=kind, key=" ", text=" ", windowsVirtualKeyCode=32)

        assert await page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        assert len(await page.shown()) == 2

    visit(devtools, large, act)


def test_hostile_names_do_nothing_in_a_browser(devtools: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(coverage_page.html(hostile(), about(HOSTILE)), encoding="utf-8")

    async def act(page: Page) -> None:
        assert len(await page.shown()) == 2
        assert await page.evaluate("document.images.length") == 0
        assert HOSTILE in await page.evaluate("document.querySelector('#map tbody').textContent")
        assert page.requested == {path.as_uri()}

        await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
        assert await page.evaluate("window.ran") is None  # the page's own policy forbids it

    visit(devtools, path, act)


def test_the_text_that_a_reader_sees_first_is_the_summary(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        text = await page.evaluate("document.body.innerText")
        assert re.match(r"Falcon coverage of Amazon ECR\s+Organization o-exampleorgid .*\s+98\.2 %\s+16,685 of", text)
        position = "document.querySelector('#findings').getBoundingClientRect().top < innerHeight"
        assert await page.evaluate(position)  # what needs attention is on the first screen

    visit(devtools, large, act)
