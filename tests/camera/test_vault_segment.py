import errno
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camera.vault.file import HEAD_BYTES
from camera.vault.record import HEADER_BYTES, Part, Placed
from camera.vault.segment import SegmentReader, by_footer, whole_end
from camera.vault.segment_writer import SegmentWriter
from privacy.errors import SealBroken, StoreBroken
from privacy.seal import Cipher, OnceSeal

SEGMENT = bytes(range(16))
GCM = Cipher.AES_256_GCM
SLOW_DISK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
Kept = list[tuple[Placed, tuple[bytes, bytes, bytes]]]


def rid(number: int) -> bytes:
    return bytes([0xAB + (number >> 8), number & 0xFF]) * 8


def key_of(record_id: bytes) -> bytes:
    return record_id + record_id[::-1]


def plain(number: int) -> tuple[bytes, bytes, bytes]:
    return b"metadata %d" % number, b"thumb" * number, b"image %d" % number * 20


def fill(writer: SegmentWriter, count: int, first: int = 0) -> Kept:
    return [
        (writer.append(key_of(rid(number)), rid(number), *plain(number)), plain(number))
        for number in range(first, first + count)
    ]


def make(
    folder: Path, count: int, segment: bytes = SEGMENT, cipher: Cipher = GCM, *, finished: bool = False
) -> tuple[Path, Kept]:
    writer = SegmentWriter.create(folder, segment, cipher)
    kept = fill(writer, count)
    if finished:
        writer.finish()
    writer.sync()
    writer.close()
    return writer.path, kept


def opened(path: Path, cipher: Cipher | None = None) -> dict[bytes, tuple[bytes, ...]]:
    """The records whose three parts open, by id."""
    found = {}
    with SegmentReader(path, cipher) as reader:
        for placed in reader.records():
            try:
                found[placed.id] = tuple(reader.part(key_of(placed.id), placed, part) for part in Part)
            except SealBroken:
                continue
    return found


def written(kept: Kept) -> dict[bytes, tuple[bytes, ...]]:
    return {placed.id: parts for placed, parts in kept}


@pytest.mark.parametrize("cipher", Cipher)
def test_what_was_appended_is_read(tmp_path: Path, cipher: Cipher) -> None:
    path, kept = make(tmp_path, 4, cipher=cipher)
    with SegmentReader(path) as reader:
        assert (reader.id, reader.cipher, reader.size) == (SEGMENT, cipher, path.stat().st_size)
        assert list(reader.records()) == [placed for placed, _ in kept]
    assert opened(path) == written(kept)
    assert path.name == SEGMENT.hex()
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"image" not in path.read_bytes()


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    """Written out by hand from FORMAT.md, "Pictures"."""
    path, ((placed, parts),) = make(tmp_path, 1)
    raw = path.read_bytes()
    head = b"PVSG\x01\x01\x00\x00" + SEGMENT
    header = b"PVSR" + rid(0) + b"".join((len(part) + 16).to_bytes(4, "big") for part in parts)
    header += zlib.crc32(header).to_bytes(4, "big")
    sealed = b"".join(
        GCM.aead(key_of(rid(0))).encrypt(bytes(11) + bytes([n]), part, header + SEGMENT + bytes([n]))
        for n, part in enumerate(parts, 1)
    )
    assert raw == head + zlib.crc32(head).to_bytes(4, "big") + header + sealed
    assert (placed.offset, placed.end) == (28, len(raw))


