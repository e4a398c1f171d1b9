"""The coverage report in a real browser, with an organization as large as they come: 1,000 accounts by 17 Regions."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cli.coverage import page as coverage_page
from cli.coverage.model import NEED_ATTENTION
from tests.cli.coverage.sample import AT, facts, sample

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
NO_BROWSER = f"no browser on PATH: {', '.join(BROWSERS)}"

# With REQUIRE_BROWSER=1, as CI sets it, these fail instead of being skipped.
pytestmark = pytest.mark.skipif(BROWSER is None and not os.environ.get("REQUIRE_BROWSER"), reason=NO_BROWSER)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coverage") / "coverage.html"
    path.write_text(coverage_page.html(sample(), facts(), AT), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert BROWSER, f"REQUIRE_BROWSER is set, and there is {NO_BROWSER}"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=BROWSER) as running:
        yield running


@pytest.fixture
def page(browser: Browser, large: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open the page in a window like the test's parameter says; it asks for nothing else, and nothing is logged."""
    requested, complaints = list[str](), list[str]()
    with browser.new_page(**getattr(request, "param", {})) as shown:
        shown.on("request", lambda sent: requested.append(sent.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(large.as_uri())
        yield shown
    assert requested == [large.as_uri()]
    assert complaints == []


def accounts(page: Page) -> list[str]:
    """Return the account numbers that are visible."""
    return page.locator("#map tbody tr:visible code").all_text_contents()


def test_a_large_organization_is_shown_from_this_file_alone(page: Page, large: Path) -> None:
    text = page.inner_text("body")

    assert len(accounts(page)) == 1001
    assert page.locator("#map td").count() == 1001 * 17
    assert page.text_content("#count") == "1,001 of 1,001 accounts"
    assert re.match(r"Falcon coverage of Amazon ECR\s+Organization o-exampleorgid", text)
    assert re.search(r"\d %\s+Falcon has a connection to", text)
    # What needs attention is on the first screen.
    assert page.evaluate("document.querySelector('#findings').getBoundingClientRect().top < innerHeight")
    assert large.stat().st_size < 2**20


def test_filters_narrow_the_accounts_without_a_server(page: Page) -> None:
    rows, columns = sample().rows, page.locator("#map thead th:visible")

    page.click(".tile[data-state=e]")
    expired = {row.account for row in rows if "expired" in {cell.state for cell in row.cells.values()}}
    assert set(accounts(page)) == expired

    page.click("#reset")
    page.click("#attention")
    assert set(accounts(page)) == {row.account for row in rows if row.worst in NEED_ATTENTION}

    page.select_option("#region", "eu-west-1")
    there = {row.account: row.cells["eu-west-1"].state for row in rows if "eu-west-1" in row.cells}
    assert set(accounts(page)) == {account for account, state in there.items() if state in NEED_ATTENTION}
    assert columns.count() == 2

    page.click("#reset")
    assert columns.count() == 18
    page.fill("#search", "PAYMENTS prod-032")
    assert accounts(page) == [row.account for row in rows if row.name == "payments-prod-032"]

    page.click("#reset")
    page.click("[data-group='0']")
    assert set(accounts(page)) == {account for account, _ in sample().findings()[0].accounts}


def test_everything_can_be_reached_from_the_keyboard_reasons_too(page: Page) -> None:
    first, second, *_ = sample().rows
    (region, cell), *_ = sorted(first.cells.items())

    page.press(".tile[data-state=o]", "Space")
    assert page.get_attribute(":focus", "aria-pressed") == "true"
    assert len(accounts(page)) == 2

    page.click("#reset")
    page.press("#map", "ArrowDown")
    assert first.account in page.inner_text("#reason")
    assert f"{region}: {cell.state}: {cell.reason}"[:100] in page.inner_text("#reason")

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert second.account in page.inner_text("#reason")


PHONE = {"viewport": {"width": 400, "height": 800}, "is_mobile": True}


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_it_is_readable_at_400_pixels(page: Page) -> None:
    wide = "[...document.querySelectorAll('.tile, #findings td, .summary')].filter(each => each.offsetWidth > 400)"

    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(f"{wide}.length") == 0
    # Cells are seen beside the account.
    assert page.evaluate("document.querySelector('#map tbody td').getBoundingClientRect().left") < 250


def test_all_regions_are_on_the_paper_in_landscape(page: Page) -> None:
    page.set_viewport_size({"width": 1055, "height": 750})  # A4 without its margins
    page.emulate_media(media="print")

    assert page.evaluate("document.querySelector('#map').scrollWidth") <= 1055
    assert page.evaluate("getComputedStyle(document.querySelector('#map')).overflow") == "visible"
    assert page.evaluate("document.querySelector('#map thead th:last-child').getBoundingClientRect().right") <= 1055


def test_dark_mode_is_dark_and_its_text_light(page: Page) -> None:
    page.emulate_media(color_scheme="dark")

    colour = "getComputedStyle(document.body).{}.match(/[0-9]+/g).map(Number)"
    assert max(page.evaluate(colour.format("backgroundColor"))) < 60
    assert min(page.evaluate(colour.format("color"))) > 180


def test_the_pages_own_policy_forbids_what_it_did_not_bring(browser: Browser, large: Path) -> None:
    with browser.new_page() as page:
        page.goto(large.as_uri())

        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")

        assert page.evaluate("window.ran") is None
