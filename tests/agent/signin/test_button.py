"""The button on the box: who has lost every way in presses it, says who they are, and makes a new one."""

from collections.abc import Callable
from typing import Any

import pytest

from agent.errors import Refused
from agent.signin.button import TRIES, WINDOW
from agent.signin.contract import ButtonBody
from agent.signin.ways_in import Browser as Comes
from privacy.hold import Role
from tests.agent.signin.front_door import Browser, FrontDoor

Browsers = Callable[[], Browser]


async def press(page: Browser, who: str, **more: Any) -> Any:
    return await page.ask("POST", "/api/sign-in/button", {"who": who, **more})


async def test_nobody_gets_in_without_the_button(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await door.add(name="Kari Nordmann")
    assert (await press(page, "Kari Nordmann"), page.status) == ("button_not_pressed", 409)
    door.clock.move(seconds=WINDOW)
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


async def test_nobody_waits_for_anothers_press(door: FrontDoor) -> None:
    """A device on the network that asks all day would be quicker than whoever comes from the box."""
    kari, ways, who = await door.add(name="Kari"), door.desk.ways_in, ButtonBody(who="Kari")
    mine, vandal = (Comes(address=address) for address in ("192.0.2.7", "192.0.2.66"))
    with pytest.raises(Refused, match="nobody pressed"):
        await ways.by_button(who, vandal)
    door.clock.move(seconds=WINDOW - 1)
    door.desk.press_button()
    for asks in (vandal, mine):
        with pytest.raises(Refused, match="before it was pressed"):
            await ways.by_button(who, asks)
    assert not door.sessions.of(kari)
    assert door.button.use(), "who has signed in, and asks for Kari, is nobody on the network"
    door.clock.move(seconds=WINDOW)
    door.desk.press_button()
    assert (await ways.by_button(who, mine)).session.person == kari, "whoever asks alone gets in"


async def test_two_who_ask_after_one_press_are_both_refused(door: FrontDoor) -> None:
    kari, ways = await door.add(name="Kari"), door.desk.ways_in
    door.desk.press_button()
    for who, address in (("Karl", "192.0.2.7"), ("Kari", "192.0.2.66"), ("Kari", "192.0.2.7")):
        with pytest.raises(Refused):
            await ways.by_button(ButtonBody(who=who), Comes(address=address))
    assert not door.sessions.of(kari)


async def test_somebody_who_is_called_the_same_keeps_nobody_out(door: FrontDoor, browser: Browsers) -> None:
    kari = await door.add(name="Kari", email="kari@example.org")
    await door.give_password(kari, "kari")
    await door.add(Role.GUEST, name="kari@example.org")
    await door.add(Role.GUEST, name="Kari")
    for login in ("kari@example.org", "kari"):
        door.desk.press_button()
        assert (await press(browser(), login))["person"] == kari
        door.clock.move(seconds=WINDOW)
