"""Time as an argument. This is the one file of the project that reads a clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Wall time, UTC, aware."""

    def monotonic(self) -> float:
        """Seconds since some start, never backwards, counting suspend (CLOCK_BOOTTIME)."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
