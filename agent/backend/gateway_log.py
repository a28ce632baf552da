"""One gateway's log of receipts (RFC 9162) as the backend knows it. Pure: no files, no network.

A receipt names the size and the root of the log before it. So it has one place there, and vouches for all before it.
Receipts may come in any order. A gap is no contradiction; what lies behind it is checked as soon as it is filled.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from agent.errors import AgentError
from privacy.merkle import EMPTY_ROOT, Tree
from privacy.receipts import Kind, LogPosition, Receipt
from privacy.seal import sha256_hex

MOST_HEADS = 64
"""Heads that are remembered while a gap keeps them from being checked; then the smaller ones are forgotten."""

Code = Literal["fork", "root", "smaller", "damaged"]
"""Of a contradiction: two receipts where one can be; a root that does not follow; a log that became smaller; a receipt
that was changed here."""


class Contradiction(AgentError):
    """Two statements about one log that cannot both be true; `code` is stable, for machines."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class _Entry:
    order: str
    kind: Kind
    sha256: str
    root: str
    """Of the log before it."""

    def __str__(self) -> str:
        return f"the {self.kind} receipt of order {self.order}"


class GatewayLog:
    """What is held of one log, and every root that was claimed for it: by receipts, and by heads in a hello."""

    def __init__(self) -> None:
        self._whole: list[_Entry] = []
        """Without a gap from the first on."""
        self._tree = Tree()
        """Over `_whole`."""
        self._roots = [EMPTY_ROOT.hex()]
        """By size, over `_whole`."""
        self._behind: dict[int, tuple[_Entry, str]] = {}
        """By position, behind a gap; with the receipt itself, which goes into the tree when the gap is filled."""
        self._heads: dict[int, str] = {}
        """Roots that a hello claimed for sizes which cannot be checked yet."""
        self._reached = 0

    @property
    def held(self) -> int:
        """How many receipts are here."""
        return len(self._whole) + len(self._behind)

    @property
    def missing(self) -> int:
        """How many must exist, and are not here."""
        return self._reached - self.held

    def missing_positions(self, most: int, first: int = 0) -> Sequence[int]:
        """Where they stand in the log, counted from 0; the first `most` of those from `first` on."""
        positions = range(max(len(self._whole), first), self._reached)
        return tuple(islice((position for position in positions if position not in self._behind), most))

    def heads(self) -> Sequence[LogPosition]:
        """What has to be remembered besides the receipts: heads that cannot be checked yet, and the largest."""
        roots = dict(self._heads)
        if len(self._whole) == self._reached:
            roots[self._reached] = self._roots[-1]
        return tuple(LogPosition(size=size, root=roots[size]) for size in sorted(roots)[-MOST_HEADS:])

    def add(self, receipt: Receipt, jws: str) -> None:
        """Put a receipt in its place. One that is there already changes nothing.

        Raises:
            Contradiction: it cannot stand in one log with what is here; nothing was changed.
        """
        position = receipt.log.size
        entry = _Entry(receipt.order.id, receipt.kind, sha256_hex(jws.encode()), receipt.log.root)
        if (there := self._at(position)) is not None:
            if there == entry:
                return
            raise Contradiction("fork", f"{entry} stands at place {position} of the log, where {there} is")
        self._agree(receipt.log, str(entry))
        if position == len(self._whole):
            self._extend(entry, jws)
        else:
            self._behind[position] = (entry, jws)
        self._reached = max(self._reached, position + 1)

    def claim(self, head: LogPosition) -> None:
        """Note a head that a hello once named.

        Raises:
            Contradiction: `root`, another root is known or was claimed for this size.
        """
        self._agree(head, "the head in a hello")
        if head.size > len(self._whole):
            self._heads[head.size] = head.root
        self._reached = max(self._reached, head.size)

    def hear(self, head: LogPosition) -> None:
        """Note the head of a hello that was said now.

        Raises:
            Contradiction: as `claim`; or `smaller`, the log was longer before.
        """
        if head.size < self._reached:
            raise Contradiction("smaller", f"its log had {self._reached} receipts, and now it has {head.size}")
        self.claim(head)

    def _at(self, position: int) -> _Entry | None:
        if position < len(self._whole):
            return self._whole[position]
        behind = self._behind.get(position)
        return behind[0] if behind else None

    def _agree(self, claimed: LogPosition, who: str) -> None:
        for root in self._known_roots(claimed.size):
            if root != claimed.root:
                raise Contradiction(
                    "root", f"{who} names another log of {claimed.size} receipts than the one known here"
                )

    def _known_roots(self, size: int) -> Iterable[str]:
        if size < len(self._roots):
            yield self._roots[size]
            return
        if size in self._behind:
            yield self._behind[size][0].root
        if size in self._heads:
            yield self._heads[size]

    def _extend(self, entry: _Entry, jws: str) -> None:
        """Add `entry`, which fills the first gap, and what lies behind it up to the next one."""
        tree, entries, roots = deepcopy(self._tree), [entry], []
        while True:
            tree.add(jws.encode())
            root = tree.root().hex()
            for claimed in self._known_roots(tree.size):
                if claimed != root:
                    raise Contradiction(
                        "root", f"with {entry} in its place, what was said of the log later is not true"
                    )
            roots.append(root)
            if tree.size not in self._behind:
                break
            behind, jws = self._behind[tree.size]
            entries.append(behind)
        self._tree = tree
        self._whole += entries
        self._roots += roots
        self._behind = {at: behind for at, behind in self._behind.items() if at > tree.size}
        self._heads = {size: root for size, root in self._heads.items() if size > tree.size}
