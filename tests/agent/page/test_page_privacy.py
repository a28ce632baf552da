"""The page: what is kept of the person who reads, and what they have done with it."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from playwright.async_api import Locator, Page, expect

from agent.api import asks
from agent.consent.contract import ConsentBody, ConsentRecord
from privacy.consent_text import Kind
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from tests.agent.conftest import ORDER as ERASURE
from tests.agent.page.fake_door import FakeDoor
from tests.agent.page.fake_people import NOW
from tests.agent.page.fake_rights import COPY, HOLD, ORDER, consent, hold_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Page]]


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


@pytest.fixture(autouse=True)
def kari(door: FakeDoor) -> None:
    door.add("Kari", email="kari@example.org")


async def test_what_the_in_memory_door_serves_is_what_the_gateway_serves(door: FakeDoor) -> None:
    served = [f"{route.method} {route.path}" for route in (*door.rights.table(), *door.lending.table())]
    assert [each for each in served if each not in asks.ASKS] == []


class TestConsents:
    async def test_given_and_withdrawn_by_one_button_each(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/privacy", "pkari")
        camera = card(page, "Camera en")
        await expect(camera).to_contain_text("Not agreed")
        await camera.get_by_role("button", name="I agree: Camera en").press("Enter")
        await expect(camera).to_contain_text(re.compile(r"You agree.*You agreed to version 2 \d\d:\d\d", re.DOTALL))
        withdraw = camera.get_by_role("button", name="I withdraw: Camera en")
        await expect(withdraw).to_be_focused()
        await withdraw.press("Enter")
        await expect(camera).to_contain_text(re.compile(r"You withdrew \d\d:\d\d"))
        await expect(camera.get_by_role("link", name="See the receipt")).to_have_attribute("href", f"#order-{ORDER}")
        await expect(camera.get_by_role("button", name="I agree: Camera en")).to_be_focused()
        body = ConsentBody(kind=Kind.CAMERA, version=2, language="en")
        assert door.asked == [("POST /api/consents", body)]

    async def test_in_the_language_of_who_reads(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/privacy", "pkari")
        await page.get_by_role("button", name="Norsk").click()
        await card(page, "Camera nb").get_by_role("button", name="Jeg samtykker: Camera nb").click()
        await expect(card(page, "Camera nb")).to_contain_text("Du samtykker")
        assert door.asked[0][1].language == "nb"

    async def test_what_rests_on_something_else_says_so(self, visit: Visit) -> None:
        page = await visit("#/privacy", "pkari")
        history = card(page, "History en")
        await expect(history).to_contain_text("It rests on contract and a vital interest")
        await expect(history.get_by_role("button")).to_have_count(0)
        await expect(card(page, "Camera en")).to_contain_text("What names nobody rests on contract instead.")

    async def test_to_a_newer_text_one_is_asked_anew(self, visit: Visit, door: FakeDoor) -> None:
        record = ConsentRecord(version=1, sha256="00", language="en", given=NOW)
        door.rights.consents = [consent(Kind.CAMERA, "Camera", "consent", state="again", records=(record,))]
        page = await visit("#/privacy", "pkari")
        await expect(card(page, "Camera en")).to_contain_text("A new text: asked anew")
        await card(page, "Camera en").get_by_role("button", name="I agree").click()
        await expect(card(page, "Camera en")).to_contain_text("version 2")


class TestCopies:
    async def test_asked_for_made_fetched_and_gone(self, visit: Visit, door: FakeDoor) -> None:
        door.rights.ready = False
        page = await visit("#/privacy", "pkari")
        copies = card(page, "Get a copy")
        await expect(copies).to_contain_text("Done within a minute. The law gives a month.")
        await copies.get_by_role("button", name="Get a copy").click()
        await expect(copies).to_contain_text(re.compile("Being made.*asked for.*promised by", re.DOTALL))
        await expect(copies.get_by_role("button", name="Get a new copy")).to_have_attribute("aria-disabled", "true")
        door.rights.ready = True
        await expect(copies).to_contain_text(re.compile("Ready.*asked for.*ready.*gone.*5.KiB", re.DOTALL))
        async with page.expect_download() as downloading:
            await copies.get_by_role("link", name="Download").click()
        download = await downloading.value
        assert download.suggested_filename == "portvakt-export.zip"
        assert download.url.endswith(f"/api/exports/{COPY}")
        await copies.get_by_role("button", name="Have it gone").click()
        await expect(copies.get_by_role("listitem")).to_have_count(0)
        await expect(copies.get_by_role("heading", name="Get a copy")).to_be_focused()
        assert [body.language for _, body in door.asked] == ["en"]

    async def test_one_that_failed_says_why(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/privacy", "pkari")
        copies = card(page, "Get a copy")
        door.rights.ready = False
        await copies.get_by_role("button", name="Get a copy").click()
        await expect(copies).to_contain_text("Being made")
        [making] = door.rights.copies
        door.rights.copies = [msgspec.structs.replace(making, state="failed", failure="disk_short")]
        await expect(copies).to_contain_text("There was no room for it.")
        await expect(copies.get_by_role("link")).to_have_count(0)


class TestRights:
    async def test_oneself_is_corrected(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/privacy", "pkari")
        correct = card(page, "Correct it")
        button = correct.get_by_role("button", name="Correct")
        await button.click()
        await expect(correct.get_by_label("Name")).to_be_focused()
        await expect(correct.get_by_label("E-mail")).to_have_value("kari@example.org")
        await expect(correct.get_by_label("Role")).to_have_count(0)
        await correct.get_by_label("Name").fill("Kari Nordmann")
        await correct.get_by_role("button", name="Save").click()
        await expect(button).to_be_focused()
        [(_, body)] = door.asked
        assert (body.name, body.role, body.lives_here, body.email) == ("Kari Nordmann", None, None, None)

    async def test_who_may_not_see_the_people_corrects_themselves_too(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Gunn", Role.GUEST, lives_here=False, email="gunn@example.org")
        page = await visit("#/privacy", "pgunn")
        await card(page, "Correct it").get_by_role("button", name="Correct").click()
        await expect(card(page, "Correct it")).to_contain_text("What you leave empty stays as it is.")
        await card(page, "Correct it").get_by_label("Telephone").fill("22225555")
        await card(page, "Correct it").get_by_role("button", name="Save").click()
        await expect(card(page, "Correct it").get_by_role("button", name="Correct")).to_be_focused()
        [(_, body)] = door.asked
        assert (body.name, body.email, body.phone) == (None, None, "22225555")

    async def test_restricted_and_used_again(self, visit: Visit, api_house: Any) -> None:
        page = await visit("#/privacy", "pkari")
        restrict = card(page, "Have it kept, and not used")
        await restrict.get_by_role("button", name="Keep, and do not use").click()
        dialog = page.get_by_role("dialog", name="Have it kept, and not used?")
        await expect(dialog).to_contain_text("It lasts 30 days")
        await dialog.get_by_role("button", name="Keep, and do not use").click()
        await expect(restrict).to_contain_text(re.compile("Held since .*, ends by itself on"))
        api_house.set(holds=(hold_of("pola", NOW), hold_of("pkari", NOW)))  # of others there is nothing here
        await restrict.get_by_role("button", name="Let it be used again").click()
        await expect(restrict.get_by_role("button", name="Keep, and do not use")).to_be_visible()
        assert api_house.asked[-1][:2] == ("release", HOLD)

    async def test_an_objection_is_answered_in_words(self, visit: Visit, door: FakeDoor) -> None:
        page = await visit("#/privacy", "pkari")
        card_ = card(page, "Object")
        await card_.get_by_role("button", name="Object").click()
        await expect(card_.get_by_role("heading", name="It ends: your consent is withdrawn.")).to_be_focused()
        await card_.get_by_label("To what").select_option("who did what")
        await card_.get_by_role("button", name="Object").click()
        await expect(card_.get_by_role("heading", name="It goes on, on another ground.")).to_be_focused()
        await expect(card_).to_contain_text("It rests on something else.")
        assert [body.record_class for _, body in door.asked] == [RecordClass.SNAPSHOT, RecordClass.ACTIVITY]


class TestErasure:
    async def test_of_everything_and_the_proof_stays(self, visit: Visit, door: FakeDoor, api_house: Any) -> None:
        page = await visit("#/privacy", "pkari")
        await page.get_by_role("button", name="Erase everything about me").click()
        dialog = page.get_by_role("dialog", name="Erase everything about you?")
        await expect(dialog).to_contain_text("You are signed out, cannot sign in any more")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await dialog.get_by_role("button", name="Erase everything").click()
        await expect(page.get_by_text("The order is in the journal. You are signed out")).to_be_visible()
        assert api_house.asked[-1][:2] == ("erase", Scope(subjects=("pkari",)))
        api_house.add_receipt("erased")
        await page.wait_for_function("() => document.querySelector('#main')")
        await expect(page.get_by_text("Erased; there is a new receipt.")).to_be_attached()
        door.end("pkari")
        await expect(page.get_by_role("heading", name="Everything about you is erased")).to_be_focused()
        await expect(page.get_by_role("main")).to_contain_text(ERASURE)
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="Download “Erased”").click()
        name = (await downloading.value).suggested_filename
        assert name == f"receipt-{ERASURE}-erased.jws"
        await page.get_by_role("button", name="I have kept it").click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()

    async def test_nothing_is_erased_without_a_yes(self, visit: Visit, api_house: Any) -> None:
        page = await visit("#/privacy", "pkari")
        button = page.get_by_role("button", name="Erase everything about me")
        await button.click()
        await page.keyboard.press("Escape")
        await expect(button).to_be_focused()
        assert api_house.asked == []


class TestKept:
    async def test_each_kind_and_until_when(self, visit: Visit, door: FakeDoor, api_house: Any) -> None:
        [first] = await api_house.inventory()
        inventoried = (
            msgspec.structs.replace(first, held=2, held_until=NOW),
            msgspec.structs.replace(first, record_class="person", limit="at once after it goes", next_to_go=None),
            msgspec.structs.replace(first, record_class="newly_invented", limit="for a while", count=1),
        )

        async def inventory() -> Any:
            return inventoried

        api_house.inventory = inventory
        page = await visit("#/privacy", "pkari")
        rows = page.get_by_role("region", name="What is kept, and until when").get_by_role("listitem")
        pictures, people, new = rows.nth(0), rows.nth(1), rows.nth(2)
        await expect(pictures).to_contain_text(re.compile("pictures.*a legitimate interest.*7 days at most", re.DOTALL))
        await expect(pictures).to_contain_text(re.compile("3 here · the next goes.*2 held until", re.DOTALL))
        await expect(people).to_contain_text(re.compile("people.*while you belong to the home", re.DOTALL))
        await expect(new).to_contain_text(re.compile("newly_invented.*for a while.*1 here", re.DOTALL))

    async def test_a_guest_is_told_where_theirs_is(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Gunn", Role.GUEST, lives_here=False)
        page = await visit("#/privacy", "pgunn")
        await expect(page.get_by_text("The numbers of the whole home are for those who live there.")).to_be_visible()

    async def test_who_has_left_keeps_the_rights(self, visit: Visit, door: FakeDoor) -> None:
        door.add("Nils", Role.RESIDENT, until=datetime.now(UTC))
        page = await visit("#/privacy", "pnils")
        await expect(card(page, "Camera en")).to_be_visible()
        await expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["My data", "Who looked", "Me"])
        await card(page, "Camera en").get_by_role("button", name="I agree").click()
        await card(page, "Camera en").get_by_role("button", name="I withdraw").click()
        await expect(card(page, "Camera en")).to_contain_text(f"Order {ORDER}")  # they see no house to find it in
