"""The page: who belongs to the home, and what waits for a second person; who looked."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from agent.activity.contract import ActivityView
from agent.api import asks
from privacy.hold import Role
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_people import NOW

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


class TestPeople:
    async def test_somebody_is_added_and_invited(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Add a person").click()
        form = card(page, "Add a person")
        await expect(form.get_by_label("Name")).to_be_focused()
        await form.get_by_label("Name").fill("Ola")
        await form.get_by_label("E-mail").fill("ola.example.org")
        await form.get_by_role("button", name="Add a person").click()
        await expect(form.get_by_label("E-mail")).to_have_accessible_description(re.compile("no e-mail address"))
        await form.get_by_label("E-mail").fill("ola@example.org")
        await form.get_by_role("button", name="Add a person").click()
        await expect(card(page, "Ola")).to_contain_text("ola@example.org")
        await expect(page.get_by_role("heading", name="People")).to_be_focused()

        await page.get_by_role("button", name="Make a link in for Ola").click()
        await expect(page.get_by_role("heading", name="Link in for Ola")).to_be_focused()
        await expect(page.get_by_role("img", name="QR code with the link in for Ola")).to_be_visible()
        link = await card(page, "Ola").locator("code").inner_text()
        assert link.endswith("/#in=" + next(iter(door.codes)))
        await expect(card(page, "Ola")).to_contain_text("It works once, until")
        await page.get_by_role("button", name="Done").click()
        await expect(card(page, "Ola").locator("code")).to_have_count(0)
        await expect(page.get_by_role("button", name="Change Ola")).to_be_focused()

    async def test_who_only_comes_to_visit_does_not_live_there(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Add a person").click()
        form = card(page, "Add a person")
        await form.get_by_label("Name").fill("Per")
        await expect(form.get_by_label("Lives here")).to_be_checked()
        await form.get_by_label("Role").select_option("Installer")
        await expect(form.get_by_label("Lives here")).to_have_count(0)
        await form.get_by_role("button", name="Add a person").click()
        await expect(card(page, "Per")).to_be_visible()
        [(_, body)] = door.asked
        assert (body.role, body.lives_here, body.minor) == (Role.INSTALLER, False, False)

    async def test_only_what_was_changed_is_sent(self, visit: Visit, door: FakeDoor) -> None:
        """Everybody may correct their own name; what they are to the home is not theirs to say."""
        door.add("Kari")
        door.add("Ola", Role.RESIDENT)
        page = await visit("#/people", "pola")
        await page.get_by_role("button", name="Change Ola").click()
        await page.get_by_label("Name").fill("Ola Nordmann")
        await page.get_by_role("button", name="Save").click()
        await expect(card(page, "Ola Nordmann")).to_be_visible()
        await expect(page.get_by_role("button", name="Change Ola Nordmann")).to_be_focused()
        [(_, body)] = door.asked
        assert (body.name, body.role, body.lives_here, body.minor) == ("Ola Nordmann", None, None, None)

    async def test_a_refusal_of_the_table_is_shown(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.add("Ola", Role.RESIDENT)
        page = await visit("#/people", "pola")
        await page.get_by_role("button", name="Remove Kari").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(card(page, "Kari").get_by_role("alert")).not_to_be_empty()
        await expect(card(page, "Kari")).to_be_visible()

    async def test_somebody_is_removed_comes_back_and_is_forgotten(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.add("Per", Role.INSTALLER, lives_here=False)
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Remove Per").click()
        dialog = page.get_by_role("dialog", name="Remove Per?")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(card(page, "Per")).to_contain_text("Has left")
        await page.get_by_role("button", name="Belongs again: Per").click()
        await expect(card(page, "Per")).not_to_contain_text("Has left")

    async def test_who_may_not_see_the_others_is_told_so(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.add("Per", Role.INSTALLER, lives_here=False)
        page = await visit("#/people", "pper")
        await expect(page.get_by_role("alert").first).not_to_be_empty()

    async def test_who_has_left_sees_what_is_theirs(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari", until=NOW - timedelta(days=1))
        page = await visit("", "pkari")
        await expect(page.get_by_role("heading", name="Kari")).to_be_visible()
        await expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["My data", "Who looked", "Me"])


class TestSecondPerson:
    async def test_it_waits_for_one_who_agrees_and_then_is_done(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.add("Ola")
        door.add("Barn", Role.RESIDENT, minor=True)
        page = await visit("#/people", "pkari")
        await page.get_by_role("button", name="Remove Ola").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(card(page, "Ola").get_by_role("alert")).to_contain_text("A second person must agree")
        waits = page.get_by_role("region", name="Waiting for a second person").get_by_role("article")
        await expect(waits).to_contain_text("You want to: remove a person")
        await expect(waits).to_contain_text("It concerns Ola.")
        await expect(waits).to_contain_text("Ask one of these to sign in and agree here: Ola.")

        context = await page.context.browser.new_context(locale="en-GB")
        other = await visit("#/people", "pola", away=context)
        theirs = other.get_by_role("region", name="Waiting for a second person").get_by_role("article")
        await expect(theirs).to_contain_text("Kari wants to: remove a person")
        await expect(theirs).to_contain_text("It concerns you.")
        await theirs.get_by_role("button", name="I agree").click()
        await expect(theirs).to_contain_text("Agreed")
        await context.close()

        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(waits).to_contain_text("Somebody has agreed. Do the same once more")
        await page.get_by_role("button", name="Remove Ola").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(card(page, "Ola")).to_contain_text("Has left")
        await expect(waits).to_have_count(0)

    async def test_it_is_withdrawn(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.agreements.append(door.waiting("assign_camera", "pkari"))
        page = await visit("#/people", "pkari")
        waits = page.get_by_role("region", name="Waiting for a second person")
        await expect(waits).to_contain_text("Ask somebody who lives here")
        await waits.get_by_role("button", name="Withdraw it").click()
        await expect(waits).to_have_count(0)
        await expect(page.get_by_role("heading", name="People")).to_be_focused()
        assert door.agreements == []


def deed(sequence: int, **more: Any) -> ActivityView:
    fields = {"at": NOW, "action": "view_pictures", "allowed": True, "own": False, "genuine": True, **more}
    return ActivityView(sequence=sequence, **fields)


class TestWhoLooked:
    async def test_sentences_by_day_the_newest_first(self, visit: Visit, door: FakeDoor) -> None:
        assert "GET /api/activity" in asks.ASKS
        door.add("Kari")
        earlier = NOW - timedelta(days=2)
        door.deeds = (
            deed(1, at=earlier, actor="pola", name="Ola", role=Role.RESIDENT, camera="door", purpose="care"),
            deed(2, at=earlier, role=Role.GUEST, camera="gone"),
            deed(3, own=True, actor="pkari", role=Role.OWNER, action="sign_in", way="passkey"),
            deed(4, actor="pper", name="Per", role=Role.INSTALLER, allowed=False, code="not_granted"),
            deed(5, actor="local-owner", role=Role.OWNER, action="control_devices", device="lamp", token="t1"),
            deed(6, action="sign_in", allowed=False, code="wrong_credentials", genuine=False),
            deed(7, actor="pola", name="Ola", action="of_tomorrow"),
        )  # fmt: skip
        page = await visit("#/looked", "pkari")
        days = page.get_by_role("main").get_by_role("region").filter(has=page.get_by_role("list")).locator("section")
        await expect(days).to_have_count(2)
        await expect(days.nth(0).get_by_role("listitem").locator("p:first-child")).to_have_text([
            "Ola of_tomorrow.",
            "Somebody was not allowed to sign in.",
            "Somebody at the gateway itself controlled devices.",
            "Per was not allowed to look at pictures.",
            "You signed in.",
        ])  # fmt: skip
        await expect(days.nth(1).get_by_role("listitem")).to_contain_text([
            "An erased resident looked at pictures.Guest · Camera: gone",
            "Ola looked at pictures.Resident · Camera: Front door · Purpose: care",
        ])  # fmt: skip
        rows = days.nth(0).get_by_role("listitem")
        await expect(rows.nth(1)).to_contain_text("This line is not as it was written")
        await expect(rows.nth(2)).to_contain_text("Owner · a program · Device: Hall lamp")
        await expect(rows.nth(3)).to_contain_text("It takes a grant that nobody has given.")
        await expect(rows.nth(4)).to_contain_text("With a passkey")

    async def test_in_norwegian(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.deeds = (deed(1, role=Role.GUEST), deed(2, own=True, allowed=False, code="x", action="view_presence"))
        page = await visit("#/looked", "pkari")
        await page.get_by_role("button", name="Norsk").click()
        await expect(page.get_by_text("En beboer som er slettet så på bilder.")).to_be_visible()
        await expect(page.get_by_text("Du fikk nei til å se hvem som er hjemme.")).to_be_visible()

    async def test_the_same_several_times_is_said_once(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        looks = [deed(number, actor="pola", name="Ola", camera="door") for number in range(1, 21)]
        other = deed(21, actor="pola", name="Ola", camera="door", purpose="care")
        door.deeds = (*looks, other, deed(22, actor="pola", name="Ola", camera="door"))
        page = await visit("#/looked", "pkari")
        rows = page.locator(".deeds-list li")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(2)).to_contain_text(re.compile(r"Camera: Front door · 20 times, since \d\d:\d\d"))
        await expect(rows.nth(0)).not_to_contain_text("times")

    async def test_older_ones_are_asked_for(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.deeds = tuple(deed(number + 1, role=Role.GUEST, camera=f"c{number}") for number in range(150))
        page = await visit("#/looked", "pkari")
        rows = page.locator(".deeds-list li")
        await expect(rows).to_have_count(100)
        await page.get_by_role("button", name="Show older").click()
        await expect(rows).to_have_count(150)
        await expect(page.get_by_role("button", name="Show older")).to_have_count(0)

    async def test_nothing_yet(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/looked", "pkari")
        await expect(page.get_by_text("Nothing yet.")).to_be_visible()
