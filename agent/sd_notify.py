"""Tells systemd how the service is (sd_notify(3)): datagrams of `NAME=value` lines to the socket it names.

Started by hand there is no such socket, and nothing happens.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

_PINGS_PER_INTERVAL = 3
"""sd_watchdog_enabled(3) advises at least two: one may be lost to a moment of load."""
_LONGEST_STATUS = 256
_SEND_SECONDS = 1.0
"""systemd reads at once; only a listener that is stuck lets us wait, and not for long."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Says READY, STATUS, WATCHDOG and STOPPING. A message that does not get through is logged, never raised."""

    address: str | None = None
    """NOTIFY_SOCKET: a path, or `@` and a name in the abstract namespace; None when nobody listens."""
    watchdog_seconds: float | None = None
    """Without a ping for so long, systemd kills us; None when it does not ask for pings."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> "Notifier":
        """What systemd has told this process, `pid`; what it told another one (WATCHDOG_PID) is not for us."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            if address:
                log.warning("NOTIFY_SOCKET is of a kind that is not spoken here; systemd is told nothing")
            return cls()
        return cls(address, _watchdog_seconds(environ, pid))

    def ready(self) -> None:
        """The service does what it is for. Under Type=notify, systemd waits for this."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; no personal data, the journal keeps it."""
        self._send("STATUS=" + " ".join(text.split())[:_LONGEST_STATUS])

    def stopping(self) -> None:
        """An orderly stop has begun."""
        self._send("STOPPING=1")

    def ping(self) -> None:
        """The event loop still turns."""
        self._send("WATCHDOG=1")

    async def watchdog(self) -> None:
        """Ping at a third of the interval, for ever; return at once where no pings are asked for.

        A service of the supervisor, so that a loop that hangs, or a supervisor that is gone, stops the pings.
        """
        if self.address is None or self.watchdog_seconds is None:
            return
        while True:
            self.ping()
            await asyncio.sleep(self.watchdog_seconds / _PINGS_PER_INTERVAL)

    def _send(self, message: str) -> None:
        if self.address is None:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.connect(name)
                sender.send(message.encode())
        except OSError as error:
            log.warning("systemd could not be told %s: %s", message.partition("=")[0], error.strerror or error)


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    with contextlib.suppress(ValueError):
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
        return microseconds / 1e6 if microseconds > 0 else None
    return None
