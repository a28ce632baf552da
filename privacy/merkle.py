"""The Merkle tree of RFC 9162, section 2.1, with SHA-256: its hash, inclusion and consistency proofs.

Leaves are prefixed with 0, inner nodes with 1. (The library for it, pymerkle, has a licence that ours cannot take.)
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

RootOf = Callable[[int, int], bytes]
"""The tree hash over the leaves from the first number up to, and not with, the second (2.1.1)."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry (2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows. Keeps the roots of its full subtrees, so that adding and rooting cost O(log n)."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._full: list[bytes] = []
        """Roots of the full subtrees, largest first: one for each bit of `size`."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: bytes) -> None:
        """Append one entry."""
        self.add_hash(leaf_hash(entry))

    def add_hash(self, leaf: bytes) -> None:
        """Append the entry whose `leaf_hash` this is."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._full.pop(), node)
            size >>= 1
        self._full.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree hash over all entries so far."""
        if not self._full:
            return EMPTY_ROOT
        *others, root = self._full
        for left in reversed(others):
            root = node_hash(left, root)
        return root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What shows that the leaf at `index` is among `leaves` (hashes of entries), lowest node first (2.1.3.1).

    Raises:
        IndexError: there is no such leaf.
    """
    return inclusion_path(index, len(leaves), lambda start, end: _root(leaves[start:end]))


def inclusion_path(index: int, size: int, root_of: RootOf) -> list[bytes]:
    """As `inclusion_proof`, for a log of `size` leaves that need not be at hand: `root_of` is asked once a node.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index} among {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start = middle
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the entry with the hash `leaf` stands at `index` of the log (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for other in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            leaf = node_hash(other, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, other)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """What it takes to show that the log of the first `first` leaves became this one by growing alone (2.1.4.1).

    Raises:
        IndexError: the log was never of that size.
    """
    return consistency_path(first, len(leaves), lambda start, end: _root(leaves[start:end]))


def consistency_path(first: int, size: int, root_of: RootOf) -> list[bytes]:
    """As `consistency_proof`, for a log of `size` leaves that need not be at hand: `root_of` is asked once a node.

    Raises:
        IndexError: the log was never of that size.
    """
    if not 0 <= first <= size:
        raise IndexError(f"a log of {size} leaves was never one of {first}")
    if first == 0:
        return []
    path: list[bytes] = []
    start, end = 0, size
    while first < end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start = middle
    return [*([root_of(start, end)] if start else []), *path[::-1]]


def consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the log of size `second` grew out of the one of size `first` (2.1.4.2).

    Every log grew out of the empty one, and out of itself; that takes no proof.
    """
    if first == 0:
        return first_root == EMPTY_ROOT and not proof
    if first == second:
        return first_root == second_root and not proof
    if not first < second or not proof:
        return False
    nodes = [*([first_root] if first & (first - 1) == 0 else []), *proof]
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = nodes[0]
    for other in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, other)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_hash(_root(leaves[:split]), _root(leaves[split:]))
