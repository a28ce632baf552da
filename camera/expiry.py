"""When snapshots go: a pure function, and the loop that does what it says."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from camera.snapshots import SnapshotStore
from privacy.clock import Clock
from privacy.records import Item
from privacy.store import Disk

LIMIT: Final = timedelta(days=7)
"""The promise. A site may shorten it, and never lengthen it."""
LONGEST_PAUSE: Final = timedelta(minutes=1)


class Reason(StrEnum):
    """Why a record goes."""

    LIMIT = "limit reached"
    UNDATED = "cannot be shown to be young enough"


@dataclass(frozen=True, slots=True)
class Expired:
    """A record to delete, of which camera, and why."""

    id: str
    camera: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Limits:
    """How long pictures live: a camera's own limit, or for all others the site's."""

    site: timedelta = LIMIT
    cameras: Mapping[str, timedelta] = field(default_factory=dict)

    def of(self, camera: str | None) -> timedelta:
        """The limit that `camera`'s pictures live under; nothing lengthens what was promised."""
        return min(self.cameras.get(camera or "", self.site), self.site, LIMIT)

    @property
    def shortest(self) -> timedelta:
        return min([self.of(None), *map(self.of, self.cameras)])


def expired(items: Iterable[Item], now: datetime, limits: Limits) -> Sequence[Expired]:
    """What of `items` has lived for its limit at `now`."""
    due = []
    for item in items:
        if item.at is None:
            due.append(Expired(item.id, item.camera, Reason.UNDATED))
        elif item.at <= now - limits.of(item.camera):
            due.append(Expired(item.id, item.camera, Reason.LIMIT))
    return due


def pause(limits: Limits) -> timedelta:
    """How long to wait between two runs: a minute, or a twentieth of a limit that is short."""
    return min(LONGEST_PAUSE, limits.shortest / 20)


def expire(store: SnapshotStore, now: datetime, limits: Limits) -> Sequence[Expired]:
    """One run: delete what falls due before the next one, so that nothing outlives its limit. On the `Disk` thread.

    Raises:
        StoreBroken: the medium refused; the next run goes on.
    """
    due = expired(store.items(), now + pause(limits), limits)
    store.remove([one.id for one in due])
    return due


async def keep_limits(
    store: SnapshotStore, disk: Disk, clock: Clock, limits: Limits, on_run: Callable[[Sequence[Expired]], None]
) -> None:
    """Expire for ever, at once first: a box that restarts every day expires every day. `on_run` hears of each run.

    Within one run of the program a wall clock set back does not extend a life.

    Raises:
        StoreBroken: the medium refused.
    """
    began, began_monotonic = clock.now(), clock.monotonic()
    while True:
        steady = began + timedelta(seconds=clock.monotonic() - began_monotonic)
        on_run(await disk.run(expire, store, max(clock.now(), steady), limits))
        await asyncio.sleep(pause(limits).total_seconds())
