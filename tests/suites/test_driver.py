"""What every `drivers.driver.Line` must do. A new driver is one class here, and one line in `BENCHES`."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Protocol

import pytest

from drivers.discovery import device_id
from drivers.driver import Connection, Line
from drivers.errors import DriverError, LinkLost, NoAnswer, Unsupported
from drivers.homekit.driver import Adopted, HomeKitLine, Patience, adopt
from drivers.modbus.driver import ModbusLine, Unit
from drivers.modbus.registers import load
from drivers.model import (
    HEATING_SETPOINT,
    LEVEL,
    ON_OFF,
    Capability,
    Device,
    DeviceId,
    Found,
    Kind,
    Report,
    Silence,
    Value,
)

BOUND = 10.0
"""Seconds for whatever the contract says happens "at once" or "in time"."""
START_SECONDS = 30.0
"""For a far end to start; not the driver's doing."""
CONNECTS = 20
State = Mapping[tuple[DeviceId, str], Value]


class Bench(Protocol):
    """One kind of line with its far end, a program of its own."""

    line: Line
    changes: Sequence[tuple[Capability, Value]]
    """Settings of the line's first device; each is another than the one before, the first another than at the start."""
    when_killed: type[LinkLost | Silence]
    """What its reports say when the far end is killed."""
    when_frozen: type[LinkLost | Silence]
    """What they say when it is there and does not answer."""

    async def start(self) -> None:
        """Start the far end, and after a `kill` the same one again."""

    def signal(self, number: signal.Signals) -> None: ...

    async def kill(self) -> None: ...

    async def holds(self, capability: Capability) -> Value:
        """What the device itself says that it has, not by way of the driver; nobody is connected."""


class Program:
    """A simulated device."""

    _process: asyncio.subprocess.Process | None = None

    async def run(self, module: str, *arguments: str | Path) -> bytes:
        """Start it; return its first line."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *map(str, arguments)), stdout=asyncio.subprocess.PIPE
        )
        return await self.says()

    async def says(self) -> bytes:
        assert self._process
        assert self._process.stdout
        async with asyncio.timeout(START_SECONDS):
            line = await self._process.stdout.readline()
        assert line, "the program ended by itself"
        return line

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    async def kill(self) -> None:
        if self._process and self._process.stdout:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.stdout.read()  # to its end, which closes our side of it
            await self._process.wait()


class Modbus(Program):
    """`drivers.modbus`: the simulated heat pump on a pseudo-terminal."""

    changes = ((HEATING_SETPOINT, 22.5), (ON_OFF, False), (HEATING_SETPOINT, 19.0), (ON_OFF, True))
    when_killed = LinkLost
    when_frozen = Silence

    def __init__(self, folder: Path) -> None:
        self._link = folder / "pump"
        pump = Unit(1, "pump", "Heat pump", load("demo_heat_pump"))
        self.line: Line = ModbusLine(str(self._link), [pump], baudrate=115200, poll_seconds=0.2)

    async def start(self) -> None:
        await self.run("drivers.simulated.heat_pump", "--port", self._link)

    async def holds(self, capability: Capability) -> Value:
        # Read holding registers 0 and 1 of unit 1 (V1.1b3, section 6.3).
        port = os.open(self._link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(port, bytes.fromhex("010300000002c40b"))
            answer = b""
            async with asyncio.timeout(BOUND):
                while len(answer) < 9:
                    with suppress(BlockingIOError):
                        answer += os.read(port, 9)
                    await asyncio.sleep(0.001)
        finally:
            os.close(port)
        return bool(answer[4]) if capability == ON_OFF else int.from_bytes(answer[5:7], "big") / 10


class HomeKit(Program):
    """`drivers.homekit`: the simulated lamp on loopback."""

    changes = ((ON_OFF, True), (LEVEL, 30.0), (ON_OFF, False), (LEVEL, 55.0))
    when_killed = LinkLost
    when_frozen = LinkLost
    _adopted: Adopted | None = None

    def __init__(self, folder: Path) -> None:
        self._state = folder / "lamp"
        self._said: dict[str, Value] = {}

    async def start(self) -> None:
        ready = json.loads(await self.run("drivers.simulated.lamp", "--state", self._state))
        self._place = ready["address"], int(ready["port"])
        if self._adopted is None:
            mac = json.loads((self._state / "lamp.json").read_text())["mac"]
            found = Found("homekit", device_id("homekit", mac), "Lamp", "", (self._place[0],), self._place[1])
            self._adopted = await adopt(found, "031-45-154")
            patience = Patience(connect=2, answer=1, poll=0.3)
            self.line: Line = HomeKitLine(self._adopted, lambda _: [self._place], patience=patience)

    async def holds(self, capability: Capability) -> Value:
        # It says each value that it is set to, before it answers; what it said last counts.
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.3):
                    self._said |= json.loads(await self.says())
        return self._said["on" if capability == ON_OFF else "brightness"]


BENCHES: dict[str, Callable[[Path], Bench]] = {"modbus": Modbus, "homekit": HomeKit}


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(BENCHES[request.param], tmp_path) as one:
        yield one


@asynccontextmanager
async def running(kind: Callable[[Path], Bench], folder: Path) -> AsyncIterator[Bench]:
    one = kind(folder)
    try:
        await one.start()
        yield one
    finally:
        await one.kill()


async def first_state(line: Line, connection: Connection) -> State:
    """The first value of each capability of each device; in time, or it fails."""
    wanted = {(device.id, capability.name) for device in line.devices for capability in device.capabilities}
    seen: dict[tuple[DeviceId, str], Value] = {}
    async with asyncio.timeout(BOUND), aclosing(reports_of(connection)) as reports:
        async for said in reports:
            assert isinstance(said, Report), said
            seen[said.device, said.capability] = said.value
            if seen.keys() == wanted:
                break
    assert seen.keys() == wanted
    return seen


async def reports_of(connection: Connection) -> AsyncIterator[Report | Silence]:
    """The same reports, as a generator, which can be closed."""
    async for said in connection.reports():
        yield said


class Listener:
    """Reads a connection's reports beside the test, and keeps all."""

    def __init__(self, connection: Connection) -> None:
        self.heard: list[Report | Silence] = []
        self.ended: DriverError | None = None
        self._connection = connection

    async def listen(self) -> None:
        try:
            async for said in self._connection.reports():
                self.heard.append(said)
        except LinkLost as error:
            self.ended = error

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND):
            while not what():
                await asyncio.sleep(0.005)

    async def until_heard(self, report: Report | None = None) -> None:
        """Wait for `report`, or for anything."""
        await self.until(lambda: report in self.heard if report else len(self.heard) > 0)

    def said(self, kind: type[LinkLost | Silence | Report]) -> bool:
        return isinstance(self.ended, kind) or any(isinstance(said, kind) for said in self.heard)


