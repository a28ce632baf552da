"""An accessory that is ours: its record, and how it is reached.

An announcement is a hint only, so there may be several places to try, and at each the accessory must prove itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec

from drivers.discovery import Endpoint
from drivers.errors import LinkLost, Unsupported
from drivers.homekit import pairing
from drivers.homekit.connection import Session
from drivers.model import Device, DeviceId

Locate = Callable[[DeviceId], Sequence[Endpoint]]
"""Where a device is said to be now: `Discovery.endpoints`."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds."""

    connect: float = 4.0
    """For one address to take a connection, and then for each answer until it has proved itself."""
    reach: float = 15.0
    """For all addresses together."""
    answer: float = 5.0
    """For each answer afterwards. Battery-backed accessories take up to 2 s."""
    poll: float = 5.0
    """Between two polls. They notice a silent peer, and catch changes whose event was lost."""
    adopt: float = 45.0
    """For an adoption as a whole: small chips compute for 10 s and more."""
    undo: float = 8.0
    """For setting free again what was adopted in vain; somebody may wait for that to end."""


PATIENT = Patience()


@dataclass(frozen=True, slots=True)
class Adopted:
    """An accessory that is ours. Whoever has the secrets controls it: seal them, never log them."""

    id: DeviceId
    devices: tuple[Device, ...]
    """Itself, or what it carries if it is a bridge."""
    endpoint: Endpoint
    """Where it was."""
    secrets: Mapping[str, str] = field(repr=False)

    def to_record(self) -> dict[str, object]:
        """As JSON-able data, secrets included."""
        record: dict[str, object] = msgspec.to_builtins(self)
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Adopted":
        """The inverse of `to_record`.

        Raises:
            Unsupported: the record is of another make.
        """
        try:
            return msgspec.convert(record, cls)
        except msgspec.ValidationError as error:
            raise Unsupported("not the record of an adopted HomeKit device") from error


def places(last: Endpoint, announced: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """Where to try, in this order: a forged announcement can add a place, but not take one away."""
    return tuple(dict.fromkeys((last, *announced)))


async def first_open(candidates: Iterable[Endpoint], patience: Patience) -> tuple[Session, Endpoint]:
    """A connection to the first of `candidates` that takes one; who it is remains to be seen.

    Raises:
        LinkLost: none does.
    """
    problem = LinkLost("it has no address")
    for place in candidates:
        try:
            return await Session.open(*place, patience.connect), place
        except LinkLost as error:
            problem = error
    raise problem


@asynccontextmanager
async def verified(
    candidates: Sequence[Endpoint], adopted: Adopted, patience: Patience
) -> AsyncIterator[tuple[Session, Endpoint]]:
    """A session with the accessory at the first of `candidates` where it proves itself, and that place.

    Raises:
        LinkLost: it is at none of them.
    """
    session, place = await _reach(candidates, adopted, patience)
    try:
        yield session, place
    finally:
        await session.close()


async def _reach(candidates: Sequence[Endpoint], adopted: Adopted, patience: Patience) -> tuple[Session, Endpoint]:
    problem = LinkLost(f"{adopted.id} has not been seen on the network")
    with suppress(TimeoutError):
        async with asyncio.timeout(patience.reach):
            for place in candidates:
                try:
                    return await _prove(place, adopted, patience), place
                except LinkLost as error:
                    problem = error
    raise problem


async def _prove(place: Endpoint, adopted: Adopted, patience: Patience) -> Session:
    async with AsyncExitStack() as stack:
        session = await Session.open(*place, patience.connect)
        stack.push_async_callback(session.close)
        await pairing.verify(session, adopted.secrets, seconds=patience.connect)
        stack.pop_all()
    return session
