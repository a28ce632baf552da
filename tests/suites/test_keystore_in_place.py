"""What every KeyStore must do that overwrites its slots in place: torn, damaged or cut short, never another secret."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held
from tests.suites.keystore_media import IN_FILES, InFile, held_by, recorded, slots, traces


@pytest.fixture(params=IN_FILES)
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> InFile:
    return IN_FILES[request.param](tmp_path)


def cuts(length: int, secret_at: int) -> Iterator[tuple[str, Callable[[bytes, bytes], bytes]]]:
    """What a power cut can leave of new bytes over old ones: a beginning, an end, or every other page."""
    head = {1, 4, 7, 8, 9, 15, 16, 17, 47, 48}
    for cut in sorted(head | {secret_at, secret_at + 1, (secret_at + length) // 2, length - 1, length}):
        yield f"the first {cut}", lambda old, new, cut=cut: new[:cut] + old[cut:]
        yield f"all but the first {cut}", lambda old, new, cut=cut: old[:cut] + new[cut:]
    page = 4096 if length > 4096 else 8
    for odd in (0, 1):
        yield (
            f"every other {page}, from {odd}",
            lambda old, new, odd=odd: b"".join(
                (new if at // page % 2 == odd else old)[at : at + page] for at in range(0, length, page)
            ),
        )


def places(medium: InFile) -> tuple[slice, int]:
    """Where slot 1 lies, and where in it the secret begins."""
    secret_at = medium.slot_bytes - medium.open().secret_bytes
    return slice(medium.stride, medium.stride + medium.slot_bytes), secret_at


def test_a_torn_slot_is_empty_or_what_it_was(medium: InFile) -> None:
    store = medium.open()
    place, secret_at = places(medium)
    other, old, new = (held_by(store, generation) for generation in (2, 1, 3))
    contents: dict[str, tuple[Held | None, bytes]] = {"blank": (None, bytes(medium.slot_bytes))}
    for name, held in (("old", old), ("new", new)):
        store.write(1, held)
        contents[name] = (held, medium.raw()[place])
    assert not contents["new"][1][48:secret_at].strip(b"\0")
    store.write(0, other)
    for before, after in (("blank", "new"), ("old", "new"), ("old", "blank")):
        for name, tear in cuts(medium.slot_bytes, secret_at):
            torn = tear(contents[before][1], contents[after][1])
            medium.patch(place.start, torn)
            whole = [
                held
                for held, content in contents.values()
                if held and digested(content, secret_at) == digested(torn, secret_at)
            ]
            assert medium.open().read(1) == (whole[0] if whole else None), (before, after, name)
            assert medium.open().read(0) == other
    medium.open().destroy(1)
    assert traces(old.secret + new.secret, medium.raw()) == 0


def digested(content: bytes, secret_at: int) -> bytes:
    """Without the padding, which nobody reads."""
    return content[:48] + content[secret_at:]


def test_a_first_write_that_was_torn_leaves_a_medium_of_ours(medium: InFile) -> None:
    store = medium.open()
    place, secret_at = places(medium)
    blank = medium.raw()
    held = held_by(store, 1)
    store.write(1, held)
    whole = medium.raw()
    label = slice(medium.stride - 8, medium.stride)
    for cut in range(9):
        medium.patch(0, blank)
        medium.patch(label.start, whole[label][:cut])
        assert slots(medium.open()) == [None, None]
    for name, tear in cuts(medium.slot_bytes, secret_at):
        for before, after in ((blank, whole), (whole, blank)):  # the write, and the destruction of the only slot
            medium.patch(place.start, tear(before[place], after[place]))
            assert medium.open().read(1) in (None, held), name
        medium.open().destroy(1)
        assert slots(medium.open()) == [None, None]


def test_the_label_comes_first(medium: InFile) -> None:
    # A slot without a label before it, torn, would be taken for somebody else's.
    store = medium.open()
    with recorded("pwrite", "fdatasync", "fsync") as events:
        store.write(1, held_by(store, 1))
    assert [name.removeprefix("fdata").removeprefix("f") for name, *_ in events] == ["pwrite", "sync"] * 2
    assert events[0][2:] == (b"PVSLOTS\n", medium.stride - 8)
    assert events[2][3] == medium.stride


def test_what_returns_was_synced(medium: InFile) -> None:
    store = medium.open()
    for call in (lambda: store.write(1, held_by(store, 1)), lambda: store.destroy(1)):
        with recorded("pwrite", "fdatasync", "fsync") as events:
            call()
        assert events[-1][0] in {"fdatasync", "fsync"}
        assert any(name == "pwrite" for name, *_ in events)


def test_a_flipped_bit_is_no_other_secret(medium: InFile) -> None:
    store = medium.open()
    place, secret_at = places(medium)
    other, held = held_by(store, 2), held_by(store, 1)
    store.write(0, other)
    store.write(1, held)
    slot = medium.raw()[place]
    secret = [secret_at + at for at in (0, 1, store.secret_bytes // 2, store.secret_bytes - 1)]
    for at, bit in [*itertools.product(range(48), range(8)), *((at, 3) for at in secret)]:
        medium.patch(place.start + at, bytes([slot[at] ^ 1 << bit]))
        assert medium.open().read(1) is None, (at, bit)
        medium.patch(place.start + at, slot[at : at + 1])
    assert slots(medium.open()) == [other, held]


def test_a_damaged_label_costs_nothing_while_a_slot_opens(medium: InFile) -> None:
    store = medium.open()
    held = held_by(store, 1)
    store.write(1, held)
    medium.patch(medium.stride - 8, b"x")
    assert slots(medium.open()) == [None, held]


def test_a_secret_of_a_medium_that_was_cut_short_is_not_taken_for_empty(medium: InFile) -> None:
    store = medium.open()
    store.write(1, held_by(store, 1))
    os.truncate(medium.path, medium.stride + 48)
    store = medium.open()
    for call in (lambda: store.read(1), lambda: store.write(1, held_by(store, 3)), lambda: store.destroy(1)):
        with pytest.raises(StoreBroken, match="too small"):
            call()


def test_slots_stay_where_they_are(medium: InFile) -> None:
    # A new file in place of the old would leave the old one's blocks as they are.
    store = medium.open()
    before = medium.path.stat().st_ino
    store.write(1, held_by(store, 1))
    store.destroy(1)
    assert medium.path.stat().st_ino == before