@asynccontextmanager
async def listening(connection: Connection) -> AsyncIterator[Listener]:
    listener = Listener(connection)
    task = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])


async def send(connection: Connection, device: DeviceId, capability: Capability, value: Value) -> None:
    async with asyncio.timeout(BOUND):
        await connection.send(device, capability, capability.check(value))


def own(bench: Bench) -> tuple[DeviceId, Mapping[str, Capability]]:
    """The line's first device, and its capabilities as it describes them."""
    device = bench.line.devices[0]
    return device.id, {capability.name: capability for capability in device.capabilities}


async def works(bench: Bench) -> None:
    """Connecting anew brings the state, and a command is taken."""
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    async with asyncio.timeout(2 * BOUND), bench.line.connect() as connection:
        await first_state(bench.line, connection)
        await send(connection, device, capabilities[capability.name], value)


async def test_the_line_describes_its_devices_before_it_is_open(bench: Bench) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", bench.line.id)
    devices = list(bench.line.devices)
    assert devices
    assert len({device.id for device in devices}) == len(devices)
    for device in devices:
        assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", device.id)
        assert len({capability.name for capability in device.capabilities}) == len(device.capabilities) > 0
    async with bench.line.connect():
        assert list(bench.line.devices) == devices


KINDS: Mapping[Kind, type] = {Kind.BOOL: bool, Kind.INT: int, Kind.FLOAT: float, Kind.ENUM: str}


async def test_the_first_full_state_comes_at_once_in_the_kinds_and_ranges_it_is_described_in(bench: Bench) -> None:
    async with bench.line.connect() as connection:
        state = await first_state(bench.line, connection)
    for device in bench.line.devices:
        for capability in device.capabilities:
            value = state[device.id, capability.name]
            assert type(value) is KINDS[capability.kind], capability
            if not isinstance(value, str):
                assert capability.minimum is None or value >= capability.minimum
                assert capability.maximum is None or value <= capability.maximum
            assert not capability.choices or value in capability.choices


async def test_what_is_sent_is_on_the_device_and_comes_as_a_report(bench: Bench) -> None:
    """While reports are read; each is sent twice, and the second time it is reported as well."""
    device, capabilities = own(bench)
    async with bench.line.connect() as connection, listening(connection) as listener:
        for capability, value in bench.changes:
            for _ in range(2):
                listener.heard.clear()
                await send(connection, device, capabilities[capability.name], value)
                await listener.until_heard(Report(device, capability.name, value))
        assert listener.ended is None
        assert not listener.said(Silence)
    for capability, value in dict(bench.changes).items():
        assert await bench.holds(capability) == value


