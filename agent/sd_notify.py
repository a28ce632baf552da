"""Tells systemd how the service is (sd_notify(3)): datagrams of `NAME=value` lines to the socket it names.

Started by hand there is no such socket, and nothing happens. A message that does not get through is logged, never
raised: the house runs on.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

PINGS_PER_INTERVAL: Final = 3
"""sd_watchdog_enabled(3) advises at least two: one may be lost to a moment of load."""
LONGEST_STATUS: Final = 256
READY_SECONDS: Final = 1.0
"""systemd reads at once. Only for READY and STOPPING do we wait when its queue is full: they are said once."""


def ready(text: str = "", environ: Mapping[str, str] = os.environ) -> None:
    """The service does what it is for, and `text` is its status. Under Type=notify, systemd waits for this."""
    _send("READY=1" + (f"\nSTATUS={_one_line(text)}" if text else ""), environ, READY_SECONDS)


def status(text: str, environ: Mapping[str, str] = os.environ) -> None:
    """One line for `systemctl status`; no personal data, the journal keeps it."""
    _send(f"STATUS={_one_line(text)}", environ)


def stopping(environ: Mapping[str, str] = os.environ) -> None:
    """An orderly stop has begun."""
    _send("STOPPING=1", environ, READY_SECONDS)


def watchdog_seconds(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """After how long without a ping systemd kills us; None when it does not ask this process, `pid`, for pings."""
    own = str(os.getpid() if pid is None else pid)
    if not environ.get("NOTIFY_SOCKET") or environ.get("WATCHDOG_PID", own) != own:
        return None
    with contextlib.suppress(ValueError):
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
        return microseconds / 1e6 if microseconds > 0 else None
    return None


async def keep_watchdog(seconds: float, environ: Mapping[str, str] = os.environ) -> None:
    """Ping at a third of `seconds`, for ever.

    A service of the supervisor, so that a loop that hangs, or a supervisor that is gone, stops the pings.
    """
    while True:
        _send("WATCHDOG=1", environ)
        await asyncio.sleep(seconds / PINGS_PER_INTERVAL)


def _one_line(text: str) -> str:
    """A line break would begin another message, and `MAINPID=` is one."""
    return " ".join(text.split())[:LONGEST_STATUS]


def _send(message: str, environ: Mapping[str, str], seconds: float = 0.0) -> None:
    """Send, waiting at most `seconds` for room: the event loop stands still for so long."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    what = message.partition("=")[0]
    if not address.startswith(("/", "@")):
        log.warning("systemd could not be told %s: NOTIFY_SOCKET is of a kind that is not spoken here", what)
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(seconds)
            sender.connect(name)
            sender.send(message.encode())
    except OSError as error:
        log.warning("systemd could not be told %s: %s", what, error.strerror or error)
