"""The page before the real agent, as its owner walks through it: in by a link, and out by an erasure."""

import asyncio
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.agent.page.test_page_sign_in import BUTTON_ALONE, authenticator
from tests.scenarios.programs import Agent

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
version = 1
[gateway]
id = "gw-1"
state_dir = "{folder}/state"
[api]
port = 0
socket = "api.sock"
[discovery]
interfaces = []
"""
KARI = {"role": "owner", "name": "Kari", "lives_here": True, "language": "en"}
SIRI = {"role": "support", "name": "Siri", "lives_here": False}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    config = tmp_path / "portvakt.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    with Agent(config) as agent:
        yield agent


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A browser fails the test with any error of the page's program."""
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.add_init_script(BUTTON_ALONE)
    yield page
    assert errors == []


async def locally(agent: Agent, path: str, body: Any) -> Any:
    """What somebody at the box has done; not on the loop that moves the browser."""
    return await asyncio.to_thread(agent.page._locally, "POST", path, body)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


async def view(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name).click()
    await expect(page.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")


async def test_a_walk(agent: Agent, page: Page, tmp_path: Path) -> None:
    kari = await locally(agent, "/api/people", KARI)
    link = await locally(agent, f"/api/people/{kari['id']}/link", {})
    await page.goto(link["url"])
    await authenticator(page)
    await page.get_by_label("What is the device called?").fill("My phone")
    await page.get_by_role("button", name="Make the passkey").click()
    await expect(page.get_by_text("No devices yet.")).to_be_visible()

    await view(page, "My data")
    camera = card(page, "Pictures from your camera")
    await camera.get_by_role("button", name="I agree").click()
    await expect(camera).to_contain_text("You agreed to version 1")
    await camera.get_by_role("button", name="I withdraw").click()
    await expect(camera).to_contain_text("Withdrawn")
    await expect(page.locator(".kept li").first).to_be_visible()
    await copied(page, tmp_path / "copy.zip")
    await card(page, "Object").get_by_role("button", name="Object").click()
    await expect(
        card(page, "Object").get_by_role("heading", name="It ends: your consent is withdrawn.")
    ).to_be_visible()

    await support_comes_and_goes(agent, page)
    await view(page, "Me")
    await page.get_by_role("button", name="Let a program in").click()
    await page.get_by_label("What is the program called?").fill("Widget")
    await page.get_by_label("What is the program called?").press("Enter")
    await expect(page.locator(".secret")).to_have_text(re.compile("^pv_"))

    await view(page, "Who looked")
    for did in (
        "gave or withdrew consent",
        "got what is kept of oneself",
        "opened a support session",
        "added a passkey",
    ):
        await expect(page.get_by_role("main").get_by_text(f"You {did}.").first).to_be_visible()

    await view(page, "Me")
    await page.get_by_role("button", name="Sign out").first.click()
    await by_the_button(agent, page)
    await everything_goes(page)


async def copied(page: Page, file: Path) -> None:
    """A copy is asked for, made and taken away."""
    copies = card(page, "Get a copy")
    await copies.get_by_role("button", name="Get a copy").click()
    async with page.expect_download() as downloading:
        await copies.get_by_role("link", name="Download").click()
    await (await downloading.value).save_as(file)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert "manifest.json" in archive.namelist()


async def support_comes_and_goes(agent: Agent, page: Page) -> None:
    await locally(agent, "/api/people", SIRI)
    await view(page, "People")
    await page.get_by_role("button", name="Let in Siri").click()
    await page.get_by_role("form").get_by_role("button", name="Let in").click()
    banner = page.get_by_role("region", name="Support")
    await expect(banner).to_contain_text("Siri may look in until")
    await banner.get_by_role("button", name="End it now").click()
    await expect(banner).to_have_count(0)


async def by_the_button(agent: Agent, page: Page) -> None:
    await locally_pressed(agent)
    await page.get_by_text("I have lost every way in").click()
    await page.get_by_label("Who are you?").fill("Kari")
    await page.get_by_label("Who are you?").press("Enter")
    await expect(page.get_by_text("The button has let you in this once.")).to_be_visible()
    await page.get_by_role("button", name="Not now").click()
    await expect(page.get_by_role("heading", name="Kari")).to_be_visible()


async def locally_pressed(agent: Agent) -> None:
    """204 has no body, which `locally` wants."""
    with pytest.raises(AssertionError, match="b''"):
        await locally(agent, "/api/button", {})


async def everything_goes(page: Page) -> None:
    await view(page, "My data")
    await page.get_by_role("button", name="Erase everything about me").click()
    await page.get_by_role("dialog").get_by_role("button", name="Erase everything").click()
    await expect(page.get_by_role("heading", name="Everything about you is erased")).to_be_focused()
    await page.get_by_role("button", name="I have kept it").click()
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
