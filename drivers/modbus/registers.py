"""Register maps: what the registers of a model mean, and what can be wrong with a map."""

import math
import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from drivers.errors import Unsupported
from drivers.modbus.register import ADDRESSES, VOCABULARY, Encoding, Register, Table
from drivers.model import Capability, Kind


class RegisterMap(msgspec.Struct, frozen=True, kw_only=True):
    """The registers of one model."""

    model: str
    registers: tuple[Register, ...]

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(register.described for register in self.registers)


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: Literal[1]
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    register: Annotated[list[dict[str, object]], msgspec.Meta(min_length=1)]


def shipped() -> tuple[str, ...]:
    """Names of the maps that come with the gateway."""
    files = resources.files("drivers.modbus").joinpath("maps").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load(name: str | Path) -> RegisterMap:
    """Read the shipped map called `name`, or the file at a path (anything that ends in `.toml`).

    Raises:
        Unsupported: there is none, or it has faults; all are named.
    """
    try:
        if str(name).endswith(".toml"):
            text = Path(name).read_text(encoding="utf-8")
        elif str(name) in shipped():
            text = resources.files("drivers.modbus").joinpath("maps", f"{name}.toml").read_text(encoding="utf-8")
        else:
            raise Unsupported(
                f"there is no register map called {name}",
                hint=f"shipped: {', '.join(shipped())}; or give the path of a .toml file",
            )
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
        raise Unsupported(f"register map {name} cannot be read: {reason}") from None
    return parse(text, source=str(name))


def parse(text: str, *, source: str) -> RegisterMap:
    """Read a register map; `source` names it in the message.

    Raises:
        Unsupported: it has faults; all are named, in one line.
    """
    try:
        head = msgspec.convert(tomllib.loads(text), _Head)
    except tomllib.TOMLDecodeError as error:
        raise Unsupported(f"register map {source} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise Unsupported(f"register map {source}: {error}") from None
    registers: list[Register] = []
    faults: list[str] = []
    for number, entry in enumerate(head.register, 1):
        label = f"register {number} ({entry.get('capability', 'no capability')})"
        try:
            register = msgspec.convert(entry, Register)
        except msgspec.ValidationError as error:
            faults.append(f"{label}: {error}")
            continue
        registers.append(register)
        faults += (f"{label}: {fault}" for fault in _faults(register))
    faults += _clashes(registers)
    if faults:
        raise Unsupported(f"register map {source}: {'; '.join(faults)}")
    return RegisterMap(model=head.model, registers=tuple(registers))


def _faults(register: Register) -> Iterator[str]:
    """What is wrong with one register on its own."""
    flag = register.encoding is Encoding.BOOL
    if register.table.bits and not flag:
        yield f'a {register.table} is one bit: its type is "bool", not "{register.encoding}"'
    if register.address + register.size > ADDRESSES:
        yield f"{register.encoding} at {register.address} runs past the last address"
    if register.word_order == "little" and register.size == 1:
        yield f"word_order says nothing about {register.encoding}, which is one register"
    if register.writable and register.table.read_only:
        yield f"table {register.table} can only be read, so it cannot be writable"
    yield from _vocabulary_faults(register)
    if not flag:
        yield from _number_faults(register)
    elif register.scale != 1 or register.unit or register.absent is not None:
        yield "a bool has no scale, unit or absent value"
    if (flag or not register.writable) and (register.minimum, register.maximum) != (None, None):
        yield "minimum and maximum are limits for writing a number; leave them out"


def _vocabulary_faults(register: Register) -> Iterator[str]:
    if known := VOCABULARY.get(register.capability):
        if (known.kind is Kind.BOOL) != (register.encoding is Encoding.BOOL):
            yield f"{known.name} is of kind {known.kind}, which {register.encoding} is not"
        elif known.unit != register.unit:
            yield f'{known.name} is in "{known.unit}", not "{register.unit}"'


def _number_faults(register: Register) -> Iterator[str]:
    low, high = register.minimum, register.maximum
    if not math.isfinite(register.scale):
        yield "scale is not a number"
    if register.absent is not None and not register.fits(register.absent):
        yield f"absent = {register.absent} is no {register.encoding}"
    if not register.writable:
        return
    if low is None or high is None:
        yield "a writable number needs minimum and maximum"
    elif not low < high:
        yield f"minimum {low:g} is not below maximum {high:g}"
    else:
        for limit in (low, high):
            if not register.fits(limit / register.scale):
                yield f"limit {limit:g} does not fit into {register.encoding} with scale {register.scale:g}"


def _clashes(registers: Iterable[Register]) -> Iterator[str]:
    """What is wrong with registers together."""
    names: set[str] = set()
    taken: dict[tuple[Table, int], str] = {}
    for register in registers:
        if register.capability in names:
            yield f"{register.capability} is there twice"
        names.add(register.capability)
        for address in range(register.address, register.address + register.size):
            other = taken.setdefault((register.table, address), register.capability)
            if other != register.capability:
                yield f"{register.table} {address} is both {other} and {register.capability}"
