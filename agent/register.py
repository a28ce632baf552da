"""The register of adopted devices: their names, and the secrets of their pairings. A store like any other."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns, reached
from privacy.sealed_folder import HeldBy, SealedFolder, nothing_held
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
    """A sealed file for each device: one is forgotten with its key. Every method blocks: call it on the `Disk` thread.

    A record that opens but is none of ours, such as one of a later version, is undated: it is never used, and goes
    with its device or the first erasure that could mean it.
    """

    name = "device_register"
    classes = frozenset({RecordClass.DEVICE})

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        moment: Callable[[], Moment],
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        self.tier = ring.tier
        self._files = SealedFolder(
            directory,
            ring,
            PURPOSE,
            _concerns,
            moment,
            holds,
            RecordClass.DEVICE,
            redates=True,
            admits=barrier.admits,
        )
        self._barrier = barrier

    def all(self) -> list[Adoption]:
        """Every adoption, in the order in which they were made; of two of the same device, the newer."""
        return [adoption for _, adoption in self._known()]

    def usable(self) -> list[Adoption]:
        """Every adoption that no order reaches. One that waits to be erased is in `all` alone."""
        return [adoption for item, adoption in self._known() if self._barrier.admits(item)]

    def add(self, adoption: Adoption) -> bool:
        """Keep `adoption`; what was kept of the same device before is gone, with its key.

        False, and nothing is kept, where an order that came while it was under way reaches it.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        if not self._barrier.admits(adoption.item):
            return False
        new = msgspec.json.encode(adoption)
        if adoption.id in self._files.names():
            # In one change, so that a failure half-way leaves one of the two.
            self._files.rewrite(adoption.id, [new])
        else:
            self._files.append(adoption.id, [(Concerns(adoption.at, device=adoption.id), new)])
        return True

    def held(self, device: str) -> bool:
        """Whether a hold keeps what is known of `device`: then it cannot be removed."""
        return any(self._files.held(item) for _, item, _ in self._files.records(device))

    def remove(self, device: str) -> bool:
        """Forget `device`, with its key; False when it was not known, or a hold keeps it.

        Raises:
            StoreBroken: the medium refused; the device is kept still.
        """
        return device in self._files.names() and bool(self._files.lose(device, lambda _sequence, _item: True))

    def reached(self, scope: Scope, before: datetime) -> list[Adoption]:
        """What an order for `scope` up to `before` erases, if no hold keeps it."""
        return [adoption for item, adoption in self._known() if reached(scope, before, item)]

    def redate(self, redated: Callable[[Moment], Moment]) -> None:
        """The time has become known: what was adopted in this boot before can be dated."""
        self._files.redate(redated)

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return self._files.find(scope, before)

    def count(self, scope: Scope, before: datetime) -> int:
        return self._files.count(scope, before)

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return self._files.erase(scope, before)

    def scan(self, scope: Scope, before: datetime) -> Iterator[int]:
        return self._files.scan(scope, before)

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        for item, payload in self._files.export(scope):
            known = _decode(payload)
            names = [device.get("name") for device in known.record.get("devices", ())] if known else []
            # Without the pairing secrets: an export is for reading, not for taking over a lamp.
            yield item, msgspec.json.encode({"id": item.device, "at": item.at, "names": names})

    def oldest(self) -> Iterator[tuple[RecordClass, int, datetime | None]]:
        yield self._files.oldest()

    def _known(self) -> list[tuple[Item, Adoption]]:
        """As `all`, each with what there is to say of it: by its own clock it may have been made at another time."""
        known: dict[str, tuple[Item, Adoption]] = {}
        for name in self._files.names():
            for _, item, payload in self._files.records(name):
                if adoption := _decode(payload):
                    at = item.at or adoption.at
                    known[adoption.id] = item, msgspec.structs.replace(adoption, at=at)
        return sorted(known.values(), key=lambda each: each[1].at)


def _decode(payload: bytes) -> Adoption | None:
    try:
        return msgspec.json.decode(payload, type=Adoption)
    except ValueError:  # msgspec's DecodeError is one, as is what its datetimes raise
        return None


def _concerns(payload: bytes) -> Concerns | None:
    known = _decode(payload)
    return Concerns(known.at, device=known.id) if known else None
