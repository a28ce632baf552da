"""Links: an invitation, a way back, and what opens them; over HTTP and from the command line."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.outcome import carry_out
from agent.signin import lookup
from agent.signin.button import WINDOW
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor

Browsers = Callable[[], Browser]
Command = Callable[..., Any]


async def owner(door: FrontDoor, page: Browser) -> str:
    person = await door.add()
    await door.give_password(person, "owner")
    await page.sign_in("owner")
    return person


async def use(page: Browser, code: str, **more: Any) -> Any:
    return await page.ask("POST", "/api/sign-in/code", {"code": code, **more})


async def test_an_invitation_lets_somebody_in_once(door: FrontDoor, browser: Browsers) -> None:
    home, page = browser(), browser()
    inviting = await owner(door, home)
    ola = await door.add(Role.GUEST, name="Ola")
    made = await home.ask("POST", f"/api/people/{ola}/link", {})
    assert (home.status, made["url"]) == (200, f"https://portvakt.local/#in={made['code']}")
    assert made["until"] == (door.clock.now() + timedelta(hours=24)).isoformat().replace("+00:00", "Z")
    assert "<path" in made["qr"]
    who = await use(page, made["code"], stay=True)
    assert (who["person"], who["way"], who["can_sign_in"], who["present_until"]) == (ola, "code", False, None)
    assert page.set["portvakt"]["max-age"]
    assert (await use(browser(), made["code"]), page.status) == ("wrong_code", 200)
    what = [(one.what, one.person, one.by) for one in door.happened if one.what == "make_link"]
    assert what == [("make_link", ola, inviting)]
    [entry] = [entry for entry in door.recorded if entry.event == "link_made"]
    assert (entry.subject, entry.actor, entry.purpose) == (ola, inviting, "invitation")  # type: ignore[attr-defined]


async def test_a_link_is_over_after_its_time_and_when_another_is_made(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await owner(door, page)
    ola = await door.add(Role.GUEST)
    first = await page.ask("POST", f"/api/people/{ola}/link", {})
    second = await page.ask("POST", f"/api/people/{ola}/link", {})
    assert (await use(page, first["code"]), page.status) == ("wrong_code", 401)
    door.clock.move(hours=24)
    assert await use(browser(), second["code"]) == "wrong_code"
    assert [entry.event for entry in door.recorded][-1] == "sign_in_refused"


async def test_a_way_back_is_short_ends_what_was_open_and_lets_a_new_way_be_made(
    door: FrontDoor, browser: Browsers
) -> None:
    """The telephone is lost, and with it the second factor."""
    await door.add()
    kari = await door.add(Role.RESIDENT)
    await door.give_password(kari, "kari")
    lost, found = browser(), browser()
    await lost.sign_in("kari")
    await door.give_password(kari, "kari", second="A" * 32)
    made = await door.desk.links.make(kari, "local-owner")
    assert made.until == door.clock.now() + timedelta(minutes=15)
    assert [entry.purpose for entry in door.recorded if entry.event == "link_made"] == ["recovery"]  # type: ignore[attr-defined]
    who = await use(found, made.code)
    assert (who["person"], who["can_sign_in"]) == (kari, True)
    assert not await lost.signed_in()
    door.clock.move(minutes=14)
    await found.ask("DELETE", "/api/ways/second-factor")
    assert found.status == 200, "without the old way"
    await found.ask("PUT", "/api/ways/password", {"new": "fire blaa elefanter danser"})
    assert found.status == 200
    assert (await browser().sign_in("kari", "fire blaa elefanter danser"))["person"] == kari
    again = await door.desk.links.make(kari, "local-owner")
    door.clock.move(minutes=15)
    assert await use(browser(), again.code) == "wrong_code"


async def test_who_has_a_way_of_their_own_leaves_no_link_behind(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await door.add()
    ola = await door.add(Role.GUEST)
    await use(page, (await door.desk.links.make(ola, "test")).code)
    left = await door.desk.links.make(ola, "test")
    await page.ask("PUT", "/api/ways/password", {"login": "ola", "new": PASSWORD})
    assert await use(browser(), left.code) == "wrong_code"


async def test_a_link_takes_a_right(door: FrontDoor, browser: Browsers) -> None:
    page, guest = browser(), browser()
    kari = await owner(door, page)
    ola = await door.add(Role.GUEST)
    await use(guest, (await door.desk.links.make(ola, "test")).code)
    assert (await guest.ask("POST", f"/api/people/{ola}/link", {}), guest.status) == ("role_may_not", 403)
    assert (await page.ask("POST", f"/api/people/{kari}/link", {}), page.status) == ("needs_second_person", 403)
    assert (await page.ask("POST", "/api/people/p0/link", {}), page.status) == ("unknown_person", 404)


async def test_a_code_opens_for_nobody_who_is_gone_or_to_be_erased(door: FrontDoor, browser: Browsers) -> None:
    await door.add()
    ola, tor = await door.add(Role.GUEST), await door.add(Role.GUEST)
    for_ola, for_tor = await door.desk.links.make(ola, "test"), await door.desk.links.make(tor, "test")
    await door.people_desk.remove(ola, "test")
    await door.people_desk.remove(ola, "test")
    assert await use(browser(), for_ola.code) == "wrong_code"
    scope = Scope(subjects=(tor,), classes=(RecordClass.PERSON,))
    door.barrier.raise_for("o1", scope, door.clock.now() + timedelta(hours=1))
    assert await use(browser(), for_tor.code) == "wrong_code"
    person = lookup.Lookup.person
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup.Lookup, "person", lambda _self, _id: person)
        with pytest.raises(Exception, match="an order to erase reaches this person"):
            await door.desk.links.make(tor, "test")


async def test_a_code_that_is_used_twice_at_once_opens_once(door: FrontDoor, browser: Browsers) -> None:
    await door.add()
    ola = await door.add(Role.GUEST)
    code = (await door.desk.links.make(ola, "test")).code
    said = await asyncio.gather(*(use(browser(), code) for _ in range(5)))
    assert sorted(map(str, said))[:4] != ["wrong_code"] * 5
    assert said.count("wrong_code") == 4


@pytest.mark.parametrize("text", ["", "0" * 257, 5, None])
async def test_what_is_no_code(door: FrontDoor, browser: Browsers, text: Any) -> None:
    await door.add()
    assert await use(browser(), text) == "invalid"


@pytest.mark.parametrize("text", ["0", " ", "\u0000", "ÆØÅ", "0" * 256, "<script>", "IL0O-IL0O"])
async def test_odd_codes_open_nothing(door: FrontDoor, browser: Browsers, text: str) -> None:
    await door.add()
    await door.desk.links.make(await door.add(Role.GUEST), "test")
    assert await use(browser(), text) == "wrong_code"


# -- the command line


@pytest.fixture
async def command(door: FrontDoor, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> AsyncIterator[Command]:
    """Runs the command line as somebody types it: the exit code, and what it said."""
    socket = tmp_path / "api.sock"

    async def run(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(carry_out, [*arguments, "--socket", str(socket)])
        out, err = capfd.readouterr()
        return code, out or err

    async with door.served_locally(socket):
        yield run


async def test_the_command_line_makes_the_first_link(door: FrontDoor, browser: Browsers, command: Command) -> None:
    code, said = await command("claim")
    assert code == 0
    url, until, *picture = said.splitlines()
    assert url.startswith("https://portvakt.local/#claim=")
    assert "once, until 2036-" in until
    assert len(picture) > 10
    code, said = await command("claim", "--json")
    made = json.loads(said)
    assert made["url"].endswith(made["code"])
    sent = {"name": "Kari", "lives_here": True}
    assert await browser().ask("POST", "/api/claim", {"code": url.partition("=")[2], **sent}) == "wrong_code"
    assert (await browser().ask("POST", "/api/claim", {"code": made["code"], **sent}))["person"]
    code, said = await command("claim")
    assert code == 1
    assert "belongs to somebody" in said


async def test_the_command_line_invites(door: FrontDoor, browser: Browsers, command: Command) -> None:
    kari = await door.add()
    code, said = await command("people", "link", kari)
    assert code == 0
    url, who, *_ = said.splitlines()
    assert kari in who
    assert (await use(browser(), url.partition("=")[2]))["person"] == kari
    [made] = [one for one in door.happened if one.what == "make_link"]
    assert made.by == "local-owner"
    code, said = await command("people", "link", "p0")
    assert (code, "nobody here is p0" in said) == (1, True)


async def test_the_button_is_pressed_for_two_minutes_and_used_once(door: FrontDoor, command: Command) -> None:
    assert not door.button.open
    assert await command("button") == (0, "pressed; it counts for two minutes\n")
    assert door.button.open
    door.clock.move(seconds=WINDOW - 1)
    assert door.button.use()
    assert not door.button.use()
    await command("button")
    door.clock.move(seconds=WINDOW)
    assert not door.button.open


async def test_what_a_terminal_cannot_draw_is_left_out(
    door: FrontDoor, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.signin import qr  # noqa: PLC0415

    def unknown(_text: str) -> str:
        raise UnicodeEncodeError("latin-1", "█", 0, 1, "no such letter")

    monkeypatch.setattr(qr, "blocks", unknown)
    code, said = await command("claim")
    assert (code, len(said.splitlines())) == (0, 2)


async def test_the_network_has_neither_button_nor_claim_code(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await owner(door, page)
    for path in ("/api/button", "/api/claim-code"):
        assert (await page.ask("POST", path, {}), page.status) == ("unknown_path", 404)
