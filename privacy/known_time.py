"""What time it is, and who was believed: plain functions from what was known and what the clocks say to what is known.

- *Powered on* counts the seconds of all boots, each with `INTERVAL` added: never less than the truth.
- The *mark* is the latest time that a witness vouched for. With what the box was surely powered on since, it is the
  *floor*: it cannot be earlier, whatever any clock says. The network's time alone never moves it, so a network that
  lies can make no later truth look like the past.
- Time is *known* in a boot once the network's time lies between the floor and what the counter can account for, or a
  witness bridges the gap. From then on the kernel's boot-time clock, which nobody can set, carries it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from privacy.moment import (
    ALONE,
    EARLIEST,
    INTERVAL,
    LATEST,
    PATIENCE,
    TOLERANCE,
    Age,
    BootId,
    Moment,
    Seconds,
    Utc,
    Witness,
)

COPIED: Final = 2 * INTERVAL
"""After this long of agreement the kernel, which copies the time every 11 minutes, has put the battery clock right."""


class Knowledge(msgspec.Struct, frozen=True, array_like=True):
    """What is known, as of one instant of one boot.

    As MessagePack this is the note `time` (`privacy/FORMAT.md`, "Time"). What came to the format later stands at the
    end and has a default.
    """

    boot: BootId
    since_boot: Seconds
    """The instant, by CLOCK_BOOTTIME."""
    powered: Seconds
    """Powered on in all, with what boots added."""
    mark: Utc | None = None
    """The high-water mark: a time that had come, by a witness. None: there was no witness yet."""
    marked: float = 0.0
    """`powered` when it had come; and what boots added since, so that the floor takes none of that."""
    slack: Seconds = 0.0
    """Seconds that the floor may be behind, and `TOLERANCE` more: what boots added since, and what was taken off the
    word of the witness to be sure."""
    booted: Utc | None = None
    """When this boot began, if time is known."""
    anchor: Utc | None = None
    """The same as it was first believed: the network may correct `booted` by `TOLERANCE` from here, not from itself."""
    disputed: Seconds | None = None
    """`powered` when the network last said what nobody believed. The battery clock may have copied it."""
    waiting: Seconds = 0.0
    """`powered` when the wait for known time began that `PATIENCE` limits."""


class Reading(msgspec.Struct, frozen=True):
    """What the machine's clocks say."""

    wall: datetime
    since_boot: float
    synchronised: bool = False
    """Whether the wall clock has its time from the network."""


def started(note: Knowledge | None, boot: bytes, since_boot: float) -> Knowledge:
    """What is known when the program starts: all of it in the same boot, and in another one what the mark implies."""
    if note is None:
        return Knowledge(boot, since_boot, since_boot)
    if note.boot == boot:
        return note
    added = INTERVAL.total_seconds()
    begun = note.powered + added
    # The wait goes on over boots, or it would never end where a box is switched off every day. Once it was served, what
    # had waited is gone, and what the last boot stored waits anew.
    goes_on = note.booted is None and not patience_over(note)
    return msgspec.structs.replace(
        note,
        boot=boot,
        since_boot=since_boot,
        powered=begun + since_boot,
        marked=note.marked + added,
        slack=note.slack + added,
        booted=None,
        anchor=None,
        waiting=note.waiting if goes_on else begun,
    )


def remembered(known: Knowledge, moments: Iterable[Moment]) -> Knowledge:
    """With what stored moments prove, for a note that is lost or was not written in time."""
    for moment in filter(lambda moment: _can_be(moment, known), moments):
        same = moment.boot == known.boot
        since = known.since_boot - moment.since_boot if same else INTERVAL.total_seconds() + known.since_boot
        missing = moment.powered + since - known.powered
        if missing > 0:
            added = 0.0 if same else min(missing, INTERVAL.total_seconds())
            known = msgspec.structs.replace(
                known, powered=known.powered + missing, marked=known.marked + added, slack=known.slack + added
            )
    return known


def _can_be(moment: Moment, known: Knowledge) -> bool:
    """Whether that moment can have been: what it says is believed for good, so a damaged or forged one must not count.

    No box is on for longer than between `EARLIEST` and `LATEST`, nor for less than since its start; and in a boot that
    goes on, nothing comes after now.
    """
    if moment.boot == known.boot and moment.since_boot > known.since_boot:
        return False
    rounded = 1.0  # two sums of the same seconds
    return moment.since_boot - rounded <= moment.powered <= (LATEST - EARLIEST).total_seconds()


