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
    """The batch that has been handed out: the records of `segment` up to the sequence `last`.

    Records only ever go, and neither this segment's name nor a sequence is used twice: while `lines` of them can be
    read, they are the same lines.
    """

    id: str
    segment: str
    last: int
    lines: int = 0


class _State(msgspec.Struct, frozen=True):
    open: _Open | None = None
    dropped: dict[str, int] = {}
    highest: int = 0
    """The newest segment when a batch was last handed out: none up to it is made again, so that no batch that was
    ever handed out can come to mean other lines."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredLine).decode


class Spool:
    """A `Store` of redacted lines that wait. Every method blocks: call it on the `Disk` thread."""

    name = "spool"
    classes = frozenset({RecordClass.OP_LOG})
    tier = Tier.UNLINKED

    def __init__(self, directory: Path, keys: Keys, limit: timedelta, cap: int = CAP) -> None:
        self._files = SealedFolder(directory, keys, PURPOSE, _concerns)
        self._random_bytes = keys.random_bytes
        self._limit = limit
        self._cap = cap
        self._segment_size = min(LARGEST_SEGMENT, cap // 8)
        self._state_path = directory / "state"
        self._seal = keys.seal(f"{PURPOSE}-state")
        self._state = self._read_state()
        self._forget_gone_batch()

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
        try:
            self._make_room()
        except StoreBroken as error:
            # The lines are on disk: raised, this would have the caller bring them again. The next call makes room.
            log.warning("the spool could not make room: %s", error)

    def next_batch(self, max_lines: int) -> Batch | None:
        """The oldest lines that wait; the same batch until it is acknowledged, whatever `max_lines` says then.

        Of a batch that was thinned meanwhile, by an erasure or the limit, the rest goes out under another id.
        """
        handed = self._state.open or self._hand_out(max_lines)
        while handed:
            lines = self._lines(handed.segment, handed.last)
            if lines and len(lines) == handed.lines:
                return Batch(handed.id, lines)
            if not lines:
                # All of it was erased, expired or dropped meanwhile, or cannot be read: done with.
                self.acknowledge(handed.id)
            handed = self._hand_out(max_lines)
        return None

    def acknowledge(self, batch_id: str) -> bool:
        """Drop the batch that the other end has, durably; False where it is not the one that waits (a repetition)."""
        handed = self._state.open
        if handed is None or handed.id != batch_id:
            return False
        if handed.segment in self._files.names():
            sent = {f"{handed.segment}.{s}" for s, _, _ in self._records(handed.segment) if s <= handed.last}
            self._files.keep(handed.segment, lambda item: item.id not in sent)
        self._write_state(msgspec.structs.replace(self._state, open=None))
        return True

    def expire(self, now: datetime) -> int:
        """Drop what is older than the limit, counted; returns how many lines. Pass the time of the next run."""
        gone = 0
        for went in self._files.expire(now - self._limit):
            self._count(EXPIRED, went)
            gone += went
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
        return f"{self._highest(names) + 1:010d}"

    def _highest(self, names: Iterable[str]) -> int:
        return max([self._state.highest, *(int(name) for name in names if name.isdecimal())])

    def _records(self, segment: str) -> Iterator[tuple[int, Item, bytes]]:
        if segment in self._files.names():
            yield from self._files.records(segment)

    def _hand_out(self, max_lines: int) -> _Open | None:
        """Decide what the next batch is, and write that down before anybody sees it."""
        names = self._files.names()
        for segment in names:
            sequences = [sequence for sequence, _, _ in self._records(segment)]
            if sequences:
                last = sequences[:max_lines][-1]
                handed = _Open(self._random_bytes(16).hex(), segment, last, len(self._lines(segment, last)))
                self._write_state(msgspec.structs.replace(self._state, open=handed, highest=self._highest(names)))
                return handed
        return None

    def _lines(self, segment: str, last: int) -> tuple[RedactedLine, ...]:
        """The lines of `segment` up to the sequence `last` that can be read."""
        lines = [_line(payload) for sequence, _, payload in self._records(segment) if sequence <= last]
        return tuple(redacted(line.text) for line in lines if line)

    def _make_room(self) -> None:
        """Drop the oldest segments while all are larger than the cap together; never the newest."""
        names = self._files.names()
        sizes = [self._files.log(name).size for name in names]
        surplus = sum(sizes) - self._cap
        for name, size in zip(names[:-1], sizes, strict=False):
            if surplus <= 0:
                break
            surplus -= size
            lost = self._files.state(name).count
            self._files.drop([name])
            log.warning("the spool is full: dropped its %d oldest lines", lost)
            self._count(FULL, lost)

    def _count(self, reason: str, lines: int) -> None:
        if lines:
            dropped = {**self._state.dropped, reason: self._state.dropped.get(reason, 0) + lines}
            # Counted also where it cannot be written now: the next write takes it along.
            self._state = msgspec.structs.replace(self._state, dropped=dropped)
            self._write_state(self._state)

    def _read_state(self) -> _State:
        try:
            if not self._state_path.exists():
                return _State()
            plain = self._seal.open(self._state_path.read_bytes(), PURPOSE.encode())
            state = msgspec.json.decode(plain, type=_State)
        except OSError as error:
            raise StoreBroken(f"cannot read {self._state_path}: {error.strerror}") from error
        except (SealBroken, msgspec.DecodeError):
            # It says only which batch was handed out: without it that batch goes out again under another id.
            log.warning("%s does not open; the last batch may go out twice", self._state_path.name)
            return _State()
        return state

    def _forget_gone_batch(self) -> None:
        """A batch whose segment is gone was acknowledged, erased or dropped just before the last run ended."""
        handed = self._state.open
        if handed is None or handed.segment in self._files.names():
            return
        cleared = _State(None, self._state.dropped, max(self._state.highest, int(handed.segment)))
        try:
            self._write_state(cleared)
        except StoreBroken as error:
            # A full medium must not keep the gateway from starting; the next write takes this along.
            self._state = cleared
            log.warning("the spool's state could not be written yet: %s", error)

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
