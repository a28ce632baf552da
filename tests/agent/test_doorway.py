"""The people's side of the house as it is put together: what the parts tell each other."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.config.model import Camera
from agent.people.household import HouseholdBook
from privacy.errors import StoreBroken
from tests.agent.lived_in import Box, LivedIn, lived_in, simulate

FRONT = Camera(id="front", name="Front door", url="http://127.0.0.1:9/")


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LivedIn]:
    simulate(monkeypatch)
    async with lived_in(tmp_path, Box(), FRONT) as house:
        await house.add("kari", "owner", lives_here=True)
        await house.add("ola", "resident", lives_here=True, language="en")
        yield house


async def test_whoever_leaves_is_signed_out_at_once(home: LivedIn) -> None:
    await home.get("ola", "/api/people")
    await home.do("kari", "DELETE", f"/api/people/{home.people['ola']}")
    assert (await home.ask("ola", "GET", "/api/people")).status == 401


async def test_whoever_an_order_reaches_is_signed_out_before_it_is_carried_out(home: LivedIn) -> None:
    home.clock.move(seconds=1)
    await home.do("ola", "POST", "/api/erase", {"scope": {"subjects": [home.people["ola"]]}})
    assert (await home.ask("ola", "GET", "/api/people")).status == 401
    await home.get("kari", "/api/people")


async def test_a_register_that_cannot_be_read_lets_nobody_stay_whom_an_order_reaches(
    home: LivedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: HouseholdBook) -> None:
        raise StoreBroken("the card is worn")

    expelled: list[int] = []
    expel = home.made._doorway._signin.expel

    async def remember() -> None:
        expelled.append(1)
        await expel()

    monkeypatch.setattr(home.made._doorway._signin, "expel", remember)
    monkeypatch.setattr(HouseholdBook, "refresh", broken)
    with pytest.raises(StoreBroken, match="worn"):
        await home.made._doorway.look_again()
    assert expelled


async def test_once_the_time_is_known_the_household_is_read_anew(home: LivedIn) -> None:
    before = home.made._doorway._book.current()
    await home.made._disk.run(home.made._doorway.refresh)
    assert home.made._doorway._book.current() is not before


async def test_an_export_is_in_the_language_of_who_asks(home: LivedIn) -> None:
    doorway = home.made._doorway
    languages = [await home.made._disk.run(doorway._language, home.people[name]) for name in ("kari", "ola")]
    assert languages == ["nb", "en"]
    assert await home.made._disk.run(doorway._language, "p-nobody") == "nb"


async def test_who_is_not_in_the_register_is_not_admitted(home: LivedIn) -> None:
    doorway = home.made._doorway
    assert doorway._admitted(home.people["ola"])
    assert not doorway._admitted("p-nobody")


async def test_before_an_order_is_carried_out_consent_is_looked_at_again(
    home: LivedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def refresh() -> None:
        asked.append(None)

    monkeypatch.setattr(home.made._doorway._consent, "refresh", refresh)
    await home.made._doorway.prepare()
    assert asked


async def test_the_record_of_processing_is_of_what_runs(home: LivedIn) -> None:
    home.keep("front")
    record = await home.get("kari", "/api/processing")
    assert "snapshot" in str(record)


async def test_nobody_comes_in_before_it_belongs_to_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch)
    async with lived_in(tmp_path, Box(), FRONT) as house:
        assert (await house.ask("nobody", "GET", "/api/people")).code == "unclaimed"
        code = (await house.do("box", "POST", "/api/claim-code", {}))["code"]
        body = {"code": code, "name": "Kari Hansen", "lives_here": True}
        claimed = await house.ask("nobody", "POST", "/api/claim", body)
        assert (claimed.status, claimed.said["role"]) == (200, "owner")
        assert (await house.ask("nobody", "POST", "/api/claim", body)).code == "claimed"


async def test_a_service_that_fails_twice_without_a_start_between_is_down_once(home: LivedIn) -> None:
    watch = home.made._watch
    recorded: list[Any] = []
    watch._record = recorded.append
    for why in ("the adapter is unplugged", "the adapter is unplugged, still"):
        watch("line attic", why)
    assert (len(recorded), watch.failures) == (1, 2)
