"""Runs `house.py`, and lets houses die. What is wrong with what they leave behind, `judgement.py` says."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash import judgement
from tests.crash.fate import WRITES
from tests.crash.judgement import STATE, words
from tests.crash.life import SLOTS, Root

HERE = Path(__file__).parent
CHIP_BYTES = 236
"""Of the memory that a DS3232 clock has beside the time."""
Step = tuple[str, str]
"""What it is, and what path it touches."""


class Street:
    """Houses that die, each in a copy of the same planted state directory.

    The root of their keys is of one kind. What befalls a step, and variants, are those of `fate.py` and `variants.py`.
    Each method that lets something befall a house returns what is wrong afterwards.
    """

    def __init__(self, folder: Path, root: Root = "file") -> None:
        self.root = root
        self._folder = folder
        folder.mkdir()
        self._numbers = itertools.count()
        self._attempts: dict[Path, int] = {}
        self._steps: dict[tuple[str, bool, str], list[Step]] = {}
        self._program = subprocess.Popen(
            [sys.executable, str(HERE / "house.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=HERE.parent.parent,
            # The same steps in the same order, every time.
            env={**os.environ, "PYTHONPATH": str(HERE.parent.parent), "PYTHONHASHSEED": "0"},
        )
        self._planted = self._state(planted=False)
        self._told = self._ask("plant", self._planted)["told"]

    def close(self) -> None:
        self._program.communicate(timeout=10)

    def steps(self, do: str, *, planted: bool = True, variant: str = "") -> list[Step]:
        """The steps towards the disk that it takes when nothing befalls it."""
        if (do, planted, variant) not in self._steps:
            state = self._state(planted=planted)
            ((steps,),) = words(self._ask(do, state, variant=variant)["told"], "steps")
            self._steps[do, planted, variant] = [(kind, path) for kind, path in steps]
            shutil.rmtree(state)
        return self._steps[do, planted, variant]

    def deaths(self, befalls: str, at: str = "", *, do: str = "live", variant: str = "") -> list[int]:
        """The steps of a life at which that death makes a difference, and of which "kind path" matches `at`."""
        return [
            number
            for number, (kind, path) in enumerate(self.steps(do, planted=do != "begin", variant=variant), 1)
            # An `open` that makes nothing changes nothing; only a write can be torn.
            if kind != "open" and (befalls != "during" or kind in WRITES) and re.search(at, f"{kind} {path}")
        ]

    def uncut(self, spoil: Callable[[Path], None] = lambda _: None, variant: str = "") -> list[str]:
        """A life that nothing befalls, and a start; `spoil` is given the state directory before each of them."""
        state = self._state()
        spoil(state)
        life = self._ask("live", state, variant=variant)
        found = judgement.expected(state)
        spoil(state)
        return [*judgement.started(life), *self._recovered(state, life["told"], found, variant)]

    def cut(self, step: int, befalls: str, variant: str = "") -> list[str]:
        """The power went at `step` of the life of a house, and came back."""
        state, told, found, problems = self._cut_off(step, befalls, variant)
        return problems + self._recovered(state, told, found, variant)

    def cut_twice(self, step: int, befalls: str, again: int, befalls_again: str, variant: str = "") -> list[str] | None:
        """As `cut`, and the power went again at a step of the recovery; None where that had ended before this step."""
        state, told, found, problems = self._cut_off(step, befalls, variant)
        redeliver = ["acknowledged"] not in told
        again_cut = self._ask("recover", state, redeliver=redeliver, step=again, befalls=befalls_again, variant=variant)
        if again_cut["ended"] == 0:
            shutil.rmtree(state)
            return None
        told += again_cut["told"]
        problems += judgement.as_asked(again_cut) + judgement.cut_short(state, self._told, told)
        return problems + self._recovered(state, told, found, variant)

    def fault(self, step: int, befalls: str) -> list[str]:
        """The medium refused `step` of a life, once or for good; then it was mended."""
        state = self._state()
        life = self._ask("live", state, step=step, befalls=befalls)
        problems = judgement.as_asked(life)
        problems += judgement.cut_short(state, self._told, life["told"])
        return problems + self._recovered(state, life["told"], judgement.expected(state))

    def noticed(self, step: int, befalls: str) -> bool:
        """Whether anybody hears of a fault: in an error of ours, or in the journal of the system."""
        state = self._state()
        life = self._ask("live", state, step=step, befalls=befalls)
        shutil.rmtree(state)
        return bool(words(life["told"], "broken") or life["errors"])

    def fault_at_the_start(self, cut: int, step: int, befalls: str) -> list[str] | None:
        """The medium refused a step of the start after a cut; None where that start takes fewer steps."""
        state, told, found, problems = self._cut_off(cut, "before", "")
        redeliver = ["acknowledged"] not in told
        start = self._ask("recover", state, redeliver=redeliver, step=step, befalls=befalls)
        taken = [len(steps) for (steps,) in words(start["told"], "steps")]
        if start["ended"] == 0 and taken[-1] < step:
            shutil.rmtree(state)
            return None
        problems += judgement.as_asked(start) + judgement.cut_short(state, self._told, told + start["told"])
        return problems + self._recovered(state, told + start["told"], found)

    def cut_for_persons(self, step: int, befalls: str, variant: str = "") -> list[str]:
        """The power went at `step` of an order about persons (0: it did not), and came back."""
        state = self._state()
        life = self._ask("person", state, step=step, befalls=befalls, variant=variant)
        problems = judgement.as_asked(life) + judgement.cut_short_for_persons(state)
        redeliver = ["acknowledged"] not in life["told"]
        recovery = self._ask("person_again", state, redeliver=redeliver, variant=variant)
        problems += judgement.started(recovery)
        if recovery["ended"] == 0:
            problems += judgement.recovered_for_persons(state, recovery["told"])
        shutil.rmtree(state)
        return problems

    def begin(self, step: int, befalls: str) -> list[str]:
        """The very first start was interrupted."""
        state = self._state(planted=False)
        first = self._ask("begin", state, step=step, befalls=befalls)
        problems = judgement.as_asked(first)
        again = self._ask("begin", state)
        problems += judgement.started(again)
        if again["ended"] == 0:
            read = STATE(state)
            if not (read.root_check() and read.signing_key("receipt") and read.signing_key("local-issuer")):
                problems.append("a key does not open")
            problems += judgement.unfinished(state) + judgement.orphans(state)
            problems += judgement.old_secrets(state, first["told"] + again["told"])
        shutil.rmtree(state)
        return problems

    def _cut_off(self, step: int, befalls: str, variant: str) -> tuple[Path, list[Any], dict[str, int], list[str]]:
        state = self._state()
        life = self._ask("live", state, step=step, befalls=befalls, variant=variant)
        problems = judgement.as_asked(life) + judgement.cut_short(state, self._told, life["told"])
        if life["ended"] != -signal.SIGKILL:
            problems.append(f"it lived through step {step}")
        return state, life["told"], judgement.expected(state), problems

    def _recovered(self, state: Path, told: list[Any], found: dict[str, int], variant: str = "") -> list[str]:
        recovery = self._ask("recover", state, redeliver=["acknowledged"] not in told, variant=variant)
        problems = judgement.started(recovery)
        if recovery["ended"] == 0:
            problems += judgement.recovered(state, [*self._told, *told, *recovery["told"]], found)
        shutil.rmtree(state)
        return problems

    def _state(self, *, planted: bool = True) -> Path:
        state = self._folder / str(next(self._numbers))
        if planted:
            shutil.copytree(self._planted, state)
        elif self.root == "nvram":
            slots = state / SLOTS
            slots.parent.mkdir(mode=0o700, parents=True)
            state.chmod(0o700)
            slots.write_bytes(bytes(CHIP_BYTES))
        return state

    def _ask(self, do: str, state: Path, **more: Any) -> dict[str, Any]:
        assert self._program.stdin
        assert self._program.stdout
        attempt = self._attempts[state] = self._attempts.get(state, 0) + 1
        request = {"do": do, "state": str(state), "root": self.root, "attempt": attempt, **more}
        self._program.stdin.write(json.dumps(request).encode() + b"\n")
        self._program.stdin.flush()
        answer: dict[str, Any] = json.loads(self._program.stdout.readline())
        expected = more.get("step") or more.get("variant") or do != "live"
        assert expected or answer["ended"] == 0, answer
        return answer


@pytest.fixture(scope="session")
def streets() -> Iterator[Callable[[Root], Street]]:
    """The street of a kind of root; each is made once."""
    # A kill leaves the same behind on any file system; the one in memory is quick.
    memory = Path("/dev/shm")
    made: dict[Root, Street] = {}
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:

        def street(root: Root) -> Street:
            if root not in made:
                made[root] = Street(Path(folder) / root, root)
            return made[root]

        yield street
        for one in made.values():
            one.close()


@pytest.fixture(params=["file", pytest.param("nvram", marks=pytest.mark.deep)])
def street(request: pytest.FixtureRequest, streets: Callable[[Root], Street]) -> Street:
    """Of NVRAM, `test_nvram.py` takes a few; the deep tests take all."""
    return streets(request.param)
