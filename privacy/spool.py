"""The spool: redacted lines on disk until the application at the other end has them.

The same batch goes out under the same id until it is acknowledged, over restarts too, so that the other end can tell
a repetition. A cap and a limit keep it small when nobody listens; what they drop is counted.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from privacy.entries import About
from privacy.errors import RedactionRefused, StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.sealed_file import Concerns, Record, parsed
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import ExpiringStore, all_admitted
from privacy.spool_state import HandedOut, SpoolState, StateFile
from privacy.timekeeping import TimeKeeper

log = logging.getLogger(__name__)

PURPOSE: Final = "spool"
CAP: Final = 16 * 1024 * 1024
LARGEST_SEGMENT: Final = 256 * 1024
"""Bytes. Where a part of a segment dies, the rest is written anew: not more than this."""
FULL, EXPIRED, HELD = "full", "expired", "held"


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines to upload. `id` is 32 hex digits, and never used again for others."""

    id: str
    lines: tuple[RedactedLine, ...]


class _StoredLine(msgspec.Struct, frozen=True, array_like=True):
    concerns: Concerns
    text: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredLine).decode


class Spool(ExpiringStore):
    """A `Store` of redacted lines that wait; each leaves as it would go out."""

    name = PURPOSE
    record_class = RecordClass.OP_LOG
    beside = frozenset({"state"})

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
        super().__init__(directory, ring, time, limit, holds=holds, admits=admits)
        self._random_bytes = keys.random_bytes
        self._cap = cap
        self._segment_size = min(LARGEST_SEGMENT, cap // 8)
        self._state_file = StateFile(directory / "state", keys.seal(f"{PURPOSE}-state"))
        self._state = self._state_file.read()
        self._forget_gone_batch()

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many lines never went out, by reason, since the spool was made: `full`, `expired`, `held`."""
        return dict(self._state.dropped)

    @property
    def waiting(self) -> int:
        """How many lines wait, those of an unacknowledged batch included."""
        done = self._state.done
        states = [file.state()[0] for file in self._files.files() if file.name not in done]
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
        self._append(records, self._segment_size, self._state.highest)
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
            if handed.segment in self._files.names() and self._doubtful(handed.segment):
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
        self._write_state(msgspec.structs.replace(self._state.counting(HELD, len(unsent)), open=None, done=done))
        return True

    def expire(self, ahead: timedelta) -> int:
        """Have die what reaches its limit within `ahead`, the time until the next run, and all that was acknowledged.

        Returns how many lines went that never went out; they are counted.
        """
        due = self._lifetime.due(ahead)
        lost = 0
        with self._files.change() as change:
            for name in self._files.names():
                done = self._state.done_up_to(name)
                if due(self._files.file(name).info.moment):
                    lost += sum(s > done for s in self._files.lose(name, lambda _sequence, _item: True))
                elif name in self._state.done:
                    self._files.lose(name, _up_to(done))
            change.afterwards(lambda: self._count(EXPIRED, lost))
        return lost

    def _exported(self, _item: Item, payload: bytes) -> bytes:
        line = parsed(_decode, payload)
        return line.text.encode() if line else payload

    def _concerns(self, payload: bytes) -> Concerns | None:
        line = parsed(_decode, payload)
        return line.concerns if line else None

    def _waiting(self, segment: str) -> list[Record]:
        """What of `segment` is not done with."""
        done = self._state.done_up_to(segment)
        if segment in self._files.names() and self._files.file(segment).first_free == done + 1:
            return []  # without reading it
        return [record for record in self._files.records(segment) if record[0] > done]

    def _hand_out(self, max_lines: int) -> HandedOut | None:
        """Decide what the next batch is, and write that down before anybody sees it."""
        names = self._files.names()
        for segment in names:
            if self._doubtful(segment):
                continue
            sequences = [sequence for sequence, item, _ in self._waiting(segment) if self._may_show(item)]
            if sequences:
                last = sequences[:max_lines][-1]
                handed = HandedOut(self._random_bytes(16).hex(), segment, last, len(self._lines(segment, last)))
                highest = max(self._state.highest, *(int(name) for name in names if name.isdecimal()))
                self._write_state(msgspec.structs.replace(self._state, open=handed, highest=highest))
                return handed
        return None

    def _lines(self, segment: str, last: int) -> tuple[RedactedLine, ...]:
        """The lines of `segment` up to the sequence `last` that can be read, and may be sent."""
        sent = [payload for s, item, payload in self._waiting(segment) if s <= last and self._may_show(item)]
        return tuple(redacted(line.text) for line in (parsed(_decode, payload) for payload in sent) if line)

    def _make_room(self) -> None:
        """Drop the oldest segments while all are larger than the cap together; never the newest."""
        names = self._files.names()
        sizes = [self._files.file(name).size for name in names]
        surplus = sum(sizes) - self._cap
        lost = 0
        with self._files.change():
            for name, size in zip(names[:-1], sizes, strict=False):
                if surplus <= 0:
                    break
                surplus -= size
                done = self._state.done_up_to(name)
                lost += sum(s > done for s in self._files.lose(name, lambda _sequence, _item: True))
        if lost:
            log.warning("the spool is full: dropped its %d oldest lines", lost)
        self._count(FULL, lost)

    def _count(self, reason: str, lines: int) -> None:
        if lines:
            self._note(self._state.counting(reason, lines))

    def _forget_gone_batch(self) -> None:
        """A batch whose segment is gone was acknowledged, erased or dropped just before the last run ended."""
        handed = self._state.open
        if handed is None or handed.segment in self._files.names():
            return
        highest = max(self._state.highest, int(handed.segment))
        self._note(msgspec.structs.replace(self._state, open=None, highest=highest))

    def _note(self, state: SpoolState) -> None:
        """Where it cannot be written now, the next write takes it along: a full medium must not stop the rest."""
        self._state = state
        try:
            self._write_state(state)
        except StoreBroken as error:
            log.warning("the spool's state could not be written yet: %s", error)

    def _write_state(self, state: SpoolState) -> None:
        state = state.of(set(self._files.names()))
        self._state_file.write(state)
        self._state = state


def _up_to(done: int) -> Callable[[int, Item], bool]:
    return lambda sequence, _item: sequence <= done
