"""What a start makes of what lies there: a lost index, torn tails, damage, files that are not ours.

`box` is `tests/camera/conftest.py`'s: a state directory with a vault in it, on a clock that the test moves.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from camera.vault.segment import SegmentReader
from privacy.records import Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FUTURE = NOON + timedelta(days=300)
ALL = Scope(everything=True)


def crash(box: Any) -> Any:
    """The program ends as by SIGKILL, and starts again."""
    for writer in box.vault._catalogue.writers.values():
        writer.close()
    box.vault._catalogue.close()
    return box.start()


def lose_index(box: Any) -> None:
    box.vault.close()
    (box.state / "vault" / "index").unlink()


def test_with_a_good_index_no_segment_is_read(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box.keep_hours(3)
    box.vault.close()
    with monkeypatch.context() as patch:
        patch.setattr(SegmentReader, "__init__", None)
        vault = box.start()
        assert vault.count(ALL, FUTURE) == 18
    assert not box.progress


def test_a_lost_index_is_made_from_the_segments(box: Any) -> None:
    ids = box.keep_hours(3)
    box.vault.erase(Scope(end=NOON + timedelta(minutes=15)), FUTURE)
    lose_index(box)
    box.start()
    assert box.progress == [(1, 3), (2, 3), (3, 3)]
    assert box.ids() == set(ids[2:])
    assert box.vault.count(ALL, FUTURE) == 16
    assert len(box.vault.newest("front", 99)) == 16
    box.progress.clear()
    box.restart()
    assert not box.progress


def test_after_a_crash_only_open_segments_are_read(box: Any) -> None:
    ids = box.keep_hours(3)
    box.vault.flush()
    crash(box)
    assert box.progress == [(1, 1)]
    assert box.ids() == set(ids)


@pytest.mark.parametrize("lost", [1, 100, 250, 300, 600])
def test_a_torn_tail_is_cut(box: Any, lost: int, caplog: pytest.LogCaptureFixture) -> None:
    ids = box.keep_hours(1)
    file = box.file(ids[0])
    box.vault.flush()
    size = file.stat().st_size
    os.truncate(file, size - lost)
    crash(box)
    whole = len(box.ids())
    assert whole < 6
    assert box.ids() == set(ids[:whole])
    assert box.scanned() == whole
    assert all(box.vault.image(record) for record in box.ids())
    # A tail that ends between two records is none.
    torn = file.stat().st_size < size - lost
    assert ("cut a torn tail" in caplog.text) == torn
    box.keep()
    assert len(box.ids()) == whole + 1


def test_a_tail_of_zeros_is_cut(box: Any) -> None:
    ids = box.keep_hours(1)
    file = box.file(ids[0])
    box.vault.flush()
    data = file.read_bytes()
    cut = data.index(b"PVSR" + bytes.fromhex(ids[4][32:])) + 40
    file.write_bytes(data[:cut] + bytes(len(data) - cut))
    crash(box)
    assert box.ids() == set(ids[:4])
    assert box.vault._catalogue.bytes == file.stat().st_size


def test_a_key_whose_file_never_was(box: Any) -> None:
    gone, kept = box.keep("front"), box.keep("garden")
    box.vault.flush()
    box.file(gone).unlink()
    assert box.scanned() == 1
    crash(box)
    assert box.vault.image(gone) is None
    assert box.scanned() == 1
    assert box.ids() == {kept}
    assert [row[1] for row in box.vault.oldest()] == [1]
    box.clock.pass_by(days=8)
    assert sum(one.pictures for one in box.vault.expire()) == 1
    assert not box.ring.entries("snapshots")


def test_a_file_whose_key_never_was(box: Any) -> None:
    record = box.keep()
    stranger = box.state / "vault" / "segments" / ("0" * 32)
    stranger.write_bytes(box.file(record).read_bytes())
    crash(box)
    assert box.ids() == {record}
    assert box.vault.reclaim() == 1
    assert not stranger.exists()


def test_another_segment_under_a_name_of_ours(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    one, other = box.keep("front"), box.keep("garden")
    box.vault.flush()
    box.file(one).write_bytes(box.file(other).read_bytes() + b"longer")
    crash(box)
    assert box.vault.image(one) is None
    assert box.vault.image(other)
    assert box.ids() == {other}
    assert box.scanned() == 1
    assert len([line for line in caplog.messages if "cannot be read" in line]) == 1


def lose_footer(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: data.rindex(b"PVSF", 0, -4)])


def test_where_the_records_lie_is_asked_of_the_footer(box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each segment; one that was never finished is read record by record."""
    ids = box.keep_hours(2)
    lose_index(box)
    walked: list[bytes] = []
    records = SegmentReader.records
    monkeypatch.setattr(SegmentReader, "records", lambda self: (walked.append(self.id), records(self))[1])
    box.start()
    assert box.progress == [(1, 2), (2, 2)]
    assert box.ids() == set(ids)
    assert walked == []
    lose_index(box)
    lose_footer(box.file(ids[0]))
    box.start()
    assert box.ids() == set(ids)
    assert {segment.hex() for segment in walked} == {ids[0][:32]}


