"""A heat pump on a serial line: Modbus RTU, unit 1, on a pseudo-terminal.

Try it by hand:

    python -m drivers.simulated.heat_pump --port /tmp/heat-pump

then point any Modbus RTU master at /tmp/heat-pump. Its registers are those of `maps/demo_heat_pump.toml`.
"""

import argparse
import asyncio
import contextlib
import fcntl
import math
import os
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

UNIT = 1
TICK_SECONDS = 0.25
FRAME_GAP_SECONDS = 0.05
"""Bytes that come longer than this after the last ones begin a new frame; what lay there was noise."""
LONGEST_FRAME = 256
TIOCGEXCL = 0x80045440
"""Linux: whether a terminal is marked exclusive; Python's `termios` does not name it."""
KEEPER = """
    trap '' INT TERM
    read -r until_the_pipe_ends
    if [ "$(readlink "$1")" = "$2" ]; then rm -f "$1"; fi
"""

COEFFICIENT_OF_PERFORMANCE = 3.0
MOST_WATTS = 2500.0
STANDBY_WATTS = 12.0
WATTS_A_DEGREE = 1200.0
"""How hard it tries for each degree below the set point."""
LOSS_WATTS_A_DEGREE = 150.0
JOULES_A_DEGREE = 3e6
DAY_SECONDS = 86400.0
LOWEST_TENTHS, HIGHEST_TENTHS = 50, 350


@dataclass(slots=True)
class HeatPump:
    """A house of one room. Temperatures in °C."""

    on: bool = True
    setpoint: float = 21.0
    indoor: float = 19.0
    age_seconds: float = 0.0

    @property
    def outdoor(self) -> float:
        return -2.0 + 6.0 * math.sin(2 * math.pi * self.age_seconds / DAY_SECONDS)

    @property
    def watts(self) -> float:
        """Electrical power drawn: what the house loses at the set point, and more for each degree of gap."""
        if not self.on:
            return STANDBY_WATTS
        holding = LOSS_WATTS_A_DEGREE * (self.setpoint - self.outdoor) / COEFFICIENT_OF_PERFORMANCE
        wanted = holding + WATTS_A_DEGREE * (self.setpoint - self.indoor)
        return min(MOST_WATTS, max(STANDBY_WATTS, wanted))

    def step(self, seconds: float) -> None:
        """Let time pass."""
        heat = COEFFICIENT_OF_PERFORMANCE * self.watts if self.on else 0.0
        loss = LOSS_WATTS_A_DEGREE * (self.indoor - self.outdoor)
        self.indoor += (heat - loss) * seconds / JOULES_A_DEGREE
        self.age_seconds += seconds

    @property
    def input_registers(self) -> list[int]:
        signed = (round(self.indoor * 10), round(self.outdoor * 10))
        return [tenths & 0xFFFF for tenths in signed] + [round(self.watts)]

    @property
    def holding_registers(self) -> list[int]:
        return [int(self.on), round(self.setpoint * 10)]

    def write(self, address: int, words: Sequence[int]) -> ExcCodes | None:
        """Set holding registers, all or none; return what is wrong, if anything."""
        after = self.holding_registers
        if address + len(words) > len(after):
            return ExcCodes.ILLEGAL_ADDRESS
        after[address : address + len(words)] = words
        if after[0] not in {0, 1} or not LOWEST_TENTHS <= after[1] <= HIGHEST_TENTHS:
            return ExcCodes.ILLEGAL_VALUE
        self.on, self.setpoint = bool(after[0]), after[1] / 10
        return None

    def answer(self, request: ModbusPDU) -> ModbusPDU:
        """Answer one request (Modbus Application Protocol V1.1b3, section 6)."""
        match request:
            # An input request is a subclass of the holding one, so it comes first.
            case ReadInputRegistersRequest():
                return self._read(self.input_registers, request, ReadInputRegistersResponse)
            case ReadHoldingRegistersRequest():
                return self._read(self.holding_registers, request, ReadHoldingRegistersResponse)
            case WriteSingleRegisterRequest() | WriteMultipleRegistersRequest():
                if fault := self.write(request.address, request.registers):
                    return ExceptionResponse(request.function_code, fault)
                if isinstance(request, WriteSingleRegisterRequest):
                    return WriteSingleRegisterResponse(address=request.address, registers=request.registers)
                return WriteMultipleRegistersResponse(address=request.address, count=len(request.registers))
            case _:
                return ExceptionResponse(request.function_code, ExcCodes.ILLEGAL_FUNCTION)

    @staticmethod
    def _read(table: list[int], request: ModbusPDU, kind: type[ModbusPDU]) -> ModbusPDU:
        if request.address + request.count > len(table):
            return ExceptionResponse(request.function_code, ExcCodes.ILLEGAL_ADDRESS)
        return kind(registers=table[request.address : request.address + request.count])


