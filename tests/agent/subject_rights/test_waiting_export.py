"""An export waits for a day, under keys of its own, and an order to erase what is in it takes it along."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.subject_rights.export_desk import PAUSE
from camera.picture import Picture
from privacy.errors import StoreBroken
from privacy.exports import PART, PARTS_A_FILE, Exports, Head, Part, files
from privacy.receipts import verify_receipt
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_folder import nothing_held
from tests.agent.subject_rights.subject_house import ANNA, KARI, OLA, SubjectHouse, jpeg, unzipped


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> None:
    told = await response.json(content_type="application/problem+json")
    assert (response.status, told["code"]) == (status, code), told


async def erase(house: SubjectHouse, **scope: Any) -> str:
    """Ordered and carried out; returns the order's id."""
    answer = await house.served.house.erase(Scope(**scope), KARI)
    house.clock.move(seconds=2)
    await house.served.agent._eraser.finish()
    return answer.order


def raw(house: SubjectHouse) -> bytes:
    """All that lies in the store's folder."""
    folder = Path(house.storage.exports._directory)
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_it_is_asked_for_made_fetched_and_dropped(house: SubjectHouse) -> None:
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status == 202
    [view] = await house.exports()
    assert (view.state, view.person, view.size) == ("making", KARI, 0)
    await problem(await house.session.get(f"/api/exports/{view.id}"), 409, "not_ready")
    another = "0198c0de-0000-7000-8000-000000000001"
    await problem(await house.session.get(f"/api/exports/{another}"), 404, "unknown_export")
    await house.make()
    [view] = await house.exports()
    assert view.state == "ready"
    async with house.session.get(f"/api/exports/{view.id}") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.content_length == view.size
        assert "index.html" in unzipped(await response.read())
    assert (await house.session.delete(f"/api/exports/{view.id}")).status == 204
    assert await house.exports() == ()
    await problem(await house.session.get(f"/api/exports/{view.id}"), 404, "unknown_export")
    await problem(await house.session.delete(f"/api/exports/{view.id}"), 404, "unknown_export")


async def test_another_person_gets_none_of_it(house: SubjectHouse) -> None:
    view, _ = await house.exported()
    house.who = OLA
    assert await house.exports() == ()
    await problem(await house.session.get(f"/api/exports/{view.id}"), 404, "unknown_export")
    await problem(await house.session.delete(f"/api/exports/{view.id}"), 404, "unknown_export")
    for body in (
        {"scope": {"subjects": [KARI]}},
        {"scope": {"subjects": [KARI, OLA]}},
        {"scope": {"everything": True}},
    ):
        code = (403, "role_may_not") if body["scope"].get("subjects") == [KARI] else (422, "one_person")
        await problem(await house.session.post("/api/exports", json=body), *code)
        await problem(await house.session.post("/api/exports/stream", json=body), *code)
    backwards = {"scope": {"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T11:00:00Z"}}
    await problem(await house.session.post("/api/exports", json=backwards), 422, "bad_range")


async def test_a_new_one_takes_the_place_of_the_last(house: SubjectHouse) -> None:
    first, _ = await house.exported()
    second, _ = await house.exported()
    assert first.id != second.id
    assert [view.id for view in await house.exports()] == [second.id]


async def test_it_lies_sealed_and_a_large_one_in_parts(house: SubjectHouse) -> None:
    large = [os.urandom(PART + 77) for _ in range(PARTS_A_FILE + 2)]

    def keep() -> None:
        for image in large:
            house.storage.vault.append("karis", house.clock.now(), Picture(image, b"t", 64, 48), frozenset({KARI}))
        house.storage.vault.flush()

    await house.disk.run(keep)
    view, data = await house.exported()
    [head] = await house.disk.run(house.storage.exports.of, KARI)
    assert (files(head), head.size) == (2, view.size)
    assert set(large) <= set(unzipped(data).values())
    lies = raw(house)
    assert len(lies) > view.size
    for word in (KARI.encode(), b"PK\x03\x04", b"index.html", large[0][:64]):
        assert word not in lies
    # Where a part is lost, nobody gets the rest for the whole.
    second = f"{head.name}/{PARTS_A_FILE // PARTS_A_FILE:06d}"
    house.storage.exports._files.file(second).path.unlink()
    with pytest.raises(aiohttp.ClientError):
        async with house.session.get(f"/api/exports/{view.id}") as response:
            await response.read()


async def test_a_day_after_it_is_gone_whatever_the_clock_on_the_wall_says(house: SubjectHouse) -> None:
    await house.exported()
    exports = house.storage.exports
    house.clock.move(hours=23, minutes=40)
    assert await house.disk.run(exports.expire, PAUSE) == 0
    house.clock.time -= timedelta(days=3)
    house.clock.ticks += 11 * 60
    assert await house.disk.run(exports.expire, PAUSE) > 0
    assert await house.disk.run(exports.of, KARI) == []
    assert raw(house) == b""


