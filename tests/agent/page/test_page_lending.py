"""The page: who may look or act for a while: support, people to whom something is lent, programs."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from agent.errors import Refused
from agent.rights.actions import Action, Purpose
from agent.rights.grants import Reach
from privacy.hold import Role
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_lending import SECRET, grant, session

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def banner(page: Page) -> Locator:
    return page.get_by_role("region", name="Support")


@pytest.fixture(autouse=True)
def kari(door: FakeDoor) -> None:
    door.add("Kari")


class TestSupport:
    async def test_let_in_seen_on_every_view_and_ended(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Siri", Role.SUPPORT, lives_here=False)
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Let in Siri").click()
        form = page.get_by_role("form", name="Let Siri look in")
        await expect(form.get_by_label("What they may")).to_be_focused()
        await form.get_by_label("For how long").select_option("4 h")
        await form.get_by_role("button", name="Let in").click()
        await expect(banner(page)).to_contain_text(
            re.compile(r"Siri may look in until .*They may: see the diagnostics and see the metrics\. Let in by you\.")
        )
        await expect(card(page, "Siri").get_by_role("button", name="Change Siri")).to_be_focused()
        for view in ("House", "My data", "Who looked", "Me"):
            await page.get_by_role("link", name=view).click()
            await expect(page.get_by_role("link", name=view)).to_have_attribute("aria-current", "page")
            await expect(banner(page)).to_be_visible()
        await banner(page).get_by_role("button", name="End it now").click()
        await expect(banner(page)).to_have_count(0)
        await expect(page.get_by_role("main")).to_be_focused()
        [(_, body)] = door.asked
        assert (body.person, body.hours, body.purpose) == ("psiri", 4, Purpose.SUPPORT)
        assert body.actions == (Action.READ_DIAGNOSTICS, Action.READ_METRICS)

    async def test_who_is_refused_is_told_why(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Siri", Role.SUPPORT, lives_here=False)
        door.lending.refusal = Refused("already_open", "a session of theirs is open", hint="end that one")
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Let in Siri").click()
        await page.get_by_role("form").get_by_role("button", name="Let in").click()
        await expect(page.get_by_role("alert").filter(has_text="They are let in already.")).to_be_visible()
        await page.get_by_role("form").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("form")).to_have_count(0)

    async def test_support_sees_its_own(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Siri", Role.SUPPORT, lives_here=False)
        door.lending.support = [session("psiri", "pkari")]
        page = await visit("", "psiri")
        await expect(banner(page)).to_contain_text("You may look in until")
        await expect(banner(page)).to_contain_text("Let in by somebody.")  # who lives here is not theirs to see

    async def test_what_another_opened_is_seen_on_coming_back(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("", "pkari")
        await card(page, "Hall lamp").wait_for()
        over = datetime.now(UTC) - timedelta(minutes=1)
        ended, open_ = session("pgone", "pola", id="c0", lasts=False), session("pgone", "pola")
        door.lending.support = [ended, open_, session("pgone", "pola", id="c2", until=over)]
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(banner(page)).to_have_count(1)
        await expect(banner(page)).to_contain_text("Somebody from support may look in until")


class TestGrants:
    async def test_lent_and_ended(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Gunn", Role.GUEST, lives_here=False)
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name=re.compile("^Lend Gunn")).click()
        form = page.get_by_role("form", name=re.compile("^Lend Gunn"))
        await expect(form.get_by_label("What", exact=True)).to_be_focused()
        await form.get_by_label("What", exact=True).select_option("Look at pictures")
        await form.get_by_label("Where").select_option("Front door")
        await expect(form.get_by_label("What for")).to_have_value("visit")
        await form.get_by_label("For how long").select_option("A week")
        await form.get_by_role("button", name="Lend it").click()
        rows = page.get_by_role("region", name="Lent").get_by_role("listitem")
        await expect(rows).to_contain_text([
            re.compile(r"From you to Gunn: look at pictures\s*Front door · Purpose: a visit · until \d+ \w+ \d\d:\d\d")
        ])  # fmt: skip
        [(_, body)] = door.asked
        assert (body.actions, body.reach) == ((Action.VIEW_PICTURES,), Reach(cameras=("door",)))
        assert timedelta(days=6, hours=23) < body.end - datetime.now(UTC) <= timedelta(days=7)
        await rows.get_by_role("button", name=re.compile("^End: From you to Gunn")).click()
        await expect(rows).to_have_count(0)
        await expect(page.get_by_role("heading", name="People")).to_be_focused()
        assert door.lending.grants == []

    async def test_a_refusal_is_shown(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Per", Role.RESPONDER, lives_here=False)
        door.lending.refusal = Refused("nothing_lent", "nothing is lent by that", hint="name what")
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name=re.compile("^Lend Per")).click()
        await page.get_by_role("form").get_by_role("button", name="Lend it").click()
        await expect(page.get_by_role("alert").filter(has_text="Nobody in that role")).to_be_visible()

    async def test_what_others_lent(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Ola", Role.RESIDENT)
        reach = Reach(rooms=("attic",), devices=("lamp",))
        door.lending.grants = [grant("pola", "pkari", reach=reach)]
        page = await visit("#/people", "pkari")
        row = page.get_by_role("region", name="Lent").get_by_role("listitem")
        await expect(row).to_contain_text(
            re.compile("From Ola to you: look at devices.*attic and Hall lamp", re.DOTALL)
        )


class TestTokens:
    async def test_made_shown_once_and_ended(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/me", "pkari")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        tokens = page.get_by_role("region", name="Programs that act for you")
        await tokens.get_by_role("button", name="Let a program in").click()
        name = tokens.get_by_label("What is the program called?")
        await expect(name).to_be_focused()
        await name.fill("Widget")
        await tokens.get_by_label("What it may do").select_option("See and set devices")
        await name.press("Enter")
        await expect(tokens.get_by_role("heading", name="The secret of Widget")).to_be_focused()
        await expect(tokens.get_by_text(SECRET)).to_be_visible()
        await tokens.get_by_role("button", name="Copy").click()
        await expect(tokens.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == SECRET
        await tokens.get_by_role("button", name="I have kept it").click()
        await expect(tokens.get_by_text(SECRET)).to_have_count(0)
        await expect(tokens.get_by_role("button", name="Let a program in")).to_be_focused()
        [(_, body)] = door.asked
        assert body.actions == (Action.READ_DEVICES, Action.CONTROL_DEVICES)
        assert body.reach == Reach(home=True)
        await tokens.get_by_role("button", name="End Widget").click()
        await expect(tokens.get_by_role("listitem")).to_have_count(0)
        await expect(tokens.get_by_role("heading", name="Programs that act for you")).to_be_focused()

    async def test_who_does_not_make_one_after_all(self, visit: Visit) -> None:
        page = await visit("#/me", "pkari")
        make = page.get_by_role("button", name="Let a program in")
        await make.click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(make).to_be_focused()
