"""What somebody who has signed in does about how they do, over HTTP."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from agent.errors import Refused
from agent.signin.ceremonies import Site
from agent.signin.contract import NewPasswordBody, PasskeyBody
from privacy.hold import Role
from privacy.records import RecordClass, Scope
from tests.agent.signin.authenticator import Authenticator
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor

Browsers = Callable[[], Browser]
NEW = "fire blaa elefanter danser"


async def invited(door: FrontDoor, page: Browser, **fields: Any) -> str:
    """Somebody who came by an invitation, and has no way in of their own."""
    if not door.people.owners():
        await door.add()
    person = await door.add(Role.RESIDENT, **fields)
    code = (await door.desk.links.make(person, "test")).code
    assert (await page.ask("POST", "/api/sign-in/code", {"code": code}))["person"] == person
    return person


async def settled(door: FrontDoor, page: Browser, login: str = "kari") -> str:
    """Somebody with a password, who is there."""
    person = await invited(door, page)
    await page.ask("PUT", "/api/ways/password", {"login": login, "new": PASSWORD})
    assert page.status == 200
    await page.show_presence()
    return person


def device(page: Browser, **more: Any) -> Authenticator:
    return Authenticator(origin=page.url, rp_id="localhost", **more)


async def add_passkey(page: Browser, key: Authenticator, name: str = "phone") -> Any:
    asked = await page.ask("POST", "/api/ways/passkeys/options", {})
    if page.status != 200:
        return asked
    answer = {"ceremony": asked["ceremony"], "credential": key.create(asked["options"]), "name": name}
    return await page.ask("POST", "/api/ways/passkeys", answer)


async def use_passkey(page: Browser, key: Authenticator, path: str = "/api/sign-in/passkey", **wrong: Any) -> Any:
    asked = await page.ask("POST", "/api/sign-in/passkey/options", {})
    answer = {"ceremony": asked["ceremony"], "credential": key.get(asked["options"], **wrong)}
    return await page.ask("POST", path, {"passkey": answer} if path.endswith("presence") else answer)


# -- presence


async def test_presence_is_shown_anew_and_lasts_five_minutes(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await settled(door, page)
    await page.ask("DELETE", "/api/session")
    assert (await page.sign_in("kari"))["present_until"] is None
    assert (await page.ask("POST", "/api/ways/recovery-codes", {}), page.status) == ("needs_presence", 403)
    assert (await page.ask("POST", "/api/presence", {}), page.status) == ("needs_presence", 403)
    assert (await page.show_presence("wrong"), page.status) == ("wrong_credentials", 401)
    shown = await page.show_presence()
    assert shown["present_until"] > shown["last"]
    assert len((await page.ask("POST", "/api/ways/recovery-codes", {}))["codes"]) == 10
    door.clock.move(minutes=5)
    assert await page.ask("POST", "/api/ways/recovery-codes", {}) == "needs_presence"
    assert (await page.ask("GET", "/api/who"))["present_until"] is None
    await door.desk.ways_in.tell()
    refused = [one for one in door.happened if one.code]
    assert [(one.what, one.person, one.code) for one in refused] == [("show_presence", kari, "wrong_credentials")]


async def test_presence_is_shown_by_the_whole_password_way(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    begun = await page.ask("POST", "/api/ways/second-factor", {})
    await page.ask(
        "POST", "/api/ways/second-factor/confirm", {"code": pyotp.TOTP(begun["secret"]).at(door.clock.now())}
    )
    door.clock.move(minutes=6)
    assert await page.show_presence() == "second_factor"
    digits = pyotp.TOTP(begun["secret"]).at(door.clock.now())
    assert (await page.ask("POST", "/api/presence", {"password": PASSWORD, "second": digits}))["present_until"]
    assert await page.ask("POST", "/api/presence", {"password": PASSWORD, "second": digits}) == "wrong_code"


async def test_guessing_in_a_session_that_somebody_left_open_is_slowed_down(door: FrontDoor, browser: Browsers) -> None:
    page, other = browser(), browser()
    await settled(door, page)
    for _ in range(5):
        assert await page.show_presence("wrong") == "wrong_credentials"
    assert (await page.show_presence(), page.status) == ("too_many_guesses", 429)
    assert page.headers["Retry-After"] == "1"
    assert (await other.sign_in("kari"))["person"], "and nobody else is"


async def test_presence_by_passkey(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    key, stolen = device(page), device(page)
    await add_passkey(page, key)
    door.clock.move(minutes=6)
    assert (await use_passkey(page, stolen, "/api/presence"), page.status) == ("wrong_passkey", 401)
    assert (await use_passkey(page, key, "/api/presence"))["present_until"]
    assert (await use_passkey(page, key)) == "wrong_passkey", "a proof of presence signs nobody in"


async def test_another_persons_passkey_proves_nothing(door: FrontDoor, browser: Browsers) -> None:
    page, other = browser(), browser()
    await settled(door, page)
    await settled(door, other, "ola")
    theirs = device(page)
    await add_passkey(other, theirs)
    assert (await use_passkey(page, theirs, "/api/presence")) == "wrong_passkey"


async def test_who_has_no_way_yet_can_show_nothing(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await invited(door, page)
    assert await page.show_presence() == "wrong_credentials"
    assert (await use_passkey(page, device(page), "/api/presence")) == "wrong_passkey"


# -- the password


async def test_a_first_password_asks_for_no_presence_and_a_second_does(door: FrontDoor, browser: Browsers) -> None:
    page, phone = browser(), browser()
    await invited(door, page)
    ways = await page.ask("PUT", "/api/ways/password", {"login": "Kari.N", "new": PASSWORD})
    assert (ways["login"], ways["second_factor"], ways["passkeys"], ways["recovery_codes"]) == ("kari.n", None, [], 0)
    assert ways["password"]
    assert await page.ask("GET", "/api/ways") == ways
    await phone.sign_in("KARI.N")
    assert (await page.ask("PUT", "/api/ways/password", {"new": NEW}), page.status) == ("needs_presence", 403)
    await page.show_presence()
    assert (await page.ask("PUT", "/api/ways/password", {"new": NEW}))["login"] == "kari.n", "the name stays"
    assert await page.signed_in()
    assert not await phone.signed_in(), "every other session ends"
    assert await phone.sign_in("kari.n") == "wrong_credentials"
    assert (await phone.sign_in("kari.n", NEW))["person"]
    assert [one.what for one in door.happened if one.what == "set_password"] == ["set_password"] * 2


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"login": "kari", "new": "short"}, "bad_password"),
        ({"login": "kari", "new": "Kari Nordmann1"}, "bad_password"),
        ({"login": "ab", "new": PASSWORD}, "bad_login"),
        ({"login": "22225555", "new": PASSWORD}, "bad_login"),
        ({"login": "kari@example.org", "new": PASSWORD}, "bad_login"),
        ({"login": "<kari>", "new": PASSWORD}, "bad_login"),
        ({"login": "k" * 33, "new": PASSWORD}, "bad_login"),
        ({"new": PASSWORD}, "no_login"),
        ({"login": "taken", "new": PASSWORD}, "login_taken"),
        ({"login": "TAKEN", "new": PASSWORD}, "login_taken"),
        ({"login": "kari", "new": ""}, "invalid"),
    ],
)
async def test_what_is_no_password_or_no_name(door: FrontDoor, browser: Browsers, sent: Any, code: str) -> None:
    await door.give_password(await door.add(), "taken")
    page = browser()
    person = await invited(door, page)
    assert await page.ask("PUT", "/api/ways/password", sent) == code
    assert not (await door.credential(person)).has_way


async def test_an_address_is_login_enough_unless_somebody_else_signs_in_with_it(
    door: FrontDoor, browser: Browsers
) -> None:
    page, other = browser(), browser()
    kari = await invited(door, page, email="us@example.org")
    ola = await invited(door, other, email="us@example.org")
    await page.ask("PUT", "/api/ways/password", {"new": PASSWORD})
    assert (page.status, (await browser().sign_in("us@example.org"))["person"]) == (200, kari)
    assert (await other.ask("PUT", "/api/ways/password", {"new": NEW}), other.status) == ("login_taken", 409)
    await other.ask("PUT", "/api/ways/password", {"login": "ola", "new": NEW})
    assert (await browser().sign_in("ola", NEW))["person"] == ola


# -- passkeys


async def test_a_passkey_is_added_used_and_removed(door: FrontDoor, browser: Browsers) -> None:
    page, phone = browser(), browser()
    kari = await settled(door, page)
    key = device(page)
    assert (await add_passkey(phone, key), phone.status) == ("not_signed_in", 401)
    [shown] = (await add_passkey(page, key, " Karis   phone "))["passkeys"]
    assert (shown["name"], shown["for_name"], shown["used"]) == ("Karis phone", "localhost", None)
    who = await use_passkey(phone, key)
    assert (who["person"], who["way"]) == (kari, "passkey")
    [shown] = (await page.ask("GET", "/api/ways"))["passkeys"]
    assert shown["used"]
    assert await phone.ask("DELETE", f"/api/ways/passkeys/{shown['id']}") == "needs_presence"
    assert (await page.ask("DELETE", "/api/ways/passkeys/" + "0" * 32), page.status) == ("unknown_passkey", 404)
    assert (await page.ask("DELETE", f"/api/ways/passkeys/{shown['id']}"))["passkeys"] == []
    assert not await phone.signed_in(), "it may be lost"
    assert (await use_passkey(browser(), key)) == "wrong_passkey"
    await door.desk.ways_in.tell()
    assert {"add_passkey", "remove_passkey"} <= {one.what for one in door.happened}


async def test_the_last_way_is_never_removed(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await invited(door, page)
    first, second = device(page), device(page)
    await add_passkey(page, first)
    await use_passkey(page, first, "/api/presence")
    one, two = (await add_passkey(page, second))["passkeys"]
    assert (await page.ask("DELETE", f"/api/ways/passkeys/{one['id']}"))["passkeys"] == [two]
    assert (await page.ask("DELETE", f"/api/ways/passkeys/{two['id']}"), page.status) == ("last_way", 409)
    # Recovery codes stand in for a second factor, and are no way in.
    await page.ask("POST", "/api/ways/recovery-codes", {})
    assert await page.ask("DELETE", f"/api/ways/passkeys/{two['id']}") == "last_way"
    await page.ask("PUT", "/api/ways/password", {"login": "kari", "new": PASSWORD})
    assert (await page.ask("DELETE", f"/api/ways/passkeys/{two['id']}"))["passkeys"] == []


async def test_a_passkey_that_was_copied_signs_nobody_in_any_more(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await settled(door, page)
    key = device(page, counts=True, count=5)
    await add_passkey(page, key)
    assert (await use_passkey(browser(), key))["person"] == kari
    key.count = 2
    assert (await use_passkey(browser(), key)) == "cloned_passkey"
    key.count = 50
    assert (await use_passkey(browser(), key)) == "cloned_passkey"
    await door.desk.ways_in.tell()
    assert [(one.person, one.code) for one in door.happened if one.code] == [(kari, "cloned_passkey")] * 2
    [broken] = (await page.ask("GET", "/api/ways"))["passkeys"]
    assert (await page.ask("DELETE", f"/api/ways/passkeys/{broken['id']}"))["passkeys"] == []


async def test_an_answer_is_taken_once_and_not_from_elsewhere(door: FrontDoor, browser: Browsers) -> None:
    page, phone = browser(), browser()
    await settled(door, page)
    key = device(page)
    await add_passkey(page, key)
    asked = await phone.ask("POST", "/api/sign-in/passkey/options", {})
    answer = {"ceremony": asked["ceremony"], "credential": key.get(asked["options"])}
    assert (await phone.ask("POST", "/api/sign-in/passkey", answer))["person"]
    assert (await browser().ask("POST", "/api/sign-in/passkey", answer)) == "unknown_ceremony"
    key.origin = "https://evil.example"
    assert (await use_passkey(browser(), key)) == "wrong_passkey"
    key.origin = page.url
    asked = await phone.ask("POST", "/api/sign-in/passkey/options", {}, Host="127.0.0.1")
    assert (asked, phone.status) == ("no_passkeys_here", 422)


async def test_a_passkey_that_another_has_is_not_made_twice(door: FrontDoor, browser: Browsers) -> None:
    page, other = browser(), browser()
    await settled(door, page)
    await settled(door, other, "ola")
    key = device(page)
    await add_passkey(page, key)
    assert (await add_passkey(other, key), other.status) == ("known_passkey", 409)


async def test_a_passkey_answers_for_nobody_who_is_erased(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    key = device(page)
    await add_passkey(page, key)
    credentials = door.desk._parts.credentials
    found = credentials.by_passkey(key.id)
    credentials.by_passkey = lambda _id: found  # type: ignore[method-assign]
    await door.disk.run(credentials.erase, Scope(everything=True), door.clock.now().replace(year=2030))
    assert (await use_passkey(browser(), key)) == "ordered"


async def test_a_passkey_answers_for_nobody_whom_an_order_reaches_meanwhile(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser()
    await settled(door, page)
    key = device(page)
    await add_passkey(page, key)
    monkeypatch.setattr(door.credentials, "put", lambda _credential: False)
    assert (await use_passkey(browser(), key)) == "ordered"


async def test_who_has_nothing_is_asked_for_nothing_of_others(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    await add_passkey(page, device(page))
    [session] = door.sessions.all()
    site = Site.of(page.url)
    assert (await door.desk.presence_question(session, site)).options["allowCredentials"]
    await door.disk.run(door.credentials.forget, session.person)
    assert (await door.desk.presence_question(session, site)).options["allowCredentials"] == []


# -- the second factor


async def test_a_second_factor_counts_once_it_was_confirmed(door: FrontDoor, browser: Browsers) -> None:
    page, other = browser(), browser()
    await settled(door, page)
    assert (await page.ask("POST", "/api/ways/second-factor/confirm", {"code": "123456"})) == "no_second_factor"
    begun = await page.ask("POST", "/api/ways/second-factor", {})
    assert begun["secret"] in begun["uri"]
    assert begun["uri"].startswith("otpauth://totp/Portvakt:kari?")
    assert begun["qr"].startswith("<?xml")
    assert "viewBox" in begun["qr"]
    assert (await other.sign_in("kari"))["person"], "not yet"
    assert await other.ask("POST", "/api/ways/second-factor/confirm", {"code": "000000"}) == "needs_presence"
    totp = pyotp.TOTP(begun["secret"])
    wrong = f"{(int(totp.at(door.clock.now())) + 1) % 1_000_000:06}"
    assert (await page.ask("POST", "/api/ways/second-factor/confirm", {"code": wrong}), page.status) == (
        "wrong_code",
        401,
    )
    digits = totp.at(door.clock.now())
    assert (await page.ask("POST", "/api/ways/second-factor/confirm", {"code": digits}))["second_factor"]
    assert await browser().sign_in("kari") == "second_factor"
    assert await browser().sign_in("kari", second=digits) == "wrong_code", "what confirmed it is used up"
    codes = (await page.ask("POST", "/api/ways/recovery-codes", {}))["codes"]
    assert (await page.ask("GET", "/api/ways"))["recovery_codes"] == 10
    assert (await browser().sign_in("kari", second=codes[3]))["person"]
    assert (await page.ask("GET", "/api/ways"))["recovery_codes"] == 9
    await page.ask("POST", "/api/ways/recovery-codes", {})
    assert await browser().sign_in("kari", second=codes[4]) == "wrong_code", "those before are dead"
    gone = await page.ask("DELETE", "/api/ways/second-factor")
    assert (gone["second_factor"], gone["recovery_codes"]) == (None, 0)
    assert (await browser().sign_in("kari"))["person"]


async def test_a_second_factor_is_for_a_password(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await invited(door, page)
    assert (await page.ask("POST", "/api/ways/second-factor", {}), page.status) == ("no_password", 422)


async def test_what_was_begun_is_forgotten_with_the_session(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    await page.ask("POST", "/api/ways/second-factor", {})
    assert door.desk.own._pending
    await page.ask("DELETE", "/api/session")
    assert not door.desk.own._pending


# -- an order


async def test_who_is_to_be_erased_makes_no_new_way(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await settled(door, page)
    before, key = door.clock.now().replace(year=2030), device(page)
    asked = await page.ask("POST", "/api/ways/passkeys/options", {})
    answer = {"ceremony": asked["ceremony"], "credential": key.create(asked["options"])}
    door.barrier.raise_for("o1", Scope(classes=(RecordClass.PERSON,)), before)
    [session] = door.sessions.all()
    own, site = door.desk.own, Site.of(page.url)
    for call in (
        own.set_password(session, NewPasswordBody(login="kari", new=NEW)),
        own.passkey_question(session, site),
        own.add_passkey(session, PasskeyBody(**answer), site),
        own.begin_second_factor(session),
        own.new_recovery_codes(session),
        own.remove_second_factor(session),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.code == "ordered"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/session"),
        ("GET", "/api/sessions"),
        ("DELETE", "/api/sessions/s1"),
        ("POST", "/api/presence"),
        ("GET", "/api/ways"),
        ("PUT", "/api/ways/password"),
        ("POST", "/api/ways/passkeys/options"),
        ("POST", "/api/ways/passkeys"),
        ("DELETE", f"/api/ways/passkeys/{1:032x}"),
        ("POST", "/api/ways/second-factor"),
        ("POST", "/api/ways/second-factor/confirm"),
        ("DELETE", "/api/ways/second-factor"),
        ("POST", "/api/ways/recovery-codes"),
        ("POST", "/api/people/p1/link"),
    ],
)
async def test_it_is_all_for_who_has_signed_in(door: FrontDoor, browser: Browsers, method: str, path: str) -> None:
    await door.add()
    page = browser()
    assert (await page.ask(method, path, {}), page.status) == ("not_signed_in", 401)
