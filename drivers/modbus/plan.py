"""Which questions read one unit; it learns from what the unit refuses. Pure."""

from collections.abc import Iterable, Sequence

from drivers.modbus.messages import Block, blocks
from drivers.modbus.register import Register


class Plan:
    """The questions for the registers of one map.

    Maps are written for a family of models, and some units refuse a question that touches one register which they
    lack. So a refused question is taken apart, and what is refused by itself is not asked for again until `forget`.
    """

    def __init__(self, registers: Sequence[Register]) -> None:
        self._registers = registers
        self.forget()

    def forget(self) -> None:
        """Begin anew: ask for everything, joined."""
        self._apart: set[Register] = set()
        self.refused: set[Register] = set()
        """What the unit refuses even by itself."""
        self._make()

    def take_apart(self, block: Block) -> Sequence[Block]:
        """The unit refuses `block`; return what to ask instead, now and from now on. Nothing: it was one register."""
        if len(block.registers) == 1:
            self.refused.update(block.registers)
        else:
            self._apart.update(block.registers)
        self._make()
        return () if len(block.registers) == 1 else _singly(block.registers)

    def _make(self) -> None:
        self.all = self._questions(self._registers)
        self.polled = self._questions(register for register in self._registers if register.poll)

    def _questions(self, registers: Iterable[Register]) -> tuple[Block, ...]:
        wanted = [register for register in registers if register not in self.refused]
        joined = blocks(register for register in wanted if register not in self._apart)
        return joined + _singly(register for register in wanted if register in self._apart)


def _singly(registers: Iterable[Register]) -> tuple[Block, ...]:
    return tuple(Block((register,)) for register in registers)
