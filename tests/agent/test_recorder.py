"""From an entry to its line in the spool: nothing lost, nothing twice, nothing that an erasure reached."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import recorder
from agent.changes import Changes
from agent.recorder import Recorder
from privacy import entries
from privacy.errors import RedactionRefused, StoreBroken
from privacy.operation_log import OperationLog
from privacy.records import RecordClass, Scope
from privacy.redaction.pseudonyms import DayKeys
from privacy.spool import Spool
from privacy.store import Barrier, Disk
from privacy.timekeeping import TimeKeeper

ALL = Scope(everything=True)
HOUR = timedelta(hours=1)


class Bench:
    """A recorder over a real operation log and a real spool."""

    def __init__(self, folder: Path, ground: Any, disk: Disk, clock: Any) -> None:
        self.folder, self.disk, self.clock = folder, disk, clock
        self.keys, self.ring, self.time = ground.keys, ground.ring, ground.time
        self.barrier = Barrier(clock)
        self.marked: list[str] = []
        self.changes = Changes()
        self.changes.mark = lambda *sections: self.marked.extend(sections)  # type: ignore[method-assign]
        self.start()

    def start(self, limit: timedelta = 72 * HOUR, cap: int = 1 << 20) -> None:
        self.raw = OperationLog(self.folder / "operation-log", self.ring, self.time, limit)
        self.spool = Spool(
            self.folder / "spool", self.keys, self.ring, self.time, limit, cap=cap, admits=self.barrier.admits
        )
        self.day_keys = DayKeys(self.ring, self.time, limit)
        self.recorder = self.make()

    def make(self, registry_file: Path | None = None) -> Recorder:
        return Recorder(
            registry_file=registry_file,
            day_keys=self.day_keys,
            change=self.ring.change,
            operation_log=self.raw,
            spool=self.spool,
            barrier=self.barrier,
            disk=self.disk,
            clock=self.clock,
            changes=self.changes,
        )

    def started(self, version: str = "1") -> entries.Entry:
        entry = entries.AgentStarted(at=self.clock.now(), version=version)
        self.recorder(entry)
        return entry

    def raw_versions(self) -> list[str]:
        texts = [json.loads(text) for _, text in self.raw.export(ALL)]
        return [text["fields"]["version"] for text in sorted(texts, key=lambda t: t["concerns"][0])]

    def spooled_versions(self) -> list[str]:
        return [json.loads(text)["fields"]["version"] for _, text in self.spool.export(ALL)]

    def shown(self) -> list[tuple[str, str]]:
        return [(json.loads(view.line)["fields"]["version"], view.state) for view in self.recorder.view()]

    def erase(self, scope: Scope) -> None:
        """As the eraser does: the barrier first, then every store."""
        self.barrier.raise_for("order", scope, self.clock.now())
        for store in (self.raw, self.spool):
            store.erase(scope, self.clock.now())


@pytest.fixture
def bench(tmp_path: Path, ground: Any, disk: Disk, clock: Any) -> Bench:
    return Bench(tmp_path, ground, disk, clock)


def failing_once(call: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
    """`call`, whose first time fails: before it did anything, or `after` all was done."""
    failed = False

    def tried(*args: Any) -> Any:
        nonlocal failed
        if failed:
            return call(*args)
        failed = True
        if after:
            call(*args)
        raise StoreBroken("the card is full")

    return tried


async def test_an_entry_is_sealed_redacted_spooled_and_shown(bench: Bench) -> None:
    spooled: list[bool] = []
    bench.recorder.on_spooled = lambda: spooled.append(True)
    bench.recorder(entries.DeviceFound(at=bench.clock.now(), family="homekit", name="Karis lampe", address="192.0.2.7"))
    await bench.recorder.flush()
    [(_, raw)], [(_, line)], [view] = bench.raw.export(ALL), bench.spool.export(ALL), bench.recorder.view()
    assert b"Karis lampe" in raw
    assert b"Karis" not in line
    assert b"192.0.2.7" not in line
    assert view.line.encode() == line
    assert (view.sequence, view.state) == (1, "waiting")
    assert spooled == [True]
    assert bench.marked == ["log"]


async def test_nothing_to_write_writes_nothing(bench: Bench) -> None:
    await bench.recorder.flush()
    assert bench.marked == []
    assert await bench.recorder.next_batch() is None


async def test_the_service_gathers_what_comes_together(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GATHER_SECONDS", 0.05)
    calls: list[int] = []
    append = bench.spool.append
    monkeypatch.setattr(bench.spool, "append", lambda lines: calls.append(len(lines)) or append(lines))
    running = asyncio.create_task(bench.recorder.run())
    for number in range(5):
        bench.started(str(number))
        await asyncio.sleep(0)
    await until(lambda: len(bench.recorder.view()) == 5)
    assert calls == [5]
    bench.started("5")
    await until(lambda: len(bench.recorder.view()) == 6)
    running.cancel()


@pytest.mark.parametrize("broken", ["raw", "spool"])
async def test_a_disk_that_fails_once(bench: Bench, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = getattr(bench, broken)
    bench.started("1")
    monkeypatch.setattr(store, "append", failing_once(store.append))
    with pytest.raises(StoreBroken):
        await bench.recorder.flush()
    assert bench.shown() == []
    bench.clock.move(seconds=1)
    bench.started("2")
    await bench.recorder.flush()
    assert bench.raw_versions() == bench.spooled_versions() == ["1", "2"]
    assert bench.shown() == [("2", "waiting"), ("1", "waiting")]


async def test_the_service_goes_on_after_a_failure_without_waiting_for_news(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "GATHER_SECONDS", 0)
    monkeypatch.setattr(bench.spool, "append", failing_once(bench.spool.append))
    bench.started()
    with pytest.raises(StoreBroken):
        await bench.recorder.run()
    running = asyncio.create_task(bench.recorder.run())
    await until(bench.recorder.view)
    running.cancel()
    assert bench.raw_versions() == bench.spooled_versions() == ["1"]


@pytest.mark.parametrize("broken", ["key of the day", "raw"])
async def test_a_disk_that_fails_at_midnight(bench: Bench, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Two days in one batch, and a key for each day's pseudonyms: all is written once, whichever of it fails first."""
    bench.clock.move(hours=11, minutes=59, seconds=59)
    for device in ("homekit:1", "homekit:2"):
        bench.recorder(entries.DeviceReachable(at=bench.clock.now(), device=device))
        bench.clock.move(seconds=2)
    if broken == "raw":
        monkeypatch.setattr(bench.raw, "append", failing_once(bench.raw.append))
    else:
        monkeypatch.setattr(bench.ring, "add", failing_once(bench.ring.add))
    with pytest.raises(StoreBroken):
        await bench.recorder.flush()
    await bench.recorder.flush()
    raw = [json.loads(text)["fields"]["device"] for _, text in bench.raw.export(ALL)]
    assert sorted(raw) == ["homekit:1", "homekit:2"]
    spooled = [json.loads(text)["fields"]["device"] for _, text in bench.spool.export(ALL)]
    assert len(spooled) == len(set(spooled)) == len(bench.recorder.view()) == 2
    assert len(list(bench.day_keys.moments())) == 2, "a key a day"


