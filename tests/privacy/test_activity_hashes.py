"""The tree of the activity log: the same as the tree in memory, whatever became of its files."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.activity_hashes import MOST_AT_ONCE, NAMES, NOTHING, HashTree
from privacy.errors import StoreBroken
from privacy.merkle import EMPTY_ROOT, Tree, consistency_proof, consistent, includes, inclusion_proof
from privacy.sealed_log import NotALog

SLOT = 36
MANY = 256 * 256 + 256 * 3 + 7


def leaves(count: int, first: int = 0) -> list[bytes]:
    return [hashlib.sha256(str(first + number).encode()).digest() for number in range(count)]


def root_of(hashes: list[bytes]) -> bytes:
    tree = Tree()
    for each in hashes:
        tree.add_hash(each)
    return tree.root()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with three levels; nobody changes it."""
    folder = tmp_path_factory.mktemp("many")
    HashTree(folder).append(leaves(MANY))
    return folder


def copied(folder: Path, to: Path) -> Path:
    for name in NAMES:
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_an_empty_one(tmp_path: Path) -> None:
    tree = HashTree(tmp_path)
    assert (tree.size, tree.root(), tree.consistency(0)) == (0, EMPTY_ROOT, [])
    with pytest.raises(IndexError):
        tree.leaf(0)
    with pytest.raises(IndexError):
        tree.inclusion(0)
    assert HashTree(tmp_path).size == 0


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 700])
def test_proofs_are_those_of_the_tree_in_memory(tmp_path: Path, size: int) -> None:
    all_leaves = leaves(size)
    tree = HashTree(tmp_path)
    assert tree.append(all_leaves) == 0
    for number in {0, size // 3, size // 2, size - 1}:
        assert tree.leaf(number) == all_leaves[number]
        assert tree.inclusion(number) == inclusion_proof(all_leaves, number)
        assert tree.consistency(number) == consistency_proof(all_leaves, number)
    assert tree.root() == root_of(all_leaves)
    assert tree.consistency(size) == []


@settings(max_examples=25, deadline=None)
@given(batches=st.lists(st.integers(0, 300), max_size=8), data=st.data())
def test_however_it_grew(tmp_path_factory: pytest.TempPathFactory, batches: list[int], data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("tree")
    tree, known = HashTree(folder), list[bytes]()
    for count in batches:
        if data.draw(st.booleans()):
            tree = HashTree(folder)
        assert tree.append(leaves(count, len(known))) == len(known)
        known += leaves(count, len(known))
    assert (tree.size, tree.root()) == (len(known), root_of(known))
    if known:
        number = data.draw(st.integers(0, len(known) - 1))
        assert includes(known[number], number, tree.size, tree.inclusion(number), tree.root())
        old = root_of(known[: number + 1])
        assert consistent(number + 1, tree.size, old, tree.root(), tree.consistency(number + 1))


def test_three_levels(many: Path) -> None:
    tree, known = HashTree(many), leaves(MANY)
    assert [(many / name).stat().st_size // SLOT - 1 for name in NAMES] == [MANY, 259, 1, 0]
    root = tree.root()
    assert root == root_of(known)
    for number in (0, 255, 65_535, 65_536, MANY - 1):
        assert includes(known[number], number, MANY, tree.inclusion(number), root)


@pytest.mark.parametrize("spoil", ["missing", "empty", "short", "damaged", "longer", "head"])
def test_upper_levels_are_made_again(many: Path, tmp_path: Path, spoil: str) -> None:
    root = HashTree(many).root()
    copied(many, tmp_path)
    for name in NAMES[1:3]:
        path = tmp_path / name
        data = path.read_bytes()
        if spoil == "missing":
            path.unlink()
        else:
            damaged = bytearray(data)
            damaged[SLOT + 5] ^= 1
            head = bytearray(data)
            head[3] ^= 1
            kinds = {
                "empty": data[:SLOT],
                "short": data[: SLOT * 2 - 10],
                "damaged": damaged,
                "longer": data + leaves(1)[0] + b"abcdefg",
                "head": head,
            }
            path.write_bytes(kinds[spoil])
    for _ in range(2):
        tree = HashTree(tmp_path)
        assert tree.root() == root
        assert includes(tree.leaf(70), 70, MANY, tree.inclusion(70), root)
    mended = [(tmp_path / name).read_bytes()[SLOT:] for name in NAMES]
    assert mended == [(many / name).read_bytes()[SLOT:] for name in NAMES]


def test_an_upper_level_that_cannot_be_put_right_is_computed_each_time(many: Path, tmp_path: Path) -> None:
    root = HashTree(many).root()
    copied(many, tmp_path)
    tree = HashTree(tmp_path)
    for name in NAMES[1:3]:
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[: SLOT * 2 - 1] + b"?" + path.read_bytes()[SLOT * 2 :])
    with refusing("write"):
        assert tree.root() == root


@pytest.mark.parametrize("tail", [b"x", b"\0" * SLOT, b"\0" * (3 * SLOT + 5), b"y" * 2 * SLOT])
def test_a_torn_tail_is_cut(tmp_path: Path, tail: bytes) -> None:
    HashTree(tmp_path).append(leaves(9))
    path = tmp_path / NAMES[0]
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    tree = HashTree(tmp_path)
    assert (tree.size, path.read_bytes()) == (9, whole)
    tree.append(leaves(1, 9))
    assert tree.root() == root_of(leaves(10))


def test_what_did_not_get_onto_the_disk_before_others_becomes_a_leaf_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    HashTree(tmp_path).append(leaves(9))
    path = tmp_path / NAMES[0]
    data = bytearray(path.read_bytes())
    data[5 * SLOT : 6 * SLOT] = bytes(SLOT)
    path.write_bytes(data)
    tree = HashTree(tmp_path)
    assert "leaf 4" in caplog.text
    assert tree.size == 9
    assert tree.root() == root_of([*leaves(4), NOTHING, *leaves(4, 5)])
    caplog.clear()
    assert HashTree(tmp_path).root() == tree.root()
    assert not caplog.text


def test_an_old_leaf_that_is_damaged_is_named_and_costs_no_other_proof(tmp_path: Path) -> None:
    count = MOST_AT_ONCE + 600
    HashTree(tmp_path).append(leaves(count))
    path = tmp_path / NAMES[0]
    data = bytearray(path.read_bytes())
    data[SLOT * 8] ^= 1
    path.write_bytes(data)
    tree = HashTree(tmp_path)
    assert tree.root() == root_of(leaves(count))
    assert includes(leaves(1, 300)[0], 300, count, tree.inclusion(300), tree.root())
    with pytest.raises(StoreBroken, match="leaf 7 "):
        tree.leaf(7)
    with pytest.raises(StoreBroken, match="leaf 7 "):
        tree.inclusion(6)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_somebody_elses_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a letter to the bank\n" * 9)
    with pytest.raises(NotALog):
        HashTree(tmp_path)
    assert (tmp_path / name).read_bytes().startswith(b"a letter")


def test_a_damaged_head_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    HashTree(tmp_path).append(leaves(3))
    path = tmp_path / NAMES[0]
    path.write_bytes(b"?" + path.read_bytes()[1:])
    assert HashTree(tmp_path).root() == root_of(leaves(3))
    assert "its head is damaged" in caplog.text


class refusing:  # noqa: N801 - reads as a with statement does
    """The medium refuses these calls of `os`, for files that are written to."""

    def __init__(self, *names: str, code: int = errno.ENOSPC, after: int = 0) -> None:
        self._left = after
        self._patch = patch.multiple(os, **{name: self._refused(getattr(os, name), code) for name in names})

    def _refused(self, real: Any, code: int) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise OSError(code, os.strerror(code))
            return real(*args, **kwargs)

        return call

    def __enter__(self) -> None:
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


@pytest.mark.parametrize("call", ["open", "write", "fdatasync"])
def test_what_the_disk_refuses_is_not_there(tmp_path: Path, call: str) -> None:
    tree = HashTree(tmp_path)
    tree.append(leaves(3))
    with refusing(call), pytest.raises(StoreBroken):
        tree.append(leaves(5, 3))
    assert (tree.size, HashTree(tmp_path).size) == (3, 3)
    tree.append(leaves(1, 3))
    assert tree.root() == HashTree(tmp_path).root() == root_of(leaves(4))


def test_where_not_even_the_bytes_are_given_back_they_are_written_over(tmp_path: Path) -> None:
    tree = HashTree(tmp_path)
    with refusing("fdatasync", "ftruncate"), pytest.raises(StoreBroken):
        tree.append(leaves(5, 100))
    tree.append(leaves(2))
    assert (tree.size, tree.root()) == (2, root_of(leaves(2)))
    # What is left of it are leaves without lines, as after a power cut.
    assert HashTree(tmp_path).root() == root_of([*leaves(2), *leaves(3, 102)])


def test_where_a_root_cannot_be_written_the_leaves_are_noted_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = HashTree(tmp_path)
    with refusing("write", after=1):
        tree.append(leaves(256))
    assert "could not be written yet" in caplog.text
    assert tree.root() == root_of(leaves(256))
    tree.append(leaves(1, 256))
    assert (tmp_path / NAMES[1]).stat().st_size == 2 * SLOT


@pytest.mark.parametrize("call", ["stat", "truncate"])
def test_a_medium_that_refuses_at_the_start(tmp_path: Path, call: str) -> None:
    HashTree(tmp_path).append(leaves(3))
    path = tmp_path / NAMES[0]
    path.write_bytes(path.read_bytes() + b"torn")
    with refusing(call, code=errno.EIO), pytest.raises(StoreBroken):
        HashTree(tmp_path)


def test_a_medium_that_does_not_read(tmp_path: Path) -> None:
    tree = HashTree(tmp_path)
    tree.append(leaves(3))
    with refusing("pread", code=errno.EIO), pytest.raises(StoreBroken, match="cannot read hashes-0"):
        tree.root()
