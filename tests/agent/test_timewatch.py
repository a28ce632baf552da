"""What time it is, for the page: known, not known, confirmed, signed; over a real time keeper."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import agent.timewatch
from agent.api.contract import TimeBody
from agent.changes import Changes
from agent.errors import Refused
from agent.timewatch import BelievedClock, CertainClock, OrderClock, TimeWatch
from privacy import entries
from privacy.errors import StoreBroken
from privacy.store import Disk
from privacy.timekeeping import TimeKeeper, Witness

YEAR = timedelta(days=365)


class Bench:
    """A watch over a keeper whose note is in memory; `boot` again is a boot."""

    def __init__(self, disk: Disk, clock: Any) -> None:
        self.disk, self.clock = disk, clock
        self.note: bytes | None = None
        self.full = self.undatable = False
        self.recorded: list[entries.Entry] = []
        self.marked: list[str] = []
        self.looked = self.known = 0
        self.hidden = 7
        self.boot()

    def boot(self) -> None:
        changes = Changes()
        changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        clock = self.clock
        self.time = TimeKeeper(clock, clock.boot_id(), clock.synchronised, lambda: self.note, self.save)
        self.watch = TimeWatch(
            time=self.time,
            disk=self.disk,
            clock=clock,
            changes=changes,
            record=self.recorded.append,
            on_known=self.became_known,
            hidden=lambda: self.hidden,
            look_again=self.look,
        )

    def save(self, note: bytes) -> None:
        if self.full:
            raise StoreBroken("the card is full")
        self.note = note

    def became_known(self) -> None:
        if self.undatable:
            raise StoreBroken("the card is full")
        self.known += 1

    def look(self) -> None:
        self.looked += 1

    def later(self, **off: float) -> None:
        """The time was known; the box was off for a while, and is on again."""
        assert self.time.witness(self.clock.now(), Witness.PERSON)
        self.clock.reboot(**off)
        self.boot()


@pytest.fixture
def bench(disk: Disk, clock: Any) -> Bench:
    return Bench(disk, clock)


async def test_unknown_it_says_why_and_how_much_is_hidden(bench: Bench) -> None:
    bench.later(days=2)
    view = bench.watch.view()
    assert (view.known, view.hidden) == (False, 7)
    assert "confirm the time" in view.reason


async def test_a_person_confirms_what_the_clock_says(bench: Bench) -> None:
    bench.later(days=2)
    now = bench.clock.now()
    view = await bench.watch.confirm(TimeBody(at=now))
    assert (view.now, view.known, view.hidden, view.reason) == (now, True, 0, "")
    assert bench.recorded == [entries.TimeKnown(at=now, by="person")]
    assert (bench.known, bench.looked, bench.marked) == (1, 1, ["time"])


@pytest.mark.parametrize(
    ("ahead", "why"),
    [
        (timedelta(hours=1), "the gateway's clock says 2026-03-03 12:00 UTC"),
        (timedelta(days=-20), "set the gateway's clock right first"),
        (40 * YEAR, "cannot be"),
        (-20 * YEAR, "cannot be"),
        (timedelta(days=40), "connect the gateway to the internet"),
    ],
)
async def test_a_word_that_is_not_believed(bench: Bench, ahead: timedelta, why: str) -> None:
    bench.later(days=2)
    with pytest.raises(Refused, match=why) as refused:
        await bench.watch.confirm(TimeBody(at=bench.clock.now() + ahead))
    assert refused.value.code == "not_believed"
    assert not bench.watch.view().known
    assert (bench.recorded, bench.marked, bench.known, bench.looked) == ([], [], 0, 0)


async def test_a_confirmation_that_cannot_be_noted(bench: Bench) -> None:
    bench.later(days=2)
    bench.full = True
    with pytest.raises(StoreBroken):
        await bench.watch.confirm(TimeBody(at=bench.clock.now()))
    assert bench.recorded == []


async def test_the_network_makes_it_known_where_it_can_be_believed(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of a minute: the network agrees with the time powered on. Told once."""
    monkeypatch.setattr(agent.timewatch, "TICK", timedelta(seconds=0.01))
    bench.later(minutes=1)
    running = asyncio.create_task(bench.watch.run())
    await asyncio.sleep(0.05)
    assert not bench.watch.view().known
    bench.clock.network = True
    await until(lambda: bench.recorded)
    await asyncio.sleep(0.05)
    running.cancel()
    assert bench.recorded == [entries.TimeKnown(at=bench.clock.now(), by="network")]
    assert (bench.known, bench.looked, bench.watch.view().known) == (1, 1, True)


async def test_a_tick_that_cannot_be_noted_is_tried_again(bench: Bench) -> None:
    bench.full = True
    with pytest.raises(StoreBroken):
        await bench.watch.run()
    bench.full = False
    running = asyncio.create_task(bench.watch.run())
    while bench.note is None:
        await asyncio.sleep(0.01)
    running.cancel()


