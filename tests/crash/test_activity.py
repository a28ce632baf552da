"""The activity log dies at every step towards the disk: no line that was acknowledged is lost, and it verifies."""

import json
import logging
import os
import secrets
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from privacy.activity import ActivityLog
from privacy.activity_line import Deed
from privacy.files import sweep
from privacy.hold import Role
from privacy.keyring import KeyRing
from privacy.keystore.slot_file import SlotFile
from privacy.merkle import consistent, includes
from privacy.records import Scope
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.crash.fate import DEATHS, WRITES, Fate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEOPLE = ("kari", "ola")
Step = tuple[str, str]


class StandingClock:
    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 1000.0


def opened(folder: Path) -> tuple[KeyRing, ActivityLog]:
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    sweep(folder)
    ring = KeyRing.open(folder / "keys", SlotFile(folder / "keys" / "slots", create=True), os.urandom)
    time = TimeKeeper(StandingClock(), bytes(16), lambda: True, lambda: None, lambda _note: None)
    time.witness(NOON, Witness.PERSON)
    log = ActivityLog(
        folder / "activity", ring, time, timedelta(days=182), barrier=Barrier(), random_bytes=secrets.token_bytes
    )
    return ring, log


def deed(number: int) -> Deed:
    actor, viewed = PEOPLE[number % 2], PEOPLE[1 - number % 2]
    return Deed(
        at=NOON, actor=actor, role=Role.OWNER, action="view_pictures", record=f"r{number}", concerns=frozenset({viewed})
    )


def append(log: ActivityLog, told: Callable[..., None]) -> None:
    for numbers in ((10,), (11, 12, 13), (14,)):
        log.append([deed(number) for number in numbers])
        told("noted", [f"r{number}" for number in numbers])
        told("root", log.tree.size, log.tree.root().hex())


def erase(log: ActivityLog, told: Callable[..., None]) -> None:
    log.erase(Scope(subjects=("kari",)), NOON + timedelta(days=1))
    told("erased", "kari")
    append(log, told)


LIVES = {"append": append, "erase": erase}


def lived(
    folder: Path, life: str, step: int = 0, befalls: str = "before", deaf: str = ""
) -> tuple[list[list[object]], list[Step]]:
    """A life in a process of its own, that ends at a step; what it told, and its steps where nothing befell it."""
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            logging.disable()
            write = os.write
            os.close(heard)
            fate = Fate(folder, step, befalls, deaf=deaf)
            fate.install()

            def tell(*words: object) -> None:
                write(told, json.dumps(words).encode() + b"\n")

            LIVES[life](opened(folder)[1], tell)
            tell("steps", fate.steps)
            status = 0
        finally:
            os._exit(status)
    os.close(told)
    with os.fdopen(heard) as pipe:
        lines = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGKILL}
    steps = [(kind, path) for word, *rest in lines if word == "steps" for kind, path in rest[0]]
    return lines, steps


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who have looked at each other, and all but one leaf of a whole level."""
    folder = tmp_path_factory.mktemp("seed")
    _, log = opened(folder)
    log.append([deed(number) for number in range(4)])
    log.tree.append([bytes(32)] * (256 - 8 - 1))
    return folder


BEFORE = [f"r{number}" for number in range(4)]


def wrong(folder: Path, told: list[list[object]], *, may_erase: bool) -> list[str]:
    """What is wrong with what is left, at the next start."""
    _, log = opened(folder)
    noted = {*BEFORE, *(record for word, *rest in told if word == "noted" for record in rest[0])}
    problems = []
    for person in PEOPLE:
        records = {each.line.record for each in log.lines(person, None, 999)}
        left = records & set(BEFORE)
        if person == "kari" and left and ["erased", "kari"] in told:
            problems.append("kari is not erased")
        # An erasure that had committed when the power went has taken all of it, and no more.
        expected = noted - set(BEFORE) if person == "kari" and may_erase and not left else noted
        if lost := expected - records:
            problems.append(f"{person} lost {lost}")
    problems += unproved(log) + forked(log, told)
    size = log.tree.size
    if log.append([deed(99)]) != [size] or not log.line(size):
        problems.append("it does not go on")
    return problems


def unproved(log: ActivityLog) -> list[str]:
    """The lines that cannot be shown to be in the log."""
    tree, root = log.tree, log.tree.root()
    problems = []
    for shown in log.lines(None, None, 999):
        found = log.line(shown.number)
        if not found or not includes(found[1].leaf, shown.number, tree.size, tree.inclusion(shown.number), root):
            problems.append(f"line {shown.number} has no proof")
    return problems


def forked(log: ActivityLog, told: list[list[object]]) -> list[str]:
    """The sizes that were told of, and that this log did not grow out of."""
    tree, problems = log.tree, []
    for size, old in ((rest[0], rest[1]) for word, *rest in told if word == "root"):
        assert isinstance(size, int)
        assert isinstance(old, str)
        proof = tree.consistency(size) if size <= tree.size else []
        if not consistent(size, tree.size, bytes.fromhex(old), tree.root(), proof):
            problems.append(f"the log of {size} lines did not grow into this one")
    return problems


@pytest.mark.parametrize("befalls", DEATHS)
@pytest.mark.parametrize("life", LIVES)
def test_killed_at_any_step(tmp_path: Path, seed: Path, life: str, befalls: str) -> None:
    uncut = shutil.copytree(seed, tmp_path / "uncut")
    told, steps = lived(uncut, life)
    assert not wrong(uncut, told, may_erase=life == "erase")
    assert {"activity/hashes-0", "activity/hashes-1"} <= {path for _, path in steps}
    problems: dict[str, list[str]] = {}
    for number, (kind, path) in enumerate(steps, 1):
        if kind == "open" or (befalls == "during" and kind not in WRITES):
            continue
        folder = shutil.copytree(seed, tmp_path / "house")
        told, _ = lived(folder, life, number, befalls)
        if found := wrong(folder, told, may_erase=life == "erase"):
            problems[f"{befalls} step {number}: {kind} {path}"] = found
        shutil.rmtree(folder)
    assert not problems


@pytest.mark.parametrize("deaf", [r"activity/hashes-0$", r"activity/.*log$"], ids=["leaves", "lines"])
def test_a_log_that_acknowledges_what_it_did_not_sync_is_caught(tmp_path: Path, seed: Path, deaf: str) -> None:
    _, steps = lived(shutil.copytree(seed, tmp_path / "uncut"), "append")
    for number in range(len(steps), 0, -1):
        folder = shutil.copytree(seed, tmp_path / str(number))
        told, _ = lived(folder, "append", number, "lost", deaf)
        if wrong(folder, told, may_erase=False):
            return
    pytest.fail("nobody noticed")
