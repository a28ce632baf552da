"""The contract of a root: two slots, each empty or holding one generation's secret.

Every KeyStore passes `tests/suites/test_keystore.py`. Bytes and places: `privacy/FORMAT.md`, "Root slots".
"""

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from privacy.records import Tier

Slot = Literal[0, 1]
SLOTS: Final[tuple[Slot, Slot]] = (0, 1)


@dataclass(frozen=True, slots=True)
class Held:
    """What a slot holds."""

    generation: int
    secret: bytes = field(repr=False)


class KeyStore(Protocol):
    """Two slots. Every method blocks: call it on the `Disk` thread.

    What returns from `write` or `destroy` is durable, and was read back from the medium, past every cache that can be
    passed. Both are idempotent.
    """

    tier: Tier
    """What `destroy` achieves, never better than was measured."""
    secret_bytes: int
    """How long a secret is."""
    where: str
    """For people: `keys/slots`, `/dev/nvram`, `TPM 2.0`. No secret in it."""

    def read(self, slot: Slot) -> Held | None:
        """What `slot` holds; None where it is empty, torn or damaged.

        Raises:
            StoreBroken: the medium cannot be read, or is none of ours. Never taken for "empty".
        """

    def write(self, slot: Slot, held: Held) -> None:
        """Write `held` into `slot`, whatever it held.

        Raises:
            StoreBroken: the medium refused, or reads back something else. The slot holds `held`, or nothing that
                counts, or what it held: read it to know.
        """

    def destroy(self, slot: Slot) -> None:
        """Make what `slot` held unreadable, at this tier. Nothing is wrong where it was empty.

        Raises:
            StoreBroken: the medium refused; call again.
        """
