"""The page: how long until it is there, and how long from a tap to what the device says."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import aiohttp

import agent
from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from agent.demo.layout import kept_port
from tests.bench.house import PROGRAMS, admitted, listens, lived_in, needed, running, until
from tests.bench.measure import Run, in_turn, p50_and_p99
from tests.bench.serial import bare_gateway

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator

WEB = Path(agent.__file__).parent / "api" / "web"
PAGES = 60
TAPS = 100
PAUSE_SECONDS = 0.05
CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TAP_TO_STATE = """(button) => new Promise((resolve) => {
  const setting = button.closest(".setting");
  const wanted = button.ariaChecked === "true" ? "false" : "true";
  let tapped;
  // What was asked for is shown at once, with a note; it is the state when the note has gone.
  new MutationObserver((_, observer) => {
    if (button.ariaChecked !== wanted || setting.querySelector(".note")) return;
    observer.disconnect();
    resolve((performance.now() - tapped) / 1000);
  }).observe(setting, { subtree: true, childList: true, attributes: true });
  tapped = performance.now();
  button.click();
})"""


async def first_page(place: Path) -> Sequence[Figure]:
    """The page, its files and the first state, over fresh connections; against aiohttp's own static files."""
    paths = ["/", *(f"/static/{file.relative_to(WEB)}" for file in sorted(WEB.rglob("*")) if file.suffix != ".html")]
    paths = [path for path in paths if "." in path or path == "/"]
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(lived_in(place))
        address = f"http://127.0.0.1:{house.page_port}"
        cookies = await admitted(house)
        bare = await stack.enter_async_context(_bare_page(place, await _first_words(address, cookies)))

        async def once(address: str) -> float:
            began = perf_counter()
            connector = aiohttp.TCPConnector(limit=1)
            headers = {"Origin": address}
            async with aiohttp.ClientSession(address, connector=connector, headers=headers, cookies=cookies) as session:
                for path in paths:
                    async with session.get(path) as response:
                        response.raise_for_status()
                        await response.read()
            await _first_words(address, cookies)
            return perf_counter() - began

        costs = await in_turn(PAGES, {"ours": lambda: once(address), "reference": lambda: once(bare)})
    return [
        figure(
            "first_page_ms",
            1000 * median(costs["ours"]),
            1000 * median(costs["reference"]),
            reference_name="aiohttp's own static files of the same bytes, and a WebSocket that says the same",
            unit="ms",
            n=PAGES,
            note=f"Median; / and all {len(paths) - 1} files one after the other over one fresh connection, then the "
            "first state over a WebSocket. Without a browser.",
        )
    ]


async def tap_to_state(place: Path) -> Sequence[Figure]:
    """In Chromium: from the tap on the heat pump's switch until the page shows what the heat pump itself says."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(lived_in(place))
        bare = await stack.enter_async_context(bare_gateway(place))
        browser = await stack.enter_async_context(_chromium())
        cookies = await admitted(house)
        ours = await _tapping(browser, f"http://127.0.0.1:{house.page_port}", "Heat pump: Power", cookies)
        reference = await _tapping(browser, bare, "Power")
        costs = await in_turn(TAPS, {"ours": ours, "reference": reference})
    return p50_and_p99(
        "tap_to_state_ms",
        costs["ours"],
        costs["reference"],
        reference_name="a bare page of one button over aiohttp and pymodbus, in the same browser",
        note="Chromium; from the click event until the switch shows the state that the heat pump has reported.",
    )


async def _first_words(address: str, cookies: dict[str, str]) -> str:
    """The first message of the WebSocket."""
    async with (
        aiohttp.ClientSession(address, headers={"Origin": address}, cookies=cookies) as session,
        session.ws_connect("/api/ws") as feed,
    ):
        return await feed.receive_str(timeout=10)


@asynccontextmanager
async def _bare_page(place: Path, first_words: str) -> AsyncIterator[str]:
    file = place / "first-words.json"
    file.write_text(first_words)
    with kept_port() as port:
        command = (sys.executable, PROGRAMS / "bare_page.py", WEB, file, str(port))
        async with running(*command, log=place / "bare-page.log"):
            await until(lambda: listens(port), "the bare page")
            yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def _chromium() -> "AsyncIterator[Browser]":
    try:
        from playwright.async_api import Error, async_playwright  # noqa: PLC0415 - the other figures do not need it
    except ImportError as error:
        raise Unmeasurable("playwright is not installed", hint="`make dev` installs it") from error
    async with async_playwright() as playwright:
        try:
            async with await playwright.chromium.launch(
                executable_path=needed("chromium"), args=CHROMIUM.split()
            ) as browser:
                yield browser
        except Error as error:
            raise Unmeasurable(f"Chromium: {error.message.splitlines()[0]}") from error


async def _tapping(browser: "Browser", address: str, switch: str, cookies: dict[str, str] | None = None) -> Run:
    context = await browser.new_context(locale="en-GB")
    await context.add_cookies(
        [{"name": name, "value": value, "url": address} for name, value in (cookies or {}).items()]
    )
    page = await context.new_page()
    await page.goto(address)
    button: Locator = page.get_by_role("switch", name=switch)
    await button.wait_for()

    async def once() -> float:
        await asyncio.sleep(PAUSE_SECONDS)
        async with asyncio.timeout(10):
            return float(await button.evaluate(TAP_TO_STATE))

    return once


MEASUREMENTS = (
    Measurement(("first_page_ms",), first_page),
    Measurement(("tap_to_state_ms_p50", "tap_to_state_ms_p99"), tap_to_state),
)
