"""A medium that refuses, and what is lost meanwhile: who comes to make room on it gets in, and no guess is free."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyotp
import pytest

from agent.signin import desk as module
from agent.signin import recovery_codes, second_factor
from agent.signin.parts import Happened
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.records import Scope
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor
from tests.agent.signin.test_own_ways import add_passkey, device, settled, use_passkey

Browsers = Callable[[], Browser]
Break = Callable[..., None]


@pytest.fixture
def full(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> Break:
    """From now on nothing is written; `full(False)`: it is again."""
    put, note = door.credentials.put, door._note
    door_full = [False]

    def refuse(credential: Any) -> bool:
        if door_full[0]:
            raise StoreBroken("the medium is full", hint="make room")
        return put(credential)

    async def refuse_note(happened: Happened) -> None:
        if door_full[0]:
            raise StoreBroken("the medium is full", hint="make room")
        await note(happened)

    monkeypatch.setattr(door.credentials, "put", refuse)
    object.__setattr__(door.desk._parts, "note", refuse_note)
    return lambda is_full=True: door_full.__setitem__(0, is_full)


async def kari(door: FrontDoor, **more: Any) -> str:
    await door.add()
    person = await door.add(Role.RESIDENT)
    await door.give_password(person, "kari", **more)
    return person


async def test_who_has_a_password_gets_in_and_it_is_written_down_later(
    door: FrontDoor, browser: Browsers, full: Break
) -> None:
    person = await kari(door)
    full()
    assert (await browser().sign_in("kari"))["person"] == person
    assert not door.happened
    with pytest.raises(StoreBroken):
        await door.desk.ways_in.tell()
    full(False)
    await door.desk.ways_in.tell()
    assert [(one.what, one.person) for one in door.happened] == [("sign_in", person)]


async def test_the_second_factor_opens_once_all_the_same(door: FrontDoor, browser: Browsers, full: Break) -> None:
    secret = second_factor.new_secret(lambda length: bytes(range(length)))
    codes = recovery_codes.new_codes(lambda length: bytes(range(length)))
    person = await kari(door, second=secret, recovery=recovery_codes.hashes_of(codes))
    full()
    digits = pyotp.TOTP(secret).at(door.clock.now())
    assert (await browser().sign_in("kari", second=digits))["person"] == person
    assert await browser().sign_in("kari", second=digits) == "wrong_code"
    page = browser()
    assert (await page.sign_in("kari", second=codes[0]), page.status) == ("unavailable", 503)


async def test_a_passkey_gets_in(door: FrontDoor, browser: Browsers, full: Break) -> None:
    page = browser()
    person = await settled(door, page)
    key = device(page)
    await add_passkey(page, key)
    full()
    assert (await use_passkey(browser(), key))["person"] == person


async def test_a_session_of_who_is_gone_opens_nothing_though_it_cannot_be_forgotten(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, page = await kari(door), browser()
    await page.sign_in("kari")
    await door.people_desk.remove(person, "test")

    def refuse(*_: Any) -> None:
        raise StoreBroken("the medium is full", hint="make room")

    monkeypatch.setattr(door.store, "put", refuse)
    assert (await page.ask("GET", "/api/sessions"), page.status) == ("not_signed_in", 401)


async def test_what_is_to_be_written_down_is_bounded(door: FrontDoor) -> None:
    refusal = module.wrong_credentials()
    for number in range(1100):
        door.desk.ways_in.refuse(f"p{number}", "sign_in", "password", refusal)
    note = door._note

    async def slowly(happened: Happened) -> None:
        if happened.person == "p100":
            door.desk.ways_in.refuse("late", "sign_in", "password", refusal)
        await note(happened)

    object.__setattr__(door.desk._parts, "note", slowly)
    await door.desk.ways_in.tell()
    told = [one.person for one in door.happened]
    assert told == [*(f"p{number}" for number in range(100, 1100)), "late"]


async def test_who_is_known_no_more_leaves_no_way_in_behind(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELLS", 0.001)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await door.desk.run()

    person = await kari(door)
    await browser().sign_in("kari", "wrong")
    await run()
    assert [one.code for one in door.happened] == ["wrong_credentials"]
    everything = Scope(everything=True), datetime.max.replace(tzinfo=UTC)
    assert [set(item.subjects) for item in door.credentials.find(*everything)] == [{person}]
    await door.people_desk.remove(person, "test")
    await run()
    assert list(door.credentials.find(*everything)), "who has left may still see to what is kept of them"
    await door.people_desk.remove(person, "test")
    await run()
    assert not list(door.credentials.find(*everything))


async def test_somebody_who_is_erased_while_they_sign_in_does_not_get_in(door: FrontDoor, browser: Browsers) -> None:
    person = await kari(door)
    matches = door.passwords.matches

    def meanwhile(stored: str | None, text: str) -> bool:
        right = matches(stored, text)
        door.people.erase(Scope(subjects=(person,)), door.clock.now().replace(year=2030))
        door.book.refresh()
        return right

    door.passwords.matches = meanwhile  # type: ignore[method-assign]
    page = browser()
    assert (await page.sign_in("kari", PASSWORD), page.status) == ("wrong_credentials", 401)
    assert not door.sessions.all()


async def test_what_leaves_of_a_session_opens_nothing(door: FrontDoor, browser: Browsers) -> None:
    person = await kari(door)
    await browser().sign_in("kari")
    [(_, exported)] = list(door.store.export(Scope(subjects=(person,))))
    assert b'"way":"password"' in exported
    assert b"secret" not in exported
    door.store._files.rewrite(person, [b"of a later version"])
    assert [payload for _, payload in door.store.export(Scope(everything=True))] == [b"{}"]


async def test_two_who_press_at_once(door: FrontDoor, browser: Browsers) -> None:
    """A session that is gone already ends once."""
    await kari(door)
    await browser().sign_in("kari")
    [session] = door.sessions.all()
    await asyncio.gather(door.sessions.end(session), door.sessions.end(session))
    assert door.ended == [session.id]


async def test_claimed_twice_is_claimed(door: FrontDoor) -> None:
    await door.disk.run(door.claim.settle)
    await door.disk.run(door.claim.settle)
    assert door.claim.settled
