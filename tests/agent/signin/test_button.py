"""The button on the box: who has lost every way in presses it, says who they are, and makes a new one."""

from collections.abc import Callable
from typing import Any

import pytest

from agent.signin.button import TRIES, WINDOW
from privacy.hold import Role
from tests.agent.signin.front_door import Browser, FrontDoor

Browsers = Callable[[], Browser]


async def press(page: Browser, who: str, **more: Any) -> Any:
    return await page.ask("POST", "/api/sign-in/button", {"who": who, **more})


async def test_nobody_gets_in_without_the_button(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await door.add(name="Kari Nordmann")
    assert (await press(page, "Kari Nordmann"), page.status) == ("button_not_pressed", 409)
    door.desk.press_button()
    door.clock.move(seconds=WINDOW)
    assert await press(page, "Kari Nordmann") == "button_not_pressed"
    assert not await page.signed_in()


@pytest.mark.parametrize("who", ["Kari Nordmann", " kari  NORDMANN ", "kari"])
async def test_one_press_lets_one_in_who_makes_a_new_way(door: FrontDoor, browser: Browsers, who: str) -> None:
    lost, found = browser(), browser()
    kari = await door.add(name="Kari Nordmann")
    await door.give_password(kari, "kari")
    await lost.sign_in("kari")
    door.desk.press_button()
    said = await press(found, who, stay=True)
    assert (said["person"], said["way"], said["can_sign_in"]) == (kari, "button", True)
    assert not await lost.signed_in(), "what was lost may have been signed in"
    assert (await found.ask("PUT", "/api/ways/password", {"new": "correct horse battery"}), found.status)[1] == 200
    assert await press(browser(), who) == "button_not_pressed", "the window is shut"
    assert [(one.what, one.way) for one in door.happened if one.what == "sign_in"][-1] == ("sign_in", "button")


async def test_a_name_that_two_have_or_nobody_opens_nothing(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await door.add(name="Kari")
    for _ in range(2):
        await door.add(Role.RESIDENT, name="Ola")
    door.desk.press_button()
    for _ in range(TRIES - 1):
        assert (await press(page, "Ola"), page.status) == ("wrong_credentials", 401)
    assert (await press(page, "Kari"))["person"] == kari, "a few wrong names are forgiven"


async def test_names_are_not_guessed(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await door.add(name="Kari")
    door.desk.press_button()
    assert [await press(page, f"guess {n}") for n in range(TRIES)] == ["wrong_credentials"] * TRIES
    assert await press(page, "Kari") == "button_not_pressed"
