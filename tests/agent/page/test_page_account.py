"""The page: one's own account, and the fresh proof that the gateway asks for."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from agent.errors import Refused
from agent.signin.contract import PasskeyView
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_people import DIGITS, NOW, PASSWORD, Somebody
from tests.agent.page.test_page_sign_in import authenticator

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def absent(door: FakeDoor) -> None:
    """Nobody has shown for a while that they are there."""
    for session in door.sessions.values():
        session.present = False


@pytest.fixture
def kari(door: FakeDoor) -> Somebody:
    return door.add("Kari")


class TestMe:
    async def test_who_one_is_and_when_one_signed_in_last(self, visit: Visit, kari: Somebody) -> None:
        kari.last = NOW - timedelta(days=2)
        page = await visit("#/me", "pkari")
        await expect(page.get_by_role("heading", name="Kari")).to_be_visible()
        await expect(page.get_by_role("term")).to_contain_text(["Role", "Lives here", "Last sign-in", "This sign-in"])
        await expect(page.get_by_role("definition").nth(2)).to_have_text(re.compile(r"^\d+ \w+ \d\d:\d\d$"))
        assert await page.title() == "Me · Portvakt"

    async def test_sessions_are_ended(self, visit: Visit, door: FakeDoor, kari: Somebody) -> None:
        door.sign_in("pkari", "passkey")
        page = await visit("#/me", "pkari")
        rows = page.get_by_role("region", name="Where you are signed in").get_by_role("listitem")
        await expect(rows).to_contain_text(["With a password Here", "With a passkey"])  # this one first
        await rows.nth(1).get_by_role("button", name=re.compile("^End the sign-in of")).click()
        await expect(rows).to_have_count(1)
        await expect(page.get_by_role("heading", name="Where you are signed in")).to_be_focused()
        assert [session.way for session in door.sessions.values()] == ["password"]

    async def test_the_password_is_changed(self, visit: Visit, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        change = card(page, "Password").get_by_role("button", name="Change the password")
        await change.click()
        await expect(page.get_by_label("User name")).to_be_focused()
        await page.get_by_role("button", name="Cancel").click()
        await expect(change).to_be_focused()
        await change.click()
        await expect(page.get_by_label("User name")).to_be_focused()
        await page.get_by_label("New password").fill("short")
        await page.get_by_label("New password").press("Enter")
        await expect(page.get_by_label("New password")).to_have_accessible_description(re.compile("too easy to guess"))
        await page.get_by_label("New password").fill("fire tilfeldige norske ord")
        await page.get_by_label("New password").press("Enter")
        await expect(change).to_be_focused()
        await expect(page.get_by_text("The password is set.")).to_be_attached()
        assert (kari.login, kari.password) == ("kari", "fire tilfeldige norske ord")

    async def test_a_passkey_is_added_and_removed(self, visit: Visit, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        await authenticator(page)
        keys = card(page, "Passkeys")
        await keys.get_by_role("button", name="Add a passkey").click()
        await page.get_by_label("What is the device called?").press("Enter")
        remove = keys.get_by_role("button", name="Remove the passkey Unnamed")
        await expect(remove).to_be_visible()
        await expect(keys.get_by_role("button", name="Add a passkey")).to_be_focused()
        await remove.click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(remove).to_have_count(0)
        await expect(page.get_by_role("heading", name="Passkeys")).to_be_focused()
        assert kari.passkeys == {}

    async def test_the_last_way_stays(self, visit: Visit, kari: Somebody) -> None:
        kari.password = None
        kari.passkeys = {b"1": (PasskeyView(id="k1", name="Key", made=NOW, used=None, for_name="localhost"), b"")}
        page = await visit("#/me", "pkari")
        await page.get_by_role("button", name="Remove the passkey Key").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("alert").filter(has_text="the last way")).to_be_visible()

    async def test_the_second_factor(self, visit: Visit, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        second = card(page, "Second factor")
        await second.get_by_role("button", name="Switch it on").click()
        await expect(page.get_by_role("img", name="QR code for the authenticator").locator("path")).to_have_count(1)
        await expect(second.get_by_text("JBSW Y3DP EHPK 3PXP")).to_be_visible()
        digits = page.get_by_label("The six digits that it shows now")
        await expect(digits).to_be_focused()
        await page.keyboard.type("000 000")
        await page.keyboard.press("Enter")
        await expect(digits).to_have_accessible_description(re.compile("That is not the code"))
        await digits.fill(DIGITS)
        await page.keyboard.press("Enter")
        off = second.get_by_role("button", name="Switch it off")
        await expect(off).to_be_focused()
        assert kari.second
        await off.click()
        await page.get_by_role("dialog").get_by_role("button", name="Switch it off").click()
        await expect(second.get_by_role("button", name="Switch it on")).to_be_visible()
        assert not kari.second

    async def test_recovery_codes_are_shown_once(self, visit: Visit, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        codes = card(page, "Recovery codes")
        await codes.get_by_role("button", name="Make codes").click()
        await expect(page.get_by_role("heading", name="The codes are shown this once.")).to_be_focused()
        await expect(codes.get_by_role("listitem")).to_have_count(10)
        await codes.get_by_role("button", name="Copy").click()
        await expect(codes.get_by_role("button", name="Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.split("\n") == await codes.get_by_role("listitem").all_inner_texts()
        await page.evaluate("window.print = () => { window.printed = true; }")
        await codes.get_by_role("button", name="Print").click()
        assert await page.evaluate("window.printed")
        await page.emulate_media(media="print")
        await expect(page.locator(".codes li").first).to_be_visible()
        await expect(page.locator("header.page")).not_to_be_visible()
        await page.emulate_media(media="screen")
        await codes.get_by_role("button", name="I have kept them").click()
        await expect(codes.get_by_role("listitem")).to_have_count(0)
        await expect(codes.get_by_role("button", name="Make new codes")).to_be_focused()
        await expect(codes.get_by_text("10 left")).to_be_visible()

    async def test_what_the_gateway_says_in_a_language_of_its_own(
        self, visit: Visit, door: FakeDoor, kari: Somebody
    ) -> None:
        door.refusal = Refused("of_tomorrow", "not on a Monday", hint="come back on Tuesday")
        page = await visit("#/me", "pkari")
        await page.get_by_role("button", name="Make codes").click()
        said = page.get_by_text("not on a Monday (come back on Tuesday)")
        await expect(said).to_have_attribute("lang", "en")


class TestPresence:
    async def test_a_password_shows_it_and_the_request_goes_on(
        self, visit: Visit, door: FakeDoor, kari: Somebody
    ) -> None:
        kari.second = True
        page = await visit("#/me", "pkari")
        absent(door)
        await page.get_by_role("button", name="Make codes").click()
        dialog = page.get_by_role("dialog", name="Is it you?")
        password = dialog.get_by_label("Password", exact=True)
        await expect(password).to_be_focused()
        await password.fill("wrong")
        await dialog.get_by_label("Second factor").fill(DIGITS)
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert").filter(has_text="That is not right")).to_be_visible()
        await password.fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="The codes are shown this once.")).to_be_focused()
        await expect(dialog).to_be_hidden()

    async def test_a_passkey_shows_it(self, visit: Visit, door: FakeDoor, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        await authenticator(page)
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_role("button", name="Make the passkey").click()
        await expect(page.get_by_role("button", name="Remove the passkey Unnamed")).to_be_visible()
        absent(door)
        await page.get_by_role("button", name="Make codes").click()
        button = page.get_by_role("dialog", name="Is it you?").get_by_role("button", name="Show it with a passkey")
        await expect(button).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="The codes are shown this once.")).to_be_visible()

    async def test_who_shows_nothing_is_told_what_was_missing(
        self, visit: Visit, door: FakeDoor, kari: Somebody
    ) -> None:
        page = await visit("#/me", "pkari")
        absent(door)
        make = page.get_by_role("button", name="Make codes")
        await make.click()
        await expect(page.get_by_role("dialog", name="Is it you?").get_by_label("Password", exact=True)).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("alert").filter(has_text="This takes a fresh proof")).to_be_visible()
        await expect(make).to_be_focused()
        assert kari.recovery == 0

    async def test_signed_out_meanwhile(self, visit: Visit, door: FakeDoor, kari: Somebody) -> None:
        page = await visit("#/me", "pkari")
        absent(door)
        await page.get_by_role("button", name="Make codes").click()
        await expect(page.get_by_role("dialog", name="Is it you?")).to_be_visible()
        door.end("pkari")
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
