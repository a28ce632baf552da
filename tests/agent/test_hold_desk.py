"""Holds as people place and release them, over a real book of holds."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agent.hold_desk
from agent.api.contract import HoldBody
from agent.changes import Changes
from agent.errors import Refused
from agent.hold_desk import HoldDesk
from privacy import entries
from privacy.errors import StoreBroken
from privacy.hold import LONGEST, Reason, Role
from privacy.holds import Holds
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper

DAY = timedelta(days=1)
FRONT = Scope(cameras=("front",))
DISPUTE = HoldBody(scope=FRONT, reason=Reason.DISPUTE)


class Bench:
    """A desk; `start` again is a restart."""

    def __init__(self, folder: Path, ring: KeyRing, time: TimeKeeper, disk: Disk, clock: Any) -> None:
        self.folder, self.ring, self.time, self.disk, self.clock = folder, ring, time, disk, clock
        self.barrier = Barrier(clock)
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        self.looked = self.ended = 0
        self.start()

    def start(self) -> None:
        changes = Changes()
        changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        self.holds = Holds(self.folder / "holds", self.ring, self.barrier, self.time, os.urandom)
        self.desk = HoldDesk(
            holds=self.holds,
            limit=180 * DAY,
            disk=self.disk,
            clock=self.clock,
            changes=changes,
            record=self.recorded.append,
            look_again=self.look,
            on_end=self.end,
            role_of={"rune": Role.RESIDENT}.get,
        )

    def look(self) -> None:
        self.looked += 1

    def end(self) -> None:
        self.ended += 1

    def keeps(self, camera: str) -> bool:
        return self.desk.keeps(Item("", RecordClass.SNAPSHOT, self.clock.now(), camera=camera))


@pytest.fixture
def bench(tmp_path: Path, ring: KeyRing, keeper: TimeKeeper, disk: Disk, clock: Any) -> Bench:
    return Bench(tmp_path, ring, keeper, disk, clock)


async def test_a_hold_is_placed_logged_and_shown(bench: Bench) -> None:
    now = bench.clock.now()
    view = await bench.desk.place(DISPUTE, "kari")
    assert (view.reason, view.scope, view.by, view.made, view.until) == ("dispute", FRONT, "kari", now, now + LONGEST)
    assert view.ended is None
    assert bench.desk.view() == await bench.desk.history() == (view,)
    assert bench.recorded == [entries.HoldPlaced(at=now, hold=view.id, reason="dispute", actor="kari")]
    assert (set(bench.marked), bench.looked, bench.ended) == ({"holds", "log"}, 1, 0)
    assert (bench.keeps("front"), bench.keeps("back")) == (True, False)


async def test_a_hold_is_placed_by_who_placed_it_as_what_they_are(bench: Bench) -> None:
    for person in ("rune", "local-owner"):
        await bench.desk.place(DISPUTE, person)
    assert [(hold.by.id, hold.by.role) for hold in bench.holds.active()] == [
        ("rune", Role.RESIDENT),
        ("local-owner", Role.OWNER),
    ]


async def test_a_hold_survives_a_restart(bench: Bench) -> None:
    view = await bench.desk.place(DISPUTE, "kari")
    bench.start()
    assert bench.desk.view() == (view,)
    assert bench.keeps("front")


async def test_released_it_ends_at_once_and_who_waits_is_woken(bench: Bench) -> None:
    view = await bench.desk.place(DISPUTE, "kari")
    bench.clock.move(days=1)
    released = await bench.desk.release(view.id, "ola")
    assert released.ended == bench.clock.now()
    assert (bench.desk.view(), await bench.desk.history()) == ((), (released,))
    assert bench.recorded[1:] == [entries.HoldReleased(at=bench.clock.now(), hold=view.id, actor="ola")]
    assert (bench.looked, bench.ended, bench.keeps("front")) == (2, 1, False)


async def test_come_to_its_date_it_ends_by_itself(bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.hold_desk, "LOOK_SECONDS", 0.01)
    short = await bench.desk.place(HoldBody(scope=FRONT, reason=Reason.DISPUTE, until=bench.clock.now() + DAY), "kari")
    bench.clock.move(seconds=1)
    long = await bench.desk.place(HoldBody(scope=Scope(cameras=("back",)), reason=Reason.POLICE_REPORT), "kari")
    running = asyncio.create_task(bench.desk.run())
    await asyncio.sleep(0.05)
    assert (len(bench.recorded), bench.ended) == (2, 0), "nothing is due"
    bench.clock.move(days=1)
    await until(lambda: bench.ended)
    running.cancel()
    assert bench.recorded[2:] == [entries.HoldEnded(at=bench.clock.now(), hold=short.id)]
    assert bench.desk.view() == (long,)
    ended, _ = await bench.desk.history()
    assert (ended.id, ended.ended) == (short.id, short.until)
    assert (bench.keeps("front"), bench.keeps("back"), bench.looked) == (False, True, 3)


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (HoldBody(scope=Scope(), reason=Reason.DISPUTE), "empty_scope"),
        (HoldBody(scope=FRONT, reason=Reason.PERSONS_REQUEST), "nobody_named"),
        (
            HoldBody(scope=Scope(start=datetime(2026, 2, 1, tzinfo=UTC), end=BEGIN), reason=Reason.DISPUTE),
            "bad_range",
        ),
        (HoldBody(scope=Scope(start=BEGIN, end=BEGIN), reason=Reason.DISPUTE), "bad_range"),
    ],
)
async def test_what_cannot_be_held_is_refused_with_its_code(bench: Bench, body: HoldBody, code: str) -> None:
    await refused(bench, body, code)


@pytest.mark.parametrize("days", [0, -1, 31])
async def test_an_end_that_cannot_be(bench: Bench, days: int) -> None:
    body = HoldBody(scope=FRONT, reason=Reason.DISPUTE, until=bench.clock.now() + days * DAY)
    await refused(bench, body, "bad_end")


async def test_what_an_order_is_erasing_cannot_be_held(bench: Bench) -> None:
    bench.barrier.raise_for("order", FRONT, bench.clock.now() + DAY)
    await refused(bench, DISPUTE, "ordered")


async def refused(bench: Bench, body: HoldBody, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        await bench.desk.place(body, "kari")
    assert refusal.value.code == code
    assert refusal.value.args[0]
    assert refusal.value.hint
    assert (bench.desk.view(), bench.recorded, bench.looked) == ((), [], 0)


async def test_only_what_lasts_can_be_released(bench: Bench) -> None:
    view = await bench.desk.place(DISPUTE, "kari")
    await bench.desk.release(view.id, "kari")
    for hold, code in ((view.id, "ended"), ("nobody", "unknown_hold")):
        with pytest.raises(Refused) as refusal:
            await bench.desk.release(hold, "kari")
        assert refusal.value.code == code
        assert refusal.value.hint
    assert (len(bench.recorded), bench.ended) == (2, 1)


async def test_a_medium_that_refuses_places_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StoreBroken("the card is full")

    with monkeypatch.context() as patched:
        patched.setattr(bench.holds, "_write", refuse)
        with pytest.raises(StoreBroken):
            await bench.desk.place(DISPUTE, "kari")
    assert (bench.desk.view(), bench.recorded) == ((), [])
    assert not bench.keeps("front")


async def test_dated_anew_it_is_shown_with_its_new_end(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the time becomes known, the book is told by others than the desk."""
    monkeypatch.setattr(agent.hold_desk, "LOOK_SECONDS", 0.01)
    placed = await bench.desk.place(DISPUTE, "page")
    running = asyncio.create_task(bench.desk.run())
    await asyncio.sleep(0.05)
    assert bench.looked == 1, "nothing is new"
    known = bench.time.moment().later(DAY)
    await bench.disk.run(bench.holds.redate, lambda _moment: known)
    await until(lambda: bench.looked == 2)
    running.cancel()
    [shown] = bench.desk.view()
    assert (shown.id, shown.made, shown.until) == (placed.id, placed.made + DAY, placed.until + DAY)
    assert bench.ended == 0


async def test_without_a_limit_it_is_remembered_for_ever(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.hold_desk, "LOOK_SECONDS", 0.01)
    bench.desk._limit = None
    await bench.desk.place(DISPUTE, "page")
    bench.clock.move(days=4000)
    running = asyncio.create_task(bench.desk.run())
    await until(lambda: bench.ended)
    await asyncio.sleep(0.05)
    running.cancel()
    assert len(bench.holds.history()) == 1


async def test_what_was_held_is_remembered_for_six_months(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.hold_desk, "LOOK_SECONDS", 0.01)
    hold = await bench.desk.place(DISPUTE, "page")
    await bench.desk.release(hold.id, "page")
    running = asyncio.create_task(bench.desk.run())
    bench.clock.move(days=179)
    await asyncio.sleep(0.05)
    assert [one.id for one in await bench.desk.history()] == [hold.id]
    bench.clock.move(days=1)
    await until(lambda: not bench.holds.history())
    running.cancel()
