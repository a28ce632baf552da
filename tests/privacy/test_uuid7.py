from datetime import UTC, datetime
from uuid import RFC_4122, UUID

import msgspec

from privacy.orders import UuidV7
from privacy.uuid7 import uuid7


def test_the_example_of_rfc_9562() -> None:
    # Appendix A.6; random bits as there: rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
    now = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    random = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10)
    assert uuid7(now, lambda _count: random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_version_and_variant_whatever_the_random_bits() -> None:
    for byte in (0x00, 0xFF):
        made = uuid7(datetime(2026, 1, 1, tzinfo=UTC), lambda count, byte=byte: bytes([byte]) * count)
        assert UUID(made).version == 7
        assert UUID(made).variant == RFC_4122
        assert msgspec.convert(made, UuidV7) == made


def test_later_ones_sort_after_earlier_ones() -> None:
    earlier = uuid7(datetime(2026, 1, 1, tzinfo=UTC), lambda count: b"\xff" * count)
    later = uuid7(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), lambda count: b"\x00" * count)
    assert earlier < later
