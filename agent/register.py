"""The register of adopted devices: their names, and the secrets of their pairings. A store like any other."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from privacy.keyring import KeyRing
from privacy.moment import Moment
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_file import Concerns, parsed, reached
from privacy.sealed_folder import HeldBy, nothing_held
from privacy.sealed_store import SealedStore
from privacy.store import Barrier


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


_decode = msgspec.json.Decoder(Adoption).decode


class DeviceRegister(SealedStore):
    """A sealed file for each device: one is forgotten with its key. Every method blocks: call it on the `Disk` thread.

    A record that opens but is none of ours, such as one of a later version, is undated: it is never used, and goes
    with its device or the first erasure that could mean it.
    """

    name = "device_register"
    record_class = RecordClass.DEVICE
    named = "device"

    def __init__(
        self,
        directory: Path,
        ring: KeyRing,
        moment: Callable[[], Moment],
        barrier: Barrier,
        *,
        holds: HeldBy = nothing_held,
    ) -> None:
        super().__init__(directory, ring, moment, holds=holds, admits=barrier.admits)

    def all(self) -> list[Adoption]:
        """Every adoption, in the order in which they were made; of two of the same device, the newer."""
        return [adoption for _, adoption in self._known()]

    def usable(self) -> list[Adoption]:
        """Every adoption that no order reaches. One that waits to be erased is in `all` alone."""
        return [adoption for item, adoption in self._known() if self._admits(item)]

    def add(self, adoption: Adoption) -> bool:
        """Keep `adoption`; what was kept of the same device before is gone, with its key.

        False, and nothing is kept, where an order that came while it was under way reaches it.

        Raises:
            StoreBroken: the medium refused; what was kept before is kept still.
        """
        if not self._admits(adoption.item):
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

    def _exported(self, item: Item, payload: bytes) -> bytes:
        known = parsed(_decode, payload)
        names = [device.get("name") for device in known.record.get("devices", ())] if known else []
        # Without the pairing secrets: an export is for reading, not for taking over a lamp.
        return msgspec.json.encode({"id": item.device, "at": item.at, "names": names})

    def _concerns(self, payload: bytes) -> Concerns | None:
        known = parsed(_decode, payload)
        return Concerns(known.at, device=known.id) if known else None

    def _known(self) -> list[tuple[Item, Adoption]]:
        """As `all`, each with what there is to say of it: by its own clock it may have been made at another time."""
        known: dict[str, tuple[Item, Adoption]] = {}
        for name in self._files.names():
            for _, item, payload in self._files.records(name):
                if adoption := parsed(_decode, payload):
                    at = item.at or adoption.at
                    known[adoption.id] = item, msgspec.structs.replace(adoption, at=at)
        return sorted(known.values(), key=lambda each: each[1].at)