class Slave:
    """Unit 1 of a line: bytes in, bytes out. Says nothing to noise, and nothing to what is for other units."""

    def __init__(self, pump: HeatPump) -> None:
        self._pump = pump
        self._framer = FramerRTU(DecodePDU(is_server=True))
        self._buffer = b""
        self._last = 0.0

    def feed(self, data: bytes, now: float) -> bytes:
        """Take what came in at `now` (monotonic seconds); return what to send."""
        if now - self._last > FRAME_GAP_SECONDS:
            self._buffer = b""
        self._last = now
        self._buffer = (self._buffer + data)[-LONGEST_FRAME:]
        try:
            used, request = self._framer.handleFrame(self._buffer, UNIT, 0)
        except ModbusException:
            used, request = len(self._buffer), None
        self._buffer = self._buffer[used:]
        if request is None:
            return b""
        reply = self._pump.answer(request)
        reply.dev_id = UNIT
        return self._framer.buildFrame(reply)


@contextlib.contextmanager
def pseudo_terminal(link: Path) -> Iterator[tuple[int, int]]:
    """Make a pseudo-terminal whose far end is reached by the symbolic link `link`; yield both descriptors.

    The far end stays open here, so that readers may come and go. When this process is killed, a shell that holds the
    far end as well takes the link away: until then nobody else can be given that terminal's number, so that a link
    never leads to somebody else's terminal.

    Raises:
        OSError: `link` cannot be made there.
    """
    if link.exists() and not link.is_symlink():
        raise FileExistsError(17, "a file of that name is there", str(link))
    near, far = os.openpty()
    try:
        tty.setraw(far)
        os.set_blocking(near, False)
        name = os.ttyname(far)
        link.unlink(missing_ok=True)  # left by one that was killed
        link.symlink_to(name)
        keeper = ["/bin/sh", "-c", KEEPER, "keeper", str(link), name]
        # Our own output is not the keeper's: whoever waits for its end waits for ours.
        with subprocess.Popen(keeper, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[far]):
            yield near, far
    finally:
        os.close(near)
        os.close(far)


def forget_dead_reader(far: int) -> None:
    """Take away the exclusive mark that a reader left when it was killed; a real port forgets by itself."""
    marked = bytearray(4)
    fcntl.ioctl(far, TIOCGEXCL, marked)
    if not any(marked):
        return
    with contextlib.suppress(BlockingIOError):  # whoever set the mark is alive and holds the lock
        fcntl.flock(far, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.ioctl(far, termios.TIOCNXCL)
        fcntl.flock(far, fcntl.LOCK_UN)


async def serve(link: Path, pump: HeatPump, *, speed: float) -> None:
    """Be a heat pump at `link` until SIGTERM or SIGINT; `speed` house seconds pass each second."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    slave = Slave(pump)
    with pseudo_terminal(link) as (near, far):

        def readable() -> None:
            # A reader that does not read must not stop the heat pump: what does not fit is lost, as on a wire.
            with contextlib.suppress(BlockingIOError):
                if reply := slave.feed(os.read(near, LONGEST_FRAME), loop.time()):
                    os.write(near, reply)

        loop.add_reader(near, readable)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        print(f"heat pump: unit {UNIT} at {link}", flush=True)  # noqa: T201 - a program's one line of output
        last = loop.time()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await stop.wait()
            now = loop.time()
            pump.step((now - last) * speed)
            last = now
            forget_dead_reader(far)
        loop.remove_reader(near)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 0 after an orderly stop, 2 when the port cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m drivers.simulated.heat_pump",
        description="A simulated heat pump: Modbus RTU, unit 1, on a pseudo-terminal.",
    )
    parser.add_argument("--port", required=True, type=Path, help="where to put the link to its serial port")
    parser.add_argument("--speed", type=float, default=60.0, help="house seconds a second (default %(default)g)")
    parser.add_argument("--setpoint", type=float, default=21.0, help="°C (default %(default)g)")
    parser.add_argument("--indoor", type=float, default=19.0, help="°C at the start (default %(default)g)")
    options = parser.parse_args(arguments)
    pump = HeatPump(setpoint=options.setpoint, indoor=options.indoor)
    try:
        asyncio.run(serve(options.port, pump, speed=options.speed))
    except OSError as error:
        print(f"heat pump: {options.port}: {error.strerror}", file=sys.stderr)  # noqa: T201 - for who started it
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
