"""The serial port: opened for ourselves alone, one question and its answer at a time.

Framing, CRC and PDUs are pymodbus'. This is the one module of the driver that knows pymodbus and pyserial.
"""

import asyncio
import errno
import fcntl
import logging
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.transport.serialtransport import SerialTransport

from drivers.errors import DriverError, LinkLost, NoAnswer, Unsupported
from drivers.modbus.messages import EXCEPTIONS, FINAL_EXCEPTIONS, Message, Read, Write
from drivers.modbus.register import Table

Parity = Literal["E", "O", "N"]
StopBits = Literal[1, 2]

BITS_PER_CHARACTER = 11
"""Start, eight data, parity or a second stop, stop (Serial Line V1.02, section 2.5.1)."""
FASTEST_COUNTED_BAUD = 19200
"""Above this rate the silence between frames is fixed (Serial Line V1.02, section 2.5.1.1)."""
FIXED_SILENCE_SECONDS = 0.00175
LONGER_THAN_ANY_ANSWER = 60.0
"""pymodbus' own time-out; ours fits each question and is always shorter."""

MISSING = ("is missing", "plug it in, or correct the port; stable names are in /dev/serial/by-id")
IN_USE = ("is in use", "another program has it open; stop that program")
NOT_A_PORT = ("is not a usable serial port", "choose another; stable names are in /dev/serial/by-id")
UNUSABLE = {
    errno.ENOENT: MISSING,
    errno.ENXIO: MISSING,
    errno.EACCES: ("may not be opened", "the gateway's user must be in the port's group, mostly dialout"),
    errno.EAGAIN: IN_USE,
    errno.EBUSY: IN_USE,
}
"""What the errors of opening mean, and what a person can do."""

# Its log lines contain frames, which are what somebody's house measures; what went wrong is in our errors.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)


