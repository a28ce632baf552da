"""How long somebody is signed in, and what ends it; over HTTP."""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.api.contract import PersonChange
from agent.signin import sessions as module
from agent.signin.session_store import Session
from agent.signin.sessions import MOST, Sessions
from privacy.errors import StoreBroken
from privacy.hold import Role
from privacy.records import Scope
from tests.agent.signin.front_door import TOKEN, Browser, FrontDoor, browsing, written

Browsers = Callable[[], Browser]


async def somebody(door: FrontDoor, role: Role = Role.RESIDENT, login: str = "kari") -> str:
    if not door.people.owners():
        await door.add()
    person = await door.add(role)
    await door.give_password(person, login)
    return person


async def signed_in(door: FrontDoor, page: Browser, role: Role = Role.RESIDENT, **more: Any) -> str:
    person = await somebody(door, role)
    assert (await page.sign_in("kari", **more))["person"] == person
    return person


async def again(door: FrontDoor) -> FrontDoor:
    """The same house after a restart."""
    door.close()
    made = FrontDoor(door.folder, door.clock, door.slots)
    await made.start()
    return made


def kept(door: FrontDoor) -> list[Session]:
    return door.store.all()


# -- how long


@pytest.mark.parametrize(
    ("role", "how", "lasts"),
    [
        (Role.RESIDENT, {}, {"hours": 11, "minutes": 59, "seconds": 59}),
        (Role.RESIDENT, {"stay": True}, {"days": 59, "hours": 23, "minutes": 59, "seconds": 59}),
        (Role.INSTALLER, {}, {"minutes": 9, "seconds": 59}),
        (Role.INSTALLER, {"stay": True}, {"minutes": 9, "seconds": 59}),
        (Role.SUPPORT, {"stay": True}, {"minutes": 9, "seconds": 59}),
    ],
)
async def test_it_ends_when_it_is_not_used(
    door: FrontDoor, browser: Browsers, role: Role, how: dict[str, bool], lasts: dict[str, float]
) -> None:
    page = browser()
    await signed_in(door, page, role, **how)
    for _ in range(3):
        door.clock.move(**lasts)
        assert await page.signed_in(), "each request counts"
    [session] = door.sessions.all()
    door.clock.move(**lasts)
    door.clock.move(seconds=1)
    assert not await page.signed_in()
    assert door.ended == [session.id]


