"""Whose picture it is: people say so, by API and command line; an erasure for a person then takes it, and says why."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.cli.outcome import carry_out
from agent.config.model import Camera
from privacy.records import Scope
from tests.agent.served_house import ServedHouse, serving

FRONT = Camera(id="front", name="Front door", url="http://192.0.2.5/snapshot.jpg")
BACK = Camera(id="back", name="Garden", url="http://192.0.2.6/snapshot.jpg")


@pytest.fixture
async def house(tmp_path: Path, clock: Any) -> AsyncIterator[ServedHouse]:
    async with serving(tmp_path, clock, FRONT, BACK) as made:
        yield made


async def ask(house: ServedHouse, path: str, body: object) -> tuple[int, Any]:
    connector = aiohttp.UnixConnector(str(house.socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://portvakt{path}", json=body) as response,
    ):
        return response.status, await response.json(content_type=None)


async def logged(house: ServedHouse) -> list[dict[str, Any]]:
    await house.agent._recorder.flush()
    return [json.loads(line.line) for line in house.house.state().log]


async def test_an_erasure_for_a_person_takes_what_was_assigned_tagged_and_claimed(
    house: ServedHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tagged = house.keep()
    other = house.keep()
    begin = house.clock.now()
    claimed = house.keep("back")
    assigned = house.keep("back", frozenset({"kari"}))
    assert await house.run("cameras", "tag", tagged, "--subject", "kari") == 0
    end = begin + timedelta(seconds=0.5)
    times = ("--from", begin.isoformat(), "--to", end.isoformat())
    assert await house.run("cameras", "claim", "--camera", "back", "--subject", "kari", *times) == 0
    assert "kari is on " in capsys.readouterr().out
    await house.house.erase(Scope(subjects=("kari",)), "page")
    await house.agent._eraser.finish()
    left = [await house.house.picture(id_, thumbnail=True, actor="page") for id_ in (tagged, other, claimed, assigned)]
    assert [picture is not None for picture in left] == [False, True, False, False]
    verified, erased = house.house.state().receipts
    [pictures] = [store for store in erased.stores if store.store == "snapshots"]
    assert (pictures.found, pictures.erased, pictures.left) == (3, 3, 0)
    assert pictures.by == {"assigned": 1, "tagged": 1, "claimed": 1}
    assert [store.left for store in verified.stores] == [0] * len(verified.stores)
    receipt = tmp_path / "receipt.jws"
    receipt.write_text(erased.jws)
    public = tmp_path / "state" / "receipt-public.jwk"
    assert carry_out(["receipt", "verify", str(receipt), "--key", str(public)]) == 0
    assert "1 assigned, 1 tagged, 1 claimed" in capsys.readouterr().out


async def test_both_are_logged_and_name_nobody_outside(house: ServedHouse) -> None:
    snapshot = house.keep()
    status, told = await ask(house, f"/api/snapshots/{snapshot}/subjects", {"subject": "kari"})
    assert (status, told) == (201, {"snapshot": snapshot, "subject": "kari"})
    now = house.clock.now()
    claim = {"camera": "front", "subject": "kari", "start": now.isoformat(), "end": (now + timedelta(1)).isoformat()}
    status, told = await ask(house, "/api/claims", claim)
    assert (status, told["camera"], told["subject"]) == (201, "front", "kari")
    claimed, tagged = await logged(house)
    assert [tagged["event"], claimed["event"]] == ["person_tagged", "time_claimed"]
    assert set(tagged["fields"]) == {"subject", "actor"}
    assert tagged["fields"]["subject"].startswith("<person:")
    assert tagged["fields"]["subject"] == claimed["fields"]["subject"]
    assert claimed["fields"]["camera"].startswith("<camera:")
    entries = house.storage.operation_log.find(Scope(subjects=("kari",)), house.clock.now() + timedelta(days=1))
    assert len(list(entries)) == 2, "an erasure for that person takes what the log says of them"


async def test_refusals(house: ServedHouse) -> None:
    gone = "ab" * 32
    now = house.clock.now().isoformat()
    later = (house.clock.now() + timedelta(hours=1)).isoformat()
    claim = {"camera": "front", "subject": "kari", "start": now, "end": later}
    for path, body, status, code in (
        (f"/api/snapshots/{gone}/subjects", {"subject": "kari"}, 404, "unknown_snapshot"),
        ("/api/snapshots/s0/subjects", {"subject": "kari"}, 404, "unknown_snapshot"),
        (f"/api/snapshots/{gone}/subjects", {"subject": "Kari Nordmann"}, 422, "invalid"),
        (f"/api/snapshots/{gone}/subjects", {}, 422, "invalid"),
        ("/api/claims", {**claim, "camera": "garage"}, 404, "unknown_camera"),
        ("/api/claims", {**claim, "start": later, "end": now}, 422, "bad_range"),
        ("/api/claims", {**claim, "end": now}, 422, "bad_range"),
        ("/api/claims", {**claim, "end": "2026-03-01T12:00:00"}, 422, "invalid"),
        ("/api/claims", {**claim, "end": "9999-12-31T23:59:59-12:00"}, 422, "bad_range"),
        ("/api/claims", {**claim, "end": (house.clock.now() + timedelta(31, 1)).isoformat()}, 422, "bad_range"),
        ("/api/claims", {**claim, "start": "1999-12-31T23:59:59Z"}, 422, "bad_range"),
        ("/api/claims", {**claim, "start": "0001-01-01T00:00:00+12:00"}, 422, "bad_range"),
    ):
        answer, problem = await ask(house, path, body)
        assert (answer, problem["code"]) == (status, code), body
    assert await logged(house) == []
    assert house.storage.vault.count(Scope(subjects=("kari",)), house.clock.now()) == 0


async def test_a_claim_reaches_from_the_year_2000_to_a_month_from_now(house: ServedHouse) -> None:
    end = (house.clock.now() + timedelta(31)).isoformat()
    claim = {"camera": "front", "subject": "kari", "start": "2000-01-01T00:00:00Z", "end": end}
    status, _ = await ask(house, "/api/claims", claim)
    assert status == 201


async def test_the_command_line_says_what_is_wrong_with_a_call(
    house: ServedHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await house.run("cameras", "tag", "ab" * 32, "--subject", "kari") == 2
    assert "there is no such picture" in capsys.readouterr().err
    claim = ["cameras", "claim", "--camera", "front", "--subject", "kari", "--from"]
    assert await house.run(*claim, "noon", "--to", "2026-03-01T12:00Z") == 2
    assert "--from is not a time" in capsys.readouterr().err
    assert await house.run(*claim, "2026-03-01T12:00Z", "--to", "2026-03-01T11:00Z") == 2
    assert "ends before it begins" in capsys.readouterr().err


async def test_pictures_are_listed_with_the_ids_that_a_tag_takes(
    house: ServedHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = house.keep()
    house.agent._watched._mirror = house.agent._watched._look()
    assert await house.run("cameras", "pictures", "--json") == 0
    [shown] = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["camera"]) == (snapshot, "front")
    assert await house.run("cameras", "pictures") == 0
    assert snapshot in capsys.readouterr().out
    assert await house.run("cameras", "tag", snapshot, "--subject", "kari", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"snapshot": snapshot, "subject": "kari"}
    now = house.clock.now()
    times = ("--from", now.isoformat(), "--to", (now + timedelta(1)).isoformat())
    assert await house.run("cameras", "claim", "--camera", "front", "--subject", "kari", *times, "--json") == 0
    assert json.loads(capsys.readouterr().out)["subject"] == "kari"