async def test_a_stop_in_the_middle_of_a_write_writes_nothing_twice(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is cancelled while its lines are on their way to the disk; then the last `flush` comes."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop, append = asyncio.get_running_loop(), bench.spool.append

    def slow(lines: Any) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(timeout=10)
        append(lines)

    monkeypatch.setattr(recorder, "GATHER_SECONDS", 0)
    monkeypatch.setattr(bench.spool, "append", slow)
    bench.started()
    service = asyncio.create_task(bench.recorder.run())
    await begun.wait()
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    go_on.set()
    await bench.recorder.flush()
    assert bench.raw_versions() == bench.spooled_versions() == ["1"]
    assert bench.shown() == [("1", "waiting")]


async def test_a_full_spool_on_a_full_card_takes_each_line_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are on disk when room cannot be made: told of that as a failure, we would bring them again."""
    bench.start(cap=8192)
    for number in range(200):
        bench.started(str(number))
        if number % 20 == 19:
            await bench.recorder.flush()
    lost = bench.recorder.losses()["full"]
    assert lost
    monkeypatch.setattr(bench.spool, "_write_state", failing_once(bench.spool._write_state))
    for number in range(200, 240):
        bench.started(str(number))
        await bench.recorder.flush()
    kept = bench.spooled_versions()
    assert kept == [str(number) for number in range(240 - len(kept), 240)]
    assert len(kept) + bench.recorder.losses()["full"] == 240, "what went is counted, also where that was not written"


async def test_a_full_queue_drops_the_newest_and_says_how_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "MOST_QUEUED", 3)
    for number in range(5):
        bench.started(str(number))
    assert bench.recorder.losses()["queue_full"] == 2
    await bench.recorder.flush()
    assert bench.spooled_versions() == ["0", "1", "2"]
    assert "2 entries were dropped" in caplog.text
    caplog.clear()
    bench.started("5")
    await bench.recorder.flush()
    assert "dropped" not in caplog.text, "said once"
    assert bench.recorder.losses() == {"withheld": 0, "queue_full": 2}
    assert bench.spooled_versions()[-1] == "5"


async def test_what_came_before_an_erasure_is_not_written_after_it(bench: Bench) -> None:
    at = bench.clock.now()
    for camera in ("front", "back"):
        bench.recorder(entries.PicturesExpired(at=at, camera=camera, count=1, reason="limit"))
    bench.clock.move(seconds=1)
    bench.erase(Scope(cameras=("front",)))
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=2, reason="limit"))
    await bench.recorder.flush()
    raw = [json.loads(text)["fields"] for _, text in bench.raw.export(ALL)]
    assert [(one["camera"], one["count"]) for one in raw] == [("back", 1), ("front", 2)]
    assert len(bench.recorder.view()) == bench.spool.waiting == 2


async def test_an_erasure_between_two_tries(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The raw entry is written and erased; its line, which was not written, is not written any more either."""
    bench.started()
    monkeypatch.setattr(bench.spool, "append", failing_once(bench.spool.append))
    with pytest.raises(StoreBroken):
        await bench.recorder.flush()
    bench.clock.move(seconds=1)
    bench.erase(ALL)
    await bench.recorder.flush()
    assert bench.raw_versions() == bench.spooled_versions() == bench.shown() == []


async def test_what_an_erasure_reaches_is_shown_no_more(bench: Bench) -> None:
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=1, reason="limit"))
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="back", count=1, reason="limit"))
    await bench.recorder.flush()
    bench.clock.move(seconds=1)
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=2, reason="limit"))
    await bench.recorder.flush()
    bench.marked.clear()
    bench.recorder.forget(Scope(cameras=("side",)), bench.clock.now())
    assert bench.marked == []
    bench.recorder.forget(Scope(cameras=("front",)), bench.clock.now())
    assert [view.sequence for view in bench.recorder.view()] == [3, 2]
    assert bench.marked == ["log"]


