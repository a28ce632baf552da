"""A serial line with Modbus units on it, as a `drivers.driver.Line`."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import PurePath

from drivers.errors import DriverError, NoAnswer, Unsupported
from drivers.modbus.bus import Bus
from drivers.modbus.messages import Message, Read, Write
from drivers.modbus.plan import Plan
from drivers.modbus.register import Register
from drivers.modbus.registers import RegisterMap
from drivers.modbus.transport import Parity, Port, StopBits, Wire, open_wire
from drivers.model import Capability, Device, DeviceId, Report, Silence, Value

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.4
"""Units answer in 5 to 200 ms; after this one try is given up. Two tries and the pause between stay near 1 s."""
TRIES = 2
"""Noise costs one frame now and then; a unit is silent when it misses two questions in a row."""
LONGEST_PAUSE_SECONDS = 8.0
"""How long a silent unit is left alone at most: it costs the line one time-out in that time."""
READ_BACKS = 3
READ_BACK_SECONDS = 0.1
"""Some units take a value a little after they acknowledge it."""

ADDRESS = range(1, 248)
DEVICE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Unit:
    """One device on the line."""

    address: int
    """1 to 247."""
    device: DeviceId
    name: str
    map: RegisterMap

    def __post_init__(self) -> None:
        if self.address not in ADDRESS:
            raise Unsupported(f"unit address {self.address} is not from 1 to 247")
        if not DEVICE_ID.fullmatch(self.device):
            raise Unsupported(f"device id {self.device!r} cannot be used", hint="1 to 64 of A-Z a-z 0-9 _ . : -")


def pause(failures: int, poll_seconds: float) -> float:
    """Seconds until a unit that failed `failures` times in a row (1 or more) is polled again."""
    return min(LONGEST_PAUSE_SECONDS, poll_seconds * 2.0 ** min(failures - 1, 16))


class ModbusLine:
    """One serial port and the units on it."""

    def __init__(  # noqa: PLR0913 - a serial port has that many settings
        self,
        port: str,
        units: Sequence[Unit],
        *,
        baudrate: int = 9600,
        parity: Parity = "E",
        stopbits: StopBits = 1,
        poll_seconds: float = 1.0,
        answer_seconds: float = ANSWER_SECONDS,
        id: str | None = None,  # noqa: A002 - the contract's name
    ) -> None:
        """Describe the line; nothing is opened yet. The settings' defaults are the specification's.

        Raises:
            Unsupported: there are no units, or two share an address or a device id.
        """
        if not units:
            raise Unsupported(f"no units are named for serial port {port}")
        for earlier, later in combinations(units, 2):
            if earlier.address == later.address:
                raise Unsupported(f"two units on {port} have the address {later.address}")
            if earlier.device == later.device:
                raise Unsupported(f"two units on {port} have the device id {later.device}")
        self.id = id or f"modbus:{PurePath(port).name}"
        self._port = Port(port, baudrate, parity, stopbits)
        self._units = tuple(units)
        self._poll_seconds = poll_seconds
        self._answer_seconds = answer_seconds

    @property
    def devices(self) -> Sequence[Device]:
        """The units as devices. Verified: nobody else is on the wire."""
        return tuple(
            Device(unit.device, unit.name, "modbus", unit.map.capabilities, verified=True) for unit in self._units
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["ModbusConnection"]:
        """Open the port.

        Raises:
            LinkLost: it is missing, in use, or no serial port; the message says what to do.
        """
        with open_wire(self._port, answer_seconds=self._answer_seconds) as wire:
            yield ModbusConnection(
                wire, self._units, poll_seconds=self._poll_seconds, quiet_seconds=self._answer_seconds
            )


@dataclass(slots=True)
class _Station:
    """What we know of one unit while the line is open."""

    unit: Unit
    plan: Plan
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One question at a time, so that a dead unit holds one place in the queue for the bus, not one a command."""
    due: float = 0.0
    failures: int = 0
    known: bool = False
    """Whether the full state has been read since the unit was found."""
    silence: str = ""
    """Why it is silent, as last reported."""
    left_out: set[Register] = field(default_factory=set)
    """What a poll had to do without, and the log knows of."""
    quiet_until: float = 0.0
    """A late answer could be taken for the answer to the next question, so that waits until here."""


