"""A command on a serial line: what the agent adds to bare pymodbus, and how long a person waits for the report."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import msgspec
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

from agent.api.contract import CommandBody
from agent.bench.figure import Figure, Measurement, Unmeasurable
from agent.changes import Changes
from agent.demo.layout import kept_port
from agent.devices import Devices
from agent.supervisor import Supervisor
from drivers.modbus.driver import ModbusLine, Unit
from drivers.modbus.registers import load
from privacy.clock import SystemClock
from tests.bench.house import PROGRAMS, admitted, listens, lived_in, running, until
from tests.bench.measure import Run, in_turn, p50_and_p99, percentile

SETPOINT = "Thermostat.OccupiedHeatingSetpoint"
REGISTER, TENTHS = 1, 10
"""Where the set point is in the heat pump, and in what."""
SETPOINTS = (19.0, 20.0, 21.0)
BAUD = 9600
SILENCE_MS = 3.5 * 11 / BAUD * 1000
"""Between two frames (Modbus over Serial Line V1.02, 2.5.1.1). We keep it; bare pymodbus does not."""
BLOCKS, COMMANDS = 8, 50
"""Only one program at a time can have the port, so the turns are blocks."""
PAUSE_SECONDS = 0.015
REPORTS = 200


async def command_to_wire(place: Path) -> Sequence[Figure]:
    """Write and read back: `Devices.command` against bare pymodbus, on the same line and the same heat pump."""
    port = place / "heat-pump.tty"
    costs: dict[str, list[float]] = {"ours": [], "reference": []}
    async with heat_pump(port):
        for number in range(BLOCKS):
            for name, opened in sorted({"ours": _ours, "reference": _pymodbus}.items(), reverse=bool(number % 2)):
                async with opened(port) as once:
                    for _ in range(COMMANDS):
                        await asyncio.sleep(PAUSE_SECONDS)
                        costs[name].append(await once())
    ours, reference = costs["ours"], costs["reference"]
    added = [1000 * (percentile(ours, p) - percentile(reference, p)) for p in (50, 99)]
    return p50_and_p99(
        "command_to_wire_overhead_ms",
        ours,
        reference,
        reference_name=f"bare pymodbus: write and read back on the same line, {BAUD} baud",
        note=f"Overhead {added[0]:.2f} ms at p50 and {added[1]:.2f} ms at p99; {SILENCE_MS:.2f} ms of it is the "
        "silence that the specification asks for between the two frames and that bare pymodbus leaves out. "
        "Ours polls the line each second besides.",
    )


async def command_to_report(place: Path) -> Sequence[Figure]:
    """From the POST on the local API to the reported value on the WebSocket, with the whole agent running."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        house = await enter(lived_in(place))
        bare = await enter(bare_gateway(place))
        cookies, address = await admitted(house), f"http://127.0.0.1:{house.page_port}"
        ours = await enter(_reporting(address, "/api/ws", _ask_agent, _agent_reports, cookies))
        reference = await enter(_reporting(bare, "/ws", _ask_bare, _bare_reports))
        costs = await in_turn(REPORTS, {"ours": ours, "reference": reference})
    return p50_and_p99(
        "command_to_report_ms",
        costs["ours"],
        costs["reference"],
        reference_name="bare aiohttp and pymodbus: POST, write, read back, WebSocket",
        note="From the POST to the value on the WebSocket. Ours sends reports that come within 20 ms as one.",
    )


@asynccontextmanager
async def heat_pump(port: Path) -> AsyncIterator[None]:
    """The demo's heat pump on a line of its own."""
    command = (sys.executable, "-m", "drivers.simulated.heat_pump", "--port", port)
    async with running(*command, log=port.with_suffix(".log")):
        await until(port.exists, "the heat pump")
        yield


