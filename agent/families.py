"""The families of devices that can be adopted: what differs between them, as one table.

A family's driver is imported when the first of its devices is adopted or reached, and not before: a house without
them does not pay for its libraries.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from drivers.driver import Line
from drivers.errors import Unsupported
from drivers.model import Device, DeviceId, Found

Locate = Callable[[DeviceId], Sequence[tuple[str, int]]]
"""Where a device is said to be now: addresses and ports."""


class Adopted(Protocol):
    """What a family's adoption leaves: secrets included, so it goes into the sealed register and nowhere else."""

    @property
    def id(self) -> DeviceId: ...
    @property
    def devices(self) -> Sequence[Device]: ...
    def to_record(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Driver:
    """What the house needs of a family's driver. All of it raises `drivers.errors.DriverError`."""

    adopt: Callable[[Found, str], Awaitable[Adopted]]
    line: Callable[[Mapping[str, Any], Locate], Line]
    forget: Callable[[Mapping[str, Any], Locate], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Family:
    """A family of devices that can be found and adopted."""

    code_format: str
    """What the code of adoption looks like, for people; empty where none is asked."""
    driver: Callable[[], Driver]
    """Imports the driver.

    Raises:
        Unsupported: its libraries are not installed.
    """


def _homekit() -> Driver:
    try:
        from drivers.homekit import driver  # noqa: PLC0415 - see above
    except ImportError as error:
        raise Unsupported("HomeKit's library is not installed", hint="install portvakt[homekit]") from error

    async def forget(record: Mapping[str, Any], locate: Locate) -> None:
        await driver.forget(driver.Adopted.from_record(record), locate)

    return Driver(
        adopt=driver.adopt,
        line=lambda record, locate: driver.HomeKitLine(driver.Adopted.from_record(record), locate),
        forget=forget,
    )


FAMILIES: Mapping[str, Family] = {"homekit": Family(code_format="123-45-678", driver=_homekit)}
