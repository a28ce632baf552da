"""Time on a box without a clock of its own: how old something is at least and at most, and when nobody can say.

The rules are those of `DESIGN.md`, "Time, on a box without a clock":

- What was captured carries a `Moment`. Its age is at least what the box was powered on since, whatever the wall clock
  says, so that a clock set back extends no life.
- Wall time is *known* once it is consistent with the time powered on (network time that jumps no further than that), or
  a second witness confirms it: the cloud's signature, a battery clock, a person. Only a witness moves the high-water
  mark; a spoofed jump neither purges nor poisons.
- Until it is known, what earlier boots stored is sealed from view; after 24 h of that, what cannot be shown to be young
  enough goes.

The limits stand in `privacy/moment.py`, the rules themselves in `privacy/known_time.py`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from privacy import known_time
from privacy.clock import Clock
from privacy.known_time import Knowledge, Reading
from privacy.moment import INTERVAL, PATIENCE, TICK, Age, Moment, Witness

__all__ = ["INTERVAL", "PATIENCE", "TICK", "Age", "Moment", "TimeKeeper", "Witness"]


class TimeKeeper:
    """What this box knows of the time.

    At start, on the `Disk` thread and before anything is shown or stored: make it, `remember` what is stored, let the
    battery clock be a `witness`, `tick`. The last writes, and every boot must be counted. From then on `tick` and
    `witness` stay on that thread; everything else only reads, and may be called from anywhere.
    """

    def __init__(
        self,
        clock: Clock,
        boot: bytes,
        synchronised: Callable[[], bool],
        load: Callable[[], bytes | None],
        save: Callable[[bytes], None],
    ) -> None:
        """Take up what was noted last; nothing is written yet.

        `boot` is the kernel's boot id, 16 bytes. `synchronised` says whether the wall clock has the network's time.
        `load` returns the note, `save` makes it durable before it returns.

        A note that cannot be read counts as none: time is not known then until a witness comes, and `remember` restores
        the powered-on counter.
        """
        self._clock = clock
        self._synchronised = synchronised
        self._save = save
        self._written: float | None = None
        self._known = known_time.started(_decoded(load()), boot, clock.monotonic())

    @property
    def known(self) -> bool:
        """Whether the time is known in this boot."""
        return self._known.booted is not None

    @property
    def unknown_because(self) -> str:
        """For a person: why the time is not known, and the cure; empty where it is."""
        return known_time.doubt(self._known, self._reading(ask=True))

    @property
    def patience_over(self) -> bool:
        """Whether time was not known for 24 h of uptime: what `age` cannot show to be young enough goes."""
        return known_time.patience_over(self._known)

    def now(self) -> datetime:
        """The best believed time, UTC; never before the high-water mark plus what the box was powered on since."""
        return known_time.best(self._known, self._reading())

    def moment(self) -> Moment:
        """This moment."""
        return known_time.moment(self._known, self._reading())

    def age(self, moment: Moment) -> Age:
        """How old that is now."""
        return known_time.age(self._known, self._reading(), moment)

    def sealed(self, moment: Moment) -> bool:
        """Whether it must not be shown: an earlier boot stored it, and time is not known."""
        return known_time.sealed(self._known, moment)

    def redated(self, moment: Moment) -> Moment:
        """The same moment with the wall time that its boot, if it is this one, has learnt or corrected since."""
        return known_time.redated(self._known, moment)

    def remember(self, moments: Iterable[Moment]) -> None:
        """What is stored: the box was powered on at least that long, whatever became of the note."""
        self._known = known_time.remembered(self._known, moments)

    def objection(self, at: datetime, by: Witness) -> str:
        """Why `witness` would not believe that, for a person; empty where it would."""
        return known_time.objection(self._known, self._reading(ask=True), at, by)

    def witness(self, at: datetime, by: Witness) -> bool:
        """Somebody says what time it is now (the cloud: has been). Returns whether that is believed; then it is noted.

        What this boot stored before can be `redated` then, if the time is `known` now.

        Raises:
            StoreBroken: it is believed, and could not be noted.
        """
        reading = self._reading(ask=True)
        if known_time.objection(self._known, reading, at, by):
            return False
        self._known = known_time.told(self._known, reading, at, by)
        self._write()
        return True

    def tick(self) -> bool:
        """Once every `TICK`: follow the clock, and write the powered-on counter in time.

        Returns whether the time has become known just now: what this boot stored before can be `redated`.

        Raises:
            StoreBroken: the counter could not be noted; the next tick tries again.
        """
        before, reading = self._known, self._reading(ask=True)
        self._known = known_time.followed(before, reading)
        if self._due(before):
            self._write()
        return before.booted is None and self.known

    def _reading(self, *, ask: bool = False) -> Reading:
        return Reading(self._clock.now(), self._clock.monotonic(), ask and self._synchronised())

    def _due(self, before: Knowledge) -> bool:
        known = self._known
        if self._written is None or known.since_boot - self._written >= (INTERVAL - TICK).total_seconds():
            return True
        # A dispute must be noted before a power cut can make the battery clock a witness, and the end of patience
        # before anything goes, so that it is served once.
        news = (known.booted is None, known.disputed is None, known_time.patience_over(known))
        return news != (before.booted is None, before.disputed is None, known_time.patience_over(before))

    def _write(self) -> None:
        self._save(msgspec.msgpack.encode(self._known))
        self._written = self._known.since_boot


def _decoded(note: bytes | None) -> Knowledge | None:
    try:
        return None if note is None else msgspec.msgpack.decode(note, type=Knowledge)
    except msgspec.DecodeError:
        return None
