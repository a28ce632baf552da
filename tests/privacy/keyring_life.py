"""A life of a key ring, and what must be true of it when the power went or the medium failed in the middle."""

import runpy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import StoreBroken
from privacy.key_table import KeyEntry, TableKey
from privacy.keyring import KeyRing
from privacy.seal import Cipher

_MEDIUM: Any = runpy.run_path(str(Path(__file__).with_name("keyring_medium.py")))
Medium, PowerCut, CUTS, FAULTS, OUTCOMES = (
    _MEDIUM[name] for name in ("Medium", "PowerCut", "CUTS", "FAULTS", "OUTCOMES")
)

Op = tuple[str, ...]
SHORT: tuple[Op, ...] = (("add", "a"), ("sync",), ("change", "-a", "+b"), ("add", "c"))
PROGRAM: tuple[Op, ...] = (
    ("add", "a"),
    ("add", "b"),
    ("sync",),
    ("note", "time", "1"),
    ("add", "c"),
    ("change", "-a", "+d", "=b"),
    ("note", "time", "2"),
    ("add", "e"),
    ("sync",),
    ("change", "-b", "*c"),
    ("add", "f"),
    ("change",),
    ("change", "-d", "-e", "*f"),
)
"""In a change: `-` forgets, `+` adds, `=` informs, `*` gives a fresh key."""


@dataclass
class State:
    """What one generation may hold."""

    generation: int = 1
    entries: dict[bytes, KeyEntry] = field(default_factory=dict)
    """Promised: they must be there."""
    notes: dict[str, bytes] = field(default_factory=dict)
    maybe: dict[bytes, KeyEntry] = field(default_factory=dict)
    """Added, and not synced."""
    maybe_notes: list[tuple[str, bytes]] = field(default_factory=list)
    dying: set[bytes] = field(default_factory=set)
    """Keys that die with it."""

    def differs(self, ring: KeyRing, unborn: set[bytes]) -> str:
        """How `ring` differs from it; empty if it may be so. `unborn` are ids of what may be there too."""
        there = {entry.id: entry for entry in ring.all()}
        of_kinds = {entry.id: entry for kind in "abcdefgz" for entry in ring.entries(kind).values()}
        if ring.generation != self.generation:
            return f"generation {ring.generation}, not {self.generation}"
        if there != of_kinds:
            return "the kinds say something else than all of them"
        if lost := self.entries.items() - there.items():
            return f"lost {lost}"
        known = self.entries.items() | self.maybe.items()
        if strange := {pair for pair in there.items() - known if pair[0] not in unborn}:
            return f"has {strange}"
        noted = {name: {value} for name, value in self.notes.items()}
        for name, value in self.maybe_notes:
            noted.setdefault(name, {None}).add(value)
        return "".join(f"note {name}" for name, values in noted.items() if ring.noted(name) not in values)


class Life:
    """Runs a program on a ring, and knows at any time what the disk may say."""

    def __init__(self, medium: Any, ring_class: type[KeyRing] = KeyRing) -> None:
        self.medium = medium
        self.state = State()
        self.next: State | None = None
        """What counts if the change that is under way has been committed."""
        self.dead: set[bytes] = set()
        self.drawn_before: int | None = None
        """How much was drawn before the `add` that is under way: only its entry may be there or not."""
        self.called: list[int] = []
        self._ring_class = ring_class
        self.ring: KeyRing

    def open(self) -> None:
        self.ring = self._ring_class.open(
            self.medium.keys, self.medium.slots, self.medium.random_bytes, Cipher.CHACHA20_POLY1305
        )

    def run(self, op: Op) -> None:
        """One step of the program.

        Raises:
            StoreBroken: the medium refused; what the disk says now is one of what `problem` takes.
        """
        match op:
            case ("open",):
                self.open()
            case ("add", kind):
                self.drawn_before = len(self.medium.drawn)
                entry = self.ring.add(kind, b"info")
                self.state.maybe[entry.id] = entry
                self.drawn_before = None
            case ("note", name, value):
                self.state.maybe_notes.append((name, value.encode()))
                self.ring.note(name, value.encode())
            case ("sync",):
                self.ring.sync()
                self._promised()
            case ("change", *edits):
                self._change(edits)

    def problem(self) -> str:
        """What is wrong with the ring; empty if it says what the disk may say, and the dead are dead."""
        candidates = [self.state, *([self.next] if self.next else [])]
        unborn = set() if self.drawn_before is None else set(self.medium.drawn[self.drawn_before :])
        differs = [state.differs(self.ring, unborn) for state in candidates]
        return "; ".join(differs) if all(differs) else self._undead()

    def settled(self) -> None:
        """Take what the ring says for what is promised: it settled, and `problem` had nothing against it."""
        if self.next and self.next.generation == self.ring.generation:
            self.dead |= self.next.dying
        self.state = State(
            self.ring.generation,
            {entry.id: entry for entry in self.ring.all()},
            {name: value for name in ("time", "x") if (value := self.ring.noted(name)) is not None},
        )
        self.next = self.drawn_before = None

    def _change(self, edits: list[str]) -> None:
        by_kind = {entry.kind: entry for entry in self.ring.all()}
        with self.ring.change() as change:
            # By now the ring has settled, and its memory is what the change starts from.
            living = {entry.id: entry for entry in self.ring.all()}
            entries = dict(living)
            edited = False
            for sign, kind in edits:
                entry = by_kind.get(kind)
                if sign == "+":
                    entry = change.add(kind, b"info")
                    entries[entry.id] = entry
                elif entry is None:
                    continue
                elif sign == "-":
                    change.forget(entry.id)
                    del entries[entry.id]
                elif sign == "=":
                    change.inform(entry.id, b"other info")
                    entries[entry.id] = KeyEntry(entry.id, kind, entry.key, b"other info")
                else:
                    entries[entry.id] = change.add(kind, b"fresh", entry.id)
                edited = True
            if edited:
                generation = self.ring.generation + 1
                notes = dict(self.state.notes) | dict(self.state.maybe_notes)
                keys, survivors = ({entry.key for entry in some.values()} for some in (living, entries))
                self.next = State(generation, entries, notes, dying=keys - survivors)
                change.afterwards(lambda: self.called.append(generation))
        if edited:
            self.settled()

    def _promised(self) -> None:
        self.state = replace(
            self.state,
            entries={**self.state.entries, **self.state.maybe},
            notes={**self.state.notes, **dict(self.state.maybe_notes)},
            maybe={},
            maybe_notes=[],
        )

    def _undead(self) -> str:
        dead = set(self.dead)
        if self.next and self.next.generation == self.ring.generation:
            dead |= self.next.dying
        if any(held.generation < self.ring.generation for held in self.medium.slots.secrets()):
            return "an old slot is still there"
        return "a dead key can be read" if any(entry.key in dead for entry in _on_disk(self.medium)) else ""


