"""When something was captured, how old it is, who can say what time it is, and how far each of them is believed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec

INTERVAL: Final = timedelta(minutes=10)
"""How often the powered-on counter is written, and what each boot adds to it for what was not.

A clean stop is not treated better: the machine runs on after it, for a while that nobody counts.
"""
TICK: Final = timedelta(minutes=1)
"""How often `TimeKeeper.tick` is to be called, so that the counter is written in time."""
PATIENCE: Final = timedelta(hours=24)
"""Of uptime without known time; then whatever cannot be shown to be young enough goes."""

TOLERANCE: Final = INTERVAL
"""How far two sources may be apart and still agree: the network's time with the time powered on, or with a signature's.

Wide enough for a restart and a message on its way. A network that lies gains no more than this and an
`INTERVAL` for each boot since the cloud or a person last spoke, however long it goes on, and the mark not at all."""
ALONE: Final = timedelta(days=31)
"""How far ahead of all that is known one witness is believed while the network does not say the same.

A wrong word that is believed cannot be taken back: it erases at once, and time stands still until it has come true. A
right one that is refused costs little: what is a month old is past its limit anyway. A household comes home
from a holiday, so not less."""
EARLIEST: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""This program is younger."""
LATEST: Final = datetime(2056, 1, 1, tzinfo=UTC)
"""No gateway lives that long. Nobody is believed beyond, not even two who agree."""

Utc = Annotated[datetime, msgspec.Meta(tz=True)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
BootId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class Moment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When something was captured, in every way that this box could know."""

    boot: BootId
    """The kernel's boot id."""
    since_boot: float
    """Seconds, CLOCK_BOOTTIME."""
    powered: float
    """Seconds that the box was powered on in all its life."""
    wall: Utc
    trusted: bool
    """Whether wall time was known."""
    no_earlier: Utc | None
    """A time before which it cannot have been: the wall time where trusted, else what the high-water mark implied."""

    def later(self, by: timedelta) -> "Moment":
        """The moment `by` after this one, of the same boot."""
        return msgspec.structs.replace(
            self,
            since_boot=self.since_boot + by.total_seconds(),
            powered=self.powered + by.total_seconds(),
            wall=self.wall + by,
            no_earlier=self.no_earlier and self.no_earlier + by,
        )


def since(times: Sequence[datetime], now: Moment) -> Moment:
    """The moment of the first of records that were written at `times`, and waited until `now`.

    `times` are by the believed clock, which goes by the floor while time is not known, whatever the wall clock says.
    Not since before this boot: what waits, waits in memory. Where the clock was wrong when one was written, which the
    time that is known now shows, it is no moment to date the others by.
    """
    waited = min(max(((now.no_earlier or now.wall) - min(times)).total_seconds(), 0.0), now.since_boot)
    back = timedelta(seconds=waited)
    begun = now.wall - timedelta(seconds=now.since_boot)
    return msgspec.structs.replace(
        now,
        since_boot=now.since_boot - waited,
        powered=now.powered - waited,
        wall=now.wall - back,
        trusted=now.trusted and begun - TOLERANCE <= min(times) and max(times) <= now.wall + TOLERANCE,
        no_earlier=now.no_earlier and now.no_earlier - back,
    )


class Age(msgspec.Struct, frozen=True):
    """How old something is now."""

    at_least: timedelta
    at_most: timedelta | None
    """None: nobody can say."""


class Witness(StrEnum):
    """Who says what time it is, besides the network."""

    CLOUD = "cloud"
    """A signature of the backend: it is at least that late."""
    BATTERY_CLOCK = "battery clock"
    """What it said before the network was heard: later the kernel copies the network's time into it."""
    PERSON = "person"
    """Somebody confirms the wall time that the app shows."""
