"""The keys: the root key's file, the root slots, the two key tables. Looked at, and not settled."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.config import Config
from agent.doctor.check import Check, broken
from agent.storage import has_sealed
from privacy.errors import SealBroken, StoreBroken
from privacy.key_look import KeyLook, TableState, look_at_keys
from privacy.keystore.contract import KeyStore
from privacy.keystore.nvram import Nvram
from privacy.keystore.slot_file import SlotFile
from privacy.keystore.tpm import Tpm
from privacy.records import Tier
from privacy.seal import KEY_BYTES, Keys

LOOKS: Final = 4
"""What a running agent is changing just then looks damaged: so often, and no more, is it looked at again."""
PAUSE_SECONDS: Final = 0.3
_RESTORE: Final = "restore the whole state directory from a backup; what is here cannot be read without it"
_TIERS: Final = {
    Tier.HARDWARE_SLOT: "what is erased dies in hardware",
    Tier.OVERWRITTEN_IN_PLACE: "what is erased is overwritten in place: best effort on flash",
    Tier.UNLINKED: "what is erased is unlinked and no more",
}


def root_key(state: Path) -> Iterator[Check]:
    """The key of what survives erasure: journal, receipts, the signing keys."""
    path, check = state / "root.key", state / "root.key.check"
    try:
        if not path.exists():
            if check.exists():
                yield Check("root key", "fail", f"{path} is missing", _RESTORE)
            return
        root = path.read_bytes()
        sealed = check.read_bytes() if check.exists() else None
    except OSError as error:
        mend = "run the doctor as root or as the service's user; is the medium well?"
        yield Check("root key", "fail", f"{error.filename}: {error.strerror}", mend)
        return
    if len(root) != KEY_BYTES:
        yield Check("root key", "fail", f"{path} holds {len(root)} bytes, a root key has {KEY_BYTES}", _RESTORE)
        return
    try:
        if sealed is not None:
            Keys(root).seal("root-check").open(sealed, b"root-check")
    except SealBroken:
        found = f"{path} is not the key that what is stored here was sealed under"
        yield Check("root key", "fail", found, f"put the right one back; or {_RESTORE}")
        return
    yield Check("root key", "ok", f"{path} opens what is stored here")


class Ring:
    """The key ring as it lies there."""

    def __init__(self, config: Config, *, at_rest: bool) -> None:
        """`at_rest`: no agent works there."""
        self._config = config
        self._directory = config.gateway.state_dir / "keys"
        self._at_rest = at_rest
        self._look: KeyLook | None = None
        self._error: StoreBroken | None = None

    @property
    def withheld(self) -> bool:
        """A partition is opened by one at a time: while an agent works, a look could make its next change fail."""
        path = self._config.keys.path
        return not self._at_rest and self._config.keys.root == "file" and path is not None and path.is_block_device()

    def look(self) -> KeyLook | None:
        """What root and tables say now; None where nothing opens, or nothing is there yet."""
        self._look = self._error = None
        if not self._directory.is_dir() or self.withheld:
            return None
        for turn in range(1 if self._at_rest else LOOKS):
            if turn:
                time.sleep(PAUSE_SECONDS)
            try:
                self._look, self._error = look_at_keys(self._directory, self._store()), None
            except StoreBroken as error:
                self._look, self._error = None, error
            if self._look and self._look.settled:
                break
        return self._look

    def checks(self) -> Iterator[Check]:
        """What is wrong with them."""
        if not self._directory.is_dir():
            state = self._directory.parent
            if (state / "root.key").exists():
                yield Check("keys", "fail", f"{self._directory} is missing, and what it opened is here", _RESTORE)
            elif state.is_dir():
                yield Check("keys", "ok", "none yet: the first start makes them")
            return
        if self.withheld:
            yield Check("keys", "ok", f"the running agent has {self._config.keys.path} to itself")
            return
        look = self.look()
        if self._error:
            yield broken("keys", self._error, _RESTORE)
        elif look:
            yield from self._told(look)
        elif has_sealed(self._directory.parent):
            found = f"no key table is in {self._directory}, and what they opened is here"
            yield Check("keys", "fail", found, _RESTORE)
        else:
            yield Check("keys", "ok", "a first start was interrupted: the next one goes on with it")

    def _told(self, look: KeyLook) -> Iterator[Check]:
        found = f"generation {look.generation}, root in {look.where}, tier {look.tier}: {_TIERS[look.tier]}"
        yield Check("keys", "ok", found)
        start = "start the agent" if self._at_rest else "restart the agent"
        for name, how in look.tables.items():
            if how is not TableState.WHOLE:
                mend = f"{start}: it writes it anew; if that comes again, replace the medium"
                yield Check("key table", "warn", f"{self._directory / name} is {how}; its twin is good", mend)
        if sum(slot is not None for slot in look.slots) > 1:
            found = "a change of keys was cut off: the keys before it are not destroyed yet"
            yield Check("root slots", "warn", found, f"{start}: it finishes that before anything else")

    def _store(self) -> KeyStore:
        keys = self._config.keys
        if keys.root == "tpm":
            return Tpm(keys.tcti)
        if keys.root == "nvram" and keys.path is not None:
            return Nvram(keys.path)
        return SlotFile(keys.path or self._directory / "slots")
