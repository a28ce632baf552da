import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from privacy.clock import Clock
from privacy.entries import CommandDone, Entry, ForeignLine, PictureStored
from privacy.keyring import KeyRing
from privacy.operation_log import OperationLog
from privacy.records import RecordClass, Scope
from privacy.timekeeping import TimeKeeper

ALL = Scope(everything=True)
LIMIT = timedelta(hours=72)
HOUR = timedelta(hours=1)


@pytest.fixture
def reopened(tmp_path: Path, open_ring: Callable[[], KeyRing], keeper: TimeKeeper) -> Callable[..., OperationLog]:
    return lambda limit=LIMIT: OperationLog(tmp_path / "log", open_ring(), keeper, limit)


@pytest.fixture
def log(reopened: Callable[..., OperationLog]) -> OperationLog:
    return reopened()


def picture(at: datetime, camera: str = "front") -> Entry:
    return PictureStored(at, camera, 40_000, 12.5)


def texts(log: OperationLog, scope: Scope = ALL) -> list[str]:
    return [payload.decode() for _, payload in log.export(scope)]


def test_what_was_written_is_there_after_a_restart(
    log: OperationLog, reopened: Callable[..., OperationLog], clock: Clock
) -> None:
    log.append([])
    log.append([ForeignLine(clock.now(), "opencv", "Kari's raw text"), picture(clock.now())])
    again = reopened()
    assert "Kari's raw text" in texts(again)[0]
    assert json.loads(texts(again)[1])["event"] == "picture_stored"
    assert list(again.oldest()) == [(RecordClass.OP_LOG, 2, clock.now())]


def test_nothing_readable_is_on_the_disk(tmp_path: Path, log: OperationLog, clock: Clock) -> None:
    log.append([ForeignLine(clock.now(), "opencv", "Kari's raw text")])
    for path in (tmp_path / "log").iterdir():
        assert b"Kari" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_torn_tail_costs_the_torn_entry_alone(
    tmp_path: Path, log: OperationLog, reopened: Callable[..., OperationLog], clock: Clock
) -> None:
    log.append([picture(clock.now(), "front")])
    log.append([picture(clock.now(), "back")])
    (path,) = (tmp_path / "log").glob("*.log")
    path.write_bytes(path.read_bytes()[:-5])
    again = reopened()
    again.append([picture(clock.now(), "side")])
    assert [item.camera for item in again.find(ALL, clock.now() + timedelta(1))] == ["front", "side"]


def test_entries_go_at_the_limit_and_at_most_an_hour_before(tmp_path: Path, log: OperationLog, clock: Any) -> None:
    for _ in range(4 * 96):
        log.append([picture(clock.now())])
        clock.move(minutes=15)
        log.expire(timedelta(minutes=15))
        ((_, _, oldest),) = log.oldest()
        assert clock.now() - oldest < LIMIT
    ((_, count, oldest),) = log.oldest()
    assert clock.now() - oldest >= LIMIT - HOUR
    assert 4 * 71 <= count <= 4 * 72
    assert len(list((tmp_path / "log").glob("*.log"))) <= 72
    clock.move(hours=72)
    assert log.expire(timedelta(0)) == count
    assert list((tmp_path / "log").iterdir()) == []
    assert list(log.oldest()) == [(RecordClass.OP_LOG, 0, None)]


def test_a_clock_that_is_set_back_extends_no_life(
    log: OperationLog, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([picture(clock.now())])
    clock.move(hours=72)
    monkeypatch.setattr(clock, "now", lambda: clock.time - timedelta(days=30))
    assert log.expire(timedelta(0)) == 1


def test_a_shorter_limit_is_kept(reopened: Callable[..., OperationLog], clock: Any) -> None:
    log = reopened(timedelta(minutes=2))
    log.append([picture(clock.now())])
    clock.move(seconds=110)
    log.append([picture(clock.now())])
    assert log.expire(timedelta(seconds=9)) == 0
    assert log.expire(timedelta(seconds=10)) == 1, "what falls due before the next run goes in this one"
    clock.move(seconds=119)
    assert log.expire(timedelta(0)) == 0
    clock.move(seconds=1)
    assert log.expire(timedelta(0)) == 1


def test_what_waited_for_the_medium_is_not_kept_longer(log: OperationLog, clock: Any) -> None:
    waiting = [picture(clock.now()), picture(clock.now() + HOUR)]
    clock.move(hours=24)
    log.append([picture(clock.now())])
    log.append(waiting)
    clock.move(hours=48)
    assert log.expire(timedelta(0)) == 2


def test_the_moments_of_its_files(log: OperationLog, clock: Any, keeper: TimeKeeper) -> None:
    log.append([picture(clock.now())])
    assert list(log.moments()) == [keeper.moment()]
    log.redate(keeper.redated)
    clock.move(hours=1)
    log.append([picture(clock.now())])
    assert [keeper.age(moment).at_least for moment in log.moments()] == [HOUR, timedelta(0)]


def test_an_erasure_reaches_cameras_devices_and_people(tmp_path: Path, log: OperationLog, clock: Clock) -> None:
    now = clock.now()
    log.append([picture(now), picture(now, "back"), CommandDone(now, "lamp-1", "OnOff.OnOff", "done", "person-7", 3.5)])
    later = now + timedelta(seconds=1)
    for scope in (Scope(cameras=("front",)), Scope(subjects=("person-7",))):
        assert sum(log.scan(scope, later)) == log.count(scope, later) == 1
        assert log.erase(scope, later).erased == 1
        assert sum(log.scan(scope, later)) == log.count(scope, later) == 0
        assert log.erase(scope, later).found == 0
    assert [item.camera for item in log.find(ALL, later)] == ["back"]
    assert log.erase(ALL, later).left == 0
    assert list((tmp_path / "log").iterdir()) == []


def test_what_came_after_the_reach_of_an_order_stays(log: OperationLog, clock: Clock) -> None:
    now = clock.now()
    log.append([picture(now), picture(now + timedelta(seconds=1))])
    assert log.erase(ALL, now + timedelta(seconds=1)).erased == 1
    assert list(log.oldest()) == [(RecordClass.OP_LOG, 1, now + timedelta(seconds=1))]


def test_an_entry_of_a_later_version_is_exported_as_it_lies_there(log: OperationLog, clock: Any) -> None:
    log.append([picture(clock.now())])
    log._files.append("0000000001", [(None, b"of a later version")])  # type: ignore[list-item]
    assert texts(log)[1:] == ["of a later version"]
    assert [item.at for item in log.find(ALL, clock.now() + HOUR)] == [clock.now(), None]


def test_what_is_said_of_an_entry_before_it_is_stored_is_what_is_found(log: OperationLog, clock: Clock) -> None:
    entry = CommandDone(clock.now(), "lamp-1", "OnOff.OnOff", "done", "person-7", 3.5)
    said = log.item(entry)
    log.append([entry])
    (stored,) = log.find(ALL, clock.now() + HOUR)
    assert said == replace(stored, id="")


def test_while_the_time_is_not_known_an_entry_is_undated(tmp_path: Path, ring: KeyRing, clock: Clock) -> None:
    unknown = TimeKeeper(clock, bytes(16), lambda: False, lambda: None, lambda _note: None)
    log = OperationLog(tmp_path / "log", ring, unknown, LIMIT)
    entry = picture(clock.now())
    log.append([entry])
    (stored,) = log.find(ALL, clock.now())
    assert log.item(entry).at is stored.at is None
