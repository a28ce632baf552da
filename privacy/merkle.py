"""The Merkle tree hash of RFC 9162, section 2.1, with SHA-256: leaves are prefixed with 0, inner nodes with 1."""

import hashlib
from collections.abc import Iterable

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
        node, size = leaf_hash(entry), self.size
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
