"""The texts of orders, as the journal holds them. A text may name people: each is sealed under a key of its own."""

from collections.abc import Collection

from privacy.errors import OrderRefused, SealBroken
from privacy.journal_lines import Intent
from privacy.keyring import KeyRing
from privacy.orders import PurgeOrder, journaled_order

KIND = "orders"
"""Of their keys in the ring."""
_BOUND_TO = b"portvakt/v1/order"


class OrderTexts:
    """Every method blocks.

    Raises (`seal`, `keep`):
        StoreBroken: the medium refused.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, order: PurgeOrder) -> Intent:
        """The text of an order, sealed. Its key is durable."""
        entry = self._ring.add(KIND, order.id.encode())
        self._ring.sync()
        return Intent(entry.id.hex(), self._ring.seal(entry).close(order.jws.encode(), _BOUND_TO))

    def open(self, intent: Intent) -> PurgeOrder:
        """The order of an intent.

        Raises:
            ValueError: it cannot be read: a later version wrote it, or its key is dead.
        """
        try:
            entry = self._ring.entries(KIND)[bytes.fromhex(intent.key)]
            return journaled_order(self._ring.seal(entry).open(intent.sealed, _BOUND_TO).decode())
        except (OrderRefused, LookupError, SealBroken) as error:
            raise ValueError("not an order of this version") from error

    def keep(self, keys: Collection[str]) -> None:
        """Let every text die but those of which `Intent.key` is among `keys`: also one whose intent was never written.

        Idempotent.
        """
        if dead := [entry for entry in self._ring.entries(KIND) if entry.hex() not in keys]:
            with self._ring.change() as change:
                for entry in dead:
                    change.forget(entry)
