"""The coverage report in a real browser, with an organization as large as they come: 1,000 accounts by 17 Regions."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.coverage import page as coverage_page
from cli.coverage.model import NEED_ATTENTION
from tests.cli.coverage import browser
from tests.cli.coverage.browser import Page, visit
from tests.cli.coverage.sample import about, sample
from tests.cli.coverage.test_page import HOSTILE, hostile

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


def test_a_large_organization_is_shown_from_this_file_alone(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        assert len(await page.shown()) == 1001
        assert await page.evaluate("document.querySelectorAll('#map td').length") == 1001 * 17
        assert await page.evaluate("document.querySelector('#count').textContent") == "1,001 of 1,001 accounts"
        assert page.requested == {large.as_uri()}
        assert page.complaints == []

    visit(devtools, large, act)
    assert large.stat().st_size < 2**20


def test_filters_narrow_the_accounts_without_a_server(devtools: str, large: Path) -> None:
    coverage = sample()
    expired = {row.account for row in coverage.rows if any(cell.state == "expired" for cell in row.cells.values())}
    attention = {row.account for row in coverage.rows if row.needs_attention}
    troubled_there = {
        row.account
        for row in coverage.rows
        if "eu-west-1" in row.cells and row.cells["eu-west-1"].state in NEED_ATTENTION
    }

    async def act(page: Page) -> None:
        await page.click(".tile[data-state=e]")
        assert set(await page.shown()) == expired

        await page.click("#reset")
        await page.click("#attention")
        assert set(await page.shown()) == attention

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


async def press(page: Page, key: str, code: int) -> None:
    for kind in ("keyDown", "char", "keyUp") if key == " " else ("keyDown", "keyUp"):
        text = {"text": key} if key == " " else {}
        await page.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)


def test_everything_can_be_reached_from_the_keyboard_reasons_too(devtools: str, large: Path) -> None:
    first = sample().rows[0]
    (region, cell), *_ = sorted(first.cells.items())

    async def act(page: Page) -> None:
        await page.evaluate("document.querySelector('.tile[data-state=o]').focus()")
        await press(page, " ", 32)
        assert await page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        assert len(await page.shown()) == 2

        await page.click("#reset")
        await page.evaluate("document.querySelector('#map').focus()")
        await press(page, "ArrowDown", 40)
        reason = await page.evaluate("document.querySelector('#reason').textContent")
        assert first.account in reason
        assert f"{region}: {cell.state}: {cell.reason}"[:100] in reason

        await press(page, "ArrowRight", 39)
        await press(page, "ArrowDown", 40)
        assert sample().rows[1].account in await page.evaluate("document.querySelector('#reason').textContent")
        assert page.complaints == []

    visit(devtools, large, act)


def test_it_is_readable_at_400_pixels(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        await page.call("Emulation.setDeviceMetricsOverride", **screen)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
        wide = "[...document.querySelectorAll('.tile, #findings td, .summary')].filter(each => each.offsetWidth > 400)"
        assert await page.evaluate(f"{wide}.length") == 0
        first = "document.querySelector('#map tbody td').getBoundingClientRect().left"
        assert await page.evaluate(first) < 250  # cells are seen beside the account

    visit(devtools, large, act)


def test_all_regions_are_on_the_paper_in_landscape(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        paper = {"width": 1055, "height": 750, "deviceScaleFactor": 1, "mobile": False}  # A4 without its margins
        await page.call("Emulation.setDeviceMetricsOverride", **paper)
        await page.call("Emulation.setEmulatedMedia", media="print")
        assert await page.evaluate("document.querySelector('#map').scrollWidth") <= 1055
        assert await page.evaluate("getComputedStyle(document.querySelector('#map')).overflow") == "visible"
        last = "document.querySelector('#map thead th:last-child').getBoundingClientRect().right"
        assert await page.evaluate(last) <= 1055

    visit(devtools, large, act)


def test_dark_mode_is_dark_and_its_text_light(devtools: str, large: Path) -> None:
    async def act(page: Page) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.call("Emulation.setEmulatedMedia", features=features)
        colours = [
            await page.evaluate(f"getComputedStyle(document.body).{each}.match(/[0-9]+/g).map(Number)")
            for each in ("backgroundColor", "color")
        ]
        assert max(colours[0]) < 60
        assert min(colours[1]) > 180

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
        assert re.match(r"Falcon coverage of Amazon ECR\s+Organization o-exampleorgid", text)
        assert re.search(r"\d %\s+Falcon has a connection to", text)
        position = "document.querySelector('#findings').getBoundingClientRect().top < innerHeight"
        assert await page.evaluate(position)  # what needs attention is on the first screen

    visit(devtools, large, act)
