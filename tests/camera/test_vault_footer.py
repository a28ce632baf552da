"""What says where the records of a segment lie, so that a start need not look for each of them."""

import errno
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.vault.file import HEAD_BYTES
from camera.vault.footer import pack_footer
from camera.vault.record import Part, Placed
from camera.vault.segment import SegmentReader, by_footer, whole_end
from camera.vault.segment_writer import SegmentWriter
from privacy.errors import StoreBroken
from tests.camera.test_vault_segment import GCM, SEGMENT, Medium, fill, key_of, make, opened, rid, written


@pytest.fixture
def medium(monkeypatch: pytest.MonkeyPatch) -> Medium:
    return Medium(monkeypatch)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    """Written out by hand from FORMAT.md, "Pictures"."""
    path, kept = make(tmp_path, 2, finished=True)
    footer = b"PVSF"
    for placed, parts in kept:
        footer += placed.id + placed.offset.to_bytes(8, "big")
        footer += b"".join((len(part) + 16).to_bytes(4, "big") for part in parts)
    footer += (2).to_bytes(4, "big")
    footer += zlib.crc32(SEGMENT + footer).to_bytes(4, "big") + b"PVSF"
    assert path.read_bytes()[kept[-1][0].end :] == footer


@pytest.mark.parametrize("count", [1, 3, 600])
def test_it_names_every_record(tmp_path: Path, count: int) -> None:
    """600 are more than one look at the file's end shows."""
    path, kept = make(tmp_path, count, finished=True)
    assert opened(path) == written(kept)
    with SegmentReader(path) as reader:
        assert by_footer(reader, key_of) == reader.footer() == [placed for placed, _ in kept]
        assert list(reader.records()) == reader.footer()
        assert whole_end(reader, key_of) == kept[-1][0].end


def test_nothing_is_appended_behind_it(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    fill(writer, 1)
    writer.finish()
    size = writer.size
    with pytest.raises(StoreBroken, match="takes no more"):
        fill(writer, 1, first=1)
    writer.finish()
    assert writer.size == writer.path.stat().st_size == size
    writer.close()


def test_without_records_there_is_none(tmp_path: Path) -> None:
    path, _ = make(tmp_path, 0, finished=True)
    assert path.stat().st_size == HEAD_BYTES
    with SegmentReader(path) as reader:
        assert reader.footer() is None
        assert by_footer(reader, key_of) is None


def test_it_asks_for_no_sync_of_its_own(tmp_path: Path, medium: Medium) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    fill(writer, 1)
    writer.sync()
    writer.finish()
    assert writer.unsynced == 0
    medium.refuse("fdatasync")
    writer.sync()
    writer.close()


def test_it_becomes_durable_with_what_is_not_yet(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    fill(writer, 1)
    writer.finish()
    assert writer.unsynced == writer.size
    writer.sync()
    assert writer.unsynced == 0
    writer.close()


def test_cut_short_anywhere_or_flipped_it_is_none_and_costs_no_record(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 2, finished=True)
    raw, end = path.read_bytes(), kept[-1][0].end
    flipped = [raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :] for at in range(end, len(raw))]
    for damaged in [*(raw[:at] for at in range(end, len(raw))), *flipped, raw + b"P", raw + b"PVSF"]:
        path.write_bytes(damaged)
        assert opened(path) == written(kept)
        with SegmentReader(path) as reader:
            assert reader.footer() is None
            assert by_footer(reader, key_of) is None
            assert whole_end(reader, key_of) == end


def test_another_segments_is_none(tmp_path: Path) -> None:
    """Both have the same records, and every number is right."""
    path, _ = make(tmp_path, 2, finished=True)
    other, _ = make(tmp_path, 2, segment=bytes(16), finished=True)
    length = 16 + 2 * 36
    path.write_bytes(path.read_bytes()[:-length] + other.read_bytes()[-length:])
    with SegmentReader(path) as reader:
        assert reader.footer() is None


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda _, two: [two], id="the first is left out"),
        pytest.param(lambda one, _: [one], id="the last is left out"),
        pytest.param(lambda *_: [], id="all are left out"),
        pytest.param(lambda one, two: [two, one], id="they change places"),
        pytest.param(lambda one, two: [one, one, two], id="one comes twice"),
        pytest.param(lambda one, two: [Placed(one.id, 0, one.lengths), two], id="one begins in the head"),
        pytest.param(lambda one, two: [one, Placed(two.id, two.offset, (16, 16, 2**32 - 1))], id="too long"),
        pytest.param(lambda one, two: [one, Placed(two.id, two.offset, two.lengths[::-1])], id="parts mixed up"),
        pytest.param(lambda one, two: [one, Placed(rid(9), two.offset, two.lengths)], id="another id"),
        pytest.param(lambda _, two: [Placed(rid(9), 28, (two.end - 28 - 36, 0, 0))], id="one for all"),
    ],
)
def test_one_that_lies_is_not_believed(tmp_path: Path, lie: Callable[[Placed, Placed], list[Placed]]) -> None:
    path, kept = make(tmp_path, 2)
    raw = path.read_bytes()
    path.write_bytes(raw + pack_footer(SEGMENT, lie(kept[0][0], kept[1][0])))
    assert opened(path) == written(kept)
    with SegmentReader(path) as reader:
        assert by_footer(reader, key_of) is None
        assert list(reader.records()) == [placed for placed, _ in kept]


def test_it_is_not_believed_where_the_last_picture_does_not_open(tmp_path: Path) -> None:
    """It became durable before the picture did."""
    path, kept = make(tmp_path, 2, finished=True)
    raw = bytearray(path.read_bytes())
    raw[kept[1][0].begin(Part.IMAGE)] ^= 1
    path.write_bytes(raw)
    with SegmentReader(path) as reader:
        assert reader.footer()
        assert by_footer(reader, key_of) is None
        # Of those that have keys, that is: the others are dead.
        assert by_footer(reader, lambda record: None if record == rid(1) else key_of(record)) == reader.footer()
        assert by_footer(reader, lambda _: None) is None


@pytest.mark.parametrize("cutting_works", [True, False])
def test_a_medium_that_refuses_it_costs_no_picture(tmp_path: Path, medium: Medium, *, cutting_works: bool) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    kept = fill(writer, 2)
    size = writer.size
    medium.refuse("write")
    if not cutting_works:
        medium.refuse("ftruncate", errno.EIO)
    writer.finish()
    assert writer.size == size
    writer.sync()
    assert writer.unsynced == 0
    writer.close()
    assert opened(writer.path) == written(kept)
    with SegmentReader(writer.path) as reader:
        assert reader.footer() is None


def test_a_torn_record_before_it_is_cut_first(tmp_path: Path, medium: Medium) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    kept = fill(writer, 1)
    medium.shorten()
    medium.refuse("write", after=1)
    medium.refuse("ftruncate", errno.EIO)
    with pytest.raises(StoreBroken):
        fill(writer, 1, first=1)
    writer.finish()
    writer.close()
    assert opened(writer.path) == written(kept)
    with SegmentReader(writer.path) as reader:
        assert reader.footer() == [placed for placed, _ in kept]