def test_a_segment_is_read_while_it_is_written(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    with SegmentReader(writer.path) as reader:
        assert list(reader.records()) == []
        (placed, parts) = fill(writer, 1)[0]
        assert list(reader.records()) == [placed]
        assert reader.part(key_of(placed.id), placed, Part.IMAGE) == parts[2]
    writer.close()
    writer.close()


def test_what_a_power_cut_may_take_is_known(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    kept = fill(writer, 2)
    assert writer.id == SEGMENT
    assert writer.placed == [placed for placed, _ in kept]
    assert writer.size == writer.unsynced == writer.path.stat().st_size
    writer.sync()
    assert writer.unsynced == 0
    (placed, _) = fill(writer, 1, first=2)[0]
    assert writer.unsynced == placed.end - placed.offset
    writer.close()


def test_each_batch_is_one_fdatasync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def spy(name: str) -> None:
        real = getattr(os, name)

        def call(handle: int, *rest: object) -> object:
            if name != "write" or steps:
                steps.append(name)
            return real(handle, *rest)

        monkeypatch.setattr(os, name, call)

    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    for name in ("write", "writev", "fsync", "fdatasync"):
        spy(name)
    for first in (0, 2):
        fill(writer, 2, first=first)
        writer.sync()
        writer.sync()
    writer.close()
    assert steps == ["writev", "writev", "fdatasync", "writev", "writev", "fdatasync"]


def test_every_cut_in_the_last_record_costs_that_record_alone(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 3)
    raw = path.read_bytes()
    last = kept[-1][0]
    for cut in range(last.offset, last.end):
        path.write_bytes(raw[:cut])
        with SegmentReader(path) as reader:
            assert list(reader.records()) == [placed for placed, _ in kept[:-1]]
            end = whole_end(reader, key_of)
            assert end == last.offset
            reader.cut(end)
        assert path.read_bytes() == raw[: last.offset]
    assert opened(path) == written(kept[:-1])


def test_a_tail_that_was_never_written_is_cut_though_its_header_stands(tmp_path: Path) -> None:
    """The file's length may reach the medium before its bytes do."""
    path, kept = make(tmp_path, 3)
    raw = bytearray(path.read_bytes())
    last = kept[-1][0]
    for part in Part:
        damaged = raw.copy()
        damaged[last.begin(part)] ^= 1
        path.write_bytes(damaged)
        with SegmentReader(path) as reader:
            assert len(list(reader.records())) == 3
            assert whole_end(reader, key_of) == last.offset


def test_where_nothing_opens_the_head_is_what_is_whole(tmp_path: Path) -> None:
    path, _ = make(tmp_path, 2)
    with SegmentReader(path) as reader:
        assert whole_end(reader, lambda _: None) == HEAD_BYTES
        assert whole_end(reader, lambda _: bytes(32)) == HEAD_BYTES


def test_a_cut_never_lengthens(tmp_path: Path) -> None:
    path, _ = make(tmp_path, 1)
    raw = path.read_bytes()
    with SegmentReader(path) as reader:
        reader.cut(len(raw))
        reader.cut(len(raw) + 10)
    assert path.read_bytes() == raw


def test_one_flipped_bit_costs_one_record(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 3)
    raw = path.read_bytes()
    for at in range(HEAD_BYTES, len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        hit = next(placed.id for placed, _ in kept if at < placed.end)
        assert opened(path) == {key: parts for key, parts in written(kept).items() if key != hit}, at


def test_a_flipped_bit_of_the_head_is_told_and_costs_nothing_where_the_cipher_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, kept = make(tmp_path, 1)
    raw = path.read_bytes()
    for at in range(HEAD_BYTES):
        damaged = bytearray(raw)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(SealBroken, match="damaged"):
            SegmentReader(path)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert opened(path, GCM) == written(kept)
        assert "is damaged" in caplog.text


def rehead(path: Path, **fields: bytes) -> None:
    """Give the file another head that checks."""
    raw = path.read_bytes()
    head = {"magic": raw[:4], "version": raw[4:5], "cipher": raw[5:6], "zero": bytes(2), "id": raw[8:24], **fields}
    joined = b"".join(head.values())
    path.write_bytes(joined + zlib.crc32(joined).to_bytes(4, "big") + raw[HEAD_BYTES:])


@pytest.mark.parametrize(
    "field",
    [{"magic": b"PVPG"}, {"version": b"\x02"}, {"cipher": b"\x03"}, {"id": bytes(16)}],
    ids=lambda f: next(iter(f)),
)
def test_another_kind_version_cipher_or_id_is_refused(tmp_path: Path, field: dict[str, bytes]) -> None:
    path, _ = make(tmp_path, 1)
    rehead(path, **field)
    for cipher in (None, GCM):
        with pytest.raises(SealBroken, match="another"):
            SegmentReader(path, cipher)


@pytest.mark.parametrize("content", [b"", b"PVSG", b"\x89PNG\r\n\x1a\n" * 40, bytes(5000)])
def test_a_foreign_file_is_no_segment(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / SEGMENT.hex()
    path.write_bytes(content)
    with pytest.raises(SealBroken):
        SegmentReader(path)
    assert opened(path, GCM) == {}
    assert path.read_bytes() == content


def test_what_is_no_file_is_no_segment(tmp_path: Path) -> None:
    path = tmp_path / SEGMENT.hex()
    with pytest.raises(SealBroken, match="missing"):
        SegmentReader(path)
    other, _ = make(tmp_path, 1, segment=bytes(16))
    path.symlink_to(other)
    with pytest.raises(SealBroken, match="missing"):
        SegmentReader(path)
    for plant in (os.mkfifo, os.mkdir):
        path.unlink()
        plant(path)
        with pytest.raises(SealBroken, match="is none"):
            SegmentReader(path)
        if path.is_dir():
            return


def test_two_segments_that_change_places_are_refused(tmp_path: Path) -> None:
    one, _ = make(tmp_path, 2)
    other, _ = make(tmp_path, 2, segment=bytes(16))
    one_raw, other_raw = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_raw)
    other.write_bytes(one_raw)
    for path in (one, other):
        with pytest.raises(SealBroken, match="another"):
            SegmentReader(path)
    # Nor do their records open under a head that says the right id, not even with their keys.
    rehead(one, id=SEGMENT)
    with SegmentReader(one) as reader:
        placed = next(reader.records())
        for part in Part:
            with pytest.raises(SealBroken):
                reader.part(key_of(placed.id), placed, part)


def test_a_record_that_was_moved_is_itself_and_nothing_else(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 3)
    raw = path.read_bytes()
    first, second = raw[HEAD_BYTES : kept[0][0].end], raw[kept[0][0].end : kept[1][0].end]
    path.write_bytes(raw[:HEAD_BYTES] + second + first + raw[kept[1][0].end :])
    assert opened(path) == written(kept)


def test_parts_cannot_change_places(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    placed = writer.append(key_of(rid(0)), rid(0), b"a" * 30, b"b" * 30, b"c" * 30)
    writer.close()
    raw = bytearray(writer.path.read_bytes())
    thumbnail, image = placed.begin(Part.THUMBNAIL), placed.begin(Part.IMAGE)
    raw[thumbnail:image], raw[image:] = raw[image:], raw[thumbnail:image]
    writer.path.write_bytes(raw)
    with SegmentReader(writer.path) as reader:
        assert reader.part(key_of(rid(0)), placed, Part.METADATA) == b"a" * 30
        for part in (Part.THUMBNAIL, Part.IMAGE):
            with pytest.raises(SealBroken):
                reader.part(key_of(rid(0)), placed, part)


def test_an_index_that_lies_opens_nothing(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 2)
    (placed, _), (other, _) = kept
    lies = [
        Placed(placed.id, other.offset, placed.lengths),
        Placed(other.id, placed.offset, placed.lengths),
        Placed(placed.id, placed.offset, (placed.lengths[0], placed.lengths[1], placed.lengths[2] - 1)),
        Placed(placed.id, placed.offset, (2**32 - 1, 2**32 - 1, 2**32 - 1)),
        Placed(placed.id, 2**60, placed.lengths),
    ]
    with SegmentReader(path) as reader:
        for lie in lies:
            with pytest.raises(SealBroken):
                reader.part(key_of(lie.id), lie, Part.IMAGE)


def test_nothing_is_read_for_a_length_past_the_end(tmp_path: Path, medium: "Medium") -> None:
    path, ((placed, _),) = make(tmp_path, 1)
    with SegmentReader(path) as reader:
        medium.refuse("pread")  # memory for 4 GiB would have been taken before it
        with pytest.raises(SealBroken):
            reader.part(key_of(placed.id), Placed(placed.id, placed.offset, (16, 16, 2**32 - 1)), Part.IMAGE)


def test_a_length_past_the_end_is_not_believed(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 2)
    raw = path.read_bytes()
    liar = Placed(rid(99), 0, (16, 16, 2**32 - 1)).header
    at = kept[0][0].end
    path.write_bytes(raw[:at] + liar + raw[at:])
    assert opened(path) == written(kept)


def test_a_magic_on_the_edge_of_a_stride_is_found(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 2)
    raw = path.read_bytes()
    at = kept[0][0].end
    for noise in range(16 * 1024 - at - 8, 16 * 1024 - at + 80):
        path.write_bytes(raw[:at] + b"PVSR"[:3] * (noise // 3) + bytes(noise % 3) + raw[at:])
        assert opened(path) == written(kept), noise


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes, int], tuple[bytes, int, int]]:
    """Overwrite, remove or insert some bytes; says which of the old bytes it hit, as begin and end."""
    kind = draw(st.sampled_from(["overwrite", "remove", "insert"]))
    where = draw(st.floats(0, 1))
    length = draw(st.integers(1, 400))
    noise = draw(st.one_of(st.binary(min_size=length, max_size=length), st.just((b"PVSR" * length)[:length])))

    def apply(raw: bytes, begin: int) -> tuple[bytes, int, int]:
        at = begin + int(where * (len(raw) - begin))
        if kind == "insert":
            return raw[:at] + noise + raw[at:], at, at
        end = min(at + length, len(raw))
        return raw[:at] + (noise[: end - at] if kind == "overwrite" else b"") + raw[end:], at, end

    return apply


@SLOW_DISK
@given(harm=damage(), finished=st.booleans())
def test_every_record_that_is_whole_is_found_and_none_is_invented(
    tmp_path: Path,
    harm: Callable[[bytes, int], tuple[bytes, int, int]],
    finished: bool,  # noqa: FBT001 - Hypothesis gives it by name
) -> None:
    (tmp_path / SEGMENT.hex()).unlink(missing_ok=True)
    path, kept = make(tmp_path, 6, finished=finished)
    damaged, begin, end = harm(path.read_bytes(), HEAD_BYTES)
    path.write_bytes(damaged)
    whole = {placed.id: parts for placed, parts in kept if placed.end <= begin or placed.offset >= end}
    found = opened(path)
    assert whole.items() <= found.items()
    assert found.items() <= written(kept).items()  # noise may happen to be what stood there
    with SegmentReader(path) as reader:
        assert all(placed.end <= len(damaged) for placed in reader.records())
        assert by_footer(reader, key_of) in (None, [placed for placed, _ in kept])


@SLOW_DISK
@given(noise=st.binary(max_size=600))
def test_noise_is_read_without_an_end_or_a_fault(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / SEGMENT.hex()
    path.unlink(missing_ok=True)
    path, _ = make(tmp_path, 0)
    path.write_bytes(path.read_bytes() + noise)
    assert opened(path) == {}
    with SegmentReader(path) as reader:
        assert reader.footer() is None


class Medium:
    """Refuses one system call, from its nth on, `times` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def refuse(self, name: str, code: int = errno.ENOSPC, times: int = 1, after: int = 0) -> None:
        real = getattr(os, name)
        calls = iter(range(after + times + 1000))

        def call(*arguments: object) -> object:
            if after <= next(calls) < after + times:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        self._patch.setattr(os, name, call)

    def shorten(self) -> None:
        """The next `writev` takes half of what it is given."""
        real = os.writev

        def call(handle: int, buffers: list[bytes]) -> int:
            self._patch.setattr(os, "writev", real)
            data = b"".join(buffers)
            return os.write(handle, data[: len(data) // 2])

        self._patch.setattr(os, "writev", call)


@pytest.fixture
def medium(monkeypatch: pytest.MonkeyPatch) -> Medium:
    return Medium(monkeypatch)


def test_a_short_write_goes_on(tmp_path: Path, medium: Medium) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    medium.shorten()
    kept = fill(writer, 2)
    writer.close()
    assert opened(writer.path) == written(kept)


@pytest.mark.parametrize("cutting_works", [True, False])
def test_after_a_failed_write_the_segment_ends_with_its_last_whole_record(
    tmp_path: Path, medium: Medium, *, cutting_works: bool
) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    kept = fill(writer, 2)
    size = writer.size
    medium.shorten()
    medium.refuse("write", after=1)  # the half goes through, the rest does not
    if not cutting_works:
        medium.refuse("ftruncate", errno.EIO)
    with pytest.raises(StoreBroken, match="cannot append to a segment: No space left"):
        fill(writer, 1, first=2)
    assert writer.size == size
    assert writer.placed == [placed for placed, _ in kept]
    assert (writer.path.stat().st_size == size) is cutting_works
    kept += fill(writer, 1, first=3)
    writer.close()
    assert opened(writer.path) == written(kept)
    assert writer.path.stat().st_size == writer.size


def test_a_segment_that_cannot_be_cut_takes_no_more(tmp_path: Path, medium: Medium) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    medium.shorten()
    medium.refuse("write", after=1)
    medium.refuse("ftruncate", errno.EIO, times=2)
    for number in range(2):
        with pytest.raises(StoreBroken):
            fill(writer, 1, first=number)
    assert writer.placed == []
    kept = fill(writer, 1, first=2)
    assert opened(writer.path) == written(kept)
    writer.close()


def test_after_a_failed_sync_nobody_claims_that_it_is_durable(tmp_path: Path, medium: Medium) -> None:
    writer = SegmentWriter.create(tmp_path, SEGMENT, GCM)
    kept = fill(writer, 1)
    medium.refuse("fdatasync", errno.EIO)
    with pytest.raises(StoreBroken, match="cannot sync a segment: Input/output error"):
        writer.sync()
    assert writer.unsynced == writer.size
    with pytest.raises(StoreBroken, match="could not be synced"):
        writer.sync()
    with pytest.raises(StoreBroken, match="takes no more"):
        fill(writer, 1, first=1)
    writer.finish()
    writer.close()
    assert opened(writer.path) == written(kept)


@pytest.mark.parametrize("name", ["open", "write"])
def test_a_segment_that_cannot_be_made_leaves_nothing(tmp_path: Path, medium: Medium, name: str) -> None:
    medium.refuse(name)
    with pytest.raises(StoreBroken, match="cannot make a segment: No space left"):
        SegmentWriter.create(tmp_path, SEGMENT, GCM)
    assert list(tmp_path.iterdir()) == []
    make(tmp_path, 1)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path, kept = make(tmp_path, 1)
    with pytest.raises(StoreBroken, match="File exists"):
        SegmentWriter.create(tmp_path, SEGMENT, GCM)
    assert opened(path) == written(kept)


def test_a_medium_that_cannot_be_read_is_not_taken_for_damage(tmp_path: Path, medium: Medium) -> None:
    path, kept = make(tmp_path, 1)
    medium.refuse("open", errno.EACCES)
    with pytest.raises(StoreBroken, match="cannot open"):
        SegmentReader(path)
    medium.refuse("pread", errno.EIO)
    with pytest.raises(StoreBroken, match="cannot read"):
        SegmentReader(path)
    with SegmentReader(path) as reader:
        medium.refuse("pread", errno.EIO)
        with pytest.raises(StoreBroken):
            list(reader.records())
        medium.refuse("pread", errno.EIO)
        with pytest.raises(StoreBroken):
            reader.part(key_of(rid(0)), kept[0][0], Part.IMAGE)
        medium.refuse("pread", errno.EIO, after=1)
        with pytest.raises(StoreBroken):
            whole_end(reader, key_of)
        medium.refuse("ftruncate", errno.EROFS)
        with pytest.raises(StoreBroken, match="cannot cut"):
            reader.cut(HEAD_BYTES)
    reader.close()
    assert opened(path) == written(kept)


def test_a_part_is_sealed_once() -> None:
    seal = OnceSeal(bytes(32), GCM)
    sealed = seal.close(1, b"one", b"")
    assert seal.open(1, sealed, b"") == b"one"
    seal.close(2, b"one", b"")
    with pytest.raises(ValueError, match="sealed already"):
        seal.close(1, b"other", b"")
    for part, data, bound in ((2, sealed, b""), (1, sealed[:-1], b""), (1, b"", b""), (1, sealed, b"x")):
        with pytest.raises(SealBroken):
            seal.open(part, data, bound)


def test_no_key_is_shown(tmp_path: Path) -> None:
    key = b"k" * 32
    shown = repr(OnceSeal(key, GCM)) + repr(SegmentWriter.create(tmp_path, SEGMENT, GCM))
    assert "kkkk" not in shown
    assert key.hex() not in shown


def test_a_header_is_read_as_it_is_written() -> None:
    placed = Placed(rid(1), 28, (16, 17, 18))
    assert len(placed.header) == HEADER_BYTES
    assert Placed.parse(placed.header, 28) == placed
    assert Placed.parse(placed.header[:-1], 28) is None
