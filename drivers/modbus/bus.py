"""Whose turn it is on a line where one question at a time can be asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Bus:
    """A lock with two ranks: commands in their order, polls when no command waits."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._commands = 0
        self._calm = asyncio.Event()
        self._calm.set()

    @asynccontextmanager
    async def command(self) -> AsyncIterator[None]:
        """Hold the bus for one question of a command."""
        self._commands += 1
        self._calm.clear()
        try:
            async with self._lock:
                yield
        finally:
            self._commands -= 1
            if not self._commands:
                self._calm.set()

    @asynccontextmanager
    async def poll(self) -> AsyncIterator[None]:
        """Hold the bus for one question of a poll."""
        while True:
            await self._calm.wait()
            async with self._lock:
                # A command may have come while this poll waited for the lock: it goes first.
                if self._calm.is_set():
                    yield
                    return