async def test_what_is_sent_before_reports_are_read_is_on_the_device_and_in_them(bench: Bench) -> None:
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    async with bench.line.connect() as connection:
        await send(connection, device, capabilities[capability.name], value)
        assert (await first_state(bench.line, connection))[device, capability.name] == value
    assert await bench.holds(capability) == value


async def test_commands_at_the_same_time_are_all_taken(bench: Bench) -> None:
    device, capabilities = own(bench)
    wanted = dict(bench.changes)
    async with bench.line.connect() as connection, listening(connection) as listener:
        async with asyncio.TaskGroup() as group:
            for capability, value in wanted.items():
                group.create_task(send(connection, device, capabilities[capability.name], value))
        sent = [Report(device, capability.name, value) for capability, value in wanted.items()]
        await listener.until(lambda: all(report in listener.heard for report in sent))
    for capability, value in wanted.items():
        assert await bench.holds(capability) == value


async def test_a_device_that_is_not_on_the_line_is_refused_and_costs_nothing(bench: Bench) -> None:
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    async with bench.line.connect() as connection:
        with pytest.raises(Unsupported):
            await send(connection, "nobody", capabilities[capability.name], value)
        await send(connection, device, capabilities[capability.name], value)


async def test_killed_it_is_said_in_time_and_once_it_is_back_the_line_works(bench: Bench) -> None:
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    async with bench.line.connect() as connection, listening(connection) as listener:
        await listener.until_heard()
        await bench.kill()
        await listener.until(lambda: listener.said(bench.when_killed))
        with pytest.raises((LinkLost, NoAnswer)):
            await send(connection, device, capabilities[capability.name], value)
        if listener.ended:
            with pytest.raises(LinkLost):
                async with asyncio.timeout(BOUND):
                    await anext(aiter(connection.reports()))
    with pytest.raises(LinkLost) as caught:
        async with asyncio.timeout(2 * BOUND):
            await works(bench)
    assert re.fullmatch(r".{10,200}", str(caught.value)), "one clear line"
    await bench.start()
    await works(bench)


async def test_frozen_it_is_said_in_time_and_once_it_thaws_the_line_works(bench: Bench) -> None:
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    async with bench.line.connect() as connection, listening(connection) as listener:
        await listener.until_heard()
        bench.signal(signal.SIGSTOP)
        with pytest.raises((LinkLost, NoAnswer)):
            await send(connection, device, capabilities[capability.name], value)
        await listener.until(lambda: listener.said(bench.when_frozen))
        bench.signal(signal.SIGCONT)
        if not listener.ended:
            listener.heard.clear()
            await listener.until(lambda: listener.said(Report))
    await works(bench)


async def test_a_connection_that_is_left_leaves_nothing(bench: Bench) -> None:
    device, capabilities = own(bench)
    capability, value = bench.changes[0]
    await works(bench)  # what is loaded once is no leak
    with nothing_left():
        for turn in range(CONNECTS):
            with suppress(ZeroDivisionError):
                async with (
                    asyncio.timeout(BOUND),
                    bench.line.connect() as connection,
                    listening(connection) as listener,
                ):
                    match turn % 4:
                        case 1:
                            await listener.until_heard()
                        case 2:
                            await send(connection, device, capabilities[capability.name], value)
                        case 3:
                            raise ZeroDivisionError
        await bench.kill()
        for _ in range(3):
            with pytest.raises(LinkLost):
                async with asyncio.timeout(BOUND), bench.line.connect():
                    pass
        await bench.start()
    await works(bench)


@pytest.mark.parametrize(("frozen", "seconds"), [(False, 0.0), (False, 0.002), (True, 0.05)])
async def test_what_is_cancelled_leaves_no_stuck_line(bench: Bench, seconds: float, *, frozen: bool) -> None:
    """Afterwards the connection works, or says that it is lost; a new one works."""
    device, capabilities = own(bench)
    (capability, value), (_, _), (_, other), *_ = bench.changes
    setting = capabilities[capability.name]
    for cancelled in ("reports", "send"):
        async with bench.line.connect() as connection:
            listener = Listener(connection)
            work = listener.listen() if cancelled == "reports" else send(connection, device, setting, value)
            if frozen:  # so that a question is under way, and stays so
                bench.signal(signal.SIGSTOP)
                await asyncio.sleep(0.02)
            task = asyncio.create_task(work)
            await asyncio.sleep(seconds)
            task.cancel()
            async with asyncio.timeout(BOUND):
                await asyncio.wait([task])
            bench.signal(signal.SIGCONT)
            with suppress(LinkLost):
                await send(connection, device, setting, other)
            with suppress(LinkLost):
                await first_state(bench.line, connection)
        await works(bench)