def _on_disk(medium: Any) -> list[KeyEntry]:
    """Every key that anybody can read who has the slots, and all that the medium ever held."""
    found = []
    for held in medium.slots.secrets():
        key = TableKey(held, medium.random_bytes)
        for data in medium.history:
            if table := key.open(data):
                found += table.entries.values()
    return found


def lived(medium: Any, program: tuple[Op, ...] = PROGRAM, ring_class: type[KeyRing] = KeyRing) -> tuple[Life, bool]:
    """A life until its end, or until the power went: then True."""
    life = Life(medium, ring_class)
    try:
        with medium.running():
            life.open()
            for op in program:
                life.run(op)
    except PowerCut:
        return life, True
    return life, False


def cut_off(life: Life, outcome: str) -> str:
    """What is wrong after the power went and came back, and went again when all was well."""
    life.medium.power_returns(outcome)
    with life.medium.running():
        life.open()
        if problem := life.problem():
            return problem
        life.settled()
        life.medium.power_returns("lost")
        life.open()
        if problem := life.problem():
            return f"after a second cut: {problem}"
        for op in (("add", "g"), ("sync",)):
            life.run(op)
        life.medium.power_returns("lost")
        life.open()
        if problem := life.problem():
            return f"a line after a cut: {problem}"
        life.run(("change", "-g", "+g"))
        life.medium.power_returns("lost")
        life.open()
        return life.problem()


def refused(life: Life, op: Op) -> bool:
    """Run `op`; whether the medium refused it."""
    try:
        life.run(op)
    except StoreBroken:
        return True
    return False


def cut_again(life: Life, outcome: str, again: int, befalls: str) -> bool:
    """The power comes back, and goes during the start that follows, at the step `again`; whether it got there."""
    life.medium.power_returns(outcome)
    life.medium.arm(again, befalls)
    try:
        with life.medium.running():
            life.open()
    except PowerCut:
        return True
    return False


def faulted(life: Life, befalls: str, use: str, after: str) -> str:
    """What is wrong with a life whose medium refused one step, or all from that one on until it is mended.

    `use` is what the ring is used for next; where `after` is an outcome, the power goes first. With `synced`, it goes
    after that use and a sync, with what was not synced; else at the end of the life.
    """
    medium, noticed = life.medium, False
    with medium.running():
        while refused(life, ("open",)):
            medium.mend()
            noticed = True
        for op in PROGRAM:
            if not refused(life, op):
                continue
            noticed = True
            if after in OUTCOMES:
                return cut_off(life, after)
            if befalls.endswith("for good"):
                with pytest.raises(StoreBroken):
                    _use(life, use)
            medium.mend()
            if problem := _use(life, use):
                return f"{op}: {problem}"
            if after == "synced":
                break
        if medium.struck and not noticed:
            return "the fault went unnoticed"
        in_memory = list(life.ring.all())
        life.run(("sync",))
        medium.power_returns("lost")
        life.open()
    return "" if list(life.ring.all()) == in_memory else "after a start the ring says something else"


def _use(life: Life, use: str) -> str:
    """What is wrong with the ring when it is used again."""
    life.drawn_before = len(life.medium.drawn)  # so what an `add` drew that failed must not be there
    match use:
        case "add":
            life.ring.add("z", b"")
        case "note":
            life.ring.note("x", b"")
        case "sync":
            life.ring.sync()
        case "change":
            with life.ring.change():
                pass
    problem = life.problem()
    if life.called != list(range(2, life.ring.generation + 1)):
        problem += f"; called {life.called}, and the generation is {life.ring.generation}"
    life.settled()
    return problem
