"""The button on the box: whoever presses it stands beside it, and is believed for two minutes."""

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

    @property
    def open(self) -> bool:
        """Whether it was pressed just now, and nobody used that yet."""
        return self._clock.monotonic() < self._until

    def press(self) -> None:
        self._until = self._clock.monotonic() + WINDOW
        self._tries = 0

    def missed(self) -> None:
        """Somebody said a name that nobody has."""
        self._tries += 1
        if self._tries >= TRIES:
            self._until = 0.0

    def use(self) -> bool:
        """Whether the window is open; it is shut from then on."""
        used, self._until = self.open, 0.0
        return used