@pytest.mark.parametrize("fault", ["full", "undatable"])
async def test_what_failed_when_the_time_became_known_is_done_by_a_later_tick(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Or what this boot stored before would never be dated."""
    monkeypatch.setattr(agent.timewatch, "TICK", timedelta(seconds=0.01))
    bench.later(minutes=1)
    bench.time.tick()
    bench.clock.network = True
    bench.clock.move(minutes=10)  # so that a note is due
    setattr(bench, fault, True)
    for _ in range(2):
        with pytest.raises(StoreBroken):
            await asyncio.wait_for(bench.watch.run(), 5)
    assert (bench.time.known, bench.known, bench.recorded, bench.looked) == (True, 0, [], 0)
    setattr(bench, fault, False)
    running = asyncio.create_task(bench.watch.run())
    await until(lambda: bench.recorded)
    await asyncio.sleep(0.05)
    running.cancel()
    assert bench.recorded == [entries.TimeKnown(at=bench.clock.now(), by="network")]
    assert (bench.known, bench.looked) == (1, 1), "once"


@pytest.mark.parametrize("fault", ["full", "undatable"])
@pytest.mark.parametrize("by", [Witness.PERSON, Witness.CLOUD])
async def test_what_failed_when_somebody_said_it_is_done_by_a_later_tick(
    bench: Bench, until: Any, by: Witness, fault: str
) -> None:
    bench.later(days=14)
    bench.clock.network = True
    bench.time.tick()
    setattr(bench, fault, True)
    now = bench.clock.now()
    said = bench.watch.confirm(TimeBody(at=now)) if by is Witness.PERSON else bench.watch.signed(now)
    with pytest.raises(StoreBroken):
        await said
    assert (bench.time.known, bench.known, bench.recorded) == (True, 0, [])
    setattr(bench, fault, False)
    running = asyncio.create_task(bench.watch.run())
    await until(lambda: bench.recorded)
    running.cancel()
    assert bench.recorded == [entries.TimeKnown(at=bench.clock.now(), by=by)]
    assert (bench.known, bench.looked, bench.marked) == (1, 1, ["time"])


async def test_what_an_earlier_process_may_not_have_dated_is_dated_after_a_restart(bench: Bench, until: Any) -> None:
    """In the same boot, which knows the time: nobody is told again."""
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    bench.boot()
    running = asyncio.create_task(bench.watch.run())
    await until(lambda: bench.known)
    running.cancel()
    assert (bench.known, bench.recorded, bench.looked) == (1, [], 0)


async def test_a_signature_beside_the_network_makes_it_known(bench: Bench) -> None:
    """Switched off for a fortnight: neither alone is believed, both are."""
    bench.later(days=14)
    bench.clock.network = True
    assert not bench.time.tick()
    await bench.watch.signed(bench.clock.now() - timedelta(minutes=1))
    assert bench.watch.view().known
    assert bench.recorded == [entries.TimeKnown(at=bench.clock.now(), by="cloud")]
    assert (bench.known, bench.looked) == (1, 1)
    await bench.watch.signed(bench.clock.now())
    assert (bench.known, bench.looked, len(bench.recorded)) == (1, 1, 1), "no news"


async def test_a_signature_alone_does_not_say_what_time_it_is(bench: Bench) -> None:
    bench.later(days=14)
    await bench.watch.signed(bench.clock.now())
    assert not bench.watch.view().known
    assert (bench.recorded, bench.known, bench.looked) == ([], 0, 0)
    assert bench.time.now() >= bench.clock.now(), "but it is not earlier"


async def test_an_old_signature_says_nothing(bench: Bench) -> None:
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    await bench.watch.signed(bench.clock.now() - YEAR)
    assert bench.watch.view().known
    assert (bench.recorded, bench.looked) == ([], 0)


async def test_a_signature_of_what_was_to_come_takes_known_time_back(bench: Bench) -> None:
    """What was believed is wrong; how far, nobody knows. What earlier boots stored is hidden again."""
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    await bench.watch.signed(bench.clock.now() + timedelta(days=2))
    assert not bench.watch.view().known
    assert (bench.looked, bench.marked, bench.known, bench.recorded) == (1, ["time"], 0, [])


def test_the_agent_goes_by_what_is_believed(bench: Bench) -> None:
    believed = BelievedClock(bench.time, bench.clock)
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    true = bench.clock.now()
    bench.clock.time -= YEAR
    assert (believed.now(), believed.monotonic()) == (true, bench.clock.ticks)


@pytest.mark.parametrize("wall", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2093, 1, 1, tzinfo=UTC)])
def test_what_ends_goes_by_what_has_passed_for_certain(bench: Bench, wall: datetime) -> None:
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    known = bench.clock.now()
    bench.later(hours=1)
    bench.clock.time = wall
    certain, believed = (kind(bench.time, bench.clock) for kind in (CertainClock, BelievedClock))
    assert not bench.time.known
    assert abs(certain.now() - known) < timedelta(hours=1), "what was noted last is up to half an hour behind"
    assert believed.now() == wall, "which is why nothing goes by it that ends"
    assert certain.monotonic() == bench.clock.ticks


@pytest.mark.parametrize("wall", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)])
def test_an_order_in_unknown_time_comes_after_all_that_is_stored(bench: Bench, wall: datetime) -> None:
    """The floor is up to half an hour behind; and the wall clock may be anywhere."""
    newest = bench.clock.now()
    bench.later(hours=1)
    bench.clock.time = wall
    orders = OrderClock(bench.time, bench.clock, newest)
    assert not bench.time.known
    assert bench.time.now() < newest < orders.now()
    before = orders.now()
    bench.clock.move(hours=1)
    assert orders.now() == before + timedelta(hours=1)
    assert OrderClock(bench.time, bench.clock, None).now() == bench.time.now()


def test_an_order_in_known_time_reaches_nothing_that_is_to_come(bench: Bench) -> None:
    assert bench.time.witness(bench.clock.now(), Witness.PERSON)
    assert OrderClock(bench.time, bench.clock, bench.clock.now() + YEAR).now() == bench.clock.now()
