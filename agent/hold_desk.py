"""Holds: placed and released by people in the house, ended by themselves; everybody who waits for an end is told."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from agent.api import contract
from agent.changes import Changes
from agent.errors import Refused
from privacy import entries
from privacy.clock import Clock
from privacy.errors import HoldRefused
from privacy.hold import Actor, Hold, Role
from privacy.holds import Holds
from privacy.records import Item
from privacy.store import Disk

LOOK_SECONDS: Final = 60.0
"""How late it may be noticed that a hold has come to its date; it has ended all the same."""


class HoldDesk:
    """Until people can sign in, whoever uses the page or the command line is the owner."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        holds: Holds,
        limit: timedelta | None,
        disk: Disk,
        clock: Clock,
        changes: Changes,
        record: Callable[[entries.Entry], None],
        look_again: Callable[[], None],
        on_end: Callable[[], None],
        role_of: Callable[[str], Role | None],
    ) -> None:
        """`look_again` is called when other pictures may be shown; `on_end`, when a hold has ended: orders may wait.

        `role_of` says what somebody is to the home; who is nobody there stands at the box, as an owner.
        """
        self._holds = holds
        self._limit = limit
        """How long it is remembered that something was held."""
        self._disk = disk
        self._clock = clock
        self._changes = changes
        self._record = record
        self._look_again = look_again
        self._on_end = on_end
        self._role_of = role_of
        self._lasting = holds.active()

    def view(self) -> tuple[contract.HoldView, ...]:
        """The holds that last."""
        return tuple(map(_view, self._lasting))

    def keeps(self, item: Item) -> bool:
        """Whether a hold keeps `item`: then it must not be shown. For the event loop; stores ask `Holds`."""
        return any(hold.keeps(item) for hold in self._lasting)

    async def history(self) -> tuple[contract.HoldView, ...]:
        """Every hold that is remembered, the oldest first."""
        return tuple(map(_view, await self._disk.run(self._holds.history)))

    async def place(self, body: contract.HoldBody, actor: str) -> contract.HoldView:
        """As `Holds.place`.

        Raises:
            Refused: and why.
        """
        by = Actor(actor, self._role_of(actor) or Role.OWNER)
        try:
            hold = await self._disk.run(self._holds.place, body.reason, body.scope, by, body.until)
        except HoldRefused as error:
            raise _refused(error) from error
        self._record(entries.HoldPlaced(at=self._clock.now(), hold=hold.id, reason=hold.reason, actor=actor))
        await self._changed()
        return _view(hold)

    async def release(self, hold_id: str, actor: str) -> contract.HoldView:
        """As `Holds.release`.

        Raises:
            Refused: and why.
        """
        try:
            hold = await self._disk.run(self._holds.release, hold_id, Actor(actor, self._role_of(actor) or Role.OWNER))
        except HoldRefused as error:
            raise _refused(error) from error
        self._record(entries.HoldReleased(at=self._clock.now(), hold=hold.id, actor=actor))
        await self._changed()
        self._on_end()
        return _view(hold)

    async def run(self) -> None:
        """Notice what has come to its date, and forget what has been remembered for long enough, for ever.

        Raises:
            StoreBroken: the medium refused; call again.
        """
        while True:
            ended = await self._disk.run(self._holds.end_due)
            if self._limit:
                await self._disk.run(self._holds.expire, self._limit - timedelta(seconds=LOOK_SECONDS))
            for hold in ended:
                self._record(entries.HoldEnded(at=self._clock.now(), hold=hold.id))
            if ended or await self._disk.run(self._holds.active) != self._lasting:  # it may have been dated anew
                await self._changed()
            if ended:
                self._on_end()
            await asyncio.sleep(LOOK_SECONDS)

    async def _changed(self) -> None:
        self._lasting = await self._disk.run(self._holds.active)
        # What is held is not shown.
        self._look_again()
        self._changes.mark("holds", "log")


def _view(hold: Hold) -> contract.HoldView:
    return contract.HoldView(
        id=hold.id,
        reason=hold.reason,
        scope=hold.scope,
        by=hold.by.id,
        made=hold.made,
        until=hold.until,
        ended=hold.ended.at if hold.ended else None,
    )


def _refused(error: HoldRefused) -> Refused:
    return Refused(error.code, error.args[0], hint=error.hint)