@asynccontextmanager
async def bare_gateway(place: Path) -> AsyncIterator[str]:
    """The reference on a heat pump of its own; yields its address."""
    tty = place / "bare.tty"
    with kept_port() as port:
        command = (sys.executable, PROGRAMS / "bare_gateway.py", tty, str(port))
        async with heat_pump(tty), running(*command, log=place / "bare-gateway.log"):
            await until(lambda: listens(port), "the bare gateway")
            yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def _ours(port: Path) -> AsyncIterator[Run]:
    stop, supervisor, clock = asyncio.Event(), Supervisor(), SystemClock()
    devices = Devices(supervisor, Changes(), clock, lambda _entry: None, os.urandom)
    devices.add_line(ModbusLine(str(port), [Unit(1, "pump", "Heat pump", load("demo_heat_pump"))], baudrate=BAUD))
    values = cycle(SETPOINTS)

    async def once() -> float:
        body = CommandBody(capability=SETPOINT, value=next(values))
        began = perf_counter()
        outcome = await devices.command("pump", body, "bench")
        took = perf_counter() - began
        if outcome.fate != "done":
            raise Unmeasurable(f"a command came to nothing: {outcome.detail}")
        return took

    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run_until(stop))
        try:
            await until(lambda: devices.one("pump").reachable, "the heat pump's first report")
            yield once
        finally:
            stop.set()


@asynccontextmanager
async def _pymodbus(port: Path) -> AsyncIterator[Run]:
    client = AsyncModbusSerialClient(str(port), baudrate=BAUD)
    if not await client.connect():
        raise Unmeasurable("bare pymodbus cannot open the port")
    values = cycle(SETPOINTS)

    async def once() -> float:
        value = round(TENTHS * next(values))
        began = perf_counter()
        await client.write_register(REGISTER, value, device_id=1)
        kept = await client.read_holding_registers(REGISTER, count=1, device_id=1)
        took = perf_counter() - began
        if kept.isError() or kept.registers != [value]:
            raise Unmeasurable("bare pymodbus did not read what it wrote")
        return took

    try:
        yield once
    except ModbusException as error:
        raise Unmeasurable(f"bare pymodbus: {error}") from error
    finally:
        client.close()


@asynccontextmanager
async def _reporting(
    address: str, feed: str, ask: Any, reported: Any, cookies: dict[str, str] | None = None
) -> AsyncIterator[Run]:
    """A run that asks for a set point over HTTP, and ends when the WebSocket says that the device has it."""
    values = cycle(SETPOINTS)
    async with (
        aiohttp.ClientSession(base_url=address, headers={"Origin": address}, cookies=cookies) as session,
        session.ws_connect(feed) as listener,
    ):

        async def once() -> float:
            value = next(values)
            await asyncio.sleep(PAUSE_SECONDS)
            began = perf_counter()
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(ask(session, value))
                while reported(msgspec.json.decode(await listener.receive_str())) != value:
                    pass
                return perf_counter() - began

        yield once


async def _ask_agent(session: aiohttp.ClientSession, value: float) -> None:
    body = {"capability": SETPOINT, "value": value}
    async with session.post("/api/devices/heat-pump/commands", json=body) as response:
        await response.read()


async def _ask_bare(session: aiohttp.ClientSession, value: float) -> None:
    async with session.post("/command", json={"address": REGISTER, "value": round(TENTHS * value)}) as response:
        await response.read()


def _agent_reports(message: Any) -> object:
    devices = message["state"]["devices"] if message["type"] == "state" else message.get("value")
    if message.get("section", "devices") != "devices" or devices is None:
        return None
    for device in devices:
        for view in device["capabilities"]:
            if device["id"] == "heat-pump" and view["name"] == SETPOINT and view["reported"]:
                return view["reported"]["value"]
    return None


def _bare_reports(message: Any) -> object:
    return message["value"] / TENTHS if message["address"] == REGISTER else None


MEASUREMENTS = (
    Measurement(("command_to_wire_overhead_ms_p50", "command_to_wire_overhead_ms_p99"), command_to_wire),
    Measurement(("command_to_report_ms_p50", "command_to_report_ms_p99"), command_to_report),
)
