import errno
import itertools
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.vault.page import NewPage, Page, read_page, write_pages
from privacy.errors import SealBroken, StoreBroken
from privacy.seal import Cipher, Seal

FILE = bytes(range(16))
CHACHA = Cipher.CHACHA20_POLY1305


def ids(count: int, of: int) -> list[bytes]:
    return [bytes([of, number]) * 8 for number in range(count)]


def keys(count: int, of: int) -> list[bytes]:
    return [bytes([of, number]) * 8 + bytes([number, of]) * 8 for number in range(count)]


def seal(of: int) -> Seal:
    counter = itertools.count()
    return Seal(bytes([of]) * 32, lambda count: next(counter).to_bytes(count, "big"), CHACHA)


def page(of: int, count: int) -> NewPage:
    return NewPage(bytes([of]) * 16, seal(of), survivors(of, count))


def survivors(of: int, count: int) -> Page:
    halves = [b"".join(key[begin : begin + 16] for key in keys(count, of)) for begin in (0, 16)]
    return Page(b"".join(ids(count, of)), (halves[0], halves[1]))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    for name in ("write", "fsync", "fdatasync"):
        real = getattr(os, name)

        def call(*arguments: object, name: str = name, real: Callable[..., object] = real) -> object:
            done.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, call)
    return done


def test_each_page_gives_its_keys_back(tmp_path: Path, steps: list[str]) -> None:
    counts = [3, 1, 0, 200]
    placed = write_pages(tmp_path, FILE, CHACHA, [page(of, count) for of, count in enumerate(counts)])
    assert steps == ["write", "fsync", "fsync"]
    path = tmp_path / FILE.hex()
    assert path.stat().st_mode & 0o777 == 0o600
    for of, ((offset, length), count) in enumerate(zip(placed, counts, strict=True)):
        found = read_page(path, offset, length, bytes([of]) * 16, FILE, seal(of))
        assert len(found) == count
        assert list(found.record_ids()) == ids(count, of)
        assert [found.of(record_id) for record_id in ids(count, of)] == keys(count, of)
        assert found.of(b"another") is None
    assert sum(placed[-1]) == path.stat().st_size


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    """Written out by hand from FORMAT.md, "Pictures"."""
    ((offset, length),) = write_pages(tmp_path, FILE, CHACHA, [page(7, 2)])
    head = b"PVPG\x01\x02\x00\x00" + FILE
    one, two = keys(2, 7)
    plain = b"".join(ids(2, 7)) + one[:16] + two[:16] + one[16:] + two[16:]
    bound = b"portvakt/v1/page" + FILE + bytes([7]) * 16
    sealed = bytes(12) + CHACHA.aead(bytes([7]) * 32).encrypt(bytes(12), plain, bound)
    raw = (tmp_path / FILE.hex()).read_bytes()
    assert raw == head + zlib.crc32(head).to_bytes(4, "big") + sealed
    assert (offset, length) == (28, len(sealed))


def test_an_id_that_begins_within_another_is_no_ones() -> None:
    whole = survivors(1, 3)
    within = (whole.ids * 2)[5:21]
    assert whole.of(within) is None
    assert whole.of(whole.ids[-8:] + whole.ids[:8]) is None
    # Of one that lies across two others, and is there itself besides, the right place counts.
    own = survivors(9, 1).keys
    shadowed = Page(whole.ids + within, (whole.keys[0] + own[0], whole.keys[1] + own[1]))
    assert shadowed.of(within) == own[0] + own[1]


def test_the_keys_of_some_in_their_order() -> None:
    whole, records = survivors(1, 5), ids(5, 1)
    for some in ([], records[1:], records[::-2]):
        first, second = whole.halves(b"".join(some))
        found = [first[n : n + 16] + second[n : n + 16] for n in range(0, len(first), 16)]
        assert found == [keys(5, 1)[records.index(record)] for record in some]
    with pytest.raises(KeyError):
        whole.halves(b"another one's id")


def test_a_page_opens_as_itself_alone(tmp_path: Path) -> None:
    one, two = page(1, 2), page(2, 2)
    (at, other) = write_pages(tmp_path, FILE, CHACHA, [one, two])
    path = tmp_path / FILE.hex()
    elsewhere = tmp_path / bytes(16).hex()
    elsewhere.write_bytes(path.read_bytes())
    wrong = [
        (path, other, one.segment_id, FILE, seal(1)),
        (path, at, two.segment_id, FILE, seal(1)),
        (path, at, one.segment_id, FILE, seal(2)),
        (elsewhere, at, one.segment_id, bytes(16), seal(1)),
        (path, (at[0], at[1] - 1), one.segment_id, FILE, seal(1)),
        (path, (at[0], 0), one.segment_id, FILE, seal(1)),
        (path, (at[0], 2**62), one.segment_id, FILE, seal(1)),
        (tmp_path / "missing", at, one.segment_id, FILE, seal(1)),
    ]
    for file, (offset, length), segment, file_id, key in wrong:
        with pytest.raises(SealBroken):
            read_page(file, offset, length, segment, file_id, key)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    ((offset, length),) = write_pages(tmp_path, FILE, CHACHA, [page(1, 1)])
    path = tmp_path / FILE.hex()
    raw = path.read_bytes()
    for at in range(offset, offset + length):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(SealBroken):
            read_page(path, offset, length, bytes([1]) * 16, FILE, seal(1))


@pytest.mark.parametrize(("step", "nth"), [("open", 1), ("write", 1), ("fsync", 1), ("open", 2), ("fsync", 2)])
def test_a_medium_that_refuses_is_left_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    real = getattr(os, step)
    calls = itertools.count(1)

    def call(*arguments: object) -> object:
        if next(calls) == nth:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*arguments)

    monkeypatch.setattr(os, step, call)
    with pytest.raises(StoreBroken, match="cannot write pages of keys: Input/output error"):
        write_pages(tmp_path, FILE, CHACHA, [page(1, 3)])
    assert list(tmp_path.iterdir()) == []
    write_pages(tmp_path, FILE, CHACHA, [page(1, 3)])


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / FILE.hex()).write_bytes(b"somebody's")
    with pytest.raises(StoreBroken, match="File exists"):
        write_pages(tmp_path, FILE, CHACHA, [page(1, 1)])
    assert (tmp_path / FILE.hex()).read_bytes() == b"somebody's"


def test_no_key_is_shown() -> None:
    assert keys(1, 65)[0].hex() not in repr(page(65, 1))
    assert str(keys(1, 65)[0]) not in repr(page(65, 1))


def test_no_way_to_print_a_page_shows_a_key() -> None:
    page = survivors(1, 3)
    assert repr(page) == "Page(3 pictures)"
    assert page.__rich_repr__() == [("pictures", 3)]
