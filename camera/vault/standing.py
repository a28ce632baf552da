"""How the vault stands against its limits. Reads the key table and the index, and opens no picture but in doubt."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from camera.vault import positions
from camera.vault.retention import Limits
from camera.vault.survey import Survey


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept; of what no hold keeps, how old it is."""

    count: int
    oldest: datetime | None
    """None was captured before, as far as anybody can tell: by this they go."""
    due: datetime | None
    """When the first of them has to be gone: by the clock, or by the time powered on where that says more."""
    held: int
    held_until: datetime | None
    """When the last of the holds that keep some of it ends."""
    limits: frozenset[timedelta] = frozenset()
    """Under which it lives, held or not."""


def standing(survey: Survey, limits: Limits) -> Standing:
    """Blocks.

    Raises:
        StoreBroken: the medium refused.
    """
    count = held = 0
    captured: list[datetime] = []
    due: list[datetime] = []
    ends: list[datetime] = []
    lived_under: set[timedelta] = set()
    for segment in survey.segments():
        count += segment.count
        kept = 0
        for hold, bits in survey.held(segment):
            kept |= bits
            ends.append(hold.until)
        held += kept.bit_count()
        info = segment.info
        if info and segment.count:
            lived_under.add(limits.of(info.camera, info.limit))
        if not segment.count or kept == positions.every(segment.count):
            continue
        if window := survey.window(segment):
            captured.append(window[0])
        if info:
            age = survey.time.age(info.moment).at_least
            due.append(survey.time.now() - age + limits.of(info.camera, info.limit))
    oldest, first_due, last_end = min(captured, default=None), min(due, default=None), max(ends, default=None)
    return Standing(count, oldest, first_due, held, last_end, frozenset(lived_under))
