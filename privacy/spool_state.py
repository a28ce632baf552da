"""What the spool remembers besides its lines: which batch is on its way, what is done with, and what was lost.

Nothing personal is in it, so it lies under the root key. Format: `privacy/FORMAT.md`, `spool/state`.
"""

import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from privacy.errors import SealBroken, StoreBroken
from privacy.files import write_new
from privacy.seal import Seal

log = logging.getLogger(__name__)

_BOUND_TO = b"spool"
_NONE_DONE = -1
"""Below every sequence."""


class HandedOut(msgspec.Struct, frozen=True):
    """The batch that has been handed out: the records of `segment` up to the sequence `last`.

    Records only ever go, and neither this segment's name nor a sequence is used twice: while `lines` of them can be
    read, they are the same lines.
    """

    id: str
    segment: str
    last: int
    lines: int = 0


class SpoolState(msgspec.Struct, frozen=True):
    """As it stands in the file (JSON)."""

    open: HandedOut | None = None
    dropped: dict[str, int] = {}
    """By reason, how many lines never went out."""
    done: dict[str, int] = {}
    """By segment, the highest sequence that was acknowledged. What is done is never handed out again, and dies with
    the next `expire`: a change of keys for each acknowledgement would wear out the medium."""
    highest: int = 0
    """The newest segment when a batch was last handed out: none up to it is made again, so that no batch that was
    ever handed out can come to mean other lines."""

    def done_up_to(self, segment: str) -> int:
        """The highest sequence of `segment` that is done with; below every sequence where none is."""
        return self.done.get(segment, _NONE_DONE)

    def counting(self, reason: str, lines: int) -> "SpoolState":
        """With so many lines more that never went out."""
        if not lines:
            return self
        dropped = {**self.dropped, reason: self.dropped.get(reason, 0) + lines}
        return msgspec.structs.replace(self, dropped=dropped)

    def of(self, living: Collection[str]) -> "SpoolState":
        """Without what is said of segments that live no more."""
        return msgspec.structs.replace(self, done={name: last for name, last in self.done.items() if name in living})


class StateFile:
    """Where that lies; written whole or not at all.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, path: Path, seal: Seal) -> None:
        self._path = path
        self._seal = seal

    def read(self) -> SpoolState:
        """What was written last; of one that does not open, nothing is known, and the last batch may go out twice."""
        try:
            if not self._path.exists():
                return SpoolState()
            plain = self._seal.open(self._path.read_bytes(), _BOUND_TO)
            return msgspec.json.decode(plain, type=SpoolState)
        except OSError as error:
            raise StoreBroken(f"cannot read {self._path}: {error.strerror}", hint="see `portvakt doctor`") from error
        except (SealBroken, msgspec.DecodeError):
            log.warning("%s does not open; the last batch may go out twice", self._path.name)
            return SpoolState()

    def write(self, state: SpoolState) -> None:
        """Make `state` all of it, durably."""
        write_new(self._path, self._seal.close(msgspec.json.encode(state), _BOUND_TO))
