"""What time it is: followed every minute, and confirmed by a person where nothing else can."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from agent.api import contract
from agent.changes import Changes
from agent.errors import Refused
from privacy import entries
from privacy.clock import Clock
from privacy.store import Disk
from privacy.timekeeping import TICK, TimeKeeper, Witness


class BelievedClock:
    """What the agent goes by: the stores date what they keep by the time keeper, so the log must go by the same."""

    def __init__(self, time: TimeKeeper, clock: Clock) -> None:
        self._time = time
        self._clock = clock

    def now(self) -> datetime:
        return self._time.moment().wall

    def monotonic(self) -> float:
        return self._clock.monotonic()


class CertainClock(BelievedClock):
    """What ends, ends by this: rights, links and sessions. It says what has passed for certain, at the least.

    Where the time is not known, a wall clock that was set back wakes nothing that has ended, and one that is ahead ends
    nothing for good. It dates nothing: what is stored meanwhile is dated by `BelievedClock`, and corrected by as much
    as that turns out to have been wrong.
    """

    def now(self) -> datetime:
        return self._time.now()


class OrderClock(BelievedClock):
    """What orders go by: where the time is not known it may be later than any clock says.

    An order that is given then would leave what was stored last. `newest` is a time before which earlier boots captured
    all that they stored; None: there is nothing.
    """

    def __init__(self, time: TimeKeeper, clock: Clock, newest: datetime | None) -> None:
        super().__init__(time, clock)
        self._newest = newest

    def now(self) -> datetime:
        now = max(super().now(), self._time.now())
        if self._time.known or self._newest is None:
            return now
        return max(now, self._newest + timedelta(seconds=self.monotonic()))


class TimeWatch:
    """Owns the turns of the time keeper.

    Args:
        hidden: how many pictures are kept and not shown.
        look_again: called when other pictures may be shown.
        on_known: called on the `Disk` thread when the time has become known, until it succeeds: what was stored can be
            dated anew. Once after a start too: whether the process before this one came to it, nobody knows.
    """

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        time: TimeKeeper,
        disk: Disk,
        clock: Clock,
        changes: Changes,
        record: Callable[[entries.Entry], None],
        on_known: Callable[[], None],
        hidden: Callable[[], int],
        look_again: Callable[[], None],
    ) -> None:
        self._time = time
        self._disk = disk
        self._clock = clock
        self._changes = changes
        self._record = record
        self._on_known = on_known
        self._hidden = hidden
        self._look_again = look_again
        self._to_date = True
        """What was stored has yet to be dated by what is known of the time."""
        self._news = ""
        """Who made the time known, and nobody was told yet."""

    def view(self) -> contract.TimeView:
        """What is known."""
        known = self._time.known
        return contract.TimeView(
            now=self._time.now(),
            known=known,
            hidden=0 if known else self._hidden(),
            reason=self._time.unknown_because,
        )

    async def run(self) -> None:
        """Follow the clock, for ever.

        Raises:
            StoreBroken: the time powered on could not be noted, or what is stored not be dated; call again.
        """
        while True:
            if by := await self._disk.run(self._tick):
                self._told(by)
            await asyncio.sleep(TICK.total_seconds())

    async def confirm(self, body: contract.TimeBody) -> contract.TimeView:
        """A person says what time it is.

        Raises:
            Refused: `not_believed`, and why.
            StoreBroken: it is believed, and could not be noted, or what is stored not be dated; `run` sees to that.
        """
        objection = await self._disk.run(self._witness, body)
        if objection:
            raise Refused("not_believed", objection)
        self._told(Witness.PERSON)
        return self.view()

    async def signed(self, at: datetime) -> None:
        """The cloud signed something at `at`: it is at least that late.

        Raises:
            StoreBroken: as for `confirm`.
        """
        before = self._time.known
        if by := await self._disk.run(self._signed, at):
            self._told(by)
        elif before and not self._time.known:
            self._changed()

    def _tick(self) -> str:
        self._heard(self._time.tick, "network")
        return self._dated()

    def _signed(self, at: datetime) -> str:
        self._heard(lambda: self._time.witness(at, Witness.CLOUD), Witness.CLOUD)
        return self._dated()

    def _witness(self, body: contract.TimeBody) -> str:
        objection = self._time.objection(body.at, Witness.PERSON)
        if not objection:
            self._to_date = True  # also where the time was known: it may be corrected
            self._heard(lambda: self._time.witness(body.at, Witness.PERSON), Witness.PERSON)
            self._dated()
        return objection

    def _heard(self, listen: Callable[[], bool], by: str) -> None:
        """What makes the time known makes it so even where that cannot be noted: then no other call says so again."""
        before = self._time.known
        try:
            listen()
        finally:
            if self._time.known and not before:
                self._to_date, self._news = True, by

    def _dated(self) -> str:
        """Date what has yet to be dated, if the time is known; returns who made it known, if nobody was told yet."""
        if not self._time.known:
            return ""
        if self._to_date:
            self._on_known()
            self._to_date = False
        by, self._news = self._news, ""
        return by

    def _told(self, by: str) -> None:
        self._record(entries.TimeKnown(at=self._clock.now(), by=by))
        self._changed()

    def _changed(self) -> None:
        # What earlier boots stored is shown, or is not.
        self._look_again()
        self._changes.mark("time")
