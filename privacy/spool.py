"""The spool: redacted lines on disk until the application at the other end has them.

The same batch goes out under the same id until it is acknowledged, over restarts too, so that the other end can tell
a repetition. A cap and a limit keep it small when nobody listens; what they drop is counted.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from privacy.entries import About
from privacy.errors import RedactionRefused, SealBroken, StoreBroken
from privacy.files import write_new
from privacy.keyring import KeyRing
from privacy.lifetime import Lifetime
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.sealed_file import Concerns
from privacy.sealed_folder import HeldBy, SealedFolder, all_admitted, nothing_held
from privacy.store import Erasure
from privacy.timekeeping import TimeKeeper

log = logging.getLogger(__name__)

PURPOSE = "spool"
CAP = 16 * 1024 * 1024
LARGEST_SEGMENT = 256 * 1024
"""Bytes. Where a part of a segment dies, the rest is written anew: not more than this."""
FULL, EXPIRED, HELD = "full", "expired", "held"
NONE_DONE = -1
"""Below every sequence."""


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
    done: dict[str, int] = {}
    """By segment, the highest sequence that was acknowledged. What is done is never handed out again, and dies with
    the next `expire`: a change of keys for each acknowledgement would wear out the medium."""
    highest: int = 0
    """The newest segment when a batch was last handed out: none up to it is made again, so that no batch that was
    ever handed out can come to mean other lines."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredLine).decode


