"""`agent.deeds` over a real activity log: what is durable before what, who is told, and who agrees."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.api.permission import PURPOSE
from agent.config.model import Camera
from agent.deeds import Deeds
from camera.vault.vault import Vault
from privacy.activity import ActivityLog
from privacy.activity_line import Deed
from privacy.errors import StoreBroken
from tests.agent.lived_in import Box, LivedIn, lived_in, simulate
from tests.privacy.format_reader import State

FRONT = Camera(id="front", name="Front door", url="http://127.0.0.1:9/")


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LivedIn]:
    simulate(monkeypatch)
    async with lived_in(tmp_path, Box(), FRONT) as house:
        await house.add("kari", "owner", lives_here=True)
        await house.add("ola", "resident", lives_here=True)
        await house.add("rune", "resident", lives_here=True)
        await house.add("grete", "guest")
        await house.add("siri", "support")
        house.clock.move(minutes=5)  # nobody has just pressed the button
        yield house


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The medium takes no line of the activity log any more."""

    def refuse(_self: ActivityLog, _deeds: list[Deed]) -> list[int]:
        raise StoreBroken("the card is full")

    return lambda: monkeypatch.setattr(ActivityLog, "append", refuse)


def newest(home: LivedIn, who: str) -> Any:
    """The last line of somebody, as it lies in the log."""
    return home.storage.activity.lines(home.people[who], None, 1)[0].line


async def test_a_look_is_on_the_disk_before_it_is_shown(
    home: LivedIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = home.keep("front").encode()
    lay: list[bool] = []
    image = Vault.image

    def remember(vault: Vault, snapshot: str) -> bytes | None:
        lay.append(any(picture in line for line in State(tmp_path / "state").log("activity")))
        return image(vault, snapshot)

    monkeypatch.setattr(Vault, "image", remember)
    assert (await home.ask("ola", "GET", f"/api/snapshots/{picture.decode()}/image")).status == 200
    assert lay == [True]


async def test_a_full_medium_shows_nothing_and_lets_changes_through(home: LivedIn, full: Any) -> None:
    picture = home.keep("front")
    full()
    look = await home.ask("ola", "GET", f"/api/snapshots/{picture}/image")
    assert (look.status, look.code) == (503, "unavailable"), look.body
    assert b"\xff\xd8" not in look.body
    assert (await home.command("ola", value=True)).status == 200
    assert (await home.ask("grete", "GET", "/api/inventory")).code == "not_granted", "no matter of the disk"
    order = await home.do("ola", "POST", "/api/erase", {"scope": {"subjects": [home.people["ola"]]}})
    assert order["order"]


async def test_who_is_told(home: LivedIn) -> None:
    picture = home.keep("front")
    await home.ask("kari", "GET", f"/api/snapshots/{picture}/image", **{PURPOSE: "daily_life"})
    line = newest(home, "ola")
    assert (line.did, line.action, line.camera, line.record) == (False, "view_pictures", "front", picture)
    assert (line.role, line.purpose, line.allowed) == ("owner", "daily_life", True)
    assert newest(home, "grete").action != "view_pictures", "who does not live here is not on the picture"
    await home.command("kari", value=True)
    assert newest(home, "ola").action == "view_pictures", "a lamp concerns nobody"
    assert (newest(home, "kari").action, newest(home, "kari").device) == ("control_devices", "lamp")


async def test_what_is_refused_stands_there_with_its_code(home: LivedIn) -> None:
    refused = await home.ask("grete", "GET", f"/api/snapshots/{home.keep('front')}/image")
    assert refused.code == "not_granted"
    for name, did in (("grete", True), ("kari", False), ("ola", False)):
        line = newest(home, name)
        assert (line.did, line.allowed, line.code) == (did, False, "not_granted")


async def test_a_program_is_named_beside_whom_it_acts_for(home: LivedIn) -> None:
    end = (home.clock.true + timedelta(days=1)).isoformat()
    body = {"name": "thermostat", "groups": ["devices"], "reach": {"home": True}, "end": end}
    made = await home.do("kari", "POST", "/api/tokens", body)
    home.tokens["program"] = made["secret"]
    assert (await home.command("program", value=True)).status == 200
    assert newest(home, "kari").token == made["token"]["id"]
    refused = await home.ask("program", "GET", "/api/people")
    assert refused.status == 403
    assert (newest(home, "kari").code, newest(home, "kari").token) == (refused.code, made["token"]["id"])


async def test_the_hand_at_the_box_is_an_owner_in_the_log(home: LivedIn) -> None:
    assert (await home.ask("box", "GET", f"/api/snapshots/{home.keep('front')}/image")).status == 200
    line = newest(home, "ola")
    assert (line.did, line.action, line.role) == (False, "view_pictures", "owner")
    shown = (await home.activity("ola"))[0]
    assert (shown["actor"], shown["name"]) == ("local-owner", "")


async def test_a_wrong_password_is_told_to_whom_it_was_tried_on(home: LivedIn) -> None:
    body = {"login": "ola-1", "password": "not that one, surely"}
    assert (await home.ask("nobody", "POST", "/api/sign-in/password", body)).code == "wrong_credentials"
    await home.turn("sign-in")
    line = newest(home, "ola")
    assert (line.action, line.allowed, line.code) == ("sign_in", False, "wrong_credentials")


async def test_the_button_takes_the_place_of_a_second_person_once(home: LivedIn) -> None:
    link = f"/api/people/{home.people['ola']}/link"
    assert (await home.ask("kari", "POST", link, {})).code == "needs_second_person"
    await home.do("box", "POST", "/api/button", {})
    await home.do("kari", "POST", link, {})
    assert (await home.ask("kari", "POST", link, {})).code == "needs_second_person"


async def test_a_second_person_says_yes_to_just_that(home: LivedIn) -> None:
    link = f"/api/people/{home.people['ola']}/link"
    assert (await home.ask("kari", "POST", link, {})).code == "needs_second_person"
    [waits] = await home.get("rune", "/api/agreements")
    await home.do("rune", "POST", f"/api/agreements/{waits['id']}", {})
    await home.do("kari", "POST", link, {})
    assert (await home.ask("kari", "POST", link, {})).code == "needs_second_person"


async def test_who_asks_others_too_often_is_refused(home: LivedIn) -> None:
    link = f"/api/people/{home.people['ola']}/link"
    codes = {(await home.ask("kari", "POST", link, {"n": n})).code for n in range(70)}
    assert codes == {"needs_second_person", "too_many_agreements"}


async def test_what_somebody_from_support_asks_is_noted_and_counted(home: LivedIn) -> None:
    opened = await home.do("kari", "POST", "/api/support", {"person": home.people["siri"], "hours": 1})
    await home.get("siri", "/api/health")
    assert (newest(home, "siri").action, newest(home, "siri").allowed) == ("read_diagnostics", True)
    assert (await home.ask("siri", "GET", "/api/people")).status == 403
    [case] = await home.get("kari", "/api/support")
    assert (case["id"], case["done"]) == (opened["id"], {"read_diagnostics": 1})


async def test_a_look_that_is_not_written_first_is_caught(
    home: LivedIn, full: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: as if every look could wait."""

    async def looked(self: Deeds, asked: Any) -> None:
        await self._activity.note_if_possible(self._deed(asked))

    monkeypatch.setattr(Deeds, "looked", looked)
    with pytest.raises(AssertionError):
        await test_a_full_medium_shows_nothing_and_lets_changes_through(home, full)