def test_a_torn_footer_is_cut_and_no_picture_with_it(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    ids = box.keep_hours(1)
    lose_index(box)
    file = box.file(ids[0])
    size = file.stat().st_size
    os.truncate(file, size - 5)
    box.start()
    assert "cut a torn tail" in caplog.text
    assert box.ids() == set(ids)
    assert all(box.vault.image(record) for record in ids)
    assert file.stat().st_size == size - 16 - 36 * len(ids)


def test_behind_a_footer_nothing_is_torn_so_a_damaged_last_picture_is_not_cut(box: Any) -> None:
    ids = box.keep_hours(1)
    lose_index(box)
    size = box.file(ids[5]).stat().st_size
    box.spoil(ids[5])  # its metadata alone
    box.start()
    assert box.file(ids[5]).stat().st_size == size
    assert {shot.id for shot in box.vault.newest(None, 99)} == set(ids[:5])
    assert box.vault.image(ids[5])


def test_a_damaged_header_costs_nothing_where_the_footer_stands(box: Any) -> None:
    ids = box.keep_hours(1)
    lose_index(box)
    box.spoil(ids[2], 2)
    box.start()
    assert box.ids() == set(ids)
    assert all(box.vault.image(record) for record in ids)


def test_a_partly_erased_segment_is_found_by_its_footer(box: Any) -> None:
    ids = box.keep_hours(1)
    box.vault.erase(Scope(start=NOON + timedelta(minutes=45)), FUTURE)
    left = box.ids()
    assert 0 < len(left) < len(ids)
    lose_index(box)
    box.start()
    assert box.ids() == left
    assert all(box.vault.image(record) for record in left)


def test_flipped_bits_cost_their_own_picture(box: Any) -> None:
    ids = box.keep_hours(2)
    lose_index(box)
    for record in (ids[2], ids[8]):
        lose_footer(box.file(record))
    box.spoil(ids[2])
    box.spoil(ids[8], 2)
    box.start()
    assert {shot.id for shot in box.vault.newest(None, 99)} == set(ids) - {ids[2], ids[8]}
    assert all(box.vault.image(record) for record in set(ids) - {ids[8]})


def test_an_index_that_is_wrong_about_a_segment(box: Any) -> None:
    ids = box.keep_hours(2)
    box.vault.close()
    box.start()
    box.vault._catalogue.index.drop([bytes.fromhex(ids[0][:32])])
    assert box.vault.image(ids[0])
    assert box.ids() == set(ids)
    box.vault._catalogue.index.drop([bytes.fromhex(ids[0][:32])])
    assert box.vault.erase(Scope(end=NOON + timedelta(minutes=10)), FUTURE).erased == 1
    assert box.ids() == set(ids[1:])


def test_strangers_are_left_alone(box: Any) -> None:
    folder = box.state / "vault" / "segments"
    (folder / "notes.txt").write_text("mine")
    (folder / ("a" * 32)).mkdir()
    (folder / ("b" * 32)).symlink_to(folder / "notes.txt")
    record = box.keep()
    crash(box)
    box.vault.erase(ALL, FUTURE)
    while box.vault.reclaim():
        pass
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(list(folder.iterdir())) == 3
    assert not box.file(record).exists()


def test_what_lies_on_the_disk_is_counted(box: Any) -> None:
    def lies() -> int:
        folders = (box.state / "vault" / "segments", box.state / "vault" / "pages")
        return sum(file.stat().st_size for folder in folders for file in folder.iterdir())

    box.keep_hours(3)
    assert box.vault._catalogue.bytes == lies()
    box.vault.erase(Scope(end=NOON + timedelta(minutes=75)), FUTURE)
    assert box.vault._catalogue.bytes == lies()
    box.vault.reclaim()
    assert box.vault._catalogue.bytes == lies()
    box.restart()
    assert box.vault._catalogue.bytes == lies()


def test_a_file_that_is_gone_while_we_run(box: Any) -> None:
    gone, kept = box.keep("front"), box.keep("garden")
    box.vault.flush()
    box.file(gone).unlink()
    assert [shot.id for shot in box.vault.newest(None, 9)] == [kept]
    assert box.vault.thumbnail(gone) is None
