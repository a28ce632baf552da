"""The register of adopted devices: their names, and the secrets of their pairings. A store like any other."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from privacy.records import Item, RecordClass, Scope, Tier
from privacy.seal import Keys
from privacy.sealed_log import SealedLog
from privacy.store import Erasure

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
    """Every method blocks: call it on the `Disk` thread."""

    name = "device_register"
    classes = frozenset({RecordClass.DEVICE})
    tier = Tier.UNLINKED

    def __init__(self, path: Path, keys: Keys) -> None:
        self._log = SealedLog(path, keys.seal(PURPOSE), PURPOSE.encode())

    def all(self) -> list[Adoption]:
        """Every adoption; of two of the same device, the newer."""
        found = {a.id: a for a in self._read()}
        return list(found.values())

    def add(self, adoption: Adoption) -> None:
        """Keep `adoption`; what was kept of the same device before is gone."""
        self._drop(lambda known: known.id == adoption.id)
        self._log.append([msgspec.json.encode(adoption)])

    def remove(self, device: str) -> bool:
        """Forget `device`; False when it was not known."""
        return self._drop(lambda known: known.id == device) > 0

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return (a.item for a in self._read() if _reached(a, scope, before))

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        erased = self._drop(lambda known: _reached(known, scope, before))
        return Erasure(erased, erased, 0)

    def scan(self, scope: Scope, before: datetime) -> int:
        return sum(1 for _ in self.find(scope, before))

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        for adoption in self._read():
            if scope.covers(adoption.item):
                names = [device.get("name") for device in adoption.record.get("devices", ())]
                # Without the pairing secrets: an export is for reading, not for taking over a lamp.
                yield adoption.item, msgspec.json.encode({"id": adoption.id, "at": adoption.at, "names": names})

    def oldest(self) -> Iterator[tuple[RecordClass, int, datetime | None]]:
        every = self.all()
        yield RecordClass.DEVICE, len(every), min((a.at for a in every), default=None)

    def _read(self) -> Iterator[Adoption]:
        return (msgspec.json.decode(payload, type=Adoption) for _, payload in self._log.replay())

    def _drop(self, which: Callable[[Adoption], bool]) -> int:
        if not any(which(adoption) for adoption in self._read()):
            return 0
        return self._log.rewrite(
            lambda _, payload: None if which(msgspec.json.decode(payload, type=Adoption)) else payload
        )


def _reached(adoption: Adoption, scope: Scope, before: datetime) -> bool:
    return scope.covers(adoption.item) and adoption.at < before
