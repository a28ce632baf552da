"""How often something is done that others can bring about: so many at once, and as many again in time.

For what costs the house and not them, such as a line of a log for each refusal.
"""

from typing import Final

from privacy.clock import Clock

MOST_KEYS: Final = 4096
"""Remembered; of more, the one that has used up least is new again."""


class Allowances:
    """One for each key: `most` at once, which come back within `span` seconds, one after the other.

    That is the generic cell rate algorithm (ITU-T I.371), which keeps one time a key.
    """

    def __init__(self, clock: Clock, most: int, span: float) -> None:
        self._clock = clock
        self._each = span / most
        self._span = span
        self._until: dict[str, float] = {}
        """By key: when its whole allowance is back."""

    def take(self, key: str) -> bool:
        """Whether there is one left; it is used up then."""
        now = self._clock.monotonic()
        until = max(self._until.get(key, now), now) + self._each
        if until - now > self._span + self._each / 2:  # half of one, for what floating point loses
            return False
        if key not in self._until and len(self._until) >= MOST_KEYS:
            del self._until[min(self._until, key=self._until.__getitem__)]
        self._until[key] = until
        return True
