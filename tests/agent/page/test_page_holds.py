"""The page: a time that nobody knows, what is held, and what an erasure left and why."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from agent.api.contract import ExemptionView, HoldView, StoreReport, TimeView
from agent.errors import Refused
from privacy.hold import Reason
from privacy.records import RecordClass, Scope

pytestmark = pytest.mark.asyncio(loop_scope="module")

House = Any
Violations = Callable[[Page], Awaitable[list[str]]]
LOOKS = [("light", 320), ("dark", 360), ("light", 1280), ("dark", 1280)]
UNTIL = datetime(2027, 3, 1, 12, tzinfo=UTC)
SAY = "Say what time it is"


def unknown(hidden: int = 12) -> TimeView:
    reason = "this gateway was switched off, and has no clock with a battery"
    return TimeView(now=datetime(2026, 3, 1, 12, tzinfo=UTC), known=False, hidden=hidden, reason=reason)


def hold(reason: Reason = Reason.POLICE_REPORT, scope: Scope | None = None, number: int = 2) -> HoldView:
    return HoldView(
        id=f"0198c0de-0000-7000-8000-00000000000{number}",
        reason=reason,
        scope=scope or Scope(classes=(RecordClass.SNAPSHOT,), cameras=("door",)),
        by="cli",
        made=datetime.now(UTC),
        until=UNTIL,
    )


def pictures(left: int = 0, **more: Any) -> StoreReport:
    return StoreReport(store="snapshots", found=22, erased=22 - left, left=left, tier="B", **more)


async def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("e => e === document.activeElement"):
            return
    await expect(wanted).to_be_focused()


class TestUnknownTime:
    def notice(self, page: Page) -> Locator:
        return page.get_by_role("region", name="The gateway does not know what time it is")

    async def test_it_is_said_only_where_something_is_hidden_for_it(self, page: Page, api_house: House) -> None:
        await expect(self.notice(page)).to_have_count(0)
        api_house.set(time=unknown(hidden=0))
        await expect(self.notice(page)).to_have_count(0)
        api_house.set(time=unknown())
        await expect(self.notice(page)).to_contain_text("12 pictures from before it was switched on are not shown")
        await expect(self.notice(page)).to_contain_text("has no clock with a battery")
        api_house.set(time=unknown(hidden=1))
        await expect(self.notice(page)).to_contain_text("1 picture from before it was switched on is not shown")

    async def test_a_person_confirms_the_time_by_keyboard_alone(self, page: Page, api_house: House) -> None:
        api_house.set(time=unknown())
        button = page.get_by_role("button", name=SAY)
        await expect(button).to_be_visible()
        await tab_to(page, button)
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Is this the time now?")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await expect(dialog.get_by_role("time")).to_have_text(re.compile(r"^\w+,? \d+ \w+ 20\d\d at \d\d:\d\d$"))
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        assert not [each for each in api_house.asked if each[0] == "confirm_time"]
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(self.notice(page)).to_have_count(0)
        await expect(page.get_by_text("The gateway knows the time.")).to_be_attached()
        await expect(page.get_by_role("main")).to_be_focused()
        [(_, body, actor)] = [each for each in api_house.asked if each[0] == "confirm_time"]
        assert actor == "local-owner"
        assert abs(body.at - datetime.now(UTC)) < timedelta(minutes=5)

    async def test_the_time_that_is_shown_is_the_time_that_is_sent(
        self, context: BrowserContext, address: str, api_house: House
    ) -> None:
        api_house.set(time=unknown())
        page = await context.new_page()
        await page.clock.install(time=datetime(2027, 5, 17, 8, 30, tzinfo=UTC))
        await page.goto(address)
        await page.get_by_role("button", name=SAY).click()
        shown = page.get_by_role("dialog").get_by_role("time")
        await expect(shown).to_contain_text("17 May 2027")
        at = await shown.get_attribute("datetime")
        await page.get_by_role("dialog").get_by_role("button", name="Yes, that is the time").click()
        await expect(self.notice(page)).to_have_count(0)
        [(_, body, _)] = [each for each in api_house.asked if each[0] == "confirm_time"]
        assert at
        assert body.at == datetime.fromisoformat(at)

    async def test_a_time_that_is_not_believed(self, context: BrowserContext, address: str, api_house: House) -> None:
        api_house.set(time=unknown())
        page = await context.new_page()
        await page.goto(address)
        await page.get_by_role("button", name=SAY).click()
        api_house.refusal = Refused("not_believed", "the network says another time")
        await page.get_by_role("dialog").get_by_role("button", name="Yes, that is the time").click()
        await expect(self.notice(page).get_by_role("alert")).to_have_text("the network says another time")


class TestHolds:
    async def test_what_is_held_why_by_whom_and_until_when(self, page: Page, api_house: House) -> None:
        await expect(page.get_by_role("heading", name="Held")).to_have_count(0)
        day = Scope(subjects=("kari",), start=datetime(2026, 1, 31, 8, tzinfo=UTC), end=UNTIL)
        api_house.set(holds=(hold(), hold(Reason.PERSONS_REQUEST, day, 3)))
        card = page.get_by_role("article", name="Police report")
        await expect(card).to_contain_text("Kind: pictures · Camera: Front door")
        await expect(card).to_contain_text(re.compile(r"Held since .*\(at the command line\), ends by itself on 1 Mar"))
        await expect(page.get_by_role("article", name=re.compile("^At a person"))).to_contain_text(
            re.compile(r"Person: kari · from 31 Jan .* up to 1 Mar")
        )

    @pytest.mark.parametrize(
        ("scope", "said"),
        [
            (Scope(everything=True), "Everything that is kept"),
            (Scope(classes=tuple(RecordClass)), "who did what"),
            (Scope(devices=("lamp", "gone")), "Device: Hall lamp, gone"),
        ],
    )
    async def test_every_scope_is_words(self, page: Page, api_house: House, scope: Scope, said: str) -> None:
        api_house.set(holds=(hold(scope=scope),))
        card = page.get_by_role("article", name="Police report")
        await expect(card).to_contain_text(said)
        assert "_" not in (await card.text_content() or "")

    async def test_it_is_let_go_after_a_question(self, page: Page, api_house: House) -> None:
        api_house.set(holds=(hold(),))
        button = page.get_by_role("button", name="Let it go now").first
        await button.click()
        dialog = page.get_by_role("dialog", name="Let go of “Police report”?")
        await expect(dialog).to_contain_text("This cannot be undone")
        await page.keyboard.press("Enter")  # the focus is on the harmless answer
        await expect(dialog).to_be_hidden()
        assert not [each for each in api_house.asked if each[0] == "release"]
        await button.click()
        await dialog.get_by_role("button", name="Let it go now").click()
        await expect(page.get_by_role("article", name="Police report")).to_have_count(0)
        await expect(page.get_by_text("The hold has ended.")).to_be_attached()
        await expect(page.get_by_role("main")).to_be_focused()
        assert [each for each in api_house.asked if each[0] == "release"] == [("release", hold().id, "local-owner")]

    async def test_one_that_ended_meanwhile(self, context: BrowserContext, address: str, api_house: House) -> None:
        api_house.set(holds=(hold(),))
        page = await context.new_page()
        await page.goto(address)
        await page.get_by_role("button", name="Let it go now").first.click()
        api_house.refusal = Refused("ended", "it ended at 12:00", hint="place another")
        await page.get_by_role("dialog").get_by_role("button", name="Let it go now").click()
        card = page.get_by_role("article", name="Police report")
        await expect(card.get_by_role("alert")).to_have_text("That hold has ended already.")


class TestReceipts:
    async def test_what_was_left_why_and_until_when(self, page: Page, api_house: House) -> None:
        exemptions = (ExemptionView(reason="police_report", count=5, due=UNTIL),)
        log = StoreReport(store="operation_log", found=3, erased=2, left=1, tier="B", exemptions=(
            ExemptionView(reason="police_report", count=1, due=UNTIL),
        ))  # fmt: skip
        api_house.add_receipt("erased", "order-1", pictures(5, exemptions=exemptions), log)
        order = page.get_by_role("article", name="Order order-1")
        await expect(order).to_contain_text("6 records are left, held (Police report).")
        await expect(order).to_contain_text(re.compile("They go when the hold ends, at the latest on 1 Mar"))
        await expect(order.locator(".badge")).to_have_text("Some is held")
        await expect(order.locator(".steps li")).to_have_class("held")

    async def test_more_left_than_is_held_is_not_made_to_look_fine(self, page: Page, api_house: House) -> None:
        one = (ExemptionView(reason="police_report", count=1, due=UNTIL),)
        api_house.add_receipt("verified", "order-1", pictures(2, exemptions=one))
        order = page.get_by_role("article", name="Order order-1")
        await expect(order.locator(".badge")).to_have_class("badge bad")
        await expect(order.locator(".steps li")).to_have_class("no")
        await expect(order).to_contain_text("1 record is left, held (Police report). It goes")

    async def test_by_what_a_persons_pictures_were_found(self, page: Page, api_house: House) -> None:
        api_house.add_receipt("erased", "order-1", pictures(by={"assigned": 20, "tagged": 1, "claimed": 4}))
        order = page.get_by_role("article", name="Order order-1")
        await expect(order).to_contain_text(
            "Found: 20 because their camera is assigned to the person. 1 because the person was tagged on it. 4 because"
        )
        api_house.add_receipt("erased", "order-2", pictures(by={"assigned": 0, "tagged": 0, "claimed": 0}))
        other = page.get_by_role("article", name="Order order-2")
        await expect(other).to_be_visible()
        await expect(other).not_to_contain_text("because")

    @pytest.mark.parametrize(
        ("tier", "said"),
        [("A", "The key was destroyed in hardware."), ("B", "overwritten in place, on flash: best effort")],
    )
    async def test_the_tier_is_said(self, page: Page, api_house: House, tier: Any, said: str) -> None:
        api_house.add_receipt("verified", "order-1", msgspec.structs.replace(pictures(), tier=tier))
        await expect(page.get_by_role("article", name="Order order-1").locator(".tier")).to_contain_text(said)


class TestForEverybody:
    def everything(self, house: House) -> None:
        exemptions = (ExemptionView(reason="police_report", count=5, due=UNTIL),)
        house.add_receipt("erased", "order-1", pictures(5, exemptions=exemptions, by={"tagged": 1, "assigned": 21}))
        house.set(time=unknown(), holds=(hold(), hold(Reason.DISPUTE, Scope(everything=True), 3)))

    @pytest.mark.parametrize("look", LOOKS)
    async def test_axe_finds_nothing_and_nothing_is_too_wide(
        self, browser: Browser, address: str, api_house: House, look: tuple[Any, int], violations: Violations
    ) -> None:
        scheme, width = look
        self.everything(api_house)
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto(address)
        await expect(page.get_by_role("article", name="Dispute")).to_be_visible()
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in (SAY, "Let it go now"):
            await page.get_by_role("button", name=button).first.click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            assert await violations(page) == []
            await page.keyboard.press("Escape")
        await context.close()

    async def test_in_norwegian(self, page: Page, api_house: House) -> None:
        self.everything(api_house)
        await page.get_by_role("button", name="Norsk").click()
        notice = page.get_by_role("region", name="Gatewayen vet ikke hva klokka er")
        await expect(notice).to_contain_text("12 bilder fra før den ble slått på vises ikke")
        await notice.get_by_role("button", name="Si hva klokka er").click()
        await expect(page.get_by_role("dialog", name="Er dette tiden nå?").get_by_role("time")).to_have_text(
            re.compile(r"^[a-zø]+dag \d+\. [a-z]+ 20\d\d kl\. \d\d:\d\d$")
        )
        await page.keyboard.press("Escape")
        card = page.get_by_role("article", name="Politianmeldelse")
        await expect(card).to_contain_text("Slag: bilder · Kamera: Front door")
        await expect(card).to_contain_text("(på kommandolinja)")
        await expect(page.get_by_text("5 poster er igjen, holdt tilbake (Politianmeldelse).")).to_be_visible()
        await expect(page.get_by_text("21 fordi kameraet er knyttet til personen.")).to_be_visible()
