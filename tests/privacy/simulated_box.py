"""A box in a world whose true time is known to the test alone: boots, power cuts, and a wall clock that says anything.

The kernel's part is played in the worst way that it may: whatever the network says stands in the battery clock at once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from privacy.known_time import floor
from privacy.moment import INTERVAL, TICK, Moment, Witness
from privacy.timekeeping import Age, TimeKeeper

ORIGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Picture:
    """What was stored, and the truth about it."""

    moment: Moment
    at: datetime
    on: timedelta
    """Truly powered on until then."""
    boot: int


class Box:
    """True time goes on with `run` and `off`; the `keeper` sees only what the clocks say."""

    def __init__(self) -> None:
        self.true = ORIGIN
        self.on = timedelta()
        self.boot = 0
        self.wrong = timedelta()
        """How far the wall clock is ahead."""
        self.synchronised = False
        self.battery_wrong = timedelta()
        self.notes: list[bytes] = []
        self.pictures: list[Picture] = []
        self._since = timedelta()
        self.start()

    # A Clock

    def now(self) -> datetime:
        return self.true + self.wrong

    def monotonic(self) -> float:
        return self._since.total_seconds()

    # What happens

    def start(self) -> None:
        """The program starts: in a new boot after `off`, else again in the same one."""
        self.keeper = TimeKeeper(
            self,
            bytes([self.boot]) * 16,
            lambda: self.synchronised,
            lambda: self.notes[-1] if self.notes else None,
            self.notes.append,
        )
        self.keeper.remember(picture.moment for picture in self.pictures)
        self.tick()

    def tick(self) -> bool:
        """A tick; what can be dated again is."""
        news = self.keeper.tick()
        self.redate()
        return news

    def redate(self) -> None:
        self.pictures = [Picture(self.keeper.redated(one.moment), one.at, one.on, one.boot) for one in self.pictures]

    def off(self, time: timedelta, boot_after: timedelta = timedelta(seconds=20)) -> None:
        """The power goes, comes again after `time`, and `boot_after` later the program starts: no network yet."""
        self.true += time + boot_after
        self.on += boot_after
        self.boot += 1
        self._since = boot_after
        self.synchronised = False
        self.start()

    def off_with_battery_clock(self, time: timedelta) -> None:
        """As `off`; and the program asks the battery clock first, as it does wherever there is one."""
        self.off(time)
        self.witness(Witness.BATTERY_CLOCK)

    def online(self) -> None:
        """An honest network, and a word from the cloud."""
        self.network()
        self.witness(Witness.CLOUD)

    def run(self, time: timedelta) -> None:
        """The program runs, ticking as it should, and is between two ticks at the end."""
        while time > TICK:
            self._pass(TICK)
            self.tick()
            time -= TICK
        self._pass(time)

    def sleep(self, time: timedelta) -> None:
        """The machine is suspended, or the test has no patience: one step, and a tick at its end."""
        self._pass(time)
        self.tick()

    def _pass(self, time: timedelta) -> None:
        self.true += time
        self.on += time
        self._since += time

    def network(self, wrong: timedelta = timedelta()) -> None:
        """The network sets the wall clock, that far ahead of the truth."""
        self.wrong, self.synchronised = wrong, True
        self.battery_wrong = wrong
        self.tick()

    def set_by_hand(self, wrong: timedelta) -> None:
        """Somebody sets the wall clock, or it starts like that."""
        self.wrong, self.synchronised = wrong, False
        self.tick()

    def witness(self, by: Witness, late: timedelta = timedelta()) -> bool:
        """Someone who speaks the truth: a signature of `late` ago, the battery clock, a person who knows the time.

        The person sees what the clock shows, and says yes if that is right.
        """
        at = {
            Witness.CLOUD: self.true - late,
            Witness.BATTERY_CLOCK: self.true + self.battery_wrong,
            Witness.PERSON: self.now(),
        }[by]
        if by is Witness.PERSON and self.wrong:
            return False
        believed = self.keeper.witness(at, by)
        self.redate()
        return believed

    def picture(self) -> Picture:
        """One is stored now."""
        one = Picture(self.keeper.moment(), self.true, self.on, self.boot)
        self.pictures.append(one)
        return one

    # What must hold

    def check(self, *, network_lied: bool) -> None:
        """Whatever happened: nothing lives longer than its limit in powered-on time, and the mark has truly come."""
        keeper = self.keeper
        least = floor(keeper._known, self.monotonic())
        assert least is None or least <= self.true + timedelta(milliseconds=1), "the mark is in the future"
        if not network_lied and keeper.known:
            assert abs(keeper.now() - self.true) < timedelta(seconds=1)
        for one in self.pictures:
            age, true = keeper.age(one.moment), self.true - one.at
            step = timedelta(milliseconds=1)
            assert age.at_least >= self.on - one.on - step, "late in powered-on time"
            assert age.at_most is None or age.at_most >= age.at_least
            assert keeper.sealed(one.moment) == (one.boot != self.boot and not keeper.known)
            if not network_lied:
                boots = self.boot - one.boot
                assert age.at_least <= true + boots * INTERVAL + step, "early by more than boots allow"
                assert age.at_most is None or age.at_most >= true - step


def known_box() -> Box:
    """A box that the cloud has told the time."""
    box = Box()
    assert box.witness(Witness.CLOUD)
    assert not box.keeper.known
    box.network()
    assert box.keeper.known
    return box


def about(age: timedelta | None, expected: timedelta, early: timedelta = timedelta()) -> bool:
    """To the second; or that much older."""
    second = timedelta(seconds=1)
    return age is not None and expected - second <= age <= expected + early + second


def age(box: Box, picture: int = 0) -> Age:
    """Of a picture, as the keeper says."""
    return box.keeper.age(box.pictures[picture].moment)
