"""The loop that has orders and receipts go at their limit. The rule is `Journal.expire`."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from privacy.journal import Journal
from privacy.policy import Policy
from privacy.records import RecordClass
from privacy.store import Disk
from privacy.timekeeping import TimeKeeper

PAUSE: Final = timedelta(hours=1)
"""The longest between two runs: what falls due before the next goes now."""
EARLIER: Final = 0.9
"""Of that pause: a run may take its time, and nothing is late."""
CLASSES: Final = (RecordClass.ORDER_JOURNAL, RecordClass.RECEIPT)
"""What stands in the journal; an order goes together with its receipts."""


def limit_of(policies: Mapping[RecordClass, Policy]) -> timedelta:
    """The shortest limit of what stands in the journal."""
    return min(limit for class_ in CLASSES if (limit := policies[class_].limit) is not None)


async def keep_limit(
    journal: Journal, time: TimeKeeper, limit: timedelta, disk: Disk, on_gone: Callable[[int], None]
) -> None:
    """Expire for ever, at once first. `on_gone` hears how many receipts went.

    Raises:
        StoreBroken: the medium refused; call again.
    """
    while True:
        if gone := await disk.run(journal.expire, time, limit, PAUSE):
            on_gone(gone)
        await asyncio.sleep(EARLIER * PAUSE.total_seconds())
