"""When snapshots go."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.expiry import LIMIT, Expired, Limits, Reason, expire, expired, keep_limits, pause
from camera.picture import Picture
from camera.snapshots import SnapshotStore
from privacy.records import Item, RecordClass, Scope
from privacy.seal import Keys
from privacy.store import Barrier, Disk

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
PICTURE = Picture(b"image", b"thumbnail", 64, 48)
SECOND = timedelta(seconds=1)


@dataclass
class StandingClock:
    """A clock that stands until it is moved."""

    wall: datetime = NOON
    ticks: float = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    keys = Keys(bytes(32))
    return SnapshotStore(tmp_path / "snapshots", keys.seal("snapshots"), keys.random_bytes, Barrier())


def item(record: str, at: datetime | None) -> Item:
    return Item(record, RecordClass.SNAPSHOT, at, camera="front")


def test_the_promise_is_a_week() -> None:
    assert timedelta(days=7) == LIMIT


def test_reasons() -> None:
    items = [item("old", NOON - LIMIT), item("young", NOON - LIMIT + SECOND), item("damaged", None)]
    assert expired(items, NOON, Limits()) == [
        Expired("old", "front", Reason.LIMIT),
        Expired("damaged", "front", Reason.UNDATED),
    ]


def test_a_site_may_shorten_the_limit() -> None:
    items = [item("old", NOON - timedelta(hours=2)), item("young", NOON - timedelta(minutes=59))]
    assert [one.id for one in expired(items, NOON, Limits(timedelta(hours=1)))] == ["old"]


def test_each_camera_has_its_own_limit_and_others_the_sites() -> None:
    limits = Limits(timedelta(days=2), {"front": timedelta(hours=1), "garden": timedelta(days=30)})
    assert limits.of("front") == timedelta(hours=1)
    assert limits.of("garden") == limits.of("removed-long-ago") == timedelta(days=2)
    assert [one.id for one in expired([item("old", NOON - timedelta(hours=2))], NOON, limits)] == ["old"]


def test_nobody_may_lengthen_it() -> None:
    assert [one.id for one in expired([item("old", NOON - LIMIT)], NOON, Limits(timedelta(days=400)))] == ["old"]


@given(
    ages=st.lists(st.timedeltas(timedelta(0), timedelta(days=30)), max_size=20),
    limit=st.timedeltas(timedelta(seconds=1), timedelta(days=30)),
)
def test_exactly_what_is_over_the_limit_goes(ages: list[timedelta], limit: timedelta) -> None:
    items = [item(str(number), NOON - age) for number, age in enumerate(ages)]
    gone = {one.id for one in expired(items, NOON, Limits(limit))}
    assert gone == {str(number) for number, age in enumerate(ages) if age >= min(limit, LIMIT)}


def test_nothing_outlives_its_limit_between_two_runs(store: SnapshotStore) -> None:
    step = pause(Limits())
    store.append("front", NOON - LIMIT + step, PICTURE)
    store.append("front", NOON - LIMIT + step + SECOND, PICTURE)
    assert [one.reason for one in expire(store, NOON, Limits())] == [Reason.LIMIT]
    assert store.count() == 1


def test_a_short_limit_is_kept_as_closely() -> None:
    assert pause(Limits(cameras={"front": timedelta(seconds=60)})) == timedelta(seconds=3)
    assert pause(Limits()) == timedelta(minutes=1)


def test_pictures_of_a_camera_that_is_gone_expire_too(store: SnapshotStore) -> None:
    store.append("removed-long-ago", NOON - timedelta(days=8), PICTURE)
    assert len(expire(store, NOON, Limits())) == 1
    assert store.scan(Scope(everything=True), NOON) == 0


async def runs(store: SnapshotStore, clock: StandingClock, moves: Sequence[tuple[datetime, float]]) -> list[int]:
    """How many went in each run, while the clock moves as `moves` say."""
    counts: list[int] = []
    steps = iter(moves)

    def on_run(due: Sequence[Expired]) -> None:
        counts.append(len(due))
        try:
            clock.wall, clock.ticks = next(steps)
        except StopIteration:
            raise asyncio.CancelledError from None

    with contextlib.closing(Disk()) as disk, contextlib.suppress(asyncio.CancelledError):
        await keep_limits(store, disk, clock, Limits(timedelta(seconds=0.2)), on_run)
    return counts


async def test_the_first_run_is_at_once_and_it_goes_on(store: SnapshotStore) -> None:
    store.append("front", NOON - timedelta(hours=1), PICTURE)
    store.append("front", NOON, PICTURE)
    assert await runs(store, StandingClock(), [(NOON, 0.0), (NOON + SECOND, 1.0)]) == [1, 0, 1]


async def test_a_clock_set_back_does_not_extend_a_life(store: SnapshotStore) -> None:
    store.append("front", NOON, PICTURE)
    assert await runs(store, StandingClock(), [(NOON - timedelta(days=365), 1.0)]) == [0, 1]
