"""The driver contract. A driver that passes `tests/suites/test_driver.py` can be used.

A `Line` is one thing that can fail as a whole: a serial port with all units on it, or one device on the network.
A connection is a context manager and what comes in is an iterator; nothing here reconnects: it raises, and the
supervisor retries with a jittered back-off.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from drivers.model import Capability, Device, DeviceId, Report, Silence, Value


class Connection(Protocol):
    """An open line."""

    def reports(self) -> AsyncIterator[Report | Silence]:
        """What the devices say, for as long as the line stands; the first full state comes at once.

        For one reader at a time. Whoever begins to read gets the full state again.

        Raises:
            LinkLost: the line is gone.
        """

    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        """Put `value`, already checked by the capability, on the wire; return when the device has taken it.

        May be called while `reports` is being read. The new value also comes as a report.

        Raises:
            NoAnswer: the device did not answer in time.
            LinkLost: the line is gone.
            Unsupported: the device refused the value.
        """


class Line(Protocol):
    """One port or network device, and the devices behind it."""

    id: str
    """Stable, for logs and metrics; no personal data."""

    @property
    def devices(self) -> Sequence[Device]:
        """The devices behind this line."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open the line.

        Raises:
            LinkLost: it cannot be opened; the message says which port or address and why.
        """
