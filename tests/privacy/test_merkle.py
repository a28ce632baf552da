import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    consistent,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
)

# The entries and roots that certificate-transparency implementations publish for RFC 6962 and RFC 9162 alike.
ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_published_vectors(size: int) -> None:
    assert Tree(ENTRIES[:size]).root().hex() == ROOTS[size]


def by_definition(entries: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 writes it."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return leaf_hash(entries[0])
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    return node_hash(by_definition(entries[:split]), by_definition(entries[split:]))


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_growing_tree_agrees_with_the_definition(entries: list[bytes]) -> None:
    tree = Tree()
    for number, entry in enumerate(entries, 1):
        tree.add(entry)
        assert tree.root() == by_definition(entries[:number])
    assert tree.size == len(entries)


LEAVES = [leaf_hash(entry) for entry in ENTRIES]
# Published with the entries: size of the log, index (counted from 0), the proof.
INCLUSION = [
    (8, 0, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (8, 5, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (3, 2, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (5, 1, [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip
CONSISTENCY = [
    (1, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (6, 8, [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
    (2, 5, [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]),
]  # fmt: skip


def root(size: int) -> bytes:
    return bytes.fromhex(ROOTS[size])


@pytest.mark.parametrize(("size", "index", "proof"), INCLUSION)
def test_published_inclusion_proofs(size: int, index: int, proof: list[str]) -> None:
    assert [node.hex() for node in inclusion_proof(LEAVES[:size], index)] == proof
    assert includes(LEAVES[index], index, size, [bytes.fromhex(node) for node in proof], root(size))


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCY)
def test_published_consistency_proofs(first: int, second: int, proof: list[str]) -> None:
    assert [node.hex() for node in consistency_proof(LEAVES[:second], first)] == proof
    assert consistent(first, second, root(first), root(second), [bytes.fromhex(node) for node in proof])


@given(st.data(), st.integers(1, 70))
def test_every_leaf_of_every_log_can_be_shown_and_no_other(data: st.DataObject, size: int) -> None:
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    head, proof = _head(leaves), inclusion_proof(leaves, index)
    assert includes(leaves[index], index, size, proof, head)
    other = data.draw(st.integers(0, size + 1))
    assert includes(leaves[index], other, size, proof, head) == (other == index)
    assert not includes(leaf_hash(b"another"), index, size, proof, head)
    assert not includes(leaves[index], index, size, [*proof, head], head)
    if proof:
        assert not includes(leaves[index], index, size, proof[:-1], head)


@given(st.data(), st.integers(0, 70))
def test_a_log_that_grew_can_show_it_and_one_that_was_changed_cannot(data: st.DataObject, second: int) -> None:
    leaves = [leaf_hash(number.to_bytes(2)) for number in range(second)]
    first = data.draw(st.integers(0, second))
    old, new, proof = _head(leaves[:first]), _head(leaves), consistency_proof(leaves, first)
    assert consistent(first, second, old, new, proof)
    assert not consistent(first, second, bytes(32), new, proof)
    assert not consistent(first, second, old, new, [*proof, new])
    if first:
        changed = [*leaves]
        changed[data.draw(st.integers(0, first - 1))] = leaf_hash(b"another")
        assert not consistent(first, second, old, _head(changed), consistency_proof(changed, first))
    if proof:
        assert not consistent(first, second, old, new, proof[:-1])
        assert not consistent(second, first, new, old, proof), "a log does not shrink"


def test_what_was_never_there() -> None:
    for index in (-1, 8):
        with pytest.raises(IndexError):
            inclusion_proof(LEAVES, index)
    for size in (-1, 9):
        with pytest.raises(IndexError):
            consistency_proof(LEAVES, size)
    assert not includes(LEAVES[0], 0, 0, [], EMPTY_ROOT)


def _head(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.add_hash(leaf)
    return tree.root()
