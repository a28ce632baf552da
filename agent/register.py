"""The register of adopted devices: their names, and the secrets of their pairings. A store like any other."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from privacy.records import Item, RecordClass, Scope, Tier
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.store import Barrier, Erasure

PURPOSE = "device-register"


class Adoption(msgspec.Struct, frozen=True):
    """One adopted device. `record` is what its family needs to reach it again, secrets included."""

    id: str
    family: str
    at: datetime
    record: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Adoption({self.id}, {self.family})"

    @property
    def item(self) -> Item:
        return Item(self.id, RecordClass.DEVICE, self.at, device=self.id)


class DeviceRegister:
    """Every method blocks: call it on the `Disk` thread.

    A record that opens but is none of ours, such as one of a later version, is undated: it is never used, and goes
    with the first erasure that could mean it.
    """

    name = "device_register"
    classes = frozenset({RecordClass.DEVICE})
    tier = Tier.UNLINKED

    def __init__(self, path: Path, keys: Keys, barrier: Barrier) -> None:
        self._log = SealedLog(path, keys.seal(PURPOSE), PURPOSE.encode())
        self._barrier = barrier

    def all(self) -> list[Adoption]:
        """Every adoption; of two of the same device, the newer."""
        return list({known.id: known for _, known in self._read() if known}.values())

    def usable(self) -> list[Adoption]:
        """Every adoption that no order reaches. One that waits to be erased is in `all` alone."""
        return [adoption for adoption in self.all() if self._barrier.admits(adoption.item)]

    def add(self, adoption: Adoption) -> bool:
        """Keep `adoption`; what was kept of the same device before is gone.

        False, and nothing is kept, where an order that came while it was under way reaches it.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        if not self._barrier.admits(adoption.item):
            return False
        new = msgspec.json.encode(adoption)
        older = [number for number, known in self._read() if known and known.id == adoption.id]
        if older:
            # In its place and in one step, so that a failure half-way leaves one of the two.
            self._log.rewrite(lambda number, old: old if number not in older else new if number == older[-1] else None)
        else:
            self._log.append([new])
        return True

    def remove(self, device: str) -> bool:
        """Forget `device`; False when it was not known.

        Raises:
            StoreBroken: the medium refused; the device is kept still.
        """
        return self._drop(lambda item: item.device == device) > 0

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return (item for number, known in self._read() if _reached(item := _item(number, known), scope, before))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        erased = self._drop(lambda item: _reached(item, scope, before))
        return Erasure(erased, erased, 0)

    def scan(self, scope: Scope, before: datetime) -> int:
        return sum(1 for _ in self.find(scope, before))

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        for number, known in self._read():
            if scope.covers(item := _item(number, known)):
                names = [device.get("name") for device in known.record.get("devices", ())] if known else []
                # Without the pairing secrets: an export is for reading, not for taking over a lamp.
                yield item, msgspec.json.encode({"id": item.device, "at": item.at, "names": names})

    def oldest(self) -> Iterator[tuple[RecordClass, int, datetime | None]]:
        every = [known for _, known in self._read()]
        yield RecordClass.DEVICE, len(every), min((known.at for known in every if known), default=None)

    def _read(self) -> Iterator[tuple[int, Adoption | None]]:
        return ((number, _decode(payload)) for number, payload in self._log.replay())

    def _drop(self, which: Callable[[Item], bool]) -> int:
        if not any(which(_item(number, known)) for number, known in self._read()):
            return 0
        return self._log.rewrite(lambda number, old: None if which(_item(number, _decode(old))) else old)


def _decode(payload: bytes) -> Adoption | None:
    try:
        return msgspec.json.decode(payload, type=Adoption)
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None


def _item(number: int, adoption: Adoption | None) -> Item:
    if adoption is None:
        return Item(str(number), RecordClass.DEVICE, None)
    return Item(str(number), RecordClass.DEVICE, adoption.at, device=adoption.id)


def _reached(item: Item, scope: Scope, before: datetime) -> bool:
    return scope.covers(item) and (item.at is None or item.at < before)