def powered(known: Knowledge, since_boot: float) -> float:
    """Seconds powered on in all."""
    return known.powered + max(0.0, since_boot - known.since_boot)


def floor(known: Knowledge, since_boot: float) -> datetime | None:
    """Before this time it cannot be. None: there was no witness yet."""
    if known.mark is None:
        return None
    return known.mark + timedelta(seconds=powered(known, since_boot) - known.marked)


def sure(known: Knowledge, since_boot: float) -> datetime | None:
    """The time where it is known, else the floor, which it has passed."""
    least = floor(known, since_boot)
    if known.booted is None:
        return least
    time = known.booted + timedelta(seconds=since_boot)
    return time if least is None else max(time, least)


def best(known: Knowledge, reading: Reading) -> datetime:
    """The time to go by: never a wall clock that nobody vouches for, as long as there is anything else."""
    return sure(known, reading.since_boot) or max(reading.wall, EARLIEST)


def followed(known: Knowledge, reading: Reading) -> Knowledge:
    """What is known at `reading`, with the network's time where it can be believed."""
    known = _at(known, reading.since_boot)
    return _heard(known, reading) if reading.synchronised else known


def objection(known: Knowledge, reading: Reading, at: datetime, by: Witness) -> str:
    """Why a witness is not believed, for a person; empty where it is."""
    least = floor(known, reading.since_boot)
    agrees = reading.synchronised and abs(reading.wall - at) <= TOLERANCE
    if not EARLIEST <= at <= LATEST:
        return f"{_said(at)} cannot be: set the gateway's clock right first (timedatectl set-time)"
    if least is not None and at < least - TOLERANCE:
        return f"{_said(at)} cannot be, because {_said(least)} has passed: set the gateway's clock right first"
    if least is not None and at > least + ALONE and not agrees:
        return (
            f"{_said(at)} is more than {ALONE.days} days after all that is known: connect the gateway to the internet"
        )
    if by is Witness.PERSON and abs(reading.wall - at) > TOLERANCE:
        return f"the gateway's clock says {_said(reading.wall)} by now: look again, and confirm that"
    if by is Witness.BATTERY_CLOCK and (reading.synchronised or known.disputed is not None):
        return (
            "the battery clock may have its time from the network, which was not believed: confirm the time in the app"
        )
    return ""


def told(known: Knowledge, reading: Reading, at: datetime, by: Witness) -> Knowledge:
    """With the word of a witness to whom there is no `objection`."""
    known = _at(known, reading.since_boot)
    if by is Witness.CLOUD:
        return followed(_signed(known, reading, at), reading)
    # Nobody reads a clock to the second. And a battery clock may have copied a lie of the network that was small enough
    # to be believed: the mark keeps that far away from it.
    unsure = TOLERANCE
    if by is Witness.BATTERY_CLOCK and known.mark is not None:
        unsure += timedelta(seconds=known.slack)
    least = floor(known, known.since_boot)
    known = _believed(known, at)
    if least is None or at - unsure > least:
        known = _marked(known, at - unsure, slack=unsure.total_seconds())
    return followed(known, reading)


def doubt(known: Knowledge, reading: Reading) -> str:
    """Why the time is not known, and what a person can do; empty where it is known."""
    if known.booted is not None:
        return ""
    least = floor(known, reading.since_boot)
    if not reading.synchronised:
        return "no network time since the gateway started: connect it to the internet, or confirm the time in the app"
    if least is None:
        return f"nobody has confirmed yet that it is {_said(reading.wall)}: confirm it in the app"
    if reading.wall < least:
        return f"the network says {_said(reading.wall)}, but {_said(least)} has passed: see where it gets its time from"
    return (
        f"the network says {_said(reading.wall)}, and the gateway knows of no more than {_said(least)}: "
        "if it was switched off that long, confirm the time in the app"
    )


