"""The spool: redacted lines on disk until the application at the other end has them.

The same batch goes out under the same id until it is acknowledged, over restarts too, so that the other end can tell
a repetition. A cap and a limit keep it small when nobody listens; what they drop is counted.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from privacy.entries import About
from privacy.errors import RedactionRefused, SealBroken, StoreBroken
from privacy.files import write_new
from privacy.records import Item, RecordClass, Scope, Tier
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.sealed_folder import Concerns, SealedFolder
from privacy.store import Erasure

log = logging.getLogger(__name__)

PURPOSE = "spool"
LIMIT = timedelta(hours=72)
CAP = 16 * 1024 * 1024
LARGEST_SEGMENT = 256 * 1024
"""Bytes; an acknowledgement rewrites at most this much."""
FULL, EXPIRED = "full", "expired"


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines to upload. `id` is 32 hex digits, and never used again for others."""

    id: str
    lines: tuple[RedactedLine, ...]


class _StoredLine(msgspec.Struct, frozen=True, array_like=True):
    concerns: Concerns
    text: str


class _Open(msgspec.Struct, frozen=True):
    """The batch that has been handed out: the records of `segment` up to the sequence `last`."""

    id: str
    segment: str
    last: int


class _State(msgspec.Struct, frozen=True):
    open: _Open | None = None
    dropped: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredLine).decode


