"""One camera's loop: fetch, decode, seal. It raises, and the supervisor starts it again after a pause."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from camera.decoder import Decoder
from camera.login import Login
from camera.picture import Mask
from camera.vault.vault import Vault
from camera.vault.viewing import Snapshot
from privacy.store import Disk
from privacy.timekeeping import TimeKeeper

DEFAULT_INTERVAL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Camera:
    """A source of pictures, as configured. Its address may hold a login, so it is never shown whole."""

    id: str
    """Stable over renames; opaque."""
    name: str
    """What people call it; personal data."""
    url: str = field(repr=False)
    login: Login | None = None
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    masks: tuple[Mask, ...] = ()
    subjects: frozenset[str] = frozenset()
    """To whom this camera is assigned: its pictures concern them."""


@dataclass(frozen=True, slots=True)
class Darkroom:
    """What all cameras share: where pictures are developed, and where they are kept."""

    decoder: Decoder
    vault: Vault
    disk: Disk
    time: TimeKeeper


async def capture(
    camera: Camera,
    fetch: Callable[[], Awaitable[bytes]],
    darkroom: Darkroom,
    on_snapshot: Callable[[Snapshot], None],
) -> None:
    """Take a picture every `camera.interval_seconds`, for ever; `on_snapshot` hears of each that is kept.

    Raises:
        CameraError: no picture this time; call again.
        StoreBroken: the picture could not be kept.
    """
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        # The time before fetching: the moment a purge may name, and never later than the picture itself.
        at = darkroom.time.now()
        picture = await darkroom.decoder.decode(await fetch(), camera.masks)
        snapshot = await darkroom.disk.run(darkroom.vault.append, camera.id, at, picture, camera.subjects)
        if snapshot:
            on_snapshot(snapshot)
        await asyncio.sleep(max(0.0, began + camera.interval_seconds - loop.time()))
