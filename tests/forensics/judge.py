"""Says what is wrong with a copy of a medium: what it shows of the dead, and what it does not of the living."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from agent.canaries import Canary, read_canaries
from agent.scan_image import scan
from tests.forensics.attacker import Loot
from tests.forensics.neighbour import KeyBook
from tests.forensics.planted import canaries, shown
from tests.privacy.format_reader import State
from tests.privacy.format_records import SLOT, places, slot_at

CANARIES = canaries()
SHOWN = shown()
OURS = re.compile(
    r"lock|journal|root\.key(\.check)?|(receipt|receipt-public|local-issuer)\.jwk|keys/(slots|table\.[ab])"
    r"|(operation-log|spool|devices|tags|holds)/[0-9a-f]{32}\.log|spool/state|activity/hashes-[0-3]"
    r"|vault/(index|(segments|pages)/[0-9a-f]{32})"
)
"""What `privacy/FORMAT.md` says may lie in a state directory."""


def in_the_clear(image: bytes, keys: KeyBook) -> list[str]:
    """What lies there for anybody to read: canaries of the living or the dead, and keys but those of the root."""
    wanted = [canary for canary, _ in CANARIES.values()]
    allowed = {keys.root, *(slot.secret for at in places(image, SLOT) if (slot := slot_at(image, at)))}
    problems = [f"{canary.label} lies in the clear" for canary in _found(image, wanted)]
    slots = [slot for at in places(image, SLOT) if (slot := slot_at(image, at))]
    if len(slots) != 1:
        problems.append(f"{len(slots)} slots hold a secret")
    highest = max((slot.generation for slot in slots), default=1)
    secret = (keys.drawn | keys.living | keys.derived(highest)) - allowed
    return problems + [f"{canary.label} in the clear" for canary in _found(image, _keys(secret))]


def opened(loot: Loot, done: int) -> list[str]:
    """What is wrong with what somebody could open after orders up to number `done` (-1: none) were carried out."""
    text = b"\0\0".join(plain.text for plain in loot.plains)
    found = {canary.label for canary in _found(text, [canary for canary, _ in CANARIES.values()])}
    problems = []
    for canary, dies in CANARIES.values():
        if dies <= done and canary.label in found:
            kinds = {plain.what for plain in loot.plains if _found(plain.text, [canary])}
            problems.append(f"{canary.label} can be read in {sorted(kinds)}")
        if dies > done and canary.label not in found:
            problems.append(f"{canary.label} is lost")
    return problems


def dead_keys(loot: Loot, keys: KeyBook) -> list[str]:
    """The dead among what was opened: no page and no table may hold one."""
    text = b"\0\0".join(plain.text for plain in loot.plains)
    return [f"{canary.label} lies sealed under a living one" for canary in _found(text, _keys(keys.dead))]


def by_the_product(exported: Iterable[bytes], done: int) -> list[str]:
    """What is wrong with what the product shows."""
    found = {canary.label for canary in _found(b"\0\0".join(exported), [canary for canary, _ in CANARIES.values()])}
    problems = []
    for label, (canary, dies) in CANARIES.items():
        if dies <= done and canary.label in found:
            problems.append(f"{canary.label} is shown")
        if dies > done and label in SHOWN and canary.label not in found:
            problems.append(f"{canary.label} is lost to the product")
    return problems


def strangers(state: Path) -> list[str]:
    """Files that no page of ours knows."""
    files = [path.relative_to(state).as_posix() for path in state.rglob("*") if not path.is_dir()]
    return [f"{name} is left" for name in files if not OURS.fullmatch(name)]


def ordered(state: Path) -> tuple[int, bool]:
    """The number of the last order in the journal (-1: none), and whether it has a receipt."""
    journal = State(state).journal()
    orders = [line for line in journal if line["type"] in {"intent", "closed"}]
    last = len(orders) - 1
    return last, any(line["type"] == "receipt" and line["order"].endswith(f"{last:012d}") for line in journal)


def _keys(keys: Iterable[bytes]) -> list[Canary]:
    lines = [f"a-key-of-{len(key)}-bytes hex:{key.hex()}" for key in keys]
    return read_canaries("\n".join(lines).encode(), "keys") if lines else []


def _found(data: bytes, wanted: list[Canary]) -> list[Canary]:
    if not data or not wanted:
        return []
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return [finding.canary for finding in scan(Path(file.name), wanted).findings if finding.count]
