"""The operation log as it is written: raw entries sealed on disk, their redacted lines in the spool.

Writing an entry never waits. A full queue (the medium is gone, and hundreds of entries came since) drops the newest,
and says how many.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent.api import contract
from agent.changes import Changes
from privacy.clock import Clock
from privacy.entries import Entry
from privacy.operation_log import OperationLog
from privacy.records import Item, RecordClass
from privacy.redaction.household import Registry
from privacy.redaction.redactor import Redactor
from privacy.spool import Batch, Spool
from privacy.store import Barrier, Disk

log = logging.getLogger(__name__)

SHOWN_LINES = 50
MOST_QUEUED = 10_000
MOST_IN_BATCH = 200
GATHER_SECONDS = 0.2
"""Entries that come together are written together: one fsync, and one batch, instead of many."""
EXPIRY_PAUSE = timedelta(minutes=5)


@dataclass(slots=True)
class _Shown:
    sequence: int
    text: str
    uploaded: bool = False


class Recorder:
    """Call it with an entry, on the event loop."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        registry_file: Path | None,
        pseudonym_key: bytes,
        operation_log: OperationLog,
        spool: Spool,
        barrier: Barrier,
        disk: Disk,
        clock: Clock,
        changes: Changes,
    ) -> None:
        """Make the redactor, with what the household's own registry knows.

        Raises:
            PrivacyError: the registry cannot be used; without it the household's own values would not be known.
        """
        registry = Registry.read(registry_file) if registry_file else Registry()
        self._redactor = Redactor(pseudonym_key, registry, clock)
        self._operation_log = operation_log
        self._spool = spool
        self._barrier = barrier
        self._disk = disk
        self._clock = clock
        self._changes = changes
        self._queue: deque[Entry] = deque()
        self._begun: list[Entry] | None = None
        """Taken from the queue and not yet written whole; after a failure the same entries are written again."""
        self._raw_written = False
        self._wake = asyncio.Event()
        self._dropped = 0
        self._shown: deque[_Shown] = deque(maxlen=SHOWN_LINES)
        self._sequence = 0
        self._handed_out: Batch | None = None
        self.on_spooled: Callable[[], None] = lambda: None
        """Called when lines are in the spool."""

    def __call__(self, entry: Entry) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self._dropped += 1
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
        if self._dropped:
            log.error("the log queue was full: %d entries were dropped", self._dropped)
            self._dropped = 0
        if not self._queue and self._begun is None:
            return
        if self._begun is None:
            self._begun = list(self._queue)
            self._queue.clear()
            self._raw_written = False
        lines = await self._disk.run(self._write, self._begun)
        self._begun = None
        for text in lines:
            self._sequence += 1
            self._shown.append(_Shown(self._sequence, text))
        self._changes.mark("log")
        self.on_spooled()

    async def keep_limit(self) -> None:
        """Drop what is due, at once and then every few minutes: what falls due before the next run goes in this one.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            next_run = self._clock.now() + EXPIRY_PAUSE
            await self._disk.run(self._operation_log.expire, next_run)
            await self._disk.run(self._spool.expire, next_run)
            await asyncio.sleep(EXPIRY_PAUSE.total_seconds())

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
        """Lines that never went out, by reason; `withheld` is what the redaction chain failed on."""
        return {**self._spool.dropped, "withheld": self._redactor.failures}

    def view(self) -> tuple[contract.LogView, ...]:
        """The newest lines, newest first."""
        return tuple(
            contract.LogView(
                sequence=shown.sequence, line=shown.text, state="uploaded" if shown.uploaded else "waiting"
            )
            for shown in reversed(self._shown)
        )

    def _write(self, entries: Sequence[Entry]) -> list[str]:
        # An erasure may have come between the event and this moment; what it reaches is not written any more.
        admitted = [entry for entry in entries if self._barrier.admits(_item(entry))]
        lines = [(self._redactor.entry(entry), entry.about) for entry in admitted]
        if not self._raw_written:
            self._operation_log.append(admitted)
            self._raw_written = True
        self._spool.append(lines)
        return [line.text for line, _ in lines]


def _item(entry: Entry) -> Item:
    about = entry.about
    return Item("", RecordClass.OP_LOG, about.at, camera=about.camera, device=about.device, subjects=about.subjects)