async def test_the_newest_50_newest_first(bench: Bench) -> None:
    for number in range(60):
        bench.started(str(number))
    await bench.recorder.flush()
    assert [version for version, _ in bench.shown()] == [str(number) for number in range(59, 9, -1)]
    assert [view.sequence for view in bench.recorder.view()][:2] == [60, 59]


async def test_acknowledged_lines_are_dropped_and_shown_as_uploaded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOST_IN_BATCH", 2)
    for number in range(3):
        bench.started(str(number))
    await bench.recorder.flush()
    batch = await bench.recorder.next_batch()
    assert batch
    assert await bench.recorder.next_batch() == batch, "the same until it is acknowledged"
    bench.marked.clear()
    await bench.recorder.acknowledged("another")
    assert bench.marked == []
    await bench.recorder.acknowledged(batch.id)
    assert bench.marked == ["log"]
    assert bench.shown() == [("2", "waiting"), ("1", "uploaded"), ("0", "uploaded")]
    assert bench.spool.waiting == 1
    await bench.disk.run(bench.recorder._expire, timedelta())
    assert bench.spooled_versions() == ["2"], "with the next run nobody can read the others"
    await bench.recorder.acknowledged(batch.id)
    assert bench.marked == ["log"], "a repetition is no news"


async def test_a_batch_handed_out_before_a_restart_keeps_its_id(bench: Bench) -> None:
    bench.started()
    await bench.recorder.flush()
    batch = await bench.recorder.next_batch()
    assert batch
    bench.start()
    await bench.recorder.acknowledged(batch.id)
    assert await bench.recorder.next_batch() is None


