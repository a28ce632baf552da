"""The simulated heat pump: its house, its protocol, and the program with our driver on the other end."""

import asyncio
import fcntl
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from drivers.errors import LinkLost, Unsupported
from drivers.modbus.driver import ModbusConnection, ModbusLine, Unit
from drivers.modbus.registers import RegisterMap, load
from drivers.model import ACTIVE_POWER, HEATING_SETPOINT, ON_OFF, TEMPERATURE, Report, Value
from drivers.simulated.heat_pump import STANDBY_WATTS, TIOCGEXCL, HeatPump, Slave, forget_dead_reader, main

PATIENCE = 20.0
HOUR = 3600.0


def after(pump: HeatPump, seconds: float) -> HeatPump:
    for _ in range(int(seconds // 15)):
        pump.step(15)
    return pump


def test_the_house_comes_to_the_set_point_and_stays() -> None:
    pump = after(HeatPump(indoor=17.0, setpoint=21.0), 6 * HOUR)
    assert pump.indoor == pytest.approx(21.0, abs=0.3)
    assert after(pump, 12 * HOUR).indoor == pytest.approx(21.0, abs=0.3)


def test_power_follows_the_gap_and_off_is_off() -> None:
    warm, cool, cold = (HeatPump(indoor=t).watts for t in (21.0, 20.5, 15.0))
    assert STANDBY_WATTS < warm < cool < cold
    off = HeatPump(on=False, indoor=21.0)
    assert off.watts == STANDBY_WATTS
    assert after(off, 6 * HOUR).indoor < 20.0


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("01 03 0000 0002", "01 03 04 0001 00d2"),  # holding 0 to 1: on, 21.0 °C
        ("01 04 0000 0001", "01 04 02 00be"),  # input 0: 19.0 °C
        ("01 03 0001 0002", "01 83 02"),  # past the end
        ("01 06 0001 00e1", "01 06 0001 00e1"),  # 22.5 °C
        ("01 06 0001 0fff", "01 86 03"),  # 409.5 °C
        ("01 10 0000 0002 04 0000 00c8", "01 10 0000 0002"),  # off, 20.0 °C
        ("01 05 0000 ff00", "01 85 01"),  # it has no coils
        ("02 03 0000 0002", ""),  # another unit's
    ],
)
def test_answers(asked: str, answered: str) -> None:
    request, expected = (_sealed(bytes.fromhex(frame)) for frame in (asked, answered))
    assert Slave(HeatPump()).feed(request, 1.0) == expected
    slave = Slave(HeatPump())
    assert b"".join(slave.feed(bytes([byte]), 1.0) for byte in request) == expected


def test_noise_is_forgotten() -> None:
    slave = Slave(HeatPump())
    assert slave.feed(b"\x01\x10\x00\x00\x00\x7b\xf6", 1.0) == b""
    assert slave.feed(bytes(300), 2.0) == b""
    assert slave.feed(bytes.fromhex("010300000002c40b"), 3.0)


def _sealed(frame: bytes) -> bytes:
    """`frame` with its CRC (Serial Line V1.02, appendix B)."""
    if not frame:
        return b""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return frame + crc.to_bytes(2, "little")


