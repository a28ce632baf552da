"""What goes by itself, and the loops that see to it. The rules are in `test_vault_retention.py`.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from camera import expiry
from camera.expiry import FLUSH_SECONDS, keep_durable, keep_limits
from camera.vault.metadata import KIND, SegmentInfo
from camera.vault.retention import LIMIT, Expired, Limits, Reason
from privacy.errors import StoreBroken
from privacy.records import Scope
from privacy.store import Disk
from privacy.timekeeping import Witness

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
HOUR = timedelta(hours=1)
UNSET = datetime(1970, 1, 1, tzinfo=UTC)


def pictures(told: Sequence[Expired]) -> dict[Reason, int]:
    counts: dict[Reason, int] = {}
    for one in told:
        counts[one.reason] = counts.get(one.reason, 0) + one.pictures
    return counts


def test_an_hour_goes_as_a_whole_when_its_first_picture_is_due(box: Any) -> None:
    box.keep_hours(2)
    box.clock.pass_by(seconds=(LIMIT - 3 * HOUR).total_seconds() - 1)
    assert box.vault.expire() == []
    box.clock.pass_by(seconds=1)
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 6}
    assert box.vault.count(Scope(end=NOON + HOUR), FUTURE) == box.scanned(end=NOON + HOUR) == 0
    assert len(box.ids()) == 6


def test_pictures_of_a_camera_that_is_gone_expire_too(box: Any) -> None:
    box.keep("removed-long-ago")
    box.clock.pass_by(days=7)
    box.reboot()
    (told,) = box.vault.expire()
    assert (told.camera, told.pictures) == ("removed-long-ago", 1)


def test_each_by_its_own_limit(make_box: Any) -> None:
    box = make_box(limits=Limits(cameras={"front": timedelta(days=1)}))
    box.keep("front")
    box.keep("garden")
    box.clock.pass_by(days=1)
    assert [one.camera for one in box.vault.expire()] == ["front"]


@pytest.mark.parametrize("part", [False, True])
def test_a_camera_that_is_removed_keeps_its_own_limit(make_box: Any, *, part: bool) -> None:
    box = make_box(limits=Limits(cameras={"front": timedelta(hours=12)}))
    box.keep()
    box.clock.pass_by(minutes=10)
    box.keep()
    other = box.keep("garden")
    if part:
        box.vault.erase(Scope(cameras=("front",), end=NOON + timedelta(minutes=5)), FUTURE)
    box.limits = Limits()
    box.restart()
    assert box.vault.spans()["front"].limit == timedelta(hours=12)
    assert box.vault.newest("front", 1)[0].limit == timedelta(hours=12)
    begun = NOON + timedelta(minutes=10 * part)
    assert box.vault.spans()["front"].due == begun + timedelta(hours=12)
    assert box.vault.standing().due == begun + timedelta(hours=12)
    assert box.vault.standing().limits == {timedelta(hours=12), LIMIT}
    assert box.vault.expire() == []
    assert box.vault.pause == timedelta(minutes=30)
    box.clock.pass_by(seconds=(begun - box.clock.wall + timedelta(hours=11.5)).total_seconds() - 1)
    assert box.vault.expire() == [], "nor much earlier"
    box.clock.pass_by(seconds=1)
    assert [one.camera for one in box.vault.expire()] == ["front"]
    assert box.ids() == {other}
    assert box.vault.pause == HOUR / 2, "what was left was left for that long alone"
    box.vault.expire()
    assert box.vault.pause == HOUR


def test_a_limit_that_was_raised_gives_nothing_a_longer_life(make_box: Any) -> None:
    box = make_box(limits=Limits(cameras={"front": timedelta(hours=12)}))
    box.keep()
    box.limits = Limits(cameras={"front": timedelta(days=5)})
    box.restart()
    young = box.keep()
    box.clock.pass_by(hours=12)
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 1}
    assert box.ids() == {young}


def test_a_limit_that_was_lowered_counts_for_what_is_there(make_box: Any) -> None:
    box = make_box(limits=Limits(cameras={"front": timedelta(days=5)}))
    box.keep()
    box.limits = Limits(cameras={"front": timedelta(hours=12)})
    box.restart()
    box.clock.pass_by(hours=12)
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 1}


def test_what_an_earlier_version_stored_has_the_promise_and_nothing_has_more(box: Any) -> None:
    shot = bytes.fromhex(box.keep()[:32])
    info = SegmentInfo.from_bytes(box.ring.entries(KIND)[shot].info)
    assert info
    whole = msgspec.to_builtins(info)
    assert len(whole) == 7
    older = msgspec.msgpack.decode(msgspec.msgpack.encode(info), type=list)[:6]
    assert SegmentInfo.from_bytes(msgspec.msgpack.encode(older)) == info
    for forged, limit in ((400.0 * 86_400, LIMIT), (float("inf"), LIMIT), (60.0, timedelta(minutes=1))):
        assert msgspec.structs.replace(info, keep=forged).limit == limit
    assert SegmentInfo.from_bytes(msgspec.structs.replace(info, keep=0.0).to_bytes()) is None


def test_what_is_held_as_a_whole_stays_and_its_short_limit_is_watched(make_box: Any) -> None:
    """A hold may end before the limit: then that must not be found out an hour late."""
    box = make_box(limits=Limits(cameras={"front": timedelta(hours=2)}))
    box.keep()
    box.hold(cameras=("front",))
    box.limits = Limits()
    box.restart()
    assert box.vault.expire() == []
    assert box.vault.pause == timedelta(minutes=5)
    box.clock.pass_by(hours=2)
    assert box.vault.expire() == []
    assert box.vault.pause == HOUR


def test_a_partly_erased_hour_expires_with_its_page(box: Any) -> None:
    box.keep_hours(1)
    box.vault.erase(Scope(end=NOON + timedelta(minutes=15)), FUTURE)
    box.clock.pass_by(days=7)
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 4}
    assert box.vault.reclaim() == 2


def test_all_that_is_due_is_one_change(box: Any) -> None:
    box.keep_hours(5)
    box.clock.pass_by(days=8)
    generation = box.ring.generation
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 30}
    assert box.ring.generation == generation + 1
    assert box.vault.expire() == []
    assert box.ring.generation == generation + 1


def test_tags_and_claims_die_with_what_they_are_about(box: Any) -> None:
    old = box.keep()
    box.vault.claim("kari", "front", NOON, NOON + HOUR)
    box.vault.tag("ola", [old])
    box.clock.pass_by(days=6)
    new = box.keep()
    box.vault.tag("ola", [old, new])
    box.clock.pass_by(days=1)
    box.vault.expire()
    assert [record.pictures for record in box.tags.scan() if hasattr(record, "pictures")] == [(bytes.fromhex(new),)]
    assert any(record.person == "kari" for record in box.tags.scan()), "its hour ends later than the picture"
    box.clock.pass_by(hours=1)
    box.vault.expire()
    assert not any(record.person == "kari" for record in box.tags.scan())


# -- holds


def test_what_is_held_outlives_its_limit_and_goes_when_the_hold_ends(box: Any) -> None:
    ids = box.keep_hours(2)
    box.vault.claim("kari", "front", NOON, NOON + HOUR)
    hold = box.hold(start=NOON + timedelta(minutes=30), end=NOON + 2 * HOUR)
    box.clock.pass_by(days=8)
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 3}
    assert box.ids() == set(ids[3:])
    assert box.scanned() == 9 + 1
    assert list(box.tags.scan()), "an order about her still has to find what is held"
    assert box.vault.expire() == []
    box.clock.wall = hold.until
    box.clock.ticks += timedelta(days=30).total_seconds()
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 9}
    assert not list(box.tags.scan())


# -- time


@pytest.mark.parametrize("wall", [NOON - timedelta(days=365 * 94), UNSET, NOON - timedelta(days=1)])
def test_a_clock_set_back_extends_no_life(box: Any, wall: datetime) -> None:
    box.keep()
    box.clock.wall = wall
    box.clock.ticks += LIMIT.total_seconds()
    assert pictures(box.vault.expire()) == {Reason.LIMIT: 1}


def test_a_clock_set_forward_takes_nothing(box: Any) -> None:
    box.keep()
    box.clock.wall += timedelta(days=365 * 20)
    assert box.vault.expire() == []


def test_a_box_that_restarts_every_day_forgets_on_time(box: Any) -> None:
    box.keep()
    for day in range(7):
        assert len(box.ids()) == 1, day
        box.clock.pass_by(hours=23, minutes=45)
        box.time.tick()
        box.reboot(known=False, wall=UNSET)
        box.vault.expire()
    assert not box.ids()


def test_what_cannot_be_shown_to_be_young_enough_goes_after_a_day_without_time(box: Any) -> None:
    old = box.keep()
    box.reboot(known=False, wall=UNSET)
    new = box.keep()
    assert box.vault.expire() == []
    for _ in range(25 * 60):
        box.clock.pass_by(minutes=1)
        box.time.tick()
    assert pictures(box.vault.expire()) == {Reason.DOUBT: 1}
    assert box.ids() == {new}
    assert old not in box.ids()


def test_an_entry_that_cannot_be_read_goes(box: Any) -> None:
    record = box.keep()
    with box.ring.change() as change:
        change.inform(bytes.fromhex(record[:32]), b"\xc1")
    stands = box.vault.standing()
    assert (stands.count, stands.due, stands.limits) == (1, None, frozenset())
    (told,) = box.vault.expire()
    assert (told.camera, told.reason) == (None, Reason.DOUBT)


# -- the loops


async def runs(box: Any, monkeypatch: pytest.MonkeyPatch, rounds: int, between: Any) -> tuple[list[int], list[float]]:
    """How many pictures went in each run, and how long the loop slept."""
    counts: list[int] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        between()
        if len(slept) == rounds:
            raise asyncio.CancelledError

    monkeypatch.setattr(expiry.asyncio, "sleep", sleep)
    with contextlib.closing(Disk()) as disk, contextlib.suppress(asyncio.CancelledError):
        await keep_limits(box.vault, disk, lambda told: counts.append(sum(one.pictures for one in told)))
    return counts, slept


async def test_the_first_run_is_at_once_and_nothing_is_late(make_box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make_box(limits=Limits(timedelta(seconds=120)))
    box.keep()
    box.clock.pass_by(seconds=120)
    box.keep()
    counts, slept = await runs(box, monkeypatch, 30, lambda: box.clock.pass_by(seconds=5))
    assert counts[0] == 1
    assert sum(counts) == 2
    assert counts.index(1, 1) * 5 <= 120
    assert set(slept) == {4.5}


async def test_a_removed_cameras_limit_sets_the_pace(make_box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make_box(limits=Limits(cameras={"front": timedelta(seconds=120)}))
    box.keep()
    box.limits = Limits()
    box.restart()
    counts, slept = await runs(box, monkeypatch, 27, lambda: box.clock.pass_by(seconds=5))
    assert counts.index(1) * 5 in {115, 120}
    assert set(slept) == {4.5, 3240.0}
    assert slept.index(3240.0) == counts.index(1) + 1, "the run that took the last has left nothing for longer"


async def test_flushed_and_reclaimed_for_ever(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep_hours(2)
    box.vault.erase(Scope(end=NOON + HOUR), FUTURE)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert box.vault._writing.unsynced == 0
        assert len(list((box.state / "vault" / "segments").iterdir())) == min(len(slept), 2)
        box.keep()
        if len(slept) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(expiry.asyncio, "sleep", sleep)
    with contextlib.closing(Disk()) as disk, contextlib.suppress(asyncio.CancelledError):
        await keep_durable(box.vault, disk)
    assert slept == [FLUSH_SECONDS] * 3
    assert FLUSH_SECONDS < 5


async def test_a_medium_that_refuses_ends_the_loop(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise StoreBroken("read-only")

    monkeypatch.setattr(box.ring, "sync", refuse)
    with contextlib.closing(Disk()) as disk, pytest.raises(StoreBroken):
        await keep_durable(box.vault, disk)


def test_the_time_becomes_known_again(box: Any) -> None:
    """A person who confirms the time makes room for no doubt: nothing more goes than must."""
    record = box.keep()
    box.reboot(known=False, wall=UNSET)
    box.clock.wall = NOON + timedelta(days=2)
    assert box.time.witness(box.clock.wall, Witness.PERSON)
    assert box.vault.expire() == []
    assert box.vault.image(record)
