"""The page: the claim, the ways in, and what becomes of who is signed out."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from agent.api.server import serve
from privacy.clock import SystemClock
from privacy.hold import Role
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_people import DIGITS, PASSWORD, RECOVERY

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]
BUTTON_ALONE = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"
"""A virtual authenticator takes what is offered while nobody types, which no person does."""
OLDER_SAFARI = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
delete PublicKeyCredential.prototype.toJSON;
"""


AUTOFILL = """
PublicKeyCredential.isConditionalMediationAvailable = async () => true;
const get = navigator.credentials.get.bind(navigator.credentials);
navigator.credentials.get = async ({ mediation, signal, ...options }) => {
  if (mediation !== "conditional") return get(options);
  await new Promise((chosen, ended) => {
    window.choose = chosen;
    signal.addEventListener("abort", () => ended(new DOMException("", "AbortError")));
  });
  return get(options);
};
"""
"""What a person chooses from the browser's list, `window.choose()`."""


async def authenticator(page: Page, *, there: bool = True) -> Any:
    """This machine can keep passkeys from now on; the person touches it at once if they are `there`."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": there,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


async def fill(page: Page, login: str = "kari", password: str = PASSWORD) -> None:
    await page.get_by_label("E-mail address, telephone number or user name").fill(login)
    await page.get_by_label("Password", exact=True).fill(password)


def inside(page: Page) -> Any:
    return expect(page.get_by_role("article", name="Hall lamp"))


def sign_in(page: Page) -> Any:
    return page.get_by_role("button", name="Sign in", exact=True).first


class TestClaim:
    async def test_a_link_claims_what_has_no_owner_any_more(self, visit: Visit, door: FakeDoor) -> None:
        """Claimed before, says the gateway; whether it can be again it says when it is asked with the code."""
        door.codes["KARI"] = door.add("Kari").view.id
        page = await visit("#claim=ABCD-EFGH")
        await expect(page.get_by_text("This gateway may have no owner any more.")).to_be_visible()
        await expect(page.get_by_label("Code")).to_have_value("ABCD-EFGH")
        await page.get_by_label("Name").fill("Ola")
        await page.get_by_role("button", name="Claim").click()
        await expect(page.get_by_label("Code")).to_have_accessible_description(re.compile("wrong, used or too old"))
        await page.get_by_role("button", name="Sign in instead").click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_focused()

    async def test_a_link_does_nothing_where_somebody_is_signed_in(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#claim=ABCD-EFGH", "pkari")
        await inside(page).to_be_visible()

    async def test_a_link_claims_the_gateway_and_leaves_no_trace(self, visit: Visit, door: FakeDoor) -> None:
        door.claim_code = "ABCD-EFGH"
        page = await visit("#claim=ABCD-EFGH")
        await expect(page.get_by_role("heading", name="Claim this gateway")).to_be_visible()
        await expect(page.get_by_label("Code")).to_have_value("ABCD-EFGH")
        assert "ABCD" not in page.url
        await page.get_by_label("Name").fill("Kari")
        await page.get_by_label("I live here").uncheck()
        await page.get_by_role("main").get_by_label("Language").select_option("English")
        await page.get_by_label("Name").press("Enter")
        await expect(page.get_by_role("heading", name="Welcome, Kari")).to_be_focused()
        [(_, body)] = door.asked
        assert (body.code, body.name, body.lives_here, body.language) == ("ABCD-EFGH", "Kari", False, "en")

    async def test_what_is_wrong_is_said_beside_its_field(self, visit: Visit, door: FakeDoor) -> None:
        door.claim_code = "ABCD-EFGH"
        page = await visit()
        code, name = page.get_by_label("Code"), page.get_by_label("Name")
        await code.fill("nope")
        await name.fill(" \u200b")
        await page.get_by_role("button", name="Claim").click()
        await expect(page.get_by_role("alert").filter(has_text="The code does not work")).to_be_visible()
        await expect(code).to_be_focused()
        await expect(code).to_have_attribute("aria-invalid", "true")
        await expect(code).to_have_accessible_description(re.compile("It is wrong, used or too old"))
        await code.fill("ABCD-EFGH")
        await name.fill("  .")
        await name.fill("   ")
        await name.evaluate("field => field.removeAttribute('required')")
        await page.get_by_role("button", name="Claim").click()
        await expect(name).to_be_focused()
        await expect(name).to_have_accessible_description(re.compile("A name has 1 to 80"))

    async def test_nothing_else_is_asked_of_a_gateway_that_nobody_owns(self, visit: Visit, door: FakeDoor) -> None:
        door.claim_code = "ABCD-EFGH"
        page = await visit("#/people")
        await expect(page.get_by_role("heading", name="Claim this gateway")).to_be_visible()
        await expect(page.get_by_role("navigation")).to_have_count(0)


class TestPassword:
    async def test_by_keyboard_alone(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        login = page.get_by_label("E-mail address, telephone number or user name")
        await expect(login).to_be_visible()
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await login.evaluate("field => field === document.activeElement"):
                break
        await page.keyboard.type("kari")
        await page.keyboard.press("Tab")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert").filter(has_text="That is not right")).to_be_visible()
        await page.keyboard.press("Control+A")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await inside(page).to_be_visible()
        assert [body.stay for _, body in door.asked] == [False, False]

    async def test_the_second_factor_is_asked_for_when_the_server_says_so(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari").second = True
        page = await visit()
        second = page.get_by_label("Second factor")
        await fill(page, password="wrong")
        await sign_in(page).click()
        await expect(page.get_by_role("alert").filter(has_text="That is not right")).to_be_visible()
        await expect(second).to_have_count(0)
        await fill(page)
        await sign_in(page).click()
        await expect(second).to_be_focused()
        await expect(second).to_have_accessible_description(re.compile("Now the second factor, too"))
        await second.fill("000000")
        await second.press("Enter")
        await expect(second).to_have_accessible_description(re.compile("That is not the code"))
        await second.fill(DIGITS)
        await second.press("Enter")
        await inside(page).to_be_visible()

    async def test_a_recovery_code_does_as_well(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari").second = True
        page = await visit()
        await fill(page)
        await sign_in(page).click()
        await page.get_by_label("Second factor").fill(RECOVERY)
        await sign_in(page).click()
        await inside(page).to_be_visible()

    async def test_stay_signed_in(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        await page.get_by_label("Stay signed in").check()
        await fill(page)
        await sign_in(page).click()
        await inside(page).to_be_visible()
        assert [session.stay for session in door.sessions.values()] == [True]

    async def test_a_wait_is_counted_down(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.wait = 30
        page = await visit()
        await page.clock.install()
        await page.reload()
        await fill(page)
        await sign_in(page).click()
        await expect(page.get_by_role("alert").filter(has_text="too many attempts")).to_be_visible()
        await expect(page.get_by_text(re.compile(r"^\s*Try again in \d+\ss\.\s*$"))).to_be_visible()
        await expect(sign_in(page)).to_have_attribute("aria-disabled", "true")
        await sign_in(page).click(force=True)
        await page.get_by_label("Password", exact=True).press("Enter")
        assert len(door.asked) == 1  # meanwhile nothing is asked
        door.wait = 0
        await page.clock.run_for(31_000)
        await expect(page.get_by_text("You may try again now.")).to_be_attached()
        await expect(page.get_by_text("too many attempts")).to_have_count(0)
        await sign_in(page).click()
        await inside(page).to_be_visible()

    async def test_the_password_can_be_looked_at(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        await fill(page)
        field = page.get_by_label("Password", exact=True)
        await expect(field).to_have_attribute("type", "password")
        await page.get_by_role("button", name="Show the password").click()
        await expect(field).to_have_attribute("type", "text")
        await expect(field).to_have_value(PASSWORD)


class TestCode:
    async def test_a_link_signs_in_at_once_and_leaves_no_trace(self, visit: Visit, door: FakeDoor) -> None:
        person = door.add("Kari")
        person.password = None
        door.codes["LINK-CODE"] = person.view.id
        page = await visit("#in=LINK-CODE")
        await expect(page.get_by_role("heading", name="Welcome, Kari")).to_be_visible()
        assert "LINK" not in page.url
        await page.reload()  # what is in the history has no code either
        await expect(page.get_by_role("heading", name="Welcome, Kari")).to_be_visible()
        assert len(door.asked) == 1

    async def test_who_comes_by_a_code_makes_a_password(self, visit: Visit, door: FakeDoor) -> None:
        person = door.add("Kari")
        person.password = None
        door.codes["LINK-CODE"] = person.view.id
        page = await visit("#in=LINK-CODE")
        await page.get_by_role("button", name="Use a password instead").click()
        await page.get_by_label("New password").fill("short")
        await page.get_by_role("button", name="Save the password").click()
        await expect(page.get_by_label("New password")).to_have_accessible_description(re.compile("too easy to guess"))
        await expect(page.get_by_text("add another word or two")).to_have_attribute("lang", "en")
        await page.get_by_label("User name").fill("kari")
        await page.get_by_label("New password").fill(PASSWORD)
        await page.get_by_role("button", name="Save the password").click()
        await inside(page).to_be_visible()
        assert (person.login, person.password) == ("kari", PASSWORD)

    async def test_or_does_it_later(self, visit: Visit, door: FakeDoor) -> None:
        person = door.add("Kari")
        person.password = None
        page = await visit("", person.view.id)
        await page.get_by_role("button", name=re.compile("^Later")).click()
        await inside(page).to_be_visible()

    async def test_a_used_link_says_so(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#in=USED")
        await expect(page.get_by_role("alert").filter(has_text="wrong, used or too old")).to_be_visible()
        await fill(page)
        await sign_in(page).click()
        await inside(page).to_be_visible()

    async def test_a_code_can_be_typed(self, visit: Visit, door: FakeDoor) -> None:
        door.codes["TYPED"] = door.add("Kari").view.id
        page = await visit()
        await page.get_by_text("I have a single-use code").click()
        code = page.get_by_label("Single-use code")
        await code.fill("WRONG")
        await code.press("Enter")
        await expect(code).to_have_accessible_description(re.compile("wrong, used or too old"))
        await code.fill(" TYPED ")
        await code.press("Enter")
        await inside(page).to_be_visible()

    @pytest.mark.parametrize("yes", [True, False])
    async def test_a_link_for_another_asks_first(self, visit: Visit, door: FakeDoor, *, yes: bool) -> None:
        """Else a link that somebody sent would sign the reader in as whom the sender likes."""
        door.add("Kari")
        door.codes["OTHER"] = door.add("Ola", Role.RESIDENT).view.id
        page = await visit("#/me", "pkari")
        await expect(page.get_by_role("heading", name="Kari")).to_be_visible()
        await page.evaluate("location.hash = '#in=OTHER'")
        dialog = page.get_by_role("dialog", name="Sign in as somebody other than Kari?")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        assert page.url.endswith("/#/me")  # the place is kept, the code is not
        assert door.asked == []
        await dialog.get_by_role("button", name="Use the link" if yes else "Cancel").click()
        await expect(page.get_by_role("heading", name="Ola" if yes else "Kari")).to_be_visible()
        assert len(door.asked) == int(yes)


class TestButton:
    async def test_it_is_pressed_first_and_a_new_way_is_made(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        await page.get_by_text("I have lost every way in").click()
        await expect(page.get_by_text("Go to the box, and press the button on it.")).to_be_visible()
        who = page.get_by_label("Who are you?")
        await who.fill("kari")
        await who.press("Enter")
        await expect(page.get_by_role("alert").filter(has_text="Nobody has pressed the button")).to_be_visible()
        door.pressed = True
        await who.fill("nobody")
        await who.press("Enter")
        await expect(who).to_have_accessible_description(re.compile("Nobody here is called that"))
        await expect(who).to_be_focused()
        await page.get_by_label("Stay signed in").check()
        await who.fill(" Kari ")
        await who.press("Enter")
        await expect(page.get_by_role("heading", name="Welcome, Kari")).to_be_focused()
        await expect(page.get_by_text("The button has let you in this once.")).to_be_visible()
        assert [(body.who, body.stay) for _, body in door.asked][-1] == ("Kari", True)
        await page.get_by_role("button", name="Use a password instead").click()
        await page.get_by_label("New password").fill("fire tilfeldige norske ord")
        await page.get_by_label("New password").press("Enter")
        await inside(page).to_be_visible()

    async def test_or_none_is_made_now(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        door.pressed = True
        page = await visit()
        await page.get_by_text("I have lost every way in").click()
        await page.get_by_label("Who are you?").fill("kari")
        await page.get_by_label("Who are you?").press("Enter")
        await page.get_by_role("button", name="Not now").click()
        await inside(page).to_be_visible()


class TestPasskey:
    @pytest.mark.parametrize("browser_is", ["new", "old"])
    async def test_made_at_the_first_visit_and_used_at_the_next(
        self, visit: Visit, door: FakeDoor, browser_is: str
    ) -> None:
        person = door.add("Kari")
        person.password = None
        page = await visit("#/me", person.view.id)
        await page.add_init_script(BUTTON_ALONE + (OLDER_SAFARI if browser_is == "old" else ""))
        await page.reload()
        await authenticator(page)
        await page.get_by_label("What is the device called?").fill("My phone")
        await page.get_by_role("button", name="Make the passkey").click()
        card = page.get_by_role("article", name="Passkeys")
        await expect(card.get_by_role("button", name="Remove the passkey My phone")).to_be_visible()
        await page.get_by_role("button", name="Sign out").first.click()
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(card).to_be_visible()  # where they were
        assert [session.way for session in door.sessions.values()] == ["passkey"]

    async def test_one_that_is_offered_while_somebody_types(self, visit: Visit, door: FakeDoor) -> None:
        """The browser's own list is no part of a page: what the person chooses there is the answer to a question."""
        person = door.add("Kari")
        page = await visit("#/me", person.view.id)
        await page.add_init_script(AUTOFILL)
        await page.reload()
        await authenticator(page)
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_role("button", name="Make the passkey").click()
        await expect(page.get_by_role("button", name="Remove the passkey Unnamed")).to_be_visible()
        await page.get_by_role("button", name="Sign out").first.click()
        await page.get_by_label("Stay signed in").check()
        await page.wait_for_function("() => Boolean(window.choose)")
        await page.evaluate("window.choose()")
        await expect(page.get_by_role("heading", name="Kari")).to_be_visible()
        assert [(session.way, session.stay) for session in door.sessions.values()] == [("passkey", True)]

    async def test_one_that_is_not_given(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        await authenticator(page, there=False)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page.get_by_role("alert").filter(has_text="No passkey was used")).to_be_visible()
        await fill(page)
        await sign_in(page).click()
        await inside(page).to_be_visible()

    async def test_not_at_an_address_in_digits(self, visit: Visit, home: str) -> None:
        page = await visit()
        await page.goto(home.replace("localhost", "127.0.0.1"))
        await expect(page.get_by_label("Password", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
        await expect(page.get_by_role("link", name=re.compile("^localhost:"))).to_have_attribute("href", home + "/")


class TestSignedOut:
    async def test_at_once_when_the_session_ends_and_back_where_they_were(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/people", "pkari")
        await expect(page.get_by_role("article", name="Kari")).to_be_visible()
        door.end("pkari")
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_focused()
        await expect(page.get_by_text("You are signed out. Sign in again")).to_be_visible()
        await expect(page.get_by_text("Gateway-4f2a")).to_have_count(0)  # nothing of the house is left
        await fill(page)
        await sign_in(page).click()
        await expect(page.get_by_role("article", name="Kari")).to_be_visible()
        assert page.url.endswith("/#/people")

    async def test_when_a_request_finds_it_out(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/people", "pkari")
        await expect(page.get_by_role("article", name="Kari")).to_be_visible()
        door.sessions.clear()  # and the feed was not told
        await page.get_by_role("link", name="Who looked").click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()

    async def test_when_the_feed_is_not_let_in_again(
        self, context: BrowserContext, api_house: Any, door: FakeDoor
    ) -> None:
        door.add("Kari")
        page = await context.new_page()
        async with serve(api_house, clock=SystemClock(), door=door.door(), port=0, socket_path=None) as address:
            await context.add_cookies([door.sign_in("pkari")])
            await page.goto(address.replace("127.0.0.1", "localhost"))
            await inside(page).to_be_visible()
        await expect(page.get_by_text("No contact with the gateway since")).to_be_visible()
        door.sessions.clear()
        port = int(address.rpartition(":")[2])
        async with serve(api_house, clock=SystemClock(), door=door.door(), port=port, socket_path=None):
            await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible(timeout=30_000)
            await expect(page.get_by_text("No contact with the gateway")).to_have_count(0)

    async def test_by_oneself(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit("#/me", "pkari")
        await page.get_by_role("button", name="Sign out").first.click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_focused()
        await expect(page.get_by_text("You are signed out.")).to_have_count(0)
        assert door.sessions == {}

    async def test_a_gateway_that_does_not_answer_is_asked_again(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Kari")
        page = await visit()
        await page.route("**/api/who", lambda route: route.abort(), times=1)
        await page.goto("about:blank")
        complaint = page.expect_event("requestfailed")
        async with complaint:
            await page.go_back()
        await expect(page.get_by_text("The gateway does not answer.")).to_be_visible()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