@asynccontextmanager
async def program(link: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The heat pump as a program, ready to be used."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "drivers.simulated.heat_pump",
        "--port",
        link,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(PATIENCE):
            assert str(link).encode() in await process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def line_to(link: Path) -> ModbusLine:
    return ModbusLine(
        str(link), [Unit(1, "pump", "Heat pump", load("demo_heat_pump"))], baudrate=115200, poll_seconds=0.1
    )


async def state(connection: ModbusConnection) -> dict[str, Value]:
    """The next full state."""
    seen: dict[str, Value] = {}
    async with asyncio.timeout(PATIENCE):
        async for report in connection.reports():
            assert isinstance(report, Report)
            seen[report.capability] = report.value
            if len(seen) == len(load("demo_heat_pump").registers):
                break
    return seen


async def test_read_set_read_back(tmp_path: Path) -> None:
    link = tmp_path / "pump"
    async with program(link), line_to(link).connect() as connection:
        before = await state(connection)
        assert before[ON_OFF.name] is True
        assert before[HEATING_SETPOINT.name] == 21.0
        assert before[TEMPERATURE.name] == pytest.approx(19.0, abs=2.0)
        await connection.send("pump", HEATING_SETPOINT, 25.5)
        await connection.send("pump", ON_OFF, value=False)
        written = await state(connection)
        assert written[HEATING_SETPOINT.name] == 25.5
        assert written[ON_OFF.name] is False
        assert written[ACTIVE_POWER.name] == STANDBY_WATTS
        for value in (36.0, 4.0):  # past `Capability.check`, so the pump itself has to refuse
            with pytest.raises(Unsupported, match="it does not allow the value"):
                await connection.send("pump", HEATING_SETPOINT, value)
        with pytest.raises(Unsupported, match="no device"):
            await connection.send("sauna", HEATING_SETPOINT, 20.0)
        with pytest.raises(Unsupported, match="can be written"):
            await connection.send("pump", TEMPERATURE, 20.0)


async def test_what_is_not_polled_is_read_once_and_after_a_write(tmp_path: Path) -> None:
    """The heat pump with a set point that is not polled."""
    registers = load("demo_heat_pump").registers
    rarely = tuple(
        msgspec.structs.replace(r, poll=False) if r.capability == HEATING_SETPOINT.name else r for r in registers
    )
    link = tmp_path / "pump"
    unit = Unit(1, "pump", "Heat pump", RegisterMap(model="Rarely", registers=rarely))
    line = ModbusLine(str(link), [unit], baudrate=115200, poll_seconds=0.05)
    seen: list[Value] = []
    polls = 0
    async with program(link), line.connect() as connection, asyncio.timeout(PATIENCE):
        async for report in connection.reports():
            assert isinstance(report, Report)
            polls += report.capability == ON_OFF.name
            if report.capability == HEATING_SETPOINT.name:
                seen.append(report.value)
            elif report.capability == ON_OFF.name and polls == 3:
                await connection.send("pump", HEATING_SETPOINT, 19.5)
            elif polls == 6:
                break
    assert seen == [21.0, 19.5]


async def test_a_killed_pump_is_a_lost_line_and_a_new_one_is_found(tmp_path: Path) -> None:
    link = tmp_path / "pump"
    line = line_to(link)
    async with program(link) as process, line.connect() as connection:
        await state(connection)
        process.kill()
        async with asyncio.timeout(5):
            with pytest.raises(LinkLost, match="is gone"):
                async for _ in connection.reports():
                    pass
        async with asyncio.timeout(1):
            with pytest.raises(LinkLost, match="is gone"):
                await connection.send("pump", HEATING_SETPOINT, 20.0)
        async with asyncio.timeout(5):
            while link.is_symlink():
                await asyncio.sleep(0.01)
    async with program(link), line.connect() as connection:
        assert (await state(connection))[HEATING_SETPOINT.name] == 21.0


async def test_a_link_never_leads_to_somebody_elses_terminal(tmp_path: Path) -> None:
    """The kernel gives a free number to whoever asks next, and whoever comes back to the line would be at theirs."""
    for name in map(str, range(5)):
        async with program(tmp_path / name) as process:
            theirs = (tmp_path / name).readlink()
            process.kill()
            while (tmp_path / name).is_symlink():
                with ExitStack() as stack:
                    for _ in range(3):
                        near, far = os.openpty()
                        stack.callback(os.close, near)
                        stack.callback(os.close, far)
                        if os.ttyname(far) == str(theirs):
                            assert not (tmp_path / name).is_symlink()
                await asyncio.sleep(0)


async def test_a_link_that_was_left_behind_is_taken_over(tmp_path: Path) -> None:
    """As after a power cut."""
    link = tmp_path / "pump"
    link.symlink_to("/dev/pts/4294967295")
    async with program(link), line_to(link).connect() as connection:
        assert (await state(connection))[HEATING_SETPOINT.name] == 21.0


async def test_readers_come_and_go(tmp_path: Path) -> None:
    link = tmp_path / "pump"
    async with program(link):
        for value in (20.0, 22.0, 24.0):
            async with line_to(link).connect() as connection:
                await connection.send("pump", HEATING_SETPOINT, value)
                assert (await state(connection))[HEATING_SETPOINT.name] == value


async def test_the_port_is_taken_once(tmp_path: Path) -> None:
    link = tmp_path / "pump"
    async with program(link), line_to(link).connect():
        with pytest.raises(LinkLost, match="in use"):
            async with line_to(link).connect():
                pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly(tmp_path: Path, number: int) -> None:
    link = tmp_path / "pump"
    async with program(link) as process:
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    assert not link.is_symlink()


def test_it_does_not_replace_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["--port", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine").read_text() == "mine"
    assert main(["--port", str(tmp_path / "no" / "such" / "folder")]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--speed" in capsys.readouterr().out


def test_the_mark_of_a_killed_reader_is_taken_away() -> None:
    near, far = os.openpty()
    reader = os.open(os.ttyname(far), os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(reader, fcntl.LOCK_EX)
        fcntl.ioctl(reader, termios.TIOCEXCL)
        forget_dead_reader(far)
        assert any(fcntl.ioctl(far, TIOCGEXCL, bytes(4)))  # it lives
        os.close(reader)
        forget_dead_reader(far)
        assert not any(fcntl.ioctl(far, TIOCGEXCL, bytes(4)))
    finally:
        os.close(near)
        os.close(far)


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone", "is missing .*by-id"), ("folder", "not a usable serial port"), ("file", "not a usable serial port")],
)
async def test_a_port_that_does_not_open(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    path = tmp_path / name
    with pytest.raises(LinkLost, match=said) as caught:
        async with ModbusLine(str(path), [Unit(1, "a", "A", load("demo_heat_pump"))]).connect():
            pass
    assert str(path) in str(caught.value)


def test_a_line_that_makes_no_sense() -> None:
    pump = load("demo_heat_pump")
    port = "/dev/null"
    for address in (0, 248, -1):
        with pytest.raises(Unsupported, match="not from 1 to 247"):
            Unit(address, "a", "A", pump)
    with pytest.raises(Unsupported, match="cannot be used"):
        Unit(1, "æ", "A", pump)
    with pytest.raises(Unsupported, match="the address 1"):
        ModbusLine(port, [Unit(1, "a", "A", pump), Unit(1, "b", "B", pump)])
    with pytest.raises(Unsupported, match="the device id a"):
        ModbusLine(port, [Unit(1, "a", "A", pump), Unit(2, "a", "B", pump)])
    with pytest.raises(Unsupported, match="no units"):
        ModbusLine(port, [])
