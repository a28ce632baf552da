"""The agent, with pictures put straight into its store: a camera would take seconds for what the suite needs each time.

    python stocked_gateway.py CONFIG

A line `CAMERA COUNT` on standard input stores so many pictures of that camera. The answer, when they are on disk, is
how many fsyncs the order before took, from then until its *erased* receipt was in the journal.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import config as configuration
from agent.main import _Agent
from agent.storage import open_storage
from camera.picture import Picture
from privacy.clock import SystemClock

PICTURE = Picture(image=os.urandom(60_000), thumbnail=os.urandom(8_000), width=1280, height=720)


class Syncs:
    """Counts fsync and fdatasync of this process."""

    def __init__(self) -> None:
        self.count = 0
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(handle: int) -> None:
            self.count += 1
            sync(handle)

        return call


class Gateway(_Agent):
    """The agent, and a count of fsyncs for each order."""

    def __init__(self, config: configuration.Config, syncs: Syncs) -> None:
        self._syncs = syncs
        self._at_erased = 0
        super().__init__(config, open_storage(config), SystemClock())

    async def _receipt_made(self, order: Any, kind: Any, receipt: Any) -> None:
        if kind == "erased":
            self._at_erased = self._syncs.count
        await super()._receipt_made(order, kind, receipt)

    async def stock(self) -> None:
        """Do what standard input says."""
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        started = 0
        while line := await lines.readline():
            camera, count = line.decode().split()
            took = self._at_erased - started
            for _ in range(int(count)):
                await self._disk.run(self._storage.snapshots.append, camera, self._clock.now(), PICTURE)
            started = self._syncs.count
            sys.stdout.write(f"{took}\n")
            sys.stdout.flush()


async def main() -> None:
    gateway = Gateway(configuration.load(Path(sys.argv[1])), Syncs())
    async with asyncio.TaskGroup() as group:
        stocking = group.create_task(gateway.stock())
        await gateway.run()
        stocking.cancel()


asyncio.run(main())