@pytest.mark.parametrize(
    ("scope", "goes"),
    [
        ({"subjects": (KARI,)}, True),
        ({"subjects": (OLA,)}, True),
        ({"cameras": ("hall",)}, True),
        ({"devices": ("lamp",)}, True),
        ({"classes": ("consent",)}, True),
        ({"subjects": (ANNA,)}, False),
        ({"cameras": ("garden",)}, False),
        ({"classes": ("sensor_history",)}, False),
        ({"cameras": ("hall",), "subjects": (ANNA,)}, False),
    ],
)
async def test_an_order_that_reaches_what_is_in_it_takes_it(
    house: SubjectHouse, scope: dict[str, Any], *, goes: bool
) -> None:
    await house.exported()
    exports, reach = house.storage.exports, house.clock.now() + timedelta(seconds=1)
    assert bool(await house.disk.run(lambda: sum(exports.scan(Scope(**scope), reach)))) is goes
    await erase(house, **scope)
    assert await house.disk.run(lambda: sum(exports.scan(Scope(**scope), reach))) == 0
    assert bool(raw(house)) is not goes
    assert bool(await house.disk.run(house.storage.exports.of, KARI)) is not goes


async def test_whoever_erases_themselves_erases_their_export_with_both_receipts(house: SubjectHouse) -> None:
    await house.exported()
    async with house.session.post("/api/erase", json={"scope": {"subjects": [KARI]}}) as response:
        assert response.status == 202
        order = (await response.json())["order"]
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status in {403, 409}  # the order stands in the journal: nothing is collected any more
    house.clock.move(seconds=2)
    await house.served.agent._eraser.finish()
    receipts = {}
    for issued in house.storage.journal.receipts():
        assert issued.order == order
        receipt = verify_receipt(issued.jws, house.storage.receipt_key.public_jwk())
        receipts[issued.kind] = {line.store: line for line in receipt.stores}
    assert receipts.keys() == {"erased", "verified"}
    assert (receipts["erased"]["exports"].found, receipts["verified"]["exports"].left) == (2, 0)
    assert raw(house) == b""
    left = [item for store in house.storage.stores for item, _ in store.export(Scope(subjects=(KARI,)))]
    assert left == []


async def test_an_order_that_comes_while_it_is_made_ends_it(house: SubjectHouse) -> None:
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status == 202
    kept = house.desk._kept

    def ordered_meanwhile(*arguments: Any) -> None:
        kept(*arguments)
        house.storage.barrier.raise_for("1", Scope(cameras=("hall",)), house.clock.now())

    house.desk._kept = ordered_meanwhile  # type: ignore[method-assign]
    await house.make()
    [view] = await house.exports()
    assert (view.state, view.failure, view.size) == ("failed", "ordered", 0)
    [head] = await house.disk.run(house.storage.exports.of, KARI)
    assert list(house.storage.exports._files.names()) == [head.name]
    await problem(await house.session.get(f"/api/exports/{view.id}"), 409, "not_ready")


async def test_an_order_that_comes_while_it_is_streamed_cuts_it_off(house: SubjectHouse) -> None:
    def keep() -> None:
        for _ in range(8):
            picture = Picture(os.urandom(300_000), b"t", 64, 48)
            house.storage.vault.append("karis", house.clock.now(), picture, frozenset({KARI}))
        house.storage.vault.flush()

    await house.disk.run(keep)
    async with house.session.post("/api/exports/stream", json={}) as response:
        assert response.status == 200
        await response.content.readexactly(1000)
        await house.disk.run(
            house.storage.barrier.raise_for, "1", Scope(subjects=(KARI,)), house.clock.now() + timedelta(days=1)
        )
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


async def test_one_that_was_dropped_while_it_was_made_stays_dropped(house: SubjectHouse) -> None:
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status == 202
    [head] = await house.disk.run(house.storage.exports.unmade)
    await house.disk.run(house.storage.exports.drop, KARI)
    await house.desk._make(head)
    assert raw(house) == b""


async def test_killed_while_it_is_made_it_leaves_nothing_to_read_and_is_made_again(house: SubjectHouse) -> None:
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status == 202
    [head] = await house.disk.run(house.storage.exports.unmade)
    await house.disk.run(house.storage.exports.add, head, 0, jpeg(10) * 900)
    assert jpeg(10) not in raw(house)
    storage = house.storage

    def started_again() -> Exports:
        return Exports(
            storage.exports._directory,
            storage.ring,
            storage.time,
            storage.exports.limit,
            barrier=storage.barrier,
            holds=nothing_held,
        )

    again = await house.disk.run(started_again)
    assert again.unmade() == [head]
    assert again._files.names() == [head.name]
    assert list(again.find(Scope(everything=True), house.clock.now() + timedelta(days=1))) == [
        Item(f"{head.name}.0", RecordClass.EXPORT, head.asked, subjects=frozenset({KARI}))
    ]