class ModbusConnection:
    """The open line. Polling happens while somebody reads `reports`."""

    def __init__(self, wire: Wire, units: Sequence[Unit], *, poll_seconds: float, quiet_seconds: float) -> None:
        self._wire = wire
        self._poll_seconds = poll_seconds
        self._quiet_seconds = quiet_seconds
        self._bus = Bus()
        self._loop = asyncio.get_running_loop()
        self._stations = {unit.device: _Station(unit, Plan(unit.map.registers)) for unit in units}
        self._written: dict[tuple[DeviceId, str], Report] = {}
        self._wake = asyncio.Event()
        wire.on_lost = self._wake.set

    async def reports(self) -> AsyncIterator[Report | Silence]:
        """Poll the units in turn; see `drivers.driver.Connection`. Each poll reports every value, changed or not."""
        for each in self._stations.values():
            # Whoever begins to read gets the full state, also after another who was cancelled.
            each.known, each.silence = False, ""
        while True:
            self._wire.check()
            self._wake.clear()
            while self._written:
                yield self._written.pop(next(iter(self._written)))
            station = min(self._stations.values(), key=lambda s: s.due)
            if (wait := station.due - self._loop.time()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                continue
            for report in await self._poll(station):
                # What was read before a write is old by the time somebody takes it.
                if not (isinstance(report, Report) and (report.device, report.capability) in self._written):
                    yield report

    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        """Write, then read back; see `drivers.driver.Connection`."""
        station = self._stations.get(device)
        if station is None:
            raise Unsupported(f"there is no device {device} on this line")
        register = _register(station.unit.map, capability)
        words = register.encode(value)
        await self._command(station, Write(register.table, register.address, words))
        for left in reversed(range(READ_BACKS)):
            kept = await self._command(station, Read(register.table, register.address, register.size))
            if kept == words or not left:
                break
            await asyncio.sleep(READ_BACK_SECONDS)
        now = register.decode(kept)
        if now is not None:
            self._written[device, capability.name] = Report(device, capability.name, now)
        if station.silence:
            station.silence, station.due = "", self._loop.time()
        self._wake.set()
        if kept != words:
            raise Unsupported(f"{device} keeps {capability.name} at {now} {register.unit}".rstrip())

    async def _command(self, station: _Station, message: Message) -> tuple[int, ...]:
        # Noise may cost one answer. Who is known to be silent gets one try: a person waits, and so may others.
        if not station.silence:
            with suppress(NoAnswer):
                return await self._ask(station, message, urgent=True)
        return await self._ask(station, message, urgent=True)

    async def _ask(self, station: _Station, message: Message, *, urgent: bool = False) -> tuple[int, ...]:
        async with station.turn:
            await asyncio.sleep(max(0.0, station.quiet_until - self._loop.time()))
            async with self._bus.command() if urgent else self._bus.poll():
                try:
                    return await self._wire.exchange(station.unit.address, message)
                except (NoAnswer, asyncio.CancelledError):
                    station.quiet_until = self._loop.time() + self._quiet_seconds
                    station.known, station.due = False, min(station.due, station.quiet_until)
                    self._wake.set()
                    raise

    async def _poll(self, station: _Station) -> Sequence[Report | Silence]:
        """Read all of one unit that it has, or nothing: half a state would look like a whole one."""
        device, plan = station.unit.device, station.plan
        said: list[Report | Register] = []
        refusal: Unsupported | None = None
        heard = False
        questions = deque(plan.polled if station.known else plan.all)
        try:
            while questions:
                block = questions.popleft()
                try:
                    said += block.reports(device, await self._ask(station, block.read))
                    heard = True
                except Unsupported as error:
                    refusal = refusal or error
                    questions.extendleft(reversed(plan.take_apart(block)))
        except NoAnswer as error:
            return self._failed(station, error)
        if refusal and not heard:
            return self._failed(station, refusal)
        found = [one for one in said if isinstance(one, Report)]
        senseless = [one for one in said if isinstance(one, Register)]
        if senseless and not found and not station.known:
            problem = f"unit {station.unit.address} says nothing that makes sense"
            return self._failed(station, NoAnswer(problem, hint="check type and scale in the register map"))
        self._note(station, senseless)
        station.known, station.failures, station.silence = True, 0, ""
        station.due = self._loop.time() + self._poll_seconds if plan.polled else float("inf")
        return found

    def _note(self, station: _Station, senseless: Sequence[Register]) -> None:
        """Say once what of a unit is left out while the rest of it answers; not the value, which is the house's."""
        for register in (station.plan.refused | {*senseless}) - station.left_out:
            why = "the unit refuses it" if register in station.plan.refused else "its value makes no sense"
            log.warning(
                "%s: %s (%s %d) is left out, because %s (correct the register map)",
                *(station.unit.device, register.capability, register.table, register.address, why),
            )
            station.left_out.add(register)

    def _failed(self, station: _Station, error: DriverError) -> Sequence[Silence]:
        station.failures += 1
        if isinstance(error, NoAnswer) and not station.silence and station.failures < TRIES:
            return ()
        station.known = False
        station.plan.forget()  # it may be another unit that answers next
        station.due = self._loop.time() + pause(station.failures, self._poll_seconds)
        if (reason := str(error)) == station.silence:
            return ()
        station.silence = reason
        return (Silence(station.unit.device, reason),)


def _register(register_map: RegisterMap, capability: Capability) -> Register:
    for register in register_map.registers:
        if register.capability == capability.name and register.writable:
            return register
    raise Unsupported(f"{register_map.model} has no {capability.name} that can be written")
