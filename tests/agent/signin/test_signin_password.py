"""Signing in with a password, over HTTP: who gets in, what the browser keeps, and what nobody is told."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agent.signin import second_factor
from agent.signin.passwords import Cost, Passwords
from agent.signin.ways_in import REFUSALS
from privacy.entries import SignInRefused
from privacy.hold import Role
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor, browsing

Browsers = Callable[[], Browser]


async def resident(door: FrontDoor, login: str = "kari", **fields: Any) -> str:
    if not door.people.owners():
        await door.add()
    person = await door.add(Role.RESIDENT, **fields)
    await door.give_password(person, login)
    return person


async def test_somebody_signs_in_and_is_shown_when_they_had_before(door: FrontDoor, browser: Browsers) -> None:
    kari, page = await resident(door), browser()
    first, at = await page.sign_in("kari"), door.clock.now()
    assert (page.status, first["person"], first["name"], first["role"]) == (200, kari, "Kari Nordmann", "resident")
    assert (first["way"], first["last"], first["gateway"], first["claimed"]) == ("password", None, "gw-1", True)
    assert (first["lives_here"], first["left"], first["language"], first["can_sign_in"]) == (True, False, "nb", True)
    assert first["present_until"] is None
    assert await page.ask("GET", "/api/who") == first
    door.clock.move(hours=1)
    second = await page.sign_in("kari")
    assert second["last"] == at.isoformat().replace("+00:00", "Z")
    events = [entry.event for entry in door.recorded if entry.event.startswith("sign")]
    assert events == ["signed_in", "signed_in"]
    assert [(one.what, one.person, one.code) for one in door.happened] == [("sign_in", kari, "")] * 2


async def test_nobody_who_has_not_signed_in_is_told_anything(door: FrontDoor, browser: Browsers) -> None:
    await resident(door)
    page = browser()
    assert await page.ask("GET", "/api/who") == {
        **dict.fromkeys(("person", "role", "language", "way", "last", "ends", "present_until")),
        **dict.fromkeys(("gateway", "name"), ""),
        **dict.fromkeys(("claimed", "can_sign_in"), True),
        **dict.fromkeys(("lives_here", "left"), False),
    }
    for method, path in (("GET", "/api/state"), ("GET", "/api/sessions"), ("GET", "/api/ways")):
        assert (await page.ask(method, path), page.status) == ("not_signed_in", 401)


@pytest.mark.parametrize(
    "login", ["kari@example.org", "KARI@Example.ORG ", "22 22 55 55", "+47 22225555", "(22)225555"]
)
async def test_address_and_number_do_as_well(door: FrontDoor, browser: Browsers, login: str) -> None:
    kari = await resident(door, "", email="kari@example.org", phone="22225555")
    assert (await browser().sign_in(login))["person"] == kari


async def test_an_address_that_two_have_is_that_of_who_can_sign_in(door: FrontDoor, browser: Browsers) -> None:
    await door.add()
    await door.add(Role.RESIDENT, email="us@example.org")
    ola = await resident(door, "", email="us@example.org", name="Ola")
    await resident(door, "", email="us@example.org", name="Late")
    assert (await browser().sign_in("us@example.org"))["person"] == ola


async def test_whoever_cannot_sign_in_hears_the_same(door: FrontDoor, browser: Browsers) -> None:
    await resident(door)
    await door.add(Role.RESIDENT, email="none@example.org")
    looks: list[str | None] = []
    matches = door.passwords.matches
    door.passwords.matches = lambda stored, text: looks.append(stored) or matches(stored, text)  # type: ignore[method-assign,func-returns-value]
    said = []
    for login, password in (("kari", "wrong"), ("ola", PASSWORD), ("none@example.org", PASSWORD), ("22225555", "x")):
        page = browser()
        async with page._session.post(
            f"{page.url}/api/sign-in/password", json={"login": login, "password": password}
        ) as answer:
            said.append((answer.status, await answer.text(), {*answer.headers} - {"Date"}))
    assert said == [said[0]] * 4
    assert said[0][0] == 401
    assert "wrong_credentials" in said[0][1]
    assert len(looks) == 4, "each costs a look at a password"
    assert looks[1:] == [None] * 3


async def test_who_was_forgotten_is_nobody(door: FrontDoor, browser: Browsers) -> None:
    kari = await resident(door, email="kari@example.org")
    await door.people_desk.remove(kari, "test")
    assert (await browser().sign_in("kari"))["left"] is True, "who has left can see to what is kept of them"
    await door.people_desk.remove(kari, "test")
    assert await browser().sign_in("kari") == "wrong_credentials"
    assert await browser().sign_in("kari@example.org") == "wrong_credentials"


async def test_an_order_that_reaches_them_keeps_them_out(door: FrontDoor, browser: Browsers) -> None:
    from privacy.records import RecordClass, Scope  # noqa: PLC0415

    await resident(door)
    scope = Scope(classes=(RecordClass.WEB_SESSION,))
    door.barrier.raise_for("o1", scope, door.clock.now() + timedelta(hours=1))
    assert await browser().sign_in("kari") == "wrong_credentials"
    assert not door.sessions.all()
    scope = Scope(classes=(RecordClass.PERSON,))
    door.barrier.raise_for("o2", scope, door.clock.now() + timedelta(hours=1))
    assert await browser().sign_in("kari") == "wrong_credentials"


async def test_the_cookies_over_plain_http(door: FrontDoor, browser: Browsers) -> None:
    await resident(door)
    page = browser()
    await page.sign_in("kari")
    assert page.set.keys() == {"portvakt", "portvakt-known"}
    for cookie in page.set.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", "")
        assert cookie["domain"] == ""
    assert page.set["portvakt"]["max-age"] == "", "it goes with the browser"
    assert page.set["portvakt-known"]["max-age"] == str(365 * 24 * 3600)
    await page.sign_in("kari", stay=True)
    assert page.set["portvakt"]["max-age"] == str(400 * 24 * 3600)
    await page.ask("DELETE", "/api/session")
    assert page.set["portvakt"]["max-age"] == "0"
    assert page.cookies.keys() == {"portvakt-known"}


async def test_the_cookies_over_https(door: FrontDoor) -> None:
    await resident(door)
    async with door.served(secure=True) as url, browsing(url) as browsers:
        page = browsers()
        await page.sign_in("kari")
        assert page.set.keys() == {"__Host-portvakt", "__Host-portvakt-known"}
        assert all(cookie["secure"] and cookie["path"] == "/" and not cookie["domain"] for cookie in page.set.values())
        assert await page.signed_in()
        page.cookies = {"portvakt": page.cookies["__Host-portvakt"]}
        assert not await page.signed_in(), "a cookie that any neighbour could have set does not count"


async def test_each_sign_in_has_another_secret_and_ends_what_the_browser_had(
    door: FrontDoor, browser: Browsers
) -> None:
    await resident(door)
    page, thief = browser(), browser()
    page.cookies = {"portvakt": "planted"}
    await page.sign_in("kari")
    assert page.cookies["portvakt"] != "planted"
    thief.cookies = dict(page.cookies)
    await page.sign_in("kari")
    assert thief.cookies["portvakt"] != page.cookies["portvakt"]
    assert not await thief.signed_in()
    assert len(door.sessions.all()) == len(door.ended) == 1


async def test_a_second_factor_is_asked_for_after_the_password_alone(door: FrontDoor, browser: Browsers) -> None:
    import pyotp  # noqa: PLC0415

    kari, page = await resident(door), browser()
    secret = second_factor.new_secret(lambda length: bytes(range(length)))
    await door.give_password(kari, "kari", second=secret)
    assert await page.sign_in("kari", "wrong") == "wrong_credentials"
    assert (await page.sign_in("kari"), page.status) == ("second_factor", 401)
    digits = pyotp.TOTP(secret).at(door.clock.now())
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert (await page.sign_in("kari", second=wrong), page.status) == ("wrong_code", 401)
    assert (await page.sign_in("kari", second=digits))["person"] == kari
    assert await browser().sign_in("kari", second=digits) == "wrong_code", "once"
    door.clock.move(seconds=30)
    assert (await browser().sign_in("kari", second=pyotp.TOTP(secret).at(door.clock.now())))["person"] == kari
    await door.desk.ways_in.tell()
    assert [one.code for one in door.happened] == [
        "", "", *("wrong_credentials", "second_factor", "wrong_code", "wrong_code")
    ]  # fmt: skip


async def test_of_two_who_show_the_same_digits_at_once_one_gets_in(door: FrontDoor, browser: Browsers) -> None:
    import pyotp  # noqa: PLC0415

    kari = await resident(door)
    secret = second_factor.new_secret(lambda length: bytes(range(length)))
    await door.give_password(kari, "kari", second=secret)
    digits = pyotp.TOTP(secret).at(door.clock.now())
    said = await asyncio.gather(*(browser().sign_in("kari", second=digits) for _ in range(4)))
    assert sorted(map(str, said)).count("wrong_code") == 3


async def test_a_recovery_code_stands_in_for_the_second_factor_once(door: FrontDoor, browser: Browsers) -> None:
    from agent.signin import recovery_codes  # noqa: PLC0415

    kari = await resident(door)
    codes = recovery_codes.new_codes(lambda length: bytes(range(length)))
    hashes = recovery_codes.hashes_of(codes)[:1]
    await door.give_password(kari, "kari", second="A" * 32, recovery=hashes)
    typed = codes[0].lower().replace("-", " ")
    assert (await browser().sign_in("kari", second=typed))["person"] == kari
    assert await browser().sign_in("kari", second=typed) == "wrong_code"


async def test_a_password_that_is_changed_meanwhile_opens_nothing(door: FrontDoor, browser: Browsers) -> None:
    kari = await resident(door)
    verify = door.queue.verify

    async def slowly(stored: str | None, text: str, *, known: bool = False) -> bool:
        right = await verify(stored, text, known=known)
        await door.give_password(kari, "kari")
        return right

    door.queue.verify = slowly  # type: ignore[method-assign]
    assert await browser().sign_in("kari") == "wrong_credentials"


async def test_a_password_of_another_cost_is_hashed_anew(door: FrontDoor, browser: Browsers) -> None:
    kari = await resident(door)
    old = Passwords(bytes, Cost(passes=2, memory=16)).hashed(PASSWORD)
    await door.give_password(kari, "kari", password=old)
    assert (await browser().sign_in("kari"))["person"] == kari
    new = (await door.credential(kari)).password
    assert "m=8,t=1" in new
    assert (await browser().sign_in("kari"))["person"] == kari
    assert (await door.credential(kari)).password == new


async def test_a_hash_is_not_renewed_over_a_password_that_was_changed_meanwhile(
    door: FrontDoor, browser: Browsers
) -> None:
    kari = await resident(door)
    old = Passwords(bytes, Cost(passes=2, memory=16)).hashed(PASSWORD)
    await door.give_password(kari, "kari", password=old)
    hashed = door.queue.hashed

    async def slowly(text: str, *, known: bool = True) -> str:
        await door.give_password(kari, "kari", password="changed")
        return await hashed(text, known=known)

    door.queue.hashed = slowly  # type: ignore[method-assign]
    assert (await browser().sign_in("kari"))["person"] == kari
    assert (await door.credential(kari)).password == "changed"


async def test_guessing_is_slowed_down_and_says_for_how_long(door: FrontDoor, browser: Browsers) -> None:
    await resident(door)
    page = browser()
    for login in ("kari", "nobody"):
        assert [await page.sign_in(login, "x") for _ in range(6)] == ["wrong_credentials"] * 5 + ["too_many_guesses"]
        assert (page.status, page.headers["Retry-After"]) == (429, "1")
        assert await page.sign_in(login) == "too_many_guesses", "also with the right one"
    door.clock.move(seconds=1)
    assert (await page.sign_in("kari"))["person"]


async def test_a_number_in_many_writings_is_guessed_at_as_one(door: FrontDoor, browser: Browsers) -> None:
    await resident(door, "", phone="22225555")
    writings = ["22225555", "+4722225555", "2222 5555", "22-22-55-55", "0047 22225555"]
    assert {await browser().sign_in(number, "x") for number in writings} == {"wrong_credentials"}
    assert await browser().sign_in("(22) 225555") == "too_many_guesses"


async def test_strangers_who_guess_do_not_lock_out_a_browser_that_is_known(door: FrontDoor, browser: Browsers) -> None:
    kari, home, stranger = await resident(door), browser(), browser()
    await home.sign_in("kari")
    await home.ask("DELETE", "/api/session")
    for _ in range(8):
        await stranger.sign_in("kari", "x")
    assert await browser().sign_in("kari") == "too_many_guesses"
    assert (await home.sign_in("kari"))["person"] == kari
    stranger.cookies["portvakt-known"] = "0" * 32
    assert await stranger.sign_in("kari") == "too_many_guesses", "a cookie that nobody was given is none"
    stranger.cookies["portvakt-known"] = home.cookies["portvakt-known"].upper()
    assert await stranger.sign_in("kari") == "too_many_guesses"


async def test_a_thousand_wrong_passwords_at_once(door: FrontDoor, browser: Browsers) -> None:
    """While the first of them is looked at, all the others are answered, and so is whoever asks something else."""
    kari, ola = await resident(door), await resident(door, "ola", name="Ola")
    looked, matches, looks = threading.Event(), door.passwords.matches, 0

    def slowly(stored: str | None, text: str) -> bool:
        nonlocal looks
        looks += 1
        return looked.wait(60) and matches(stored, text)

    door.passwords.matches = slowly  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        guesses = [group.create_task(browser().sign_in("kari", "wrong")) for _ in range(1000)]
        while sum(guess.done() for guess in guesses) < 995:
            await asyncio.sleep(0.01)
        assert {guess.result() for guess in guesses if guess.done()} == {"too_many_guesses"}
        assert (await browser().ask("GET", "/api/who"))["claimed"] is True
        assert looks == 1
        other = group.create_task(browser().sign_in("ola"))
        looked.set()
    assert other.result()["person"] == ola
    assert [guess.result() for guess in guesses].count("wrong_credentials") == 5
    assert looks == 6, "no more than the brake lets through were looked at"
    door.clock.move(seconds=1)
    assert (await browser().sign_in("kari"))["person"] == kari


async def test_a_flood_of_invented_browsers_is_bounded(door: FrontDoor, browser: Browsers) -> None:
    """Each has a cookie that could be ours, so that somebody has to look."""
    await resident(door)
    ola = await resident(door, "ola", name="Ola")

    async def guess(number: int) -> str:
        page = browser()
        page.cookies["portvakt-known"] = f"{number:032x}"
        return str(await page.sign_in("kari", "wrong"))

    said, other = await asyncio.gather(asyncio.gather(*map(guess, range(300))), browser().sign_in("ola"))
    assert other["person"] == ola
    assert said.count("wrong_credentials") == 5
    assert set(said) == {"wrong_credentials", "too_many_guesses"}


async def test_when_too_many_want_in_at_once_some_are_told_to_wait(door: FrontDoor, browser: Browsers) -> None:
    await resident(door)
    for number in range(16):
        door.desk._proofs._looking[f"login {number}"] = 1
    assert (await browser().sign_in("kari"), (page := browser()).status) == ("busy", 0)
    assert (await page.ask("POST", "/api/sign-in/code", {"code": "x"}), page.status) == ("busy", 503)
    door.desk._proofs._looking.clear()
    for _ in range(5):
        door.queue._free, held = 0, door.queue._free
        door.queue.WAITING = 0  # type: ignore[misc]
        assert await browser().sign_in("kari") == "busy"
        door.queue._free = held
    assert (await browser().sign_in("kari"))["person"], "what was not looked at does not count as a guess"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"login": "kari"},
        {"login": "kari", "password": ""},
        {"login": "", "password": "x"},
        {"login": "k" * 255, "password": "x"},
        {"login": "kari", "password": "x" * 257},
        {"login": "kari", "password": 5},
        {"login": "kari", "password": "x", "second": "x" * 65},
        {"login": "kari", "password": "x", "more": 1},
        {"login": ["kari"], "password": "x"},
    ],
)
async def test_what_is_not_a_sign_in_is_refused(door: FrontDoor, browser: Browsers, body: Any) -> None:
    await resident(door)
    page = browser()
    assert (await page.ask("POST", "/api/sign-in/password", body), page.status) == ("invalid", 422)


@pytest.mark.parametrize(
    "text",
    ["<script>", "'; drop table", "kari\u0000", "🙂" * 50, "%00", "../../etc", "\u202ekari", "12345", "+99 (9) 99999"],
)
async def test_odd_logins_are_nobody(door: FrontDoor, browser: Browsers, text: str) -> None:
    await resident(door)
    assert await browser().sign_in(text) == "wrong_credentials"


async def test_who_tries_all_day_does_not_fill_the_operation_log(door: FrontDoor, browser: Browsers) -> None:
    await door.add()
    page = browser()
    for _ in range(REFUSALS + 20):
        assert await page.ask("POST", "/api/sign-in/code", {"code": "8F3K"}) == "wrong_code"
    assert sum(isinstance(entry, SignInRefused) for entry in door.recorded) == REFUSALS
    await page.sign_in("nobody", "x")
    assert sum(isinstance(entry, SignInRefused) for entry in door.recorded) == REFUSALS + 1, "of another kind"
