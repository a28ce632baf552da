"""The rest that a unit gets after a question that was broken off or not answered, frame by frame."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from pymodbus.framer import FramerRTU

from drivers.errors import NoAnswer
from drivers.modbus.driver import ModbusConnection, ModbusLine, Unit
from drivers.modbus.registers import load
from drivers.model import HEATING_SETPOINT

REST = 0.5
"""`answer_seconds` of the line, which is also how long a unit is left alone after it failed."""
SET_22_5, SET_20 = "01 06 0001 00e1", "01 06 0001 00c8"
READ, HOLDS_22_5, HOLDS_20 = "01 03 0001 0001", "01 03 02 00e1", "01 03 02 00c8"
BUSY = "01 86 06"


class Unit1:
    """The far end of the line: says what the test tells it to."""

    def __init__(self, near: int) -> None:
        self._near = near

    async def hears(self, frame: str) -> float:
        """Wait for exactly `frame`; return when it was there."""
        expected, heard = sealed(frame), b""
        async with asyncio.timeout(10):
            while len(heard) < len(expected):
                heard += await self._some()
        assert heard == expected
        return asyncio.get_running_loop().time()

    async def says(self, frame: str) -> None:
        os.write(self._near, sealed(frame))

    async def _some(self) -> bytes:
        while True:
            try:
                return os.read(self._near, 256)
            except BlockingIOError:
                await asyncio.sleep(0.001)


def sealed(frame: str) -> bytes:
    data = bytes.fromhex(frame)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    near, far = os.openpty()
    tty.setraw(far)
    os.set_blocking(near, False)
    try:
        yield near, os.ttyname(far)
    finally:
        os.close(near)
        os.close(far)


@pytest.fixture
async def line() -> AsyncIterator[tuple[Unit1, ModbusConnection]]:
    async with opened() as both:
        yield both


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Unit1, ModbusConnection]]:
    with terminal() as (near, port):
        units = [Unit(1, "pump", "Heat pump", load("demo_heat_pump"))]
        async with ModbusLine(port, units, baudrate=115200, answer_seconds=REST).connect() as connection:
            yield Unit1(near), connection


Line = tuple[Unit1, ModbusConnection]


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("late", [SET_22_5, BUSY, "01 03 02 00e1"], ids=["taken", "busy", "like an answer"])
async def test_the_answer_to_a_cancelled_command_is_not_taken_for_the_next_one(line: Line, late: str) -> None:
    unit, connection = line
    broken_off = asyncio.create_task(connection.send("pump", HEATING_SETPOINT, 22.5))
    await unit.hears(SET_22_5)
    broken_off.cancel()
    await asyncio.wait([broken_off])
    since = now()
    sending = asyncio.create_task(connection.send("pump", HEATING_SETPOINT, 20.0))
    await asyncio.sleep(REST / 5)
    await unit.says(late)
    assert await unit.hears(SET_20) - since > REST * 0.9
    await unit.says(SET_20)
    await unit.hears(READ)
    await unit.says(HOLDS_20)
    async with asyncio.timeout(10):
        await sending


async def test_a_command_that_is_cancelled_while_it_waits_is_never_sent(line: Line) -> None:
    unit, connection = line
    first, second, third = (
        asyncio.create_task(connection.send("pump", HEATING_SETPOINT, value)) for value in (22.5, 30.0, 20.0)
    )
    await unit.hears(SET_22_5)
    second.cancel()
    await asyncio.wait([second])
    await unit.says(SET_22_5)
    await unit.hears(SET_20)
    await unit.says(SET_20)
    await unit.hears(READ)
    await unit.says(HOLDS_22_5)
    await unit.hears(READ)
    await unit.says(HOLDS_20)
    async with asyncio.timeout(10):
        await asyncio.gather(first, third)


async def test_a_cancellation_in_the_moment_of_the_answer_is_not_lost(line: Line) -> None:
    unit, connection = line
    sending = asyncio.create_task(connection.send("pump", HEATING_SETPOINT, 22.5))
    await unit.hears(SET_22_5)
    answered = connection._wire._client.ctx.response_future
    await unit.says(SET_22_5)
    async with asyncio.timeout(10):
        while not answered.done():
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_busy_unit_is_left_alone_before_it_is_asked_again(line: Line) -> None:
    unit, connection = line
    sending = asyncio.create_task(connection.send("pump", HEATING_SETPOINT, 22.5))
    since = await unit.hears(SET_22_5)
    await unit.says(BUSY)
    assert await unit.hears(SET_22_5) - since > REST * 0.9
    await unit.says(SET_22_5)
    await unit.hears(READ)
    await unit.says(HOLDS_22_5)
    async with asyncio.timeout(10):
        await sending


async def test_a_unit_that_stays_busy_is_no_answer(line: Line) -> None:
    unit, connection = line
    sending = asyncio.create_task(connection.send("pump", HEATING_SETPOINT, 22.5))
    for _ in range(2):
        await unit.hears(SET_22_5)
        await unit.says(BUSY)
    async with asyncio.timeout(10):
        with pytest.raises(NoAnswer, match="refuses to write holding 1: it is busy"):
            await sending
