"""Runs `house.py`, and says what is wrong with what it leaves behind."""

import itertools
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from privacy.audit import verify_log
from privacy.errors import ReceiptInvalid

HERE = Path(__file__).parent
STATE: Any = runpy.run_path(str(HERE.parent / "privacy" / "format_reader.py"))["State"]
START_AGAIN = 75
FOUND = {"snapshots": 3, "operation_log": 3, "spool": 2, "device_register": 1}
OUTSIDE = {
    *("OUTSIDE picture 0", "OUTSIDE picture 1", "OUTSIDE entry 0", "OUTSIDE entry 1"),
    *("OUTSIDE line 1", "OUTSIDE line 3", "OUTSIDE device"),
}
UPLOADED = "OUTSIDE line 1"
LATER = {"LATER picture", "LATER entry", "LATER line", "LATER device"}


class Street:
    """Houses that die, each in a copy of the same planted state directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count()
        self._program = subprocess.Popen(
            [sys.executable, str(HERE / "house.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=HERE.parent.parent,
            env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)},
        )
        self._planted = root / "planted"
        self._handed_out = self._ask("plant", self._planted)["told"]

    def close(self) -> None:
        self._program.communicate(timeout=10)

    def steps(self, do: str, *, planted: bool = True) -> list[str]:
        """The steps towards the disk that it takes when nothing befalls it."""
        (steps,) = _words(self._ask(do, self._state(planted=planted))["told"], "steps")
        return list(steps[0])

    def cut(self, step: int, befalls: str, variant: str = "") -> list[str]:
        """What is wrong after the power went at `step` of the life of a house, and came back."""
        state = self._state()
        life = self._ask("live", state, step=step, befalls=befalls, variant=variant)
        return _as_asked(life) + _cut_short(state, life["told"]) + self._recovered(state, life["told"])

    def cut_twice(self, step: int, again: int) -> list[str]:
        """As `cut`, and the power went again at a step of the recovery."""
        state = self._state()
        told = self._ask("live", state, step=step, befalls="before")["told"]
        redeliver = ["acknowledged"] not in told
        told += self._ask("recover", state, redeliver=redeliver, step=again, befalls="before")["told"]
        return _cut_short(state, told) + self._recovered(state, told)

    def fault(self, step: int, befalls: str, *, seen: bool = True) -> list[str]:
        """What is wrong after the medium refused `step` once; `seen`: that has to cost a try."""
        state = self._state()
        life = self._ask("live", state, step=step, befalls=befalls)
        problems = _as_asked(life)
        # A random name decides whether a picture's folder is to be made; where it is there already, a life is shorter.
        struck = all(len(steps) >= step for (steps,) in _words(life["told"], "steps"))
        if seen and struck and not _words(life["told"], "broken"):
            problems.append("the fault went unnoticed")
        return problems + self._recovered(state, life["told"])

    def begin(self, step: int, befalls: str) -> list[str]:
        """What is wrong with a house whose first start was interrupted."""
        state = self._state(planted=False)
        problems = _as_asked(self._ask("begin", state, step=step, befalls=befalls))
        again = self._ask("begin", state)
        if again["ended"] != 0:
            return [*problems, f"the second start ended with {again['ended']}: {again['told']} {again['errors']}"]
        read = STATE(state)
        if not (read.root_check() and read.signing_key("receipt") and read.signing_key("local-issuer")):
            problems.append("a key does not open")
        return problems + _unfinished(state)

    def _recovered(self, state: Path, told: Sequence[list[Any]]) -> list[str]:
        recovery = self._ask("recover", state, redeliver=["acknowledged"] not in told)
        if recovery["ended"] != 0:
            return [f"the recovery ended with {recovery['ended']}: {recovery['told']} {recovery['errors']}"]
        every = [*self._handed_out, *told, *recovery["told"]]
        problems = [*_unfinished(state), *_receipts(state, every), *_batches(every)]
        texts = _readable(state)
        problems += _lost(texts, told)
        problems += [f"{text} can be read still" for text in texts if text.startswith("INSIDE")]
        problems += [f"{text} is there {count} times" for text, count in texts.items() if count != 1]
        for name, left, exported in _words(recovery["told"], "store"):
            if left or "INSIDE" in exported:
                problems.append(f"{name} still shows what was erased")
        shown = " ".join(exported for _, _, exported in _words(recovery["told"], "store"))
        problems += [f"{text} is on the disk and is not shown" for text in texts if text not in shown]
        if "Traceback" in recovery["errors"]:
            problems.append(recovery["errors"])
        shutil.rmtree(state)
        return problems

    def _state(self, *, planted: bool = True) -> Path:
        state = self._root / str(next(self._numbers))
        if planted:
            shutil.copytree(self._planted, state)
        return state

    def _ask(self, do: str, state: Path, **more: Any) -> dict[str, Any]:
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.write(json.dumps({"do": do, "state": str(state), **more}).encode() + b"\n")
        self._program.stdin.flush()
        answer: dict[str, Any] = json.loads(self._program.stdout.readline())
        assert "step" in more or answer["ended"] == 0 or do == "recover", answer
        return answer


def _words(told: Sequence[list[Any]], about: str) -> list[list[Any]]:
    return [words for first, *words in told if first == about]


def _as_asked(answer: dict[str, Any]) -> list[str]:
    """A kill kills, and a fault ends in our own error; neither shows a traceback."""
    problems = [answer["errors"]] if "Traceback" in answer["errors"] else []
    if answer["ended"] not in {0, -signal.SIGKILL, START_AGAIN}:
        problems.append(f"it ended with {answer['ended']}")
    return problems


def _cut_short(state: Path, told: Sequence[list[Any]]) -> list[str]:
    """What must hold at any moment, also before anything recovers."""
    journal, texts = STATE(state).journal(), _readable(state)
    problems = _lost(texts, told)
    if ["acknowledged"] in told and not any(line["type"] in {"intent", "closed"} for line in journal):
        problems.append("an order was acknowledged and is not in the journal")
    if any(line["type"] == "receipt" for line in journal):
        problems += [f"there is a receipt, and {text} can be read" for text in texts if text.startswith("INSIDE")]
    return problems


def _lost(texts: Counter[str], told: Sequence[list[Any]]) -> list[str]:
    kept = {text for (text,) in _words(told, "kept")}
    lost = (OUTSIDE | kept) - texts.keys()
    if ["uploading"] in told:
        lost -= {UPLOADED}
    back = {UPLOADED} & texts.keys() if ["uploaded"] in told else set()
    return [f"{text} is lost" for text in lost] + [f"{text} was uploaded and is back" for text in back]


def _readable(state: Path) -> Counter[str]:
    """Everything that the page on the format lets one read."""
    read = STATE(state)
    return Counter(
        [
            *(image.decode() for _, _, image in read.snapshots()),
            *(entry["fields"]["text"] for entry in read.operation_log()),
            *(line for _, line in read.spool()),
            *(device["record"]["devices"][0]["name"] for device in read.devices()),
        ]
    )


def _receipts(state: Path, told: Sequence[list[Any]]) -> list[str]:
    ((receipts, public_jwk),) = _words(told, "receipts")[-1:]
    try:
        verified = verify_log(receipts, public_jwk)
    except ReceiptInvalid as error:
        return [f"the log of receipts does not verify: {error}"]
    problems = []
    if [receipt.kind for receipt in verified] != ["erased", "verified"]:
        problems.append(f"the receipts are {[receipt.kind for receipt in verified]}")
    problems += [
        f"the receipt does not say all: {receipt.stores}"
        for receipt in verified
        if {line.store: line.found for line in receipt.stores} != FOUND or not receipt.complete
    ]
    journal = STATE(state).journal()
    if [line["jws"] for line in journal if line["type"] == "receipt"] != receipts:
        problems.append("the journal holds other receipts")
    lines = Counter(line["type"] for line in journal)
    if lines["closed"] != 1 or lines["intent"] or lines["found"]:
        problems.append(f"the order is not closed: {lines}")
    if ["receipt acknowledged"] in told and ["erased"] not in _words(told, "receipts acknowledged")[-1]:
        problems.append("an acknowledged receipt will be sent again")
    return problems


def _batches(told: Sequence[list[Any]]) -> list[str]:
    lines: dict[str, list[str]] = {}
    return [
        f"batch {id_} had other lines before"
        for id_, texts in _words(told, "batch")
        if lines.setdefault(id_, texts) != texts
    ]


def _unfinished(state: Path) -> list[str]:
    return [f"{path.relative_to(state)} is left" for path in state.rglob("*.new")]


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    # A kill leaves the same behind on any file system; the one in memory is quick.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as root:
        street = Street(Path(root))
        yield street
        street.close()
