"""The operation log as it is written: raw entries sealed on disk, their redacted lines in the spool.

Writing an entry never waits. A full queue (the medium is gone, and hundreds of entries came since) drops the newest,
and says how many.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent.api import contract
from agent.changes import Changes
from privacy.clock import Clock
from privacy.entries import Entry
from privacy.operation_log import OperationLog
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.household import Registry
from privacy.redaction.pseudonyms import DayKeys
from privacy.redaction.redactor import Redactor
from privacy.spool import Batch, Spool
from privacy.store import Barrier, Disk

log = logging.getLogger(__name__)

SHOWN_LINES = 50
MOST_QUEUED = 10_000
MOST_IN_BATCH = 200
GATHER_SECONDS = 0.2
"""Entries that come together are written together: one fsync, and one batch, instead of many."""
EXPIRY_PAUSE = timedelta(hours=1)
"""The longest between two runs; where the limit is short, a twentieth of it."""
EARLIER = 0.9
"""Of that pause: a run may take its time, and nothing is late."""


@dataclass(slots=True)
class _Shown:
    sequence: int
    text: str
    item: Item
    written: float
    """Seconds, by the clock that cannot be set."""
    uploaded: bool = False


@dataclass(slots=True)
class _Begun:
    """Entries that were taken from the queue: each step is done once, however often it has to be tried."""

    entries: Sequence[Entry]
    raw_written: bool = False
    spooled: Sequence[tuple[str, Item]] | None = None
    """The lines that are in the spool."""


class Recorder:
    """Call it with an entry, on the event loop."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        registry_file: Path | None,
        day_keys: DayKeys,
        change: Callable[[], AbstractContextManager[object]],
        operation_log: OperationLog,
        spool: Spool,
        barrier: Barrier,
        disk: Disk,
        clock: Clock,
        changes: Changes,
        held: Callable[[Item], bool] = lambda _item: False,
    ) -> None:
        """Make the redactor, with what the household's own registry knows.

        Raises:
            PrivacyError: the registry cannot be used; without it the household's own values would not be known.
        """
        registry = Registry.read(registry_file) if registry_file else Registry()
        self._redactor = Redactor(day_keys, registry, clock)
        self._day_keys = day_keys
        self._change = change
        self._operation_log = operation_log
        self._spool = spool
        self._barrier = barrier
        self._disk = disk
        self._clock = clock
        self._changes = changes
        self._held = held
        self._queue: deque[Entry] = deque()
        self._begun: _Begun | None = None
        self._wake = asyncio.Event()
        self._dropped = 0
        self._dropped_untold = 0
        self._shown: deque[_Shown] = deque(maxlen=SHOWN_LINES)
        self._sequence = 0
        self._handed_out: Batch | None = None
        self.on_spooled: Callable[[], None] = lambda: None
        """Called when lines are in the spool."""

    def __call__(self, entry: Entry) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self._dropped += 1
            self._dropped_untold += 1
            return
        self._queue.append(entry)
        self._wake.set()

    async def run(self) -> None:
        """Write what comes, for ever.

        Raises:
            StoreBroken: the medium refused; what is queued stays queued. Call again.
        """
        while True:
            if self._begun is None:
                await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
                self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what is queued, now.

        Raises:
            StoreBroken: the medium refused; what is queued stays queued.
        """
        if self._dropped_untold:
            log.error("the log queue was full: %d entries were dropped", self._dropped_untold)
            self._dropped_untold = 0
        while self._begun or self._queue:
            self._begun = self._begun or _Begun(self._take())
            lines = await self._disk.run(self._write, self._begun)
            self._begun = None
            for text, item in lines:
                self._sequence += 1
                self._shown.append(_Shown(self._sequence, text, item, self._clock.monotonic()))
            self._changes.mark("log")
            self.on_spooled()

    async def keep_limit(self) -> None:
        """Drop what is due, at once and then every hour at the least: what falls due before the next run goes now.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        limit = self._operation_log.limit
        pause = min(EXPIRY_PAUSE, limit / 20)
        while True:
            self._forget_old(limit - pause)
            await self._disk.run(self._expire, pause)
            await asyncio.sleep(EARLIER * pause.total_seconds())

    def _expire(self, pause: timedelta) -> None:
        with self._change():
            self._operation_log.expire(pause)
            self._spool.expire(pause)
            self._day_keys.expire(pause)

    def forget(self, scope: Scope, before: datetime) -> None:
        """Show no more of what an erasure takes from the stores: `scope`, captured before `before`, or undated."""
        self._keep([shown for shown in self._shown if not _reached(scope, before, shown.item)])

    def _forget_old(self, age: timedelta) -> None:
        """Show no more of what the limit takes: what was written longer than `age` ago, whatever the time was then."""
        since = self._clock.monotonic() - age.total_seconds()
        self._keep([shown for shown in self._shown if shown.written > since])

    def _keep(self, kept: Sequence[_Shown]) -> None:
        if len(kept) < len(self._shown):
            self._shown = deque(kept, maxlen=SHOWN_LINES)
            self._changes.mark("log")

    async def next_batch(self) -> Batch | None:
        """The oldest lines that nobody has acknowledged."""
        self._handed_out = await self._disk.run(self._spool.next_batch, MOST_IN_BATCH)
        return self._handed_out

    async def acknowledged(self, batch: str) -> None:
        """The other end has `batch`: it is dropped here."""
        if not await self._disk.run(self._spool.acknowledge, batch):
            return
        if self._handed_out and self._handed_out.id == batch:
            sent = {line.text for line in self._handed_out.lines}
            for shown in self._shown:
                shown.uploaded = shown.uploaded or shown.text in sent
        self._changes.mark("log")

    def losses(self) -> dict[str, int]:
        """Lines that never went out, by reason; `withheld` is what the redaction chain failed on.

        On the `Disk` thread, like all that asks the spool.
        """
        return {**self._spool.dropped, "withheld": self._redactor.failures, "queue_full": self._dropped}

    def view(self) -> tuple[contract.LogView, ...]:
        """The newest lines, newest first, without what a hold keeps, or an order reaches that may still wait."""
        # Not `Barrier.admits`, which belongs on the `Disk` thread.
        reach = self._barrier.raised()
        return tuple(
            contract.LogView(
                sequence=shown.sequence, line=shown.text, state="uploaded" if shown.uploaded else "waiting"
            )
            for shown in reversed(self._shown)
            if not self._held(shown.item) and not any(_reached(*order, shown.item) for order in reach)
        )

    def _take(self) -> list[Entry]:
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def _write(self, begun: _Begun) -> Sequence[tuple[str, Item]]:
        if begun.spooled is None:
            # An erasure may have come between the event and this moment; what it reaches is not written any more.
            admitted = [entry for entry in begun.entries if self._barrier.admits(_item(entry))]
            lines = [(self._redactor.entry(entry), entry.about) for entry in admitted]
            if not begun.raw_written:
                self._operation_log.append(admitted)
                begun.raw_written = True
            self._spool.append(lines)
            # Noted here and not where the caller waits: a stop may cancel the caller, and `flush` then comes again.
            stored = map(self._operation_log.item, admitted)
            begun.spooled = [(line.text, item) for (line, _), item in zip(lines, stored, strict=True)]
        return begun.spooled


def _reached(scope: Scope, before: datetime, item: Item) -> bool:
    return scope.covers(item) and (item.at is None or item.at < before)


def _item(entry: Entry) -> Item:
    about = entry.about
    return Item("", RecordClass.OP_LOG, about.at, camera=about.camera, device=about.device, subjects=about.subjects)
