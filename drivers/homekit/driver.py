"""HomeKit accessories: adopt one, keep a line to it, forget it.

The supervisor alone reconnects. A connection here ends with `LinkLost` when the accessory closes or resets it, when
an answer is late, and when a silent peer fails the poll that is made every few seconds.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus

from drivers.discovery import Endpoint, device_id
from drivers.errors import AdoptionFailed, DriverError, LinkLost, NoAnswer, Unsupported
from drivers.homekit import messages, pairing
from drivers.homekit.accessory import PATIENT, Adopted, Locate, Patience, first_open, places, verified
from drivers.homekit.connection import Answer, Session
from drivers.homekit.messages import Database, Point
from drivers.model import Capability, Device, DeviceId, Found, Report, Silence, Value

__all__ = ["Adopted", "HomeKitConnection", "HomeKitLine", "Patience", "adopt", "forget"]

log = logging.getLogger(__name__)

FAMILY = "homekit"

PAIR_ATTEMPTS = 3
"""HAP-python strips leading zeros from its SRP numbers, so that 37 of 3,000 handshakes with it (and with what is
built on it) ended as "wrong code" although the code was right. Each attempt has new numbers; accessories allow 100."""


async def adopt(found: Found, code: str, *, patience: Patience = PATIENT) -> Adopted:
    """Make the accessory ours. Only upon a person's yes, who gives its code, like `123-45-678`.

    Raises:
        AdoptionFailed: wrong code, somebody else's already, gone, or not what it claims to be.
        Unsupported: it has nothing that this driver can use.

    However it ends without a result, also by a cancellation, it tries to set the accessory free again.
    """
    code = pairing.setup_code(code)
    made: list[Adopted] = []
    async with AsyncExitStack() as undo:
        undo.push_async_callback(_set_free, made, patience)
        try:
            async with asyncio.timeout(patience.adopt):
                adopted = await _adopt(found, code, patience, made)
        except TimeoutError as error:
            raise AdoptionFailed(f"{found.id} took longer than {patience.adopt:g} s", hint="try again") from error
        except (LinkLost, NoAnswer) as error:
            raise AdoptionFailed(f"{found.id} could not be adopted: {error}") from error
        undo.pop_all()
    return adopted


async def forget(adopted: Adopted, locate: Locate, *, patience: Patience = PATIENT) -> None:
    """Set the accessory free, so that others can adopt it.

    Raises:
        LinkLost: it cannot be reached; it stays ours until it is reset to factory settings.
        NoAnswer: it would not.
    """
    async with verified(places(adopted.endpoint, locate(adopted.id)), adopted, patience) as (session, _):
        await pairing.remove(session, adopted.secrets, seconds=patience.answer)


class HomeKitLine:
    """The line to one adopted accessory; implements `drivers.driver.Line`."""

    def __init__(self, adopted: Adopted, locate: Locate, *, patience: Patience = PATIENT) -> None:
        self.id = adopted.id
        self._adopted = adopted
        self._locate = locate
        self._patience = patience
        self._last = adopted.endpoint

    @property
    def devices(self) -> Sequence[Device]:
        return self._adopted.devices

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["HomeKitConnection"]:
        """Open the line: where it was last, then where it is announced; each must prove itself.

        Raises:
            LinkLost: the accessory is at none of these places.
        """
        candidates = places(self._last, self._locate(self.id))
        async with verified(candidates, self._adopted, self._patience) as (session, place):
            self._last = place
            with _rubbish_ends(session):
                database = await _database(session, self._adopted, self._patience)
            ours = {device.id for device in self._adopted.devices}
            points = [point for point in database.points if point.device in ours]
            connection = HomeKitConnection(session, points, self._patience)
            await connection.subscribe()
            yield connection


class HomeKitConnection:
    """An open line; implements `drivers.driver.Connection`."""

    def __init__(self, session: Session, points: Sequence[Point], patience: Patience) -> None:
        self._session = session
        self._points = {(point.device, point.capability.name): point for point in points}
        self._patience = patience
        self._said: dict[tuple[DeviceId, str], Value] = {}
        self._silent: set[DeviceId] = set()
        self._written: set[tuple[DeviceId, str]] = set()

    async def subscribe(self) -> None:
        """Ask for events. What cannot tell of changes by itself is noticed by the poll."""
        if points := [point for point in self._points.values() if point.events]:
            # The answer lists the refused ones; the poll covers those as well.
            await self._exchange("PUT", "/characteristics", messages.subscribe_body(points))

    async def reports(self) -> AsyncIterator[Report | Silence]:
        """The state as it is now, then each change as it comes.

        Raises:
            LinkLost: the line is gone.
        """
        # Whoever begins to read gets the full state, also after another who was cancelled.
        self._said.clear()
        self._silent.clear()
        loop = asyncio.get_running_loop()
        news = self._session.news
        while True:
            for item in self._new(await self._poll()):
                yield item
            poll_at = loop.time() + self._patience.poll
            while not self._written:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(poll_at):
                        await news.wait()
                if self._session.gone.is_set():
                    raise self._session.lost()
                news.clear()
                while self._session.events:
                    for item in self._new(self._told(self._session.events.popleft())):
                        yield item
                if loop.time() >= poll_at:
                    break

    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        """Set the value; return when the accessory has taken it. It is read back, and reported, at once.

        Raises:
            LinkLost: the line is gone, or the answer was late: then the connection is given up.
            NoAnswer: the accessory is a bridge and cannot reach the device, or is busy.
            Unsupported: the accessory refused the value, or has no such capability any more.
        """
        key = (device, capability.name)
        point = self._points.get(key)
        if point is None:
            raise Unsupported(f"{device} has no {capability.name} any more", hint="remove it and adopt it again")
        status, body = await self._exchange("PUT", "/characteristics", messages.write_body(point, value))
        if status != HTTPStatus.NO_CONTENT and (refusal := messages.parse_status(body)):
            _raise_refusal(device, refusal)
        # An accessory sends no event to the controller that made the change (HAP R2, 6.8.2).
        self._written.add(key)
        self._session.news.set()

    async def _poll(self) -> Sequence[Report | Silence]:
        written, self._written = self._written, set()
        for key in written:
            self._said.pop(key, None)
        if not self._points:
            return ()
        with _rubbish_ends(self._session):
            status, body = await self._exchange("GET", messages.read_target(self._points.values()))
            if status not in {HTTPStatus.OK, HTTPStatus.MULTI_STATUS}:
                raise NoAnswer(f"the device answered with status {status} to a poll")
            return tuple(messages.parse_values(body, tuple(self._points.values())))

    def _told(self, body: bytes) -> Sequence[Report | Silence]:
        with _rubbish_ends(self._session):
            return tuple(messages.parse_values(body, tuple(self._points.values())))

    def _new(self, items: Sequence[Report | Silence]) -> Iterator[Report | Silence]:
        """What is not known yet. A device that is silent in part counts as silent."""
        silent = {item.device for item in items if isinstance(item, Silence)}
        for item in items:
            if isinstance(item, Silence):
                if item.device not in self._silent:
                    self._silent.add(item.device)
                    yield item
                continue
            key = (item.device, item.capability)
            if item.device not in silent and (item.device in self._silent or self._said.get(key) != item.value):
                self._silent.discard(item.device)
                self._said[key] = item.value
                yield item

    async def _exchange(self, method: str, target: str, body: bytes = b"") -> Answer:
        return await self._session.exchange(method, target, body, seconds=self._patience.answer)


async def _adopt(found: Found, code: str, patience: Patience, made: list[Adopted]) -> Adopted:
    """Adopt. As soon as there is a pairing it stands in `made`, whatever comes of it."""
    await _pair(found, code, patience, made)
    (adopted,) = made
    async with verified([adopted.endpoint], adopted, patience) as (session, _):
        if device_id(FAMILY, adopted.secrets["AccessoryPairingID"]) != found.id:
            raise AdoptionFailed(f"what answered is not {found.id}", hint="search again, then try again")
        devices = (await _database(session, adopted, patience)).devices
        if not devices:
            raise Unsupported(f"{found.id} has nothing that can be used here yet")
    return replace(adopted, devices=devices)


async def _set_free(made: Sequence[Adopted], patience: Patience) -> None:
    """Undo what was made in vain: else the accessory stays locked to secrets that nobody has."""

    async def free(adopted: Adopted) -> None:
        try:
            async with asyncio.timeout(patience.undo):
                await forget(adopted, lambda _: (), patience=patience)
        except (DriverError, TimeoutError):
            log.warning("%s was adopted in vain and could not be set free: reset it to factory settings", adopted.id)

    for adopted in made:
        # Whoever is cancelled again would leave it locked, or have it locked for the one who tries next.
        await pairing.uncut(free(adopted), patience.undo)


async def _pair(found: Found, code: str, patience: Patience, made: list[Adopted]) -> None:
    refusal: pairing.WrongCode | None = None
    for _ in range(PAIR_ATTEMPTS):
        session, place = await first_open([(address, found.port) for address in found.addresses], patience)

        def ours(secrets: Mapping[str, str], place: Endpoint = place) -> None:
            made.append(Adopted(found.id, (), place, secrets))

        try:
            with_auth = found.properties.get("ff", "") in {"1", "3"}
            await pairing.pair(session, code, with_auth=with_auth, seconds=patience.adopt, ours=ours)
        except pairing.WrongCode as error:
            refusal = refusal or error
        except DriverError:
            if refusal is None:
                raise
            break
        else:
            return
        finally:
            await session.close()
    raise refusal or AdoptionFailed(f"{found.id} could not be adopted")


async def _database(session: Session, adopted: Adopted, patience: Patience) -> Database:
    status, body = await session.exchange("GET", "/accessories", seconds=patience.answer)
    if status != HTTPStatus.OK:
        raise NoAnswer(f"the device answered with status {status} to what it is")
    return messages.parse_accessories(body, adopted.id)


@contextmanager
def _rubbish_ends(session: Session) -> Iterator[None]:
    """Give the connection up when what the accessory says makes no sense."""
    try:
        yield
    except NoAnswer as error:
        session.give_up(str(error))
        raise session.lost() from error


def _raise_refusal(device: DeviceId, status: int) -> None:
    if status in messages.TRANSIENT:
        raise NoAnswer(f"{device} cannot do it now (status {status})", hint="try again")
    raise Unsupported(f"{device} refused the value (status {status})")