@pytest.mark.parametrize("other", BENCHES)
async def test_two_lines_do_not_disturb_each_other(bench: Bench, tmp_path: Path, other: str) -> None:
    """One does its work while the other one, of its own kind or another, is cut off."""
    device, capabilities = own(bench)
    (folder := tmp_path / "other").mkdir()
    async with (
        running(BENCHES[other], folder) as theirs,
        theirs.line.connect() as their_connection,
        listening(their_connection) as there,
        bench.line.connect() as connection,
        listening(connection) as here,
    ):
        await there.until_heard()
        theirs.signal(signal.SIGSTOP)
        for number, (capability, value) in enumerate(bench.changes):
            if number == 2:
                await theirs.kill()
                await there.until(lambda: there.said(theirs.when_killed))
            await send(connection, device, capabilities[capability.name], value)
            await here.until_heard(Report(device, capability.name, value))
        assert here.ended is None
        assert not here.said(Silence)
        assert {said.device for said in here.heard if isinstance(said, Report)} == {device}


@contextmanager
def nothing_left() -> Iterator[None]:
    """No more tasks and open files afterwards than before."""
    tasks, files = asyncio.all_tasks(), open_files()
    yield
    assert asyncio.all_tasks() - tasks == set()
    assert open_files() <= files


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


class Twisted:
    """A line and its connection, passed through; each subclass breaks one sentence of the contract."""

    def __init__(self, line: Line) -> None:
        self.line, self.id = line, line.id

    @property
    def devices(self) -> Sequence[Device]:
        return self.line.devices

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with self.line.connect() as self.inner:
            yield self

    async def reports(self) -> AsyncIterator[Report | Silence]:
        async for said in self.inner.reports():
            yield said

    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        await self.inner.send(device, capability, value)


class SaysOneForTrue(Twisted):
    async def reports(self) -> AsyncIterator[Report | Silence]:
        async for said in super().reports():
            one = isinstance(said, Report) and said.value is True
            yield Report(said.device, said.capability, 1) if isinstance(said, Report) and one else said


class KeepsOneBack(Twisted):
    async def reports(self) -> AsyncIterator[Report | Silence]:
        async for said in super().reports():
            if not isinstance(said, Report) or said.capability != ON_OFF.name:
                yield said


class PretendsToSend(Twisted):
    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        self.said = Report(device, capability.name, value)

    async def reports(self) -> AsyncIterator[Report | Silence]:
        self.said = None
        async for said in super().reports():
            if self.said:
                yield self.said
            yield said

    said: Report | None


class NeverSaysItIsLost(Twisted):
    async def reports(self) -> AsyncIterator[Report | Silence]:
        with suppress(LinkLost):
            async for said in super().reports():
                yield said
        await asyncio.Event().wait()


class LeaksAFile(Twisted):
    left: ClassVar[list[int]] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        self.left.append(os.dup(0))
        async with super().connect() as inner:
            yield inner


class LeaksATask(Twisted):
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        self.task = asyncio.create_task(asyncio.sleep(60))  # which the end of the loop cancels
        async with super().connect() as inner:
            yield inner


class GetsStuck(Twisted):
    """A turn that is taken and not given back by whoever is cancelled."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.turn = asyncio.Lock()

    async def send(self, device: DeviceId, capability: Capability, value: Value) -> None:
        await self.turn.acquire()
        await super().send(device, capability, value)
        self.turn.release()


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (SaysOneForTrue, test_the_first_full_state_comes_at_once_in_the_kinds_and_ranges_it_is_described_in),
        (KeepsOneBack, test_the_first_full_state_comes_at_once_in_the_kinds_and_ranges_it_is_described_in),
        (PretendsToSend, test_what_is_sent_is_on_the_device_and_comes_as_a_report),
        (NeverSaysItIsLost, test_killed_it_is_said_in_time_and_once_it_is_back_the_line_works),
        (LeaksAFile, test_a_connection_that_is_left_leaves_nothing),
        (LeaksATask, test_a_connection_that_is_left_leaves_nothing),
        (GetsStuck, lambda bench: test_what_is_cancelled_leaves_no_stuck_line(bench, 0.05, frozen=True)),
    ],
)
async def test_a_broken_line_does_not_pass(
    tmp_path: Path,
    broken: type[Twisted],
    check: Callable[[Bench], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Modbus, tmp_path) as bench:
        bench.line = broken(bench.line)
        monkeypatch.setattr(sys.modules[__name__], "BOUND", 1.5)
        with pytest.raises((AssertionError, TimeoutError)):
            await check(bench)
        while LeaksAFile.left:
            os.close(LeaksAFile.left.pop())