@pytest.mark.parametrize("limit", [72 * HOUR, timedelta(seconds=2)])
async def test_nothing_outlives_its_limit(bench: Bench, limit: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each run goes what falls due before the next one, however short the limit is."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.Event().wait()

    bench.start(limit)
    bench.started("old")
    await bench.recorder.flush()
    bench.clock.move(seconds=limit.total_seconds() * 0.9)
    bench.started("young")
    await bench.recorder.flush()
    bench.clock.move(seconds=limit.total_seconds() * 0.099)
    monkeypatch.setattr(recorder.asyncio, "sleep", sleep)
    running = asyncio.create_task(bench.recorder.keep_limit())
    while not pauses:
        await asyncio.wait([running], timeout=0.01)
    running.cancel()
    assert timedelta(seconds=pauses[0]) <= min(HOUR, limit / 20)
    assert bench.raw_versions() == bench.spooled_versions() == ["young"]
    assert [version for version, _ in bench.shown()] == ["young"], "nor does the page show it longer"
    assert bench.recorder.losses()["expired"] == 1


async def test_a_clock_set_back_extends_no_life(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monotonic, pauses = 0.0, 0
    monkeypatch.setattr(bench.clock, "monotonic", lambda: monotonic)
    bench.started()
    await bench.recorder.flush()

    async def sleep(seconds: float) -> None:
        nonlocal monotonic, pauses
        pauses += 1
        if pauses == 2:
            await asyncio.Event().wait()
        monotonic += 73 * 3600
        bench.clock.move(days=-365)

    monkeypatch.setattr(recorder.asyncio, "sleep", sleep)
    running = asyncio.create_task(bench.recorder.keep_limit())
    while pauses < 2:
        await asyncio.wait([running], timeout=0.01)
    running.cancel()
    assert bench.raw_versions() == bench.spooled_versions() == []


def test_a_registry_that_cannot_be_used_is_an_error(bench: Bench, tmp_path: Path) -> None:
    """Without it the household's own values would not be known, and would leave."""
    with pytest.raises(RedactionRefused):
        bench.make(tmp_path / "missing.json")
    (tmp_path / "registry.json").write_text('{"persons": []}')
    with pytest.raises(RedactionRefused):
        bench.make(tmp_path / "registry.json")


async def test_the_registry_is_used(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text('{"people": [{"first": "Solveig", "last": "Haugen"}]}')
    bench.recorder = bench.make(tmp_path / "registry.json")
    bench.recorder(entries.LinkDown(at=bench.clock.now(), reason="cannot reach the box of Solveig Haugen"))
    await bench.recorder.flush()
    assert "Haugen" not in bench.recorder.view()[0].line


async def test_what_redaction_fails_on_is_withheld_and_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_entry: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(bench.recorder._redactor, "_entry", fail)
    bench.started("secret")
    await bench.recorder.flush()
    [view] = bench.recorder.view()
    assert "secret" not in view.line
    assert bench.recorder.losses()["withheld"] == 1
    assert [item.record_class for item in bench.raw.find(ALL, bench.clock.now() + HOUR)] == [RecordClass.OP_LOG]


async def test_what_an_order_reaches_is_neither_shown_nor_handed_out_while_the_erasure_waits(bench: Bench) -> None:
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=1, reason="limit"))
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="back", count=1, reason="limit"))
    await bench.recorder.flush()
    bench.clock.move(seconds=1)
    bench.barrier.raise_for("order", Scope(cameras=("front",)), bench.clock.now())
    bench.recorder(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=2, reason="limit"))
    await bench.recorder.flush()
    assert [view.sequence for view in bench.recorder.view()] == [3, 2]
    batch = await bench.recorder.next_batch()
    assert batch
    assert len(batch.lines) == 2
    await bench.recorder.acknowledged(batch.id)
    assert bench.recorder.losses() == {"withheld": 0, "queue_full": 0}


async def test_what_a_clock_in_doubt_dated_is_shown_until_an_order_or_the_limit_comes(bench: Bench, clock: Any) -> None:
    right = clock.now()
    bench.time = TimeKeeper(clock, clock.boot_id(), clock.synchronised, lambda: None, lambda _note: None)
    bench.start()
    clock.time += timedelta(days=365)
    bench.started("1")
    await bench.recorder.flush()
    clock.time = right
    clock.move(hours=71)
    bench.started("2")
    await bench.recorder.flush()
    bench.recorder._forget_old(72 * HOUR)
    assert [version for version, _ in bench.shown()] == ["2", "1"]
    clock.move(hours=1)
    bench.marked.clear()
    bench.recorder._forget_old(72 * HOUR)
    assert [version for version, _ in bench.shown()] == ["2"]
    assert bench.marked == ["log"]
    bench.recorder.forget(Scope(end=right - HOUR), right)
    assert bench.shown() == []
