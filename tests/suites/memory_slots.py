"""A root of the key ring in memory, for tests whose matter is what lies on the disk."""

from privacy.keystore.contract import Held, Slot
from privacy.records import Tier


class MemorySlots:
    """A `KeyStore` that outlives every ring that is opened on it: what the disk alone cannot open again."""

    tier = Tier.HARDWARE_SLOT
    secret_bytes = 32
    where = "two slots in memory"

    def __init__(self) -> None:
        self.held: dict[Slot, Held | None] = {}

    def read(self, slot: Slot) -> Held | None:
        return self.held.get(slot)

    def write(self, slot: Slot, held: Held) -> None:
        self.held[slot] = held

    def destroy(self, slot: Slot) -> None:
        self.held[slot] = None
