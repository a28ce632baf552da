"""The button on the box: whoever presses it stands beside it, and is believed for two minutes.

Who comes over the network in that time need not be who pressed it: somebody may ask all day, and wait for a press. So
nobody is let in where somebody asked in the two minutes before it, or where two addresses ask after it. Wi-Fi Protected
Setup calls that a session overlap, and does the same (Wi-Fi Simple Configuration, push button).
"""

from typing import Final

from privacy.clock import Clock

WINDOW: Final = 120.0
"""Seconds."""
TRIES: Final = 5
"""Wrong names in one window: whoever stands at the box knows who they are."""


class Button:
    """What happens within the window of a press is as if the command line did it; once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        self._tries = 0
        self._early = -WINDOW
        """When somebody asked last who was not to be let in."""
        self._asking: str | None = None
        """The address that asks since it was pressed."""
        self._contested = False

    @property
    def open(self) -> bool:
        """Whether it was pressed just now, and nobody used that yet."""
        return self._clock.monotonic() < self._until

    def press(self) -> None:
        now = self._clock.monotonic()
        self._until, self._tries = now + WINDOW, 0
        self._asking, self._contested = None, now - self._early < WINDOW

    def contested(self, address: str) -> bool:
        """Somebody at `address` asks to be let in. Whether another did, too, or anybody too early.

        Then nobody is let in before the next press. Who has signed in, and asks for somebody else, may still `use` it.
        """
        if not self.open or self._contested or self._asking not in {None, address}:
            self._early, self._contested = self._clock.monotonic(), True
        self._asking = address
        return self._contested

    def missed(self) -> None:
        """Somebody said a name that nobody has."""
        self._tries += 1
        if self._tries >= TRIES:
            self._until = 0.0

    def use(self) -> bool:
        """Whether the window is open; it is shut from then on."""
        used, self._until = self.open, 0.0
        return used
