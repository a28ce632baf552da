"""How often something may be said: somebody who floods us must not fill the log or the uplink."""

from privacy.clock import Clock


class Allowance:
    """A token bucket: `at_once` in a row, then one each `seconds`."""

    def __init__(self, clock: Clock, *, at_once: int, seconds: float) -> None:
        self._clock = clock
        self._at_once = at_once
        self._seconds = seconds
        self._left = float(at_once)
        self._counted = clock.monotonic()

    def take(self) -> bool:
        """Whether it may be said now; counts as said when it may."""
        now = self._clock.monotonic()
        self._left = min(self._at_once, self._left + (now - self._counted) / self._seconds)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
