"""Time as an argument. This is the one file of the project that reads a clock."""

import ctypes
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from privacy.errors import PrivacyError

BOOT_ID_VARIABLE: Final = "PORTVAKT_BOOT_ID"
"""In the environment: the boot id (`%b` in a unit), where `ProcSubset=pid` hides the kernel's own."""
OUT_OF_STEP: Final = 16_000_000
"""Microseconds: the kernel's estimate of its own error when nothing disciplines the clock (NTP_PHASE_LIMIT).

Of what adjtimex says, this alone counts, as it does for systemd: STA_UNSYNC may be set only so that the battery clock
is left alone."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Wall time, UTC, aware."""

    def monotonic(self) -> float:
        """Seconds since some start, never backwards, counting suspend (CLOCK_BOOTTIME)."""


class MachineClock(Clock, Protocol):
    """What else a machine can say of its time, and its boots."""

    def boot_id(self) -> bytes:
        """16 bytes, drawn by the kernel for each boot."""

    def synchronised(self) -> bool:
        """Whether the network set the wall clock, in this boot, as far as this program may see."""

    def battery_clock(self) -> datetime | None:
        """What a clock with a battery says, UTC; None where there is none, or it says that it stood still."""


class _Timex(ctypes.Structure):
    """The head of the kernel's `struct timex`, with room for the rest (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_int),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_long * 60),
    )


class SystemClock:
    """The machine's own clocks. `proc`, `sys` and `run` are where the kernel and systemd tell of them."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys"), run: Path = Path("/run")) -> None:
        self._proc = proc
        self._sys = sys
        self._run = run

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> bytes:
        """See `MachineClock`.

        Raises:
            PrivacyError: neither the kernel nor the unit tells; without it no boot can be told from another.
        """
        try:
            text = (self._proc / "sys/kernel/random/boot_id").read_text("ascii").strip()
        except OSError:
            text = os.environ.get(BOOT_ID_VARIABLE, "")
        try:
            return UUID(text).bytes
        except ValueError as error:
            hint = f"the unit needs Environment={BOOT_ID_VARIABLE}=%b where ProcSubset=pid hides /proc/sys"
            raise PrivacyError("the kernel's boot id cannot be read", hint=hint) from error

    def synchronised(self) -> bool:
        """See `MachineClock`.

        Asks the kernel; where that is forbidden (`ProtectClock=yes` filters the call, reading too), the sign that
        systemd-timesyncd leaves. A daemon that gives neither counts as none.
        """
        timex = _Timex()
        if _adjtimex(timex) >= 0:
            return int(timex.maxerror) < OUT_OF_STEP
        return (self._run / "systemd/timesync/synchronized").exists()

    def battery_clock(self) -> datetime | None:
        clocks = sorted(
            (self._sys / "class/rtc").glob("rtc*"), key=lambda clock: (not _set_the_time(clock), clock.name)
        )
        for clock in clocks:
            try:
                seconds = int((clock / "since_epoch").read_text("ascii"))
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
            except (OSError, ValueError, OverflowError):
                continue
        return None


def _set_the_time(clock: Path) -> bool:
    """Whether the kernel took the time from this one when it started."""
    try:
        return (clock / "hctosys").read_text("ascii").strip() == "1"
    except OSError:
        return False


def _adjtimex(timex: _Timex) -> int:
    """The clock's state, or -1; with `modes` 0 it changes nothing."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.byref(timex)))