def moment(known: Knowledge, reading: Reading) -> Moment:
    """This moment, in every way that is known."""
    trusted = known.booted is not None
    time = sure(known, reading.since_boot)
    return Moment(
        boot=known.boot,
        since_boot=reading.since_boot,
        powered=powered(known, reading.since_boot),
        wall=time if trusted and time else reading.wall,
        trusted=trusted,
        no_earlier=time,
    )


def redated(known: Knowledge, then: Moment) -> Moment:
    """`then` with the wall time that its boot, which is this one, has learnt or corrected since; else as it is."""
    if known.booted is None or then.boot != known.boot:
        return then
    wall = known.booted + timedelta(seconds=then.since_boot)
    if then.trusted and abs(wall - then.wall) <= TOLERANCE:
        return then
    return msgspec.structs.replace(then, wall=wall, trusted=True, no_earlier=wall)


def age(known: Knowledge, reading: Reading, then: Moment) -> Age:
    """How old `then` is: exactly, in its own boot; else by the counter and by wall time that was known."""
    if then.boot == known.boot:
        exact = timedelta(seconds=max(0.0, reading.since_boot - then.since_boot))
        return Age(exact, exact)
    on = powered(known, reading.since_boot) - then.powered
    least = timedelta(seconds=max(on, reading.since_boot))
    time = sure(known, reading.since_boot)
    if time is None or then.no_earlier is None:
        return Age(least, None)
    if then.trusted:
        least = max(least, time - then.wall)
    return Age(least, None if known.booted is None else max(least, time - then.no_earlier))


def sealed(known: Knowledge, then: Moment) -> bool:
    """Whether an earlier boot stored it, and nobody knows how long ago that is."""
    return known.booted is None and then.boot != known.boot


def patience_over(known: Knowledge) -> bool:
    """Whether time has not been known for `PATIENCE` of uptime, as of the last `followed`."""
    return known.booted is None and known.powered - known.waiting >= PATIENCE.total_seconds()


def _at(known: Knowledge, since_boot: float) -> Knowledge:
    return msgspec.structs.replace(
        known, since_boot=max(known.since_boot, since_boot), powered=powered(known, since_boot)
    )


def _heard(known: Knowledge, reading: Reading) -> Knowledge:
    """What the network's time makes of it."""
    begun = reading.wall - timedelta(seconds=reading.since_boot)
    if known.anchor is not None:
        if abs(begun - known.anchor) > TOLERANCE:
            return msgspec.structs.replace(known, disputed=known.powered)
        cleared = known.disputed is not None and known.powered - known.disputed >= COPIED.total_seconds()
        return msgspec.structs.replace(known, booted=begun, disputed=None if cleared else known.disputed)
    least = floor(known, reading.since_boot)
    if least is not None:
        most = least + timedelta(seconds=known.slack) + TOLERANCE
        if least - TOLERANCE <= reading.wall <= most:
            return _believed(known, reading.wall)
    return msgspec.structs.replace(known, disputed=known.powered)


def _signed(known: Knowledge, reading: Reading, at: datetime) -> Knowledge:
    """It is `at` or later; and where the network says nearly the same, it is right."""
    time = sure(known, known.since_boot)
    if time is not None and at > time + TOLERANCE:
        # What was taken for known is wrong. How far, this signature cannot say: it may have been on its way for days.
        waiting = known.waiting if known.booted is None else known.powered
        known = msgspec.structs.replace(known, booted=None, anchor=None, waiting=waiting)
    least = floor(known, known.since_boot)
    if reading.synchronised and abs(reading.wall - at) <= TOLERANCE:
        late = (reading.wall - max(at, least or at)).total_seconds()
        return _marked(_believed(known, reading.wall), at, slack=max(0.0, late))
    gained = None if least is None else max(0.0, (at - least).total_seconds())
    return _marked(known, at, slack=0.0 if gained is None else max(0.0, known.slack - gained))


def _believed(known: Knowledge, time: datetime) -> Knowledge:
    begun = time - timedelta(seconds=known.since_boot)
    return msgspec.structs.replace(known, booted=begun, anchor=begun)


def _marked(known: Knowledge, time: datetime, slack: float) -> Knowledge:
    """The mark moved to `time`, which has come, or to the floor if that is later."""
    mark = max(time, floor(known, known.since_boot) or time)
    return msgspec.structs.replace(known, mark=mark, marked=known.powered, slack=slack)


def _said(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
