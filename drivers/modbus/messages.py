"""What can be asked of a unit, and how several registers become one question. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drivers.errors import NoAnswer
from drivers.modbus.register import Register, Table
from drivers.model import DeviceId, Report

# The most that one question may ask for (V1.1b3, sections 6.1 and 6.3).
MOST_REGISTERS = 125
MOST_BITS = 2000

READ_FUNCTIONS = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
EXCEPTIONS = {
    1: "it does not know the function",
    2: "it has no such address",
    3: "it does not allow the value",
    4: "it failed while doing it",
    5: "it needs longer",
    6: "it is busy",
    8: "its memory is damaged",
    10: "its gateway has no path",
    11: "its gateway got no answer",
}
"""Exception codes (V1.1b3, section 7), in words that follow "refused: "."""
FINAL_EXCEPTIONS = frozenset({1, 2, 3})
"""Those for which asking again does not help."""


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for `count` registers or bits."""

    table: Table
    address: int
    count: int

    @property
    def function(self) -> int:
        return READ_FUNCTIONS[self.table]

    @property
    def answer_bytes(self) -> int:
        """Length of the answer on the wire: unit, function, count, data, CRC."""
        return 5 + ((self.count + 7) // 8 if self.table.bits else 2 * self.count)

    def __str__(self) -> str:
        last = self.address + self.count - 1
        return f"{self.table} {self.address}" + (f" to {last}" if last > self.address else "")


@dataclass(frozen=True, slots=True)
class Write:
    """Set registers, or one coil (0 or 1)."""

    table: Table
    address: int
    words: tuple[int, ...]

    @property
    def function(self) -> int:
        if self.table is Table.COIL:
            return 5
        return 6 if len(self.words) == 1 else 16

    @property
    def answer_bytes(self) -> int:
        return 8

    def __str__(self) -> str:
        return f"{self.table} {self.address}"


Message = Read | Write


@dataclass(frozen=True, slots=True)
class Block:
    """Adjacent registers of one table, read by one question."""

    registers: tuple[Register, ...]

    @property
    def read(self) -> Read:
        first, last = self.registers[0], self.registers[-1]
        return Read(first.table, first.address, last.address + last.size - first.address)

    def reports(self, device: DeviceId, words: Sequence[int]) -> Iterator[Report | Register]:
        """What `words`, the answer to `read`, say: a register of which they make no sense comes as itself."""
        for register in self.registers:
            start = register.address - self.read.address
            try:
                value = register.decode(words[start : start + register.size])
            except NoAnswer:
                yield register
                continue
            if value is not None:
                yield Report(device, register.capability, value)


def blocks(registers: Iterable[Register]) -> tuple[Block, ...]:
    """Join what is adjacent. Gaps are not read: many units refuse a question that touches an address they lack."""
    joined: list[list[Register]] = []
    for register in sorted(registers, key=lambda r: (r.table, r.address)):
        if joined and _continues(joined[-1], register):
            joined[-1].append(register)
        else:
            joined.append([register])
    return tuple(Block(tuple(run)) for run in joined)


def _continues(run: Sequence[Register], register: Register) -> bool:
    first, last = run[0], run[-1]
    most = MOST_BITS if register.table.bits else MOST_REGISTERS
    return (
        register.table is last.table
        and register.address == last.address + last.size
        and register.address + register.size - first.address <= most
    )
