"""Who is told that something changed: sections are marked, followers get what was marked since their last turn."""

import asyncio
from collections.abc import AsyncIterator

from agent.api.contract import Section


class Changes:
    """A slow follower never holds up the house: marks of the same section melt into one."""

    def __init__(self) -> None:
        self._followers: dict[asyncio.Event, set[Section]] = {}

    def mark(self, *sections: Section) -> None:
        """Say that `sections` changed."""
        for event, marked in self._followers.items():
            marked.update(sections)
            event.set()

    async def follow(self) -> AsyncIterator[frozenset[Section]]:
        """The sections marked since the last turn, for ever."""
        event, marked = asyncio.Event(), set[Section]()
        self._followers[event] = marked
        try:
            while True:
                await event.wait()
                event.clear()
                turn = frozenset(marked)
                marked.clear()
                yield turn
        finally:
            del self._followers[event]
