"""The two loops that a vault needs: one makes durable what was captured, one has all die that falls due."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from camera.vault.retention import Expired
from camera.vault.vault import Vault
from privacy.store import Disk

FLUSH_SECONDS: Final = 4.0
"""Between two flushes. With the time that one takes, a power cut takes no more than 5 s of pictures."""
_EARLIER: Final = 0.9
"""Of the pause that expiry reckons with: a run may take its time, and nothing is late."""


async def keep_durable(vault: Vault, disk: Disk) -> None:
    """Flush for ever, and unlink a few dead files each time.

    Raises:
        StoreBroken: the medium refused.
    """
    while True:
        await disk.run(vault.flush)
        await disk.run(vault.reclaim)
        await asyncio.sleep(FLUSH_SECONDS)


async def keep_limits(vault: Vault, disk: Disk, on_run: Callable[[Sequence[Expired]], None]) -> None:
    """Expire for ever, at once first: a box that restarts every day expires every day. `on_run` hears of each run.

    Raises:
        StoreBroken: the medium refused; the next run goes on.
    """
    while True:
        on_run(await disk.run(vault.expire))
        await asyncio.sleep(_EARLIER * vault.pause.total_seconds())
