"""The lines in which holds are written down: each is a hold as a whole, and of two of one hold the later counts.

Format: `privacy/FORMAT.md`, "A record of the holds".
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from privacy.hold import Hold
from privacy.keyring import Change, KeyRing
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns, parsed
from privacy.sealed_folder import SealedFolder

log = logging.getLogger(__name__)

KIND: Final = "holds"
_FILE: Final = ""
"""There is one file, so it needs no name; another, where that was away when a line was written."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Hold).decode


class HoldBook:
    """Every hold that is remembered, in one sealed log. Every method blocks: call it on the `Disk` thread.

    `changed` is called when other holds stand in it than before.

    Raises (all methods):
        StoreBroken: the medium refused; nothing was changed.
    """

    def __init__(
        self, directory: Path, ring: KeyRing, moment: Callable[[], Moment], changed: Callable[[], None]
    ) -> None:
        self._files = SealedFolder(directory, ring, KIND, _described, moment, record_class=RecordClass.ACTIVITY)
        self._changed = changed
        self._change: Change | None = None
        self._dying: set[str] = set()
        """Of what the open change has die."""
        self._read()

    @property
    def holds(self) -> Mapping[str, Hold]:
        """By id."""
        return self._holds

    def unreadable(self) -> list[str]:
        """An id for each line that cannot be read: no hold has it, and `forget` takes it."""
        return [owner for owner in self._lines.values() if owner not in self._holds]

    def write(self, hold: Hold) -> None:
        """Write down what has become of `hold`, durably."""
        name = self._files.place(_FILE)
        sequence = self._files.append(name, [(_concerns(hold), _encode(hold))])
        self._lines[name, sequence] = hold.id
        self._holds[hold.id] = hold
        self._changed()

    def revise(self, anew: Callable[[Hold], Hold]) -> None:
        """Make of every hold what `anew` says, in all its lines: none is found under a date that it has no more."""

        def revised(payload: bytes) -> bytes:
            hold = parsed(_decode, payload)
            return _encode(anew(hold)) if hold else payload

        with self._files.change() as change:
            for name in self._files.names():
                self._files.revise(name, revised)
            change.afterwards(self._read_again)

    def forget(self, owners: set[str]) -> None:
        """Have all lines of these holds die at once, so that no earlier line of one comes to count."""
        with self._files.change() as change:
            if change is not self._change:
                self._change, self._dying = change, set()
            dying: defaultdict[str, set[int]] = defaultdict(set)
            for (name, sequence), owner in self._lines.items():
                if owner in owners - self._dying:
                    dying[name].add(sequence)
            for name, sequences in dying.items():
                self._files.lose(name, partial(_is_among, sequences))
            self._dying |= owners
            change.afterwards(self._read_again)

    def forget_unread(self) -> None:
        """As `SealedFolder.forget_unread`."""
        self._files.forget_unread()

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        """As `Store.scan`: counts lines, of which a hold has several."""
        return self._files.scan(scope, before)

    def _read(self) -> None:
        """Take up what the files say."""
        self._holds: dict[str, Hold] = {}
        self._lines: dict[tuple[str, int], str] = {}
        """Which hold a line is of, by file and sequence."""
        for file in self._files.files():
            for sequence, item, payload in file.records():
                hold = parsed(_decode, payload)
                self._lines[file.name, sequence] = hold.id if hold else item.id
                if hold:
                    self._holds[hold.id] = hold
                else:
                    log.error("holds: record %s cannot be read; what it keeps is not kept", item.id)

    def _read_again(self) -> None:
        self._read()
        self._changed()


def _is_among(sequences: set[int], sequence: int, _item: Item) -> bool:
    return sequence in sequences


def _concerns(hold: Hold) -> Concerns:
    return Concerns(hold.made, subjects=tuple(sorted(hold.people)))


def _described(payload: bytes) -> Concerns | None:
    hold = parsed(_decode, payload)
    return _concerns(hold) if hold else None