class _Framer(FramerRTU):
    """pymodbus' RTU framer that finds the answer behind noise.

    Where an RS-485 transceiver turns round, a stray byte before each answer is common. The original takes it for
    the begin of a frame, and loses the answer with it.
    """

    def handleFrame(  # noqa: N802 - pymodbus' name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        for start, byte in enumerate(data):
            if byte != exp_devid:
                continue
            try:
                _, pdu = super().handleFrame(data[start:], exp_devid, exp_tid)
            except ModbusException:
                continue  # its CRC is right, but it is no answer that exists
            if pdu is not None:
                return len(data), pdu
        return 0, None


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port and how it is set: 8 data bits always."""

    path: str
    """Best from /dev/serial/by-id: other names move."""
    baudrate: int
    parity: Parity
    stopbits: StopBits

    @property
    def pseudo(self) -> bool:
        """Whether it is a pseudo-terminal: no parity there, and asking for it fails."""
        return Path(self.path).resolve().is_relative_to("/dev/pts")

    @property
    def character_seconds(self) -> float:
        return BITS_PER_CHARACTER / self.baudrate

    @property
    def silence_seconds(self) -> float:
        """How long the line has to be quiet before a new frame."""
        counted = self.baudrate <= FASTEST_COUNTED_BAUD
        return 3.5 * self.character_seconds if counted else FIXED_SILENCE_SECONDS


class Wire:
    """An open port. Whoever calls `exchange` holds the bus."""

    def __init__(self, port: Port, answer_seconds: float) -> None:
        self._port = port
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0
        self._heard = False
        self._waiting = False
        self.lost = False
        self.on_lost: Callable[[], None] = lambda: None
        """Called once when the line goes away under us."""
        self._client = AsyncModbusSerialClient(
            port.path,
            retries=0,
            reconnect_delay=0,  # never by itself: the supervisor decides
            timeout=LONGER_THAN_ANY_ANSWER,
            trace_packet=self._traffic,
            trace_connect=self._connection,
        )
        context = self._client.ctx
        context.framer = _Framer(DecodePDU(is_server=False))
        # `AsyncModbusSerialClient.connect` would swallow why a port does not open.
        self._transport = SerialTransport(
            self._loop,
            context,
            port.path,
            port.baudrate,
            bytesize=8,
            parity="N" if port.pseudo else port.parity,
            stopbits=port.stopbits,
            timeout=0,
        )
        try:
            fcntl.ioctl(self._fileno, termios.TIOCEXCL)
            self._transport.sync_serial.reset_input_buffer()
        except (OSError, termios.error):
            self._transport.close()
            raise
        context.transport = self._transport
        self._transport.setup()

    @property
    def _fileno(self) -> int:
        return int(self._transport.sync_serial.fileno())

    def check(self) -> None:
        """Do nothing while the line stands.

        Raises:
            LinkLost: the line is gone.
        """
        if self.lost:
            raise LinkLost(f"serial port {self._port.path} is gone", hint="plug it in again")

    def close(self) -> None:
        """Give the port back."""
        if not self.lost:
            with suppress(OSError):  # gone since we last heard of it
                # A pseudo-terminal outlives us and would keep the mark.
                fcntl.ioctl(self._fileno, termios.TIOCNXCL)
        self._client.close()

    async def exchange(self, unit: int, message: Message) -> tuple[int, ...]:
        """Ask `unit` (1 to 247); return the registers, or bits as 0 and 1, of the answer (none for a write).

        Raises:
            NoAnswer: nothing in time, or nothing that makes sense.
            Unsupported: the unit refuses, and would refuse again.
            LinkLost: the line is gone.
        """
        self.check()
        await asyncio.sleep(max(0.0, self._free_at - self._loop.time()))
        limit = self._answer_seconds + (8 + message.answer_bytes) * self._port.character_seconds
        self._heard = False
        self._waiting = True
        task = asyncio.current_task()
        cancels = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(limit):
                answer = await self._ask(unit, message)
            if task and task.cancelling() > cancels:
                # pymodbus waits by `asyncio.wait_for`, which until Python 3.12 loses a cancellation that comes in the
                # same moment as the answer; the task would then go on for ever.
                raise asyncio.CancelledError
        except TimeoutError:
            raise self._no_answer(unit) from None
        except ConnectionException:
            self.lost = True
            self.check()
            raise
        except ModbusException:
            raise self._no_answer(unit) from None
        finally:
            self._waiting = False
            self._free_at = self._loop.time() + self._port.silence_seconds
        return _checked(unit, message, answer)

    async def _ask(self, unit: int, message: Message) -> ModbusPDU:
        client, address = self._client, message.address
        if isinstance(message, Read):
            read = {
                Table.COIL: client.read_coils,
                Table.DISCRETE: client.read_discrete_inputs,
                Table.HOLDING: client.read_holding_registers,
                Table.INPUT: client.read_input_registers,
            }[message.table]
            return await read(address, count=message.count, device_id=unit)
        if message.table is Table.COIL:
            return await client.write_coil(address, bool(message.words[0]), device_id=unit)
        if len(message.words) == 1:
            return await client.write_register(address, message.words[0], device_id=unit)
        return await client.write_registers(address, list(message.words), device_id=unit)

    def _no_answer(self, unit: int) -> NoAnswer:
        if self._heard:
            return NoAnswer(f"unit {unit} answers rubbish", hint="check baud rate, parity, wiring and termination")
        return NoAnswer(f"unit {unit} does not answer", hint="check its power, wiring and address")

    def _traffic(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus' signature
        self._heard = self._heard or not sending
        return data

    def _connection(self, up: bool) -> None:  # noqa: FBT001 - pymodbus' signature
        if up:
            return
        self.lost = True
        answer = self._client.ctx.response_future
        if self._waiting and not answer.done():
            # Nobody else would tell whoever waits for the answer.
            answer.set_exception(ConnectionException("gone"))
        self.on_lost()


def _checked(unit: int, message: Message, answer: ModbusPDU) -> tuple[int, ...]:
    """Return what `answer` says, if it is the answer to `message`: RTU frames carry no number to match them."""
    rubbish = NoAnswer(f"unit {unit} answers something else than was asked ({message})")
    if answer.function_code & 0x7F != message.function:
        raise rubbish
    if answer.isError():
        reason = EXCEPTIONS.get(answer.exception_code, f"exception {answer.exception_code}")
        final = answer.exception_code in FINAL_EXCEPTIONS
        kind: type[DriverError] = Unsupported if final else NoAnswer
        verb = "read" if isinstance(message, Read) else "write"
        raise kind(f"unit {unit} refuses to {verb} {message}: {reason}")
    if isinstance(message, Write):
        if answer.address != message.address:
            raise rubbish
        return ()
    if message.table.bits:
        words = tuple(int(bit) for bit in answer.bits)
        # Bits come in whole bytes.
        if len(words) != (message.count + 7) // 8 * 8:
            raise rubbish
        return words[: message.count]
    if len(answer.registers) != message.count:
        raise rubbish
    return tuple(answer.registers)


@contextmanager
def open_wire(port: Port, *, answer_seconds: float) -> Iterator[Wire]:
    """Open `port` for ourselves alone: flock against those who ask, TIOCEXCL against those who do not.

    `answer_seconds` is how long a unit may think; what the bytes take on the line is added.

    Raises:
        LinkLost: it cannot be opened.
    """
    try:
        wire = Wire(port, answer_seconds)
    except OSError as error:
        reason, hint = UNUSABLE.get(error.errno or 0, NOT_A_PORT)
        raise LinkLost(f"serial port {port.path} {reason}", hint=hint) from error
    except (termios.error, ValueError) as error:
        raise LinkLost(
            f"serial port {port.path} cannot be set to {port.baudrate} baud, parity {port.parity}",
            hint="take the settings from the device's manual",
        ) from error
    try:
        yield wire
    finally:
        wire.close()