async def test_where_there_is_no_room_it_says_so_and_can_be_had_at_once(
    house: SubjectHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.session.post("/api/exports", json={}) as response:
        assert response.status == 202
    monkeypatch.setattr(house.storage.exports, "_reserve", 1 << 60)
    await house.make()
    [view] = await house.exports()
    assert (view.state, view.failure) == ("failed", "disk_short")
    async with house.session.post("/api/exports", json={}) as response:
        await problem(response, 507, "disk_short")
    assert "index.html" in unzipped(await house.streamed())
    monkeypatch.setattr(house.storage.exports, "_directory", Path("/nowhere"))
    with pytest.raises(StoreBroken):
        house.storage.exports.short_of(1)


async def test_few_are_streamed_at_a_time(house: SubjectHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.desk, "_streams", 2)
    async with house.session.post("/api/exports/stream", json={}) as response:
        await problem(response, 503, "busy")
    monkeypatch.setattr(house.desk, "_streams", 1)
    await house.streamed()
    assert house.desk._streams == 1


async def test_whom_an_order_reaches_has_none_made(house: SubjectHouse) -> None:
    later = house.clock.now() + timedelta(days=1)
    await house.disk.run(house.storage.barrier.raise_for, "1", Scope(subjects=(KARI,)), later)
    async with house.session.post("/api/exports", json={}) as response:
        await problem(response, 409, "ordered")


async def test_the_service_makes_them_by_itself(house: SubjectHouse, until: Any) -> None:
    running = asyncio.create_task(house.desk.run())
    try:
        async with house.session.post("/api/exports", json={}) as response:
            assert response.status == 202
        for _ in range(500):
            [view] = await house.exports()
            if view.state == "ready":
                break
            await asyncio.sleep(0.01)
        assert view.state == "ready"
        house.clock.move(hours=24)
        house.desk._wake.set()
        await until(lambda: not house.storage.exports._files.names())
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_one_that_goes_as_somebody_comes_for_it_is_refused(house: SubjectHouse) -> None:
    view, _ = await house.exported()
    [head] = await house.disk.run(house.storage.exports.of, KARI)
    await house.disk.run(house.storage.exports.drop, KARI)

    async def known(person: str, export: str) -> Head:
        assert (person, export) == (KARI, view.id)
        return head

    house.desk.head = known  # type: ignore[method-assign]
    await problem(await house.session.get(f"/api/exports/{view.id}"), 409, "export_stopped")


async def test_who_does_not_read_is_left(house: SubjectHouse, monkeypatch: pytest.MonkeyPatch, until: Any) -> None:
    def keep() -> None:
        for _ in range(16):
            picture = Picture(os.urandom(1_000_000), b"t", 64, 48)
            house.storage.vault.append("karis", house.clock.now(), picture, frozenset({KARI}))
        house.storage.vault.flush()

    await house.disk.run(keep)
    monkeypatch.setattr("agent.api.subject_routes.WRITE_SECONDS", 0.05)
    async with house.session.post("/api/exports/stream", json={}) as response:
        assert response.status == 200
        await until(lambda: house.desk._streams == 0)
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


async def test_it_leaves_its_store_as_bytes_and_shows_nothing_in_a_log(house: SubjectHouse) -> None:
    _, data = await house.exported()
    exports = house.storage.exports
    head, part = await house.disk.run(lambda: [payload for _, payload in exports.export(Scope(everything=True))])
    assert part == data
    assert msgspec.json.decode(head)["size"] == len(data)
    [known] = exports.of(KARI)
    exports._files.append(f"{OLA}/x", [(known.concerns, b"of a later version")])
    assert b"of a later version" in {payload for _, payload in exports.export(Scope(subjects=(OLA,)))}
    assert exports.of(OLA) == []
    exports._files.append(f"{OLA}/x", [(known.concerns, msgspec.msgpack.encode(Part(OLA, known.asked, 0, b"")))])
    assert exports.of(OLA) == []
    house.storage.barrier.raise_for("1", Scope(subjects=(KARI,)), house.clock.now() + timedelta(days=1))
    assert exports.file(known, 0) is None
    assert repr(known) == f"Head({known.id})"
    assert repr(Part(KARI, known.asked, 3, b"hush")) == "Part(3)"