class Spool:
    """A `Store` of redacted lines that wait. Every method blocks: call it on the `Disk` thread."""

    name = "spool"
    classes = frozenset({RecordClass.OP_LOG})
    tier = Tier.UNLINKED

    def __init__(self, directory: Path, keys: Keys, limit: timedelta = LIMIT, cap: int = CAP) -> None:
        self._files = SealedFolder(directory, keys, PURPOSE, _concerns)
        self._random_bytes = keys.random_bytes
        self._limit = limit
        self._cap = cap
        self._segment_size = min(LARGEST_SEGMENT, cap // 8)
        self._state_path = directory / "state"
        self._seal = keys.seal(f"{PURPOSE}-state")
        self._state = self._read_state()

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many lines never went out, by reason, since the spool was made: `full`, `expired`."""
        return dict(self._state.dropped)

    @property
    def waiting(self) -> int:
        """How many lines wait, those of an unacknowledged batch included."""
        return self._files.oldest()[1]

    def append(self, lines: Sequence[tuple[RedactedLine, About]]) -> None:
        """Store lines durably, each with whom its entry concerned. One call is one fsync: gather what comes together.

        Raises:
            RedactionRefused: something else than a `RedactedLine`.
            StoreBroken: the medium refused.
        """
        records: list[tuple[Concerns, bytes]] = []
        for line, about in lines:
            if type(line) is not RedactedLine:
                raise RedactionRefused("the spool takes redacted lines only")
            concerns = Concerns.of(about)
            records.append((concerns, _encode(_StoredLine(concerns, line.text))))
        if not records:
            return
        self._files.append(self._newest(), records)
        self._make_room()

    def next_batch(self, max_lines: int) -> Batch | None:
        """The oldest lines that wait; the same batch until it is acknowledged, whatever `max_lines` says then."""
        while True:
            handed = self._state.open or self._hand_out(max_lines)
            if handed is None:
                return None
            lines = [
                _line(payload) for sequence, _, payload in self._records(handed.segment) if sequence <= handed.last
            ]
            if any(lines):
                return Batch(handed.id, tuple(redacted(line.text) for line in lines if line))
            # All of it was erased, expired or dropped meanwhile, or cannot be read: done with.
            self.acknowledge(handed.id)

    def acknowledge(self, batch_id: str) -> bool:
        """Drop the batch that the other end has, durably; False where it is not the one that waits (a repetition)."""
        handed = self._state.open
        if handed is None or handed.id != batch_id:
            return False
        if handed.segment in self._files.names():
            sent = {f"{handed.segment}.{s}" for s, _, _ in self._records(handed.segment) if s <= handed.last}
            self._files.keep(handed.segment, lambda item: item.id not in sent)
        self._write_state(_State(None, self._state.dropped))
        return True

    def expire(self, now: datetime) -> int:
        """Drop what is older than the limit, counted; returns how many lines. Pass the time of the next run."""
        due = now - self._limit
        gone = 0
        for name in self._files.names():
            oldest = self._files.state(name).oldest
            if oldest is None or oldest <= due:
                gone += self._files.keep(name, lambda item: item.at is not None and item.at > due)
        self._count(EXPIRED, gone)
        return gone

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return self._files.find(scope, before)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime) -> int:
        return self._files.scan(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """Each line as it would go out; one that no longer decodes, as it lies there."""
        for item, payload in self._files.export(scope):
            line = _line(payload)
            yield item, line.text.encode() if line else payload

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        return [self._files.oldest()]

    def _newest(self) -> str:
        """The segment that takes new lines."""
        names = self._files.names()
        if names and self._files.log(names[-1]).size < self._segment_size:
            return names[-1]
        # Also above the segment of a batch that was handed out and then erased: its id must not get other lines.
        handed = [self._state.open.segment] if self._state.open else []
        return f"{max(map(int, [*names, *handed]), default=0) + 1:010d}"

    def _records(self, segment: str) -> Iterator[tuple[int, Item, bytes]]:
        if segment in self._files.names():
            yield from self._files.records(segment)

    def _hand_out(self, max_lines: int) -> _Open | None:
        """Decide what the next batch is, and write that down before anybody sees it."""
        for segment in self._files.names():
            sequences = [sequence for sequence, _, _ in self._records(segment)]
            if sequences:
                last = sequences[:max_lines][-1]
                handed = _Open(self._random_bytes(16).hex(), segment, last)
                self._write_state(_State(handed, self._state.dropped))
                return handed
        return None

    def _make_room(self) -> None:
        """Drop the oldest segments while all are larger than the cap together; never the newest."""
        names = self._files.names()
        sizes = [self._files.log(name).size for name in names]
        surplus, victims = sum(sizes) - self._cap, 0
        while surplus > 0 and victims < len(names) - 1:
            surplus -= sizes[victims]
            victims += 1
        if victims:
            lost = sum(self._files.state(name).count for name in names[:victims])
            self._files.drop(names[:victims])
            self._count(FULL, lost)
            log.warning("the spool is full: dropped its %d oldest lines", lost)

    def _count(self, reason: str, lines: int) -> None:
        if lines:
            dropped = {**self._state.dropped, reason: self._state.dropped.get(reason, 0) + lines}
            self._write_state(_State(self._state.open, dropped))

    def _read_state(self) -> _State:
        if not self._state_path.exists():
            return _State()
        try:
            plain = self._seal.open(self._state_path.read_bytes(), PURPOSE.encode())
            state = msgspec.json.decode(plain, type=_State)
        except OSError as error:
            raise StoreBroken(f"cannot read {self._state_path}: {error.strerror}") from error
        except (SealBroken, msgspec.DecodeError):
            # It says only which batch was handed out: without it that batch goes out again under another id.
            log.warning("%s does not open; the last batch may go out twice", self._state_path.name)
            return _State()
        if state.open and state.open.segment not in self._files.names():
            # Acknowledged or dropped just before a crash; the segment's name may be used again.
            return _State(None, state.dropped)
        return state

    def _write_state(self, state: _State) -> None:
        write_new(self._state_path, self._seal.close(msgspec.json.encode(state), PURPOSE.encode()))
        self._state = state


def _line(payload: bytes) -> _StoredLine | None:
    with contextlib.suppress(ValueError):  # msgspec's DecodeError is one, as is what its datetimes raise
        return _decode(payload)
    return None


def _concerns(payload: bytes) -> Concerns | None:
    line = _line(payload)
    return line.concerns if line else None
