import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from privacy.clock import Clock
from privacy.entries import CommandDone, Entry, ForeignLine, PictureStored
from privacy.errors import StoreBroken
from privacy.operation_log import OperationLog
from privacy.records import RecordClass, Scope
from privacy.seal import Keys

ALL = Scope(everything=True)
LIMIT = timedelta(hours=72)


@pytest.fixture
def log(tmp_path: Path, keys: Keys) -> OperationLog:
    return OperationLog(tmp_path / "log", keys, LIMIT)


def picture(at: datetime, camera: str = "front") -> Entry:
    return PictureStored(at, camera, 40_000, 12.5)


def texts(log: OperationLog, scope: Scope = ALL) -> list[str]:
    return [payload.decode() for _, payload in log.export(scope)]


def test_what_was_written_is_there_after_a_restart(tmp_path: Path, keys: Keys, log: OperationLog, clock: Clock) -> None:
    log.append([ForeignLine(clock.now(), "opencv", "Kari's raw text"), picture(clock.now())])
    again = OperationLog(tmp_path / "log", keys, LIMIT)
    assert "Kari's raw text" in texts(again)[0]
    assert json.loads(texts(again)[1])["event"] == "picture_stored"
    assert list(again.oldest()) == [(RecordClass.OP_LOG, 2, clock.now())]


def test_nothing_readable_is_on_the_disk(tmp_path: Path, log: OperationLog, clock: Clock) -> None:
    log.append([ForeignLine(clock.now(), "opencv", "Kari's raw text")])
    for path in (tmp_path / "log").iterdir():
        assert b"Kari" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_torn_tail_costs_the_torn_entry_alone(tmp_path: Path, keys: Keys, log: OperationLog, clock: Clock) -> None:
    log.append([picture(clock.now(), "front")])
    log.append([picture(clock.now(), "back")])
    (path,) = (tmp_path / "log").glob("*.log")
    path.write_bytes(path.read_bytes()[:-5])
    again = OperationLog(tmp_path / "log", keys, LIMIT)
    again.append([picture(clock.now(), "side")])
    assert [item.camera for item in again.find(ALL, clock.now() + timedelta(1))] == ["front", "side"]


def test_entries_go_at_the_limit_and_not_before(tmp_path: Path, log: OperationLog) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    log.append([picture(noon - timedelta(hours=hours)) for hours in range(96)])
    assert log.expire(noon) == 24
    (_, count, oldest) = next(iter(log.oldest()))
    assert (count, oldest) == (72, noon - timedelta(hours=71))
    assert len(list((tmp_path / "log").glob("*.log"))) == 4
    assert log.expire(noon + timedelta(hours=72)) == 72
    assert list((tmp_path / "log").iterdir()) == []
    assert list(log.oldest()) == [(RecordClass.OP_LOG, 0, None)]


def test_a_shorter_limit_is_kept(tmp_path: Path, keys: Keys, clock: Clock) -> None:
    log = OperationLog(tmp_path / "log", keys, timedelta(minutes=2))
    log.append([picture(clock.now())])
    assert log.expire(clock.now() + timedelta(seconds=119)) == 0
    assert log.expire(clock.now() + timedelta(seconds=120)) == 1


def test_an_erasure_reaches_cameras_devices_and_people(tmp_path: Path, log: OperationLog, clock: Clock) -> None:
    now = clock.now()
    log.append([picture(now), picture(now, "back"), CommandDone(now, "lamp-1", "OnOff.OnOff", "done", "person-7", 3.5)])
    later = now + timedelta(seconds=1)
    for scope in (Scope(cameras=("front",)), Scope(subjects=("person-7",))):
        assert [log.scan(scope, later), log.erase(scope, later).erased, log.scan(scope, later)] == [1, 1, 0]
        assert log.erase(scope, later).found == 0
    assert [item.camera for item in log.find(ALL, later)] == ["back"]
    assert log.erase(ALL, later).left == 0
    assert list((tmp_path / "log").iterdir()) == []


def test_what_came_after_the_reach_of_an_order_stays(log: OperationLog, clock: Clock) -> None:
    now = clock.now()
    log.append([picture(now), picture(now + timedelta(seconds=1))])
    assert log.erase(ALL, now + timedelta(seconds=1)).erased == 1
    assert list(log.oldest()) == [(RecordClass.OP_LOG, 1, now + timedelta(seconds=1))]


def test_strangers_files_are_left_alone(tmp_path: Path, keys: Keys, clock: Clock) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"not ours")
    log = OperationLog(folder, keys, LIMIT)
    log.append([picture(clock.now())])
    log.erase(ALL, clock.now() + timedelta(1))
    log.expire(clock.now() + timedelta(365))
    assert [p.name for p in folder.iterdir()] == ["holiday.jpg"]
    (folder / "2026-01-01.log").write_bytes(b"somebody else's log")
    with pytest.raises(StoreBroken):
        OperationLog(folder, keys, LIMIT).expire(clock.now())
    assert (folder / "2026-01-01.log").exists()
