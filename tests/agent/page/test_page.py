"""The page: devices, cameras, erasing and its receipts, and what everybody needs."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from agent.api.contract import LogView, Reading, ServiceView, SnapshotView, StoreReport
from agent.api.server import serve
from agent.errors import Refused
from privacy.clock import SystemClock
from tests.agent.page.at_home import at_home

pytestmark = pytest.mark.asyncio(loop_scope="module")

House = Any
LOOKS = [("light", 360), ("dark", 360), ("light", 1280), ("dark", 1280)]
Violations = Callable[[Page], Awaitable[list[str]]]
ERASE = re.compile("^Erase this camera")


class TestDevices:
    async def test_a_switch_sends_the_command_and_shows_what_came_of_it(self, page: Page, api_house: House) -> None:
        switch = page.get_by_role("switch", name="Hall lamp: Power")
        await expect(switch).not_to_be_checked()
        await switch.click()
        await expect(switch).to_be_checked()
        assert ("command", "lamp", "OnOff.OnOff", True, "local-owner") in api_house.asked
        await expect(page.get_by_text("Hall lamp: Power On")).to_be_attached()  # read out

    async def test_a_change_elsewhere_appears_by_itself(self, page: Page, api_house: House) -> None:
        api_house.report("pump", "TemperatureMeasurement.MeasuredValue", 19.5)
        await expect(page.get_by_role("article", name="Heat pump").get_by_role("definition")).to_have_text("19.5 °C")

    async def test_a_slider_is_committed_on_release(self, page: Page, api_house: House) -> None:
        slider = page.get_by_role("slider", name="Hall lamp: Brightness")
        await slider.scroll_into_view_if_needed()
        box = await slider.bounding_box()
        assert box
        middle = box["y"] + box["height"] / 2
        await page.mouse.move(box["x"] + box["width"] * 0.6, middle)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=10)
        await page.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=10)
        assert api_house.asked == [] or all(each[0] == "picture" for each in api_house.asked)
        await page.mouse.up()
        await expect(slider).to_have_js_property("valueAsNumber", await slider.evaluate("e => e.valueAsNumber"))
        await expect(page.get_by_role("article", name="Hall lamp").locator(".now").last).to_have_text(
            re.compile(r"^(2[5-9]|3[0-5]) %$")
        )
        commands = [each for each in api_house.asked if each[0] == "command"]
        assert len(commands) == 1

    async def test_presses_on_a_stepper_are_one_command(self, page: Page, api_house: House) -> None:
        raise_it = page.get_by_role("button", name="Raise: Heat pump: Set point")
        await raise_it.evaluate("button => [1, 2, 3].forEach(() => button.click())")  # quick, however slow we are
        await expect(page.get_by_role("group", name="Heat pump: Set point").get_by_role("status")).to_have_text(
            "22.5 °C"
        )
        await expect(page.get_by_text("Heat pump: Set point 22.5 °C")).to_be_attached()
        commands = [each for each in api_house.asked if each[0] == "command"]
        assert commands == [("command", "pump", "Thermostat.OccupiedHeatingSetpoint", 22.5, "local-owner")]

    async def test_a_choice(self, page: Page, api_house: House) -> None:
        await page.get_by_label("Heat pump: Mode").select_option("Cool")
        await expect(page.get_by_text("Heat pump: Mode Cool")).to_be_attached()
        assert ("command", "pump", "Thermostat.SystemMode", "cool", "local-owner") in api_house.asked

    async def test_a_command_that_fails_says_why_in_its_card(self, page: Page, api_house: House) -> None:
        api_house.outcome = "failed"
        card = page.get_by_role("article", name="Hall lamp")
        await card.get_by_role("switch").click()
        await expect(card.get_by_role("alert")).to_have_text(
            "That did not work: unit 1 did not answer; is it switched on?"
        )
        await expect(card.get_by_role("switch")).not_to_be_checked()

    async def test_asked_and_reported_stand_side_by_side_while_they_differ(self, page: Page, api_house: House) -> None:
        [pump, _] = api_house.state().devices
        desired = Reading(value=23.5, at=datetime.now(UTC))
        changed = tuple(
            msgspec.structs.replace(each, desired=desired) if "Setpoint" in each.name else each
            for each in pump.capabilities
        )
        api_house.set_device("pump", capabilities=changed)
        note = page.get_by_text("Asked for 23.5 °C at")
        await expect(note).to_contain_text("the device says 21 °C")
        api_house.report("pump", "Thermostat.OccupiedHeatingSetpoint", 23.5)
        await expect(note).to_be_hidden()

    async def test_a_device_that_is_away_says_since_when_and_why(self, page: Page, api_house: House) -> None:
        since = datetime.now(UTC) - timedelta(minutes=3)
        api_house.set_device("lamp", reachable=False, since=since, reason="no answer within 5 s")
        card = page.get_by_role("article", name="Hall lamp")
        await expect(card).to_contain_text(
            re.compile(r"Not reachable since (\d+ \w+ )?\d\d:\d\d, because no answer within 5 s")
        )
        await expect(card.get_by_role("switch")).to_be_disabled()
        await expect(page.get_by_text("Hall lamp cannot be reached.")).to_be_attached()

    async def test_the_first_change_is_read_out_even_if_the_words_came_late(
        self, context: BrowserContext, address: str, api_house: House
    ) -> None:
        page = await context.new_page()

        async def late(route: Route) -> None:
            await asyncio.sleep(0.5)
            await route.continue_()

        await page.route("**/static/en.json", late)
        await page.goto(address)
        await expect(page.get_by_role("article", name="Hall lamp")).to_be_visible()
        api_house.set_device("lamp", reachable=False, since=datetime.now(UTC), reason="no answer")
        await expect(page.get_by_text("Hall lamp cannot be reached.")).to_be_attached()

    async def test_unverified_is_said(self, page: Page) -> None:
        await expect(page.get_by_role("article", name="Heat pump").get_by_text("Unverified")).to_be_visible()
        await expect(page.get_by_role("article", name="Hall lamp").get_by_text("Unverified")).to_have_count(0)

    async def test_adopting_a_found_device(self, page: Page, api_house: House) -> None:
        card = page.get_by_role("article", name="Desk lamp")
        await card.get_by_label("Adoption code").fill("123-45-678")
        await card.get_by_label("Adoption code").press("Enter")
        await expect(card.get_by_role("switch")).to_be_visible()  # now it is a device
        assert ("adopt", "AA:BB:CC:DD:EE:FF", "homekit", "123-45-678", "local-owner") in api_house.asked

    async def test_a_device_from_the_configuration_cannot_be_forgotten(
        self, context: BrowserContext, address: str, api_house: House
    ) -> None:
        page = await context.new_page()
        await page.goto(address)
        card = page.get_by_role("article", name="Hall lamp")
        await card.get_by_text("More").click()
        await card.get_by_role("button", name="Forget this device").click()
        api_house.refusal = Refused("configured", "it stands in the configuration", hint="remove it there")
        await page.get_by_role("dialog").get_by_role("button", name="Forget").click()
        await expect(card.get_by_role("alert")).to_have_text(
            "This device stands in the configuration file; remove it there."
        )


class TestCameras:
    async def test_the_newest_picture_with_its_countdown(self, page: Page) -> None:
        picture = page.get_by_role("img", name=re.compile("^Picture from Front door at"))
        await expect(picture).to_have_js_property("complete", value=True)
        assert await picture.evaluate("e => e.naturalWidth") == 320
        countdown = page.locator(".goes")
        await expect(countdown).to_have_text(re.compile(r"^Gone in 4\smin \d+\ss at the latest$"))
        first = await countdown.text_content()
        assert first
        await expect(countdown).not_to_have_text(first)

    async def test_the_countdown_is_by_the_gateways_clock(self, context: BrowserContext, address: str) -> None:
        """The clock of the phone is a day off; the countdown is right all the same."""
        page = await context.new_page()
        await page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
        await page.goto(address)
        await expect(page.locator(".goes")).to_have_text(re.compile(r"^Gone in [45]\smin"))

    async def test_a_thumbnail_shows_its_picture_large(self, page: Page) -> None:
        strip = page.get_by_role("list", name="Recent pictures from Front door")
        await expect(strip.get_by_role("button")).to_have_count(3)
        await strip.get_by_role("button").nth(2).click()
        await expect(page.locator(".picture img")).to_have_attribute("src", "/api/snapshots/s2/image")

    async def test_a_picture_leaves_the_page_at_its_time(self, page: Page, api_house: House) -> None:
        now = datetime.now(UTC)
        api_house.set(snapshots=(SnapshotView(id="s0", camera="door", at=now, goes=now + timedelta(seconds=4)),))
        await expect(page.locator(".strip li")).to_have_count(1)
        await expect(page.locator(".picture")).to_have_count(0)
        await expect(page.get_by_text("No pictures.")).to_be_visible()

    async def test_a_camera_that_does_not_work(self, page: Page, api_house: House) -> None:
        [camera] = api_house.state().cameras
        api_house.set(cameras=(msgspec.structs.replace(camera, working=False, reason="no answer within 8 s"),))
        await expect(page.get_by_role("article", name="Front door")).to_contain_text(
            "Not working, because no answer within 8 s"
        )


class TestErasing:
    async def test_by_keyboard_alone(self, page: Page, api_house: House) -> None:
        button = page.get_by_role("button", name=ERASE)
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await button.evaluate("e => e === document.activeElement"):
                break
        await expect(button).to_be_focused()
        await page.keyboard.press("Enter")

        dialog = page.get_by_role("dialog", name="Erase the pictures from Front door?")
        await expect(dialog).to_contain_text("All 3 pictures")
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()  # Enter by mistake does no harm
        for no in ("Enter", "Escape"):
            await page.keyboard.press(no)
            await expect(dialog).to_be_hidden()
            await expect(button).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(dialog).to_be_visible()
        assert not [each for each in api_house.asked if each[0] == "erase"]

        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_text("The order to erase is in the journal.")).to_be_attached()
        [(_, scope, actor)] = [each for each in api_house.asked if each[0] == "erase"]
        assert (list(scope.classes), list(scope.cameras), scope.everything) == (["snapshot"], ["door"], False)
        assert actor == "local-owner"

        steps = page.locator(".progress li")
        await expect(steps).to_have_text([re.compile("done"), re.compile("under way"), re.compile("under way")])
        api_house.set(snapshots=())
        api_house.add_receipt("erased")
        await expect(steps.nth(1)).to_contain_text("done")
        api_house.add_receipt("verified")
        await expect(steps.nth(2)).to_contain_text("done")
        await expect(page.get_by_text("No pictures.")).to_be_visible()

    async def test_a_double_click_is_one_order(self, page: Page, api_house: House) -> None:
        await page.get_by_role("button", name=ERASE).click()
        yes = page.get_by_role("dialog").get_by_role("button", name="Erase pictures")
        await yes.evaluate("button => { button.click(); button.click(); }")
        await expect(page.locator(".progress")).to_be_visible()
        assert len([each for each in api_house.asked if each[0] == "erase"]) == 1

    async def test_a_refusal_is_shown(self, context: BrowserContext, address: str, api_house: House) -> None:
        page = await context.new_page()
        await page.goto(address)
        await page.get_by_role("button", name=ERASE).click()
        api_house.refusal = Refused("held", "these pictures are under hold", hint="release the hold first")
        await page.get_by_role("dialog").get_by_role("button", name="Erase pictures").click()
        await expect(page.get_by_role("article", name="Front door").get_by_role("alert")).to_have_text(
            "these pictures are under hold (release the hold first)"
        )

    async def test_receipts(self, page: Page, api_house: House) -> None:
        api_house.add_receipt("erased")
        api_house.add_receipt("verified")
        order = page.get_by_role("article", name=re.compile("^Order 0198c0de"))
        await expect(order.locator(".steps li")).to_have_text([re.compile(r"^Erased \d"), re.compile(r"^Verified \d")])
        await expect(order.get_by_text("3 found, 3 erased, 0 left")).to_have_count(1)
        await expect(order.get_by_text("Signature valid")).to_have_count(1)
        await expect(order).to_contain_text("Erased: Backend has it")
        await expect(order).to_contain_text("Verified: Not yet confirmed by the backend")
        table = order.get_by_role("table")
        await expect(table).to_have_count(1)
        await expect(table.get_by_role("row", name="Pictures")).to_have_text("Pictures330C")
        await expect(order.get_by_text("Unlinked only").first).to_be_visible()
        async with page.expect_download() as downloading:
            await order.get_by_role("link", name="Download “Verified”").click()
        download = await downloading.value
        path = await download.path()
        assert path.read_text() == api_house.state().receipts[0].jws

    async def test_a_receipt_that_is_not_in_order_is_not_made_to_look_so(self, page: Page, api_house: House) -> None:
        api_house.add_receipt("verified")
        [receipt] = api_house.state().receipts
        [store] = receipt.stores
        bad = msgspec.structs.replace(
            receipt, signature_valid=False, stores=(msgspec.structs.replace(store, erased=2, left=1),)
        )
        api_house.set(receipts=(bad,))
        await expect(page.get_by_text("Signature does not verify")).to_be_visible()
        await expect(page.locator(".order .badge")).to_have_class(re.compile("bad"))
        await expect(page.locator(".steps li")).to_have_class("no")
        await expect(page.get_by_text("3 found, 2 erased, 1 left")).to_be_visible()

    async def test_pictures_are_counted_apart_from_the_rest(self, page: Page, api_house: House) -> None:
        def stores(left: int) -> tuple[StoreReport, ...]:
            return (
                StoreReport(store="operation_log", found=20, erased=20, left=0, tier="C"),
                StoreReport(store="snapshots", found=22, erased=22 - left, left=left, tier="C"),
                StoreReport(store="spool", found=15, erased=15, left=0, tier="C"),
            )

        api_house.add_receipt("erased", "order-1", *stores(1))
        api_house.add_receipt("verified", "order-1", *stores(0))
        order = page.get_by_role("article", name="Order order-1")
        sums = order.locator(".receipt > p")
        await expect(sums).to_have_text([  # two receipts that do not say the same stand apart, the newest first
            "Pictures: 22 found, 22 erased, 0 left",
            "Other records: 35 found, 35 erased, 0 left",
            "Pictures: 22 found, 21 erased, 1 left",
            "Other records: 35 found, 35 erased, 0 left",
        ])  # fmt: skip

    async def test_the_newest_order_is_open_and_the_others_are_folded(self, page: Page, api_house: House) -> None:
        for number in range(12):
            api_house.add_receipt("erased", f"order-{number}")
            api_house.add_receipt("verified", f"order-{number}")
        await expect(page.locator(".receipts > .orders > li")).to_have_count(3)
        await expect(page.locator(".older summary").first).to_have_text("7 older orders")  # 20 receipts are shown
        await expect(page.get_by_text("portvakt receipt list")).to_be_visible()
        steps = page.locator(".steps")
        await expect(steps.nth(0)).to_be_visible()
        assert [await steps.nth(n).is_visible() for n in range(1, 10)] == [False] * 9
        second = page.get_by_role("article", name="Order order-10", exact=True)
        await second.locator("summary").first.click()
        await expect(second.get_by_text("3 found, 3 erased, 0 left")).to_be_visible()
        api_house.add_receipt("erased", "order-12")  # what somebody opened stays open while others come
        await expect(page.get_by_role("article", name="Order order-12", exact=True).locator(".steps")).to_be_visible()
        await expect(second.locator(".steps")).to_be_visible()

    async def test_the_steps_of_an_order_stay_done_when_its_receipts_are_no_longer_shown(
        self, page: Page, api_house: House
    ) -> None:
        await page.get_by_role("button", name=ERASE).click()
        await page.get_by_role("dialog").get_by_role("button", name="Erase pictures").click()
        api_house.add_receipt("erased")
        api_house.add_receipt("verified")
        steps = page.locator(".progress li")
        await expect(steps.nth(2)).to_contain_text("done")
        link = page.get_by_role("link", name="See the receipt")
        await expect(link).to_be_visible()
        for number in range(20):
            api_house.add_receipt("verified", f"order-{number}")
        await expect(page.get_by_role("article", name="Order order-19")).to_be_visible()
        await expect(link).to_have_count(0)  # it would lead nowhere
        await expect(steps.nth(2)).to_contain_text("done")


class TestTheRest:
    async def test_log_lines_as_uploaded(self, page: Page, api_house: House) -> None:
        api_house.set(log=(LogView(sequence=2, line='{"user":"[person]"}', state="waiting"), *api_house.state().log))
        lines = page.get_by_role("region", name="Log lines").get_by_role("listitem")
        await expect(lines).to_have_text(['Waiting{"user":"[person]"}', re.compile("^Uploadedevent=start")])

    async def test_problems_come_and_go(self, page: Page, api_house: House) -> None:
        await expect(page.get_by_role("region", name="problem")).to_have_count(0)
        api_house.set(services=(ServiceView(name="modbus", problem="the port is gone"), ServiceView(name="link")))
        problems = page.get_by_role("region", name="1 problem")
        await expect(problems.get_by_role("listitem")).to_have_text(["modbus: the port is gone"])
        api_house.set(services=(ServiceView(name="modbus"), ServiceView(name="link")))
        await expect(problems).to_have_count(0)

    async def test_a_problem_is_named_after_what_is_behind_the_service(self, page: Page, api_house: House) -> None:
        [pump, lamp] = api_house.state().devices
        away = "the port is gone"
        api_house.set(
            devices=(
                msgspec.structs.replace(pump, reachable=False, reason=away),
                msgspec.structs.replace(lamp, id="homekit-ade62b23.7"),
            ),
            services=(
                ServiceView(name="line homekit-ade62b23", problem="it hung up"),
                ServiceView(name="line modbus:ttyUSB0", problem=away),
                ServiceView(name="line modbus:ttyUSB1", problem="no such port"),
                ServiceView(name="camera door", problem="no answer"),
                ServiceView(name="erasure", problem="the medium cannot be written to"),
            ),
        )
        await expect(page.get_by_role("region", name="5 problems").get_by_role("listitem")).to_have_text([
            "The line to Hall lamp: it hung up",
            "The line to Heat pump: the port is gone",
            "The line to modbus:ttyUSB1: no such port",
            "The camera Front door: no answer",
            "An order to erase is not carried out yet; it is tried until it is: the medium cannot be written to",
        ])  # fmt: skip

    async def test_what_is_said_to_leave_the_house_is_what_does(self, page: Page) -> None:
        footer = page.get_by_role("contentinfo")
        await expect(footer).to_contain_text("only the log lines and the receipts go to the backend")
        await page.get_by_role("button", name="Norsk").click()
        await expect(footer).to_contain_text("går bare logglinjene og kvitteringene til skyen")

    async def test_a_log_that_is_empty_says_whose_lines_it_would_show(self, page: Page, api_house: House) -> None:
        api_house.set(log=())
        await expect(page.get_by_text("Nothing has been logged since the start.")).to_be_visible()

    async def test_a_bug_is_said_in_the_readers_language(
        self, context: BrowserContext, address: str, api_house: House
    ) -> None:
        page = await context.new_page()
        await page.goto(address)
        await page.get_by_role("button", name="Norsk").click()
        api_house.refusal = KeyError("x")
        card = page.get_by_role("article", name="Hall lamp")
        await card.get_by_role("switch").click()
        await expect(card.get_by_role("alert")).to_have_text("Gatewayens eget program sviktet. Loggen sier hvor.")

    async def test_the_cloud_link(self, page: Page, api_house: House) -> None:
        states = page.get_by_role("list", name="State")
        await expect(states).to_contain_text("Cloud connected since")
        link = api_house.state().link
        api_house.set(link=msgspec.structs.replace(link, connected=False, reason="the broker refuses us"))
        await expect(states).to_contain_text("Cloud not connected since")
        await expect(states).to_contain_text("because the broker refuses us")

    async def test_language_switch_is_remembered(self, page: Page) -> None:
        await page.get_by_role("button", name="Norsk").click()
        await expect(page.get_by_role("heading", name="Enheter")).to_be_visible()
        assert await page.evaluate("document.documentElement.lang") == "nb"
        await expect(page.locator(".goes")).to_have_text(re.compile(r"^Borte om senest 4\smin \d+\ss$"))
        await page.reload()
        await expect(page.get_by_role("heading", name="Enheter")).to_be_visible()
        await page.get_by_role("button", name="English").click()
        await expect(page.get_by_role("heading", name="Devices")).to_be_visible()

    async def test_language_of_the_browser(self, browser: Browser, address: str) -> None:
        context = await browser.new_context(locale="nn-NO")
        page = await context.new_page()
        await page.goto(address)
        await expect(page.get_by_role("heading", name="Enheter")).to_be_visible()
        await context.close()

    async def test_markup_stays_text(self, page: Page, api_house: House) -> None:
        evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
        api_house.set_device("lamp", name=evil, reachable=False, reason=evil)
        api_house.set(
            log=(LogView(sequence=3, line=evil, state="waiting"),),
            services=(ServiceView(name=evil, problem=evil),),
        )
        await expect(page.get_by_role("heading", name=evil)).to_have_text(evil)
        await expect(page.locator(".log code")).to_have_text(evil)
        assert await page.title() == "Portvakt"
        assert await page.locator("img[src='x']").count() == 0

    async def test_disconnected_and_back(self, context: BrowserContext, api_house: House) -> None:
        async with serve(api_house, clock=SystemClock(), door=at_home(api_house), port=0, socket_path=None) as address:
            page = await context.new_page()
            await page.goto(address)
            switch = page.get_by_role("switch", name="Hall lamp: Power")
            await expect(switch).to_be_enabled()
        await expect(page.get_by_text("No contact with the gateway since")).to_be_visible()
        await expect(switch).to_be_disabled()
        await expect(page.get_by_role("button", name=ERASE)).to_be_disabled()
        port = int(address.rpartition(":")[2])
        api_house.report("lamp", "OnOff.OnOff", value=True)
        async with serve(api_house, clock=SystemClock(), door=at_home(api_house), port=port, socket_path=None):
            await expect(switch).to_be_enabled(timeout=30_000)
            await expect(switch).to_be_checked()
            await expect(page.get_by_text("No contact with the gateway since")).to_be_hidden()

    async def test_nothing_comes_from_elsewhere(self, context: BrowserContext, address: str) -> None:
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(address)
        await expect(page.get_by_role("article", name="Front door").get_by_role("img").first).to_be_visible()
        assert asked
        assert all(url.startswith(address + "/") for url in asked), asked


class TestForEverybody:
    @pytest.mark.parametrize("look", LOOKS)
    async def test_axe_finds_nothing(
        self, browser: Browser, address: str, api_house: House, look: tuple[Any, int], violations: Violations
    ) -> None:
        """On a page with everything on it."""
        scheme, width = look
        for order in ("order-1", "order-2"):
            api_house.add_receipt("erased", order)
            api_house.add_receipt("verified", order)
        api_house.set(services=(ServiceView(name="modbus", problem="the port is gone"),))
        api_house.set(log=(LogView(sequence=2, line="event=a", state="waiting"), *api_house.state().log))
        api_house.set_device("lamp", reachable=False, since=datetime.now(UTC), reason="no answer")
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
        )
        page = await context.new_page()
        await page.goto(address)
        await expect(page.get_by_role("article", name="Front door")).to_be_visible()
        assert await violations(page) == []
        await page.get_by_role("button", name=ERASE).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await violations(page) == []
        await context.close()

    @pytest.mark.parametrize("width", [320, 360, 800, 1280])
    async def test_nothing_has_to_be_scrolled_sideways(self, page: Page, api_house: House, width: int) -> None:
        api_house.add_receipt("verified")
        api_house.set_device("lamp", name="Averylongnamewithoutanyspaceinitatall" * 3)
        await page.set_viewport_size({"width": width, "height": 800})
        await expect(page.locator(".order")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