async def test_the_cookie_of_a_visitor_does_not_stay_either(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await signed_in(door, page, Role.INSTALLER, stay=True)
    assert page.set["portvakt"]["max-age"] == ""


async def test_a_browser_that_is_never_closed_is_signed_out_after_a_week(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await signed_in(door, page)
    for _ in range(14):
        door.clock.move(hours=11, minutes=59)
        assert await page.signed_in()
    door.clock.move(hours=1)
    assert not await page.signed_in()


async def test_a_wall_clock_that_is_set_changes_nothing(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await signed_in(door, page, Role.INSTALLER)
    door.clock.time -= timedelta(days=400)
    door.clock.ticks += 601
    assert not await page.signed_in()
    assert (await page.sign_in("kari"))["person"]
    door.clock.time += timedelta(days=400)
    assert await page.signed_in()


async def test_when_it_ends_is_shown(door: FrontDoor, browser: Browsers) -> None:
    page, other = browser(), browser()
    await signed_in(door, page)
    who, now = await page.ask("GET", "/api/who"), door.clock.now()
    assert who["ends"] == (now + timedelta(hours=12)).isoformat().replace("+00:00", "Z")
    door.clock.move(minutes=1)
    await other.sign_in("kari", stay=True)
    newest, oldest = await other.ask("GET", "/api/sessions")
    assert (newest["this"], newest["stay"], newest["way"], newest["seen"]) == (True, True, "password", newest["made"])
    assert (oldest["this"], oldest["stay"]) == (False, False)
    assert oldest["made"] == oldest["seen"] == now.isoformat().replace("+00:00", "Z")


async def test_a_sweep_ends_what_nobody_asks_in_any_more(door: FrontDoor, browser: Browsers) -> None:
    await signed_in(door, browser())
    [session] = door.sessions.all()
    assert [one.id for one in kept(door)] == [session.id]
    await door.sessions.sweep()
    assert kept(door)
    door.clock.move(hours=13)
    await door.sessions.sweep()
    assert door.ended == [session.id]
    assert not kept(door)
    assert not list((door.folder / "sessions").glob("*.log"))


async def test_the_service_sweeps(door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP", 0.001)
    await signed_in(door, browser())
    door.clock.move(hours=13)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await door.sessions.run()
    assert not kept(door)


# -- what ends it


async def test_signing_out_ends_it_at_the_gateway(door: FrontDoor, browser: Browsers) -> None:
    page, thief = browser(), browser()
    kari = await signed_in(door, page, stay=True)
    thief.cookies = dict(page.cookies)
    assert (await page.ask("DELETE", "/api/session"), page.status) == (None, 204)
    assert not await thief.signed_in()
    assert await thief.ask("DELETE", "/api/session") == "not_signed_in"
    assert not kept(door)
    assert (door.happened[-1].what, door.happened[-1].person) == ("sign_out", kari)
    assert door.recorded[-1].event == "signed_out"


async def test_one_ends_ones_own_sessions_elsewhere_and_nobody_elses(door: FrontDoor, browser: Browsers) -> None:
    page, phone, other = browser(), browser(), browser()
    await signed_in(door, page)
    await phone.sign_in("kari")
    await somebody(door, login="ola")
    await other.sign_in("ola")
    [theirs] = await other.ask("GET", "/api/sessions")
    assert (await page.ask("DELETE", f"/api/sessions/{theirs['id']}"), page.status) == ("unknown_session", 404)
    assert await page.ask("DELETE", "/api/sessions/s0") == "unknown_session"
    assert await other.signed_in()
    [elsewhere] = [one for one in await page.ask("GET", "/api/sessions") if not one["this"]]
    assert (await page.ask("DELETE", f"/api/sessions/{elsewhere['id']}"), page.status) == (None, 204)
    assert not await phone.signed_in()
    assert await page.signed_in()
    assert door.happened[-1].what == "end_session"


@pytest.mark.parametrize("change", [{"role": Role.GUEST}, {"role": Role.OWNER}])
async def test_it_ends_when_somebody_becomes_something_else(door: FrontDoor, browser: Browsers, change: Any) -> None:
    page = browser()
    kari = await signed_in(door, page)
    await door.people_desk.change(kari, PersonChange(name="Kari Hansen"), "test")
    assert await page.signed_in(), "a name is no role"
    await door.people_desk.change(kari, PersonChange(**change), "test")
    assert not await page.signed_in()
    assert len(door.ended) == 1
    assert (await page.sign_in("kari"))["role"] == change["role"]


async def test_it_ends_when_somebody_leaves_and_when_they_are_forgotten(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await signed_in(door, page)
    await door.people_desk.remove(kari, "test")
    assert not await page.signed_in()
    assert (await page.sign_in("kari"))["left"] is True
    assert await page.signed_in()
    await door.people_desk.remove(kari, "test")
    assert not await page.signed_in()


async def test_who_only_listens_is_told_as_well(door: FrontDoor, browser: Browsers) -> None:
    kari = await signed_in(door, browser())
    await door.desk.expel()
    assert not door.ended
    await door.people_desk.change(kari, PersonChange(role=Role.GUEST), "test")
    await door.desk.expel()
    assert len(door.ended) == 1
    assert not kept(door)


async def test_an_order_ends_it_at_once_and_for_good(door: FrontDoor, browser: Browsers) -> None:
    page, installer = browser(), browser()
    kari = await signed_in(door, page)
    await somebody(door, Role.INSTALLER, "tor")
    await installer.sign_in("tor")
    door.barrier.raise_for("o1", Scope(subjects=(kari,)), door.clock.now() + timedelta(seconds=1))
    assert not await page.signed_in(), "before it is carried out"
    door.barrier.settle("o1")
    door.clock.move(minutes=3)
    assert not await page.signed_in()
    assert await installer.signed_in(), "it was about somebody else"


async def test_an_erasure_ends_it_in_memory_too(door: FrontDoor, browser: Browsers) -> None:
    page, installer = browser(), browser()
    kari = await signed_in(door, page)
    await somebody(door, Role.INSTALLER, "tor")
    await installer.sign_in("tor")
    await door.disk.run(door.store.erase, Scope(subjects=(kari,)), door.clock.now() + timedelta(seconds=1))
    assert not await page.signed_in()
    assert await installer.signed_in()
    await door.disk.run(door.store.erase, Scope(everything=True), door.clock.now() + timedelta(seconds=1))
    assert not await installer.signed_in(), "what is in memory alone goes as well"
    assert len(door.ended) == 2


async def test_an_erasure_ends_what_a_wrong_clock_dated_too_late(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await somebody(door)
    door.clock.time += timedelta(days=400)
    assert (await page.sign_in("kari"))["person"]
    door.clock.time -= timedelta(days=400)
    await door.disk.run(door.store.erase, Scope(subjects=(kari,)), door.clock.now())
    assert not await page.signed_in()


async def test_somebody_has_so_many_sessions_and_no_more(door: FrontDoor, browser: Browsers) -> None:
    first = browser()
    await signed_in(door, first)
    door.clock.move(seconds=1)
    pages = [browser() for _ in range(MOST)]
    for page in pages:
        await page.sign_in("kari")
        door.clock.move(seconds=1)
    assert len(door.sessions.all()) == MOST == len(kept(door))
    assert not await first.signed_in()
    assert all([await page.signed_in() for page in pages])


# -- a restart


class Certain:
    """In the place of the clock that says what has passed for certain."""

    def __init__(self, clock: Any) -> None:
        self.at, self.monotonic = clock.now(), clock.monotonic

    def now(self) -> datetime:
        return self.at


@pytest.mark.parametrize(("passed", "lasts"), [({"hours": 11}, True), ({"hours": 13}, False)])
@pytest.mark.parametrize("years", [-50, 60])
async def test_after_a_start_no_clock_in_doubt_ends_a_session_or_keeps_one(
    door: FrontDoor, browser: Browsers, passed: dict[str, float], years: int, *, lasts: bool
) -> None:
    await signed_in(door, browser())
    certain = Certain(door.clock)
    certain.at += timedelta(**passed)
    door.clock.time += timedelta(days=365 * years)
    sessions = Sessions(door.store, door.disk, door.clock, os.urandom, certain)
    await sessions.load()
    assert bool(sessions.all()) is lasts


async def test_a_restart_ends_no_session_but_a_visitors(door: FrontDoor) -> None:
    async with door.served() as url, browsing(url) as browsers:
        page, installer = browsers(), browsers()
        await signed_in(door, page, stay=True)
        await somebody(door, Role.INSTALLER, "tor")
        await installer.sign_in("tor")
    door.clock.move(hours=1)
    restarted = await again(door)
    async with restarted.served() as url, browsing(url) as browsers:
        assert len(kept(restarted)) == 1
        page.url = installer.url = url
        page._session = installer._session = browsers()._session
        assert await page.signed_in()
        assert not await installer.signed_in()
        [shown] = await page.ask("GET", "/api/sessions")
        assert shown["this"]
        assert shown["stay"]
    restarted.close()


async def test_time_passes_while_the_gateway_is_off(door: FrontDoor) -> None:
    async with door.served() as url, browsing(url) as browsers:
        await signed_in(door, browsers())
    door.clock.reboot(hours=13)
    restarted = await again(door)
    await restarted.sessions.sweep()
    assert not restarted.sessions.all()
    assert not kept(restarted)
    restarted.close()


async def test_a_gateway_that_boots_in_the_past_learns_how_old_its_sessions_are(door: FrontDoor) -> None:
    async with door.served() as url, browsing(url) as browsers:
        await signed_in(door, browsers())
    door.clock.reboot(hours=13)
    right = door.clock.time
    door.clock.time -= timedelta(days=400)
    restarted = await again(door)
    async with restarted.served() as url, browsing(url) as browsers:
        assert len(restarted.sessions.all()) == 1, "nobody can say yet"
        page = browsers()
        await page.sign_in("kari")
        door.clock.time = right
        restarted.store.redate(lambda moment: moment)
        assert await page.signed_in(), "who came since stays"
        [session] = restarted.sessions.all()
        await restarted.sessions.sweep()
        [written] = kept(restarted)
        assert written.id == session.id
        assert abs(written.at - right) < timedelta(minutes=1), "and is dated right"
    restarted.close()


async def test_that_it_is_used_is_written_down_now_and_then(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    await signed_in(door, page)
    begun = door.clock.now()
    door.clock.move(minutes=9)
    await page.signed_in()
    await door.sessions.sweep()
    assert [one.seen for one in kept(door)] == [begun]
    door.clock.move(minutes=2)
    await page.signed_in()
    await door.sessions.sweep()
    assert [one.seen for one in kept(door)] == [door.clock.now()]


async def test_what_is_on_the_disk_opens_nothing(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    kari = await signed_in(door, page)
    [session] = kept(door)
    secret = page.cookies["portvakt"]
    assert len(secret) == 43
    assert secret.encode() not in session.secret
    assert secret not in repr(session)
    assert kari not in repr(session)
    files = written(door.folder / "sessions")
    assert files
    assert kari.encode() not in files
    assert secret.encode() not in files
    thief = browser()
    for cookie in (session.secret.hex(), session.id, "", "x" * 4000):
        thief.cookies = {"portvakt": cookie}
        assert not await thief.signed_in()


# -- a medium that refuses


class Broken:
    """A store that cannot write, once it is switched off."""

    def __init__(self, door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off, put = False, door.store.put

        def refuse(person: str, sessions: Any) -> Any:
            if self.off:
                raise StoreBroken("the medium is full", hint="make room")
            return put(person, sessions)

        monkeypatch.setattr(door.store, "put", refuse)


async def test_a_full_medium_keeps_nobody_out(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, page = Broken(door, monkeypatch), browser()
    broken.off = True
    await signed_in(door, page)
    assert await page.signed_in()
    assert not kept(door)
    with pytest.raises(StoreBroken):
        await door.sessions.sweep()
    broken.off = False
    await door.sessions.sweep()
    assert len(kept(door)) == 1


async def test_who_signs_out_is_told_when_the_medium_could_not_forget(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, page = Broken(door, monkeypatch), browser()
    await signed_in(door, page)
    broken.off = True
    assert (await page.ask("DELETE", "/api/session"), page.status) == ("unavailable", 503)
    assert not await page.signed_in(), "it has ended all the same"
    assert kept(door)
    broken.off = False
    await door.sessions.sweep()
    assert not kept(door)


async def test_a_session_that_an_order_reaches_does_not_keep_others_from_being_written(
    door: FrontDoor, browser: Browsers
) -> None:
    await signed_in(door, browser())
    door.clock.move(minutes=1)
    kari = door.sessions.all()[0].person
    door.barrier.raise_for("o2", Scope(subjects=(kari,)), door.clock.now() - timedelta(seconds=30))
    found = await door.sessions.begin(kari, (Role.RESIDENT,), "password", stay=False, before=None)
    assert found is not None
    assert [one.id for one in kept(door)] == [found[0].id]
    assert [one.id for one in door.sessions.all()] == [found[0].id]
    assert len(door.ended) == 1


# -- programs


async def test_a_program_is_known_by_its_token_alone(door: FrontDoor, browser: Browsers) -> None:
    kari, page = await somebody(door), browser()
    door.programs_of = kari
    assert await page.ask("GET", "/api/sessions", Authorization=f"Bearer {TOKEN}") == "programs_may_not"
    assert await page.ask("GET", "/api/who", Authorization=f"bearer  {TOKEN} ")
    await page.sign_in("kari")
    for wrong in ("Bearer wrong", "Bearer", "Basic eDp5", "", f"Basic {TOKEN}"):
        assert await page.ask("GET", "/api/sessions", Authorization=wrong) == "not_signed_in", "no cookie helps"
    door.barrier.raise_for("o1", Scope(subjects=(kari,)), door.clock.now())
    assert await page.ask("GET", "/api/sessions", Authorization=f"Bearer {TOKEN}") == "not_signed_in"


async def test_a_session_that_ends_between_two_looks_is_none(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser()
    await signed_in(door, page)
    monkeypatch.setattr(door.sessions, "find", lambda _id: None)
    assert (await page.ask("GET", "/api/sessions"), page.status) == ("not_signed_in", 401)