class Spool:
    """A `Store` of redacted lines that wait. Every method blocks: call it on the `Disk` thread."""

    name = "spool"
    classes = frozenset({RecordClass.OP_LOG})

    def __init__(  # noqa: PLR0913 - what it is made of, each used
        self,
        directory: Path,
        keys: Keys,
        ring: KeyRing,
        time: TimeKeeper,
        limit: timedelta,
        *,
        cap: int = CAP,
        holds: HeldBy = nothing_held,
        admits: Callable[[Item], bool] = all_admitted,
    ) -> None:
        """Open the spool in `directory`.

        `keys` seal its state, which holds nothing personal; the lines are under keys of `ring`. `admits`: as
        `Barrier.admits`. What an order reaches is handed out no more, and counts as erased: the order takes it.
        """
        self.tier = ring.tier
        self._lifetime = Lifetime(time, RecordClass.OP_LOG, limit)
        self._files = SealedFolder(
            directory,
            ring,
            PURPOSE,
            _concerns,
            time.moment,
            holds,
            beside=frozenset({"state"}),
            redates=True,
            admits=admits,
            sealed=self._lifetime.sealed,
        )
        self._random_bytes = keys.random_bytes
        self._cap = cap
        self._segment_size = min(LARGEST_SEGMENT, cap // 8)
        self._state_path = directory / "state"
        self._seal = keys.seal(f"{PURPOSE}-state")
        self._state = self._read_state()
        self._forget_gone_batch()

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many lines never went out, by reason, since the spool was made: `full`, `expired`, `held`."""
        return dict(self._state.dropped)

    @property
    def waiting(self) -> int:
        """How many lines wait, those of an unacknowledged batch included."""
        done = self._state.done
        states = [self._files.file(name).state()[0] for name in self._files.names() if name not in done]
        return sum(states) + sum(len(self._waiting(segment)) for segment in done)

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
        above = self._state.highest
        self._files.append(self._files.taking(records, self._lifetime.span, self._segment_size, above), records)
        try:
            self._make_room()
        except StoreBroken as error:
            # The lines are on disk: raised, this would have the caller bring them again. The next call makes room.
            log.warning("the spool could not make room: %s", error)

    def next_batch(self, max_lines: int) -> Batch | None:
        """The oldest lines that wait; the same batch until it is acknowledged, whatever `max_lines` says then.

        Of a batch that was thinned meanwhile, by an order or the limit, the rest goes out under another id. While the
        time is not known, nothing of an earlier boot goes out; a batch of it that was handed out before has to wait,
        and all others with it.
        """
        handed = self._state.open or self._hand_out(max_lines)
        while handed:
            if handed.segment in self._files.names() and self._files.sealed(handed.segment):
                return None
            lines = self._lines(handed.segment, handed.last)
            if lines and len(lines) == handed.lines:
                return Batch(handed.id, lines)
            if not lines:
                # All of it was erased, expired or dropped meanwhile, or cannot be read: done with.
                self.acknowledge(handed.id)
            handed = self._hand_out(max_lines)
        return None

    def acknowledge(self, batch_id: str) -> bool:
        """The other end has the batch; False where it is not the one that waits (a repetition).

        Durably done with: its lines are never handed out again, and nobody can read them after the next `expire`.
        """
        handed = self._state.open
        if handed is None or handed.id != batch_id:
            return False
        unsent = [s for s, item, _ in self._waiting(handed.segment) if s <= handed.last and self._files.held(item)]
        done = {**self._state.done, handed.segment: handed.last}
        self._write_state(msgspec.structs.replace(self._counted(HELD, len(unsent)), open=None, done=done))
        return True

    def expire(self, ahead: timedelta) -> int:
        """Have die what reaches its limit within `ahead`, the time until the next run, and all that was acknowledged.

        Returns how many lines went that never went out; they are counted.
        """
        due = self._lifetime.due(ahead)
        lost = 0
        with self._files.change() as change:
            for name in self._files.names():
                done = self._state.done.get(name, NONE_DONE)
                if due(self._files.file(name).info.moment):
                    lost += sum(s > done for s in self._files.lose(name, lambda _sequence, _item: True))
                elif done > NONE_DONE:
                    self._files.lose(name, _up_to(done))
            change.afterwards(lambda: self._count(EXPIRED, lost))
        return lost

    def moments(self) -> Iterator[Moment]:
        """When each segment began, for the time keeper at a start."""
        return self._files.moments()

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time has become known: correct when the segments of this boot began."""
        self._files.redate(redated)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return self._files.find(scope, before)

    def count(self, scope: Scope, before: datetime) -> int:
        return self._files.count(scope, before)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        return self._files.scan(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        """Each line as it would go out; one that no longer decodes, as it lies there."""
        for item, payload in self._files.export(scope):
            line = _line(payload)
            yield item, line.text.encode() if line else payload

    def oldest(self) -> Iterable[tuple[RecordClass, int, datetime | None]]:
        return [self._files.oldest()]

    def _waiting(self, segment: str) -> list[tuple[int, Item, bytes]]:
        """What of `segment` is not done with."""
        done = self._state.done.get(segment, NONE_DONE)
        if segment in self._files.names() and self._files.file(segment).open().first_free == done + 1:
            return []  # without reading it
        return [record for record in self._files.records(segment) if record[0] > done]

    def _hand_out(self, max_lines: int) -> _Open | None:
        """Decide what the next batch is, and write that down before anybody sees it."""
        names = self._files.names()
        for segment in names:
            if self._files.sealed(segment):
                continue
            sequences = [sequence for sequence, item, _ in self._waiting(segment) if self._files.may_show(item)]
            if sequences:
                last = sequences[:max_lines][-1]
                handed = _Open(self._random_bytes(16).hex(), segment, last, len(self._lines(segment, last)))
                highest = max(self._state.highest, *(int(name) for name in names if name.isdecimal()))
                self._write_state(msgspec.structs.replace(self._state, open=handed, highest=highest))
                return handed
        return None

    def _lines(self, segment: str, last: int) -> tuple[RedactedLine, ...]:
        """The lines of `segment` up to the sequence `last` that can be read, and may be sent."""
        sent = [payload for s, item, payload in self._waiting(segment) if s <= last and self._files.may_show(item)]
        return tuple(redacted(line.text) for line in map(_line, sent) if line)

    def _make_room(self) -> None:
        """Drop the oldest segments while all are larger than the cap together; never the newest."""
        names = self._files.names()
        sizes = [self._files.file(name).open().size for name in names]
        surplus = sum(sizes) - self._cap
        lost = 0
        with self._files.change():
            for name, size in zip(names[:-1], sizes, strict=False):
                if surplus <= 0:
                    break
                surplus -= size
                done = self._state.done.get(name, NONE_DONE)
                lost += sum(s > done for s in self._files.lose(name, lambda _sequence, _item: True))
        if lost:
            log.warning("the spool is full: dropped its %d oldest lines", lost)
        self._count(FULL, lost)

    def _count(self, reason: str, lines: int) -> None:
        if lines:
            self._note(self._counted(reason, lines))

    def _counted(self, reason: str, lines: int) -> _State:
        if not lines:
            return self._state
        dropped = {**self._state.dropped, reason: self._state.dropped.get(reason, 0) + lines}
        return msgspec.structs.replace(self._state, dropped=dropped)

    def _read_state(self) -> _State:
        try:
            if not self._state_path.exists():
                return _State()
            plain = self._seal.open(self._state_path.read_bytes(), PURPOSE.encode())
            state = msgspec.json.decode(plain, type=_State)
        except OSError as error:
            raise StoreBroken(
                f"cannot read {self._state_path}: {error.strerror}", hint="see `portvakt doctor`"
            ) from error
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
        highest = max(self._state.highest, int(handed.segment))
        self._note(msgspec.structs.replace(self._state, open=None, highest=highest))

    def _note(self, state: _State) -> None:
        """Where it cannot be written now, the next write takes it along: a full medium must not stop the rest."""
        self._state = state
        try:
            self._write_state(state)
        except StoreBroken as error:
            log.warning("the spool's state could not be written yet: %s", error)

    def _write_state(self, state: _State) -> None:
        living = set(self._files.names())
        done = {segment: last for segment, last in state.done.items() if segment in living}
        state = msgspec.structs.replace(state, done=done)
        write_new(self._state_path, self._seal.close(msgspec.json.encode(state), PURPOSE.encode()))
        self._state = state


def _up_to(done: int) -> Callable[[int, Item], bool]:
    return lambda sequence, _item: sequence <= done


def _line(payload: bytes) -> _StoredLine | None:
    with contextlib.suppress(ValueError):  # msgspec's DecodeError is one, as is what its datetimes raise
        return _decode(payload)
    return None


def _concerns(payload: bytes) -> Concerns | None:
    line = _line(payload)
    return line.concerns if line else None
