"""Whose the gateway is: the claim, once, and who may have it open again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Refused
from agent.signin import desk as module
from agent.signin.claim import LIVES, TRIES, Claim
from privacy.errors import StoreBroken
from tests.agent.signin.front_door import PASSWORD, Browser, FrontDoor, browsing, written

Browsers = Callable[[], Browser]


def body(code: str, name: str = "Kari Nordmann") -> dict[str, Any]:
    return {"code": code, "name": name, "lives_here": True, "language": "en"}


async def code_of(door: FrontDoor) -> str:
    return (await door.desk.links.claim()).code


async def test_until_it_is_claimed_nothing_else_is_served(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    who = await page.ask("GET", "/api/who")
    assert (who["claimed"], who["person"], who["gateway"]) == (False, None, "")
    for method, path, sent in (
        ("GET", "/api/state", None),
        ("POST", "/api/sign-in/password", {"login": "kari", "password": PASSWORD}),
        ("POST", "/api/sign-in/code", {"code": "x"}),
        ("GET", "/api/sessions", None),
    ):
        assert (await page.ask(method, path, sent), page.status) == ("unclaimed", 403)


async def test_the_first_owner_claims_it_and_is_signed_in(door: FrontDoor, browser: Browsers) -> None:
    code, page = await code_of(door), browser()
    who = await page.ask("POST", "/api/claim", body(code.lower().replace("-", " ")))
    assert (page.status, who["claimed"], who["role"], who["way"], who["lives_here"]) == (
        200,
        True,
        "owner",
        "code",
        True,
    )
    assert (who["name"], who["language"], who["can_sign_in"], who["last"]) == ("Kari Nordmann", "en", False, None)
    assert page.cookies.keys() == {"portvakt", "portvakt-known"}
    assert await page.signed_in()
    assert await page.ask("GET", "/api/state") == who["person"]
    assert door.people.owners() == {who["person"]}
    assert [(one.what, one.person) for one in door.happened] == [("claim", who["person"]), ("sign_in", who["person"])]
    assert [entry.event for entry in door.recorded] == ["person_added", "home_claimed", "signed_in"]
    other = browser()
    assert (await other.ask("POST", "/api/claim", body(code)), other.status) == ("claimed", 404)
    # With no way in yet, the first one asks for nothing besides.
    assert (await page.ask("PUT", "/api/ways/password", {"login": "kari", "new": PASSWORD}))["login"] == "kari"
    assert (await browser().sign_in("kari"))["person"] == who["person"]


async def test_of_many_at_once_one_claims_it(door: FrontDoor, browser: Browsers) -> None:
    code = await code_of(door)
    said = await asyncio.gather(*(browser().ask("POST", "/api/claim", body(code)) for _ in range(5)))
    assert sorted(map(str, said))[:4] == ["claimed"] * 4
    assert len(door.people.owners()) == 1


async def test_a_name_that_is_none_uses_no_code_up(door: FrontDoor, browser: Browsers) -> None:
    code, page = await code_of(door), browser()
    assert await page.ask("POST", "/api/claim", body(code, "<b>")) == "bad_name"
    assert (await page.ask("POST", "/api/claim", body(code)))["person"]


async def test_a_wrong_code_a_dead_one_and_one_that_is_over(door: FrontDoor, browser: Browsers) -> None:
    page = browser()
    assert (await page.ask("POST", "/api/claim", body("x")), page.status) == ("wrong_code", 401)
    dead = await code_of(door)
    code = await code_of(door)
    assert await page.ask("POST", "/api/claim", body(dead)) == "wrong_code"
    door.clock.move(days=LIVES.days)
    assert await page.ask("POST", "/api/claim", body(code)) == "wrong_code"


async def test_ten_wrong_codes_in_a_row_make_the_right_one_dead(door: FrontDoor, browser: Browsers) -> None:
    code, page = await code_of(door), browser()
    for _ in range(TRIES - 1):
        await page.ask("POST", "/api/claim", body("wrong"))
    door.claim.check(code, door.clock.now())
    await page.ask("POST", "/api/claim", body("wrong"))
    assert await page.ask("POST", "/api/claim", body(code)) == "wrong_code"
    assert (await page.ask("POST", "/api/claim", body(await code_of(door))))["person"]


async def test_who_owns_it_leaves_it_claimed_and_nobody_takes_it(
    door: FrontDoor, browser: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner whom the hand at the box added counts as well, and so does one who is erased."""
    code, page = await code_of(door), browser()
    owner = await door.add()
    assert (await page.ask("GET", "/api/who"))["claimed"] is True
    assert await page.ask("POST", "/api/claim", body(code)) == "claimed"
    with pytest.raises(Refused) as refused:
        await door.desk.links.claim()
    assert refused.value.code == "claimed"
    monkeypatch.setattr(module, "TELLS", 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await door.desk.run()
    assert door.claim.settled
    await door.erase(owner)
    assert (await page.ask("GET", "/api/who"))["claimed"] is True
    assert (await page.ask("POST", "/api/claim", body(code)), page.status) == ("claimed", 404)
    again = await code_of(door)
    assert door.claim.claimed, "who still lives there signs in meanwhile"
    assert (await page.ask("POST", "/api/claim", body(again)))["role"] == "owner"
    assert door.claim.settled


async def test_a_clock_that_is_set_back_opens_it_to_nobody(door: FrontDoor, browser: Browsers) -> None:
    await door.add()
    door.clock.time -= timedelta(days=900)
    assert (await browser().ask("GET", "/api/who"))["claimed"] is True


async def test_that_it_is_claimed_outlives_a_restart_and_so_does_the_code(door: FrontDoor) -> None:
    code = await code_of(door)
    door.close()
    second = FrontDoor(door.folder, door.clock, door.slots)
    await second.start()
    async with second.served() as url, browsing(url) as browsers:
        assert (await browsers().ask("POST", "/api/claim", body(code)))["person"]
    second.close()
    third = FrontDoor(door.folder, door.clock, door.slots)
    assert third.claim.claimed
    assert third.claim.settled
    third.close()


def test_a_note_of_a_later_version_is_not_taken_for_a_first_start(door: FrontDoor) -> None:
    door.ring.note("claim", b"\xc1")
    with pytest.raises(StoreBroken, match="later version"):
        Claim(door.ring, bytes)


async def test_the_code_is_nowhere_on_the_disk(door: FrontDoor, tmp_path: Path) -> None:
    code = await code_of(door)
    files = written(tmp_path)
    assert code.encode() not in files
    assert code.replace("-", "").encode() not in files


@pytest.mark.parametrize(
    "sent", [{}, {"code": "x", "name": "K"}, {**body("x"), "role": "owner"}, {**body(""), "code": ""}]
)
async def test_what_is_no_claim(door: FrontDoor, browser: Browsers, sent: Any) -> None:
    page = browser()
    assert (await page.ask("POST", "/api/claim", sent), page.status) == ("invalid", 422)


async def test_a_code_of_a_box_that_does_not_know_the_time_yet(door: FrontDoor, browser: Browsers) -> None:
    """It boots in 1970, `portvakt claim` is run, and then comes the network's time."""
    now, door.clock.time = door.clock.now(), datetime(1970, 1, 1, tzinfo=UTC)
    code = await code_of(door)
    door.clock.time = now
    assert (await browser().ask("POST", "/api/claim", body(code)))["person"]
