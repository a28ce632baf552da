"""The page for everybody: each screen in both languages, light and dark, narrow and wide, by keyboard and read out."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from agent.activity.contract import ActivityView
from agent.people.contact import Language
from agent.rights.actions import Action, Purpose
from agent.signin.contract import PasskeyView
from privacy.hold import Role
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_lending import grant, session
from tests.agent.page.fake_people import NOW

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]
Violations = Callable[[Page], Awaitable[list[str]]]
LOOKS = [("light", 320, "nb"), ("dark", 320, "en"), ("dark", 1280, "nb"), ("light", 1280, "en")]
WEB = Path(__file__).parents[3] / "agent/api/web"


def furnish(door: FakeDoor, language: str) -> None:
    """People, ways to sign in, what waits, and what was done: something of each."""
    more: Any = {"language": Language(language)}
    kari = door.add("Kari", email="kari.averylongaddresswithoutanyspace@example.org", phone="+4722225555", **more)
    kari.last = NOW - timedelta(days=2)
    kari.recovery = 7
    view = PasskeyView(id="k1", name="Averylongnamewithoutanyspaceinitatall", made=NOW, used=NOW, for_name="localhost")
    kari.passkeys = {b"1": (view, b"")}
    door.add("Ola", Role.RESIDENT).password = None
    door.add("Nils", Role.GUEST, lives_here=False, until=NOW)
    door.sign_in("pkari", "passkey")
    door.agreements += [door.waiting("erase_home", "pola", "pkari"), door.waiting("assign_camera", "pkari")]
    done = ActivityView(
        sequence=1, at=NOW, action="view_pictures", allowed=True, own=False, genuine=True, camera="door"
    )
    refused = ActivityView(sequence=2, at=NOW, action="sign_in", allowed=False, code="x", own=True, genuine=False)
    door.deeds = (done, refused)
    door.add("Siri", Role.SUPPORT, lives_here=False)
    door.lending.support = [session("psiri", "pkari")]
    door.lending.grants = [grant("pkari", "pola")]


async def is_too_wide(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize("look", LOOKS)
class TestEveryScreen:
    """axe finds nothing, and nothing has to be scrolled sideways."""

    async def opened(self, browser: Browser, visit: Visit, look: tuple[Any, int, str], *arguments: Any) -> Page:
        scheme, width, language = look
        context = await browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            locale={"nb": "nb-NO", "en": "en-GB"}[language],
        )
        context.set_default_timeout(20_000)
        return await visit(*arguments, away=context)

    async def check(self, page: Page, violations: Violations) -> None:
        assert await violations(page) == []
        assert not await is_too_wide(page)

    async def test_claim(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        door.claim_code = "ABCD"
        page = await self.opened(browser, visit, look)
        await page.locator("[name=code]").fill("nope")
        await page.locator("[name=name]").fill("Kari")
        await page.locator("form .primary").click()
        await expect(page.locator("[name=code]")).to_have_attribute("aria-invalid", "true")
        await self.check(page, violations)
        await page.context.close()

    async def test_sign_in(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        door.add("Kari").second = True
        door.wait = 60
        page = await self.opened(browser, visit, look, "#in=USED")
        await expect(page.get_by_role("alert").filter(has_text=re.compile("."))).to_have_count(1)
        await page.locator("[name=login]").fill("kari")
        await page.locator("[name=password]").fill("wrong")
        for more in await page.locator("summary").all():
            await more.click()
        await page.locator("[name=password]").press("Enter")
        await expect(page.locator(".wait")).to_be_visible()
        await self.check(page, violations)
        await page.context.close()

    async def test_first_way(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        door.add("Kari", language=Language(look[2])).password = None
        page = await self.opened(browser, visit, look, "", "pkari")
        await expect(page.get_by_role("heading", name="Kari")).to_be_visible()
        await self.check(page, violations)
        await page.context.close()

    async def test_account(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        furnish(door, look[2])
        page = await self.opened(browser, visit, look, "#/me", "pkari")
        await page.locator("[aria-labelledby=password-title] > button").click()
        await page.locator("[aria-labelledby=second-title] > button").click()
        await expect(page.locator(".qr")).to_be_visible()
        await page.locator("[aria-labelledby=recovery-title] > button").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await self.check(page, violations)
        await page.get_by_role("dialog").locator(".danger").click()
        await expect(page.locator(".codes")).to_be_visible()
        await self.check(page, violations)
        next(reversed(door.sessions.values())).present = False
        await page.locator(".rows .danger").first.click()
        await page.locator("dialog[open] .danger").click()
        await expect(page.locator("dialog[open] [name=password]")).to_be_visible()
        await self.check(page, violations)
        await page.context.close()

    async def test_people(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        furnish(door, look[2])
        page = await self.opened(browser, visit, look, "#/people", "pkari")
        ola = page.get_by_role("article", name="Ola", exact=True)
        await ola.locator(".deeds button").nth(1).click()
        await expect(ola.locator(".qr")).to_be_visible()
        await page.get_by_role("article", name="Kari").locator(".deeds button").first.click()
        await page.locator("main > section > .primary").click()
        siri = page.get_by_role("article", name="Siri")
        await siri.locator(".deeds button").nth(3).click()
        await expect(siri.locator("form")).to_be_visible()
        await ola.locator(".deeds button").nth(2).click()
        await expect(page.locator("form")).to_have_count(4)
        await expect(page.locator(".support")).to_be_visible()
        await self.check(page, violations)
        await page.context.close()

    async def test_my_data(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        furnish(door, look[2])
        page = await self.opened(browser, visit, look, "#/privacy", "pkari")
        await page.locator("[aria-labelledby=consents-title] .wide button").first.click()
        await page.locator("[aria-labelledby=copies-title] > button").click()
        await page.locator("[aria-labelledby=correct-title] > button").click()
        await page.locator("[aria-labelledby=object-title] [type=submit]").click()
        await expect(page.locator(".once")).to_be_visible()
        await expect(page.locator("a.button")).to_be_visible()
        await expect(page.locator(".kept li")).to_have_count(1)
        await self.check(page, violations)
        await page.locator("[aria-labelledby=erase-me-title] > .danger").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await self.check(page, violations)
        await page.locator("dialog[open] .danger").click()
        await expect(page.locator("[aria-labelledby=erase-me-title] .progress")).to_be_visible()
        door.end("pkari")
        await expect(page.locator("[aria-labelledby=erased-title]")).to_be_visible()
        await self.check(page, violations)
        await page.context.close()

    async def test_who_looked(
        self, browser: Browser, visit: Visit, door: FakeDoor, look: Any, violations: Violations
    ) -> None:
        furnish(door, look[2])
        page = await self.opened(browser, visit, look, "#/looked", "pkari")
        await expect(page.locator(".deeds-list li")).to_have_count(2)
        await self.check(page, violations)
        await page.context.close()


class TestViews:
    async def test_by_keyboard_alone(self, visit: Visit, door: FakeDoor) -> None:
        furnish(door, "en")
        page = await visit("", "pkari")
        link = page.get_by_role("link", name="People")
        await expect(link).to_be_visible()
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await link.evaluate("link => link === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="People")).to_be_focused()
        await expect(link).to_have_attribute("aria-current", "page")
        assert await page.title() == "People · Portvakt"
        await page.go_back()
        await expect(page.get_by_role("article", name="Hall lamp")).to_be_visible()
        assert await page.title() == "Portvakt"

    async def test_the_skip_link_stays_in_the_view(self, visit: Visit, door: FakeDoor) -> None:
        furnish(door, "en")
        page = await visit("#/looked", "pkari")
        await expect(page.locator(".deeds-list")).to_be_visible()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        assert page.url.endswith("#/looked")

    async def test_at_twice_the_size(self, visit: Visit, door: FakeDoor) -> None:
        """A window of 640 px at 200 % is one of 320 px (WCAG 2.2, 1.4.10)."""
        furnish(door, "en")
        page = await visit("#/people", "pkari")
        await page.set_viewport_size({"width": 640, "height": 480})
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        for view in ("House", "People", "My data", "Who looked", "Me"):
            await page.get_by_role("link", name=view).click()
            await expect(page.get_by_role("link", name=view)).to_have_attribute("aria-current", "page")
            assert not await is_too_wide(page), view

    async def test_the_language_is_the_persons_unless_chosen_here(self, visit: Visit, door: FakeDoor) -> None:
        furnish(door, "nb")
        page = await visit("#/me", "pkari")
        await expect(page.get_by_role("heading", name="Måter å logge på")).to_be_visible()
        await page.get_by_role("button", name="English").click()
        await page.reload()
        await expect(page.get_by_role("heading", name="Ways to sign in")).to_be_visible()


async def test_there_are_words_for_everything_that_is_made_from_a_value() -> None:
    words = json.loads((WEB / "en.json").read_text())
    asked = [f"{kind}.{action}" for action in Action for kind in ("action", "did")]
    asked += [f"role.{role}" for role in Role] + [f"purpose.{purpose}" for purpose in Purpose]
    assert [key for key in asked if key not in words] == []
