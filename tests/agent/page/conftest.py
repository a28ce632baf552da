"""The page in a real browser (Debian's Chromium), with a house behind it that exists only in memory."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from agent.api.server import serve
from privacy.clock import SystemClock
from tests.agent.page.at_home import at_home
from tests.agent.page.fake_door import FakeDoor

House = Any
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
AXE = Path(__file__).parents[2] / "peers/node_modules/axe-core/axe.min.js"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def address(api_house: House) -> AsyncIterator[str]:
    async with serve(api_house, clock=SystemClock(), door=at_home(api_house), port=0, socket_path=None) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(20_000)
    yield context
    await context.close()


expect.set_options(timeout=20_000)


class Complaints(list[str]):
    """What the browser complained of: errors, and breaches of the content security policy."""

    def __init__(self, house: House, *, refusals: bool = False) -> None:
        super().__init__()
        self._house = house
        self._refusals = refusals

    def listen(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.append(str(error)))

    def _heard(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"} and not self._of_a_picture_that_went(line) and not self._refused(line):
            self.append(line.text)

    def _refused(self, line: ConsoleMessage) -> bool:
        """A browser notes every refusal; the page shows it. Without anybody signed in there is no feed either."""
        refusal = re.search(r"the server responded with a status of 4\d\d ", line.text)
        feed = "/api/ws' failed" in line.text and "Unexpected response code: 401" in line.text
        cut_off = line.text == "Failed to load resource: net::ERR_FAILED"
        return self._refusals and (refusal is not None or feed or cut_off)

    def _of_a_picture_that_went(self, line: ConsoleMessage) -> bool:
        """A picture that went between its place on the page and the browser's asking for it is rightly not found."""
        asked = re.search(r"/api/snapshots/(\w+)/(image|thumbnail)$", line.location["url"])
        there = {each.id for each in self._house.state().snapshots}
        return "404" in line.text and asked is not None and asked[1] not in there


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, address: str, api_house: House) -> AsyncIterator[Page]:
    """The page, opened and filled. A test fails if the browser had anything to complain of."""
    complaints = Complaints(api_house)
    page = await context.new_page()
    complaints.listen(page)
    await page.goto(address)
    await expect(page.get_by_role("article", name="Hall lamp")).to_be_visible()
    yield page
    assert complaints == []


@pytest.fixture
def door(api_house: House) -> FakeDoor:
    """Who may come in, and how."""
    return FakeDoor(api_house)


@pytest_asyncio.fixture(loop_scope="module")
async def home(api_house: House, door: FakeDoor) -> AsyncIterator[str]:
    """The address of a page to sign in at: by a name, since passkeys are for names."""
    async with serve(api_house, clock=SystemClock(), door=door.door(), port=0, socket_path=None) as url:
        yield url.replace("127.0.0.1", "localhost")


Visit = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="module")
async def visit(context: BrowserContext, home: str, door: FakeDoor, api_house: House) -> AsyncIterator[Visit]:
    """Opens the page at a fragment, as a person who is signed in already or as nobody. It may be refused things."""
    complaints = Complaints(api_house, refusals=True)

    async def opened(fragment: str = "", person: str | None = None, *, away: BrowserContext | None = None) -> Page:
        where = away or context
        if person:
            await where.add_cookies([door.sign_in(person)])
        page = await where.new_page()
        complaints.listen(page)
        await page.goto(f"{home}/{fragment}")
        return page

    yield opened
    assert complaints == []


@pytest.fixture
def violations() -> Callable[[Page], Awaitable[list[str]]]:
    """What axe finds on a page, one line each: rules of WCAG 2.2 AA and axe's best practices."""
    return _violations


async def _violations(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['impact']} {each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in found["violations"]
    ]
