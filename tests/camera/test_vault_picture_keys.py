from hypothesis import given
from hypothesis import strategies as st

from camera.vault.picture_keys import PictureKeys, picture_key
from privacy.blocks import Blocks
from privacy.seal import expand

KEYS = st.binary(min_size=32, max_size=32)
IDS = st.lists(st.binary(min_size=16, max_size=16), max_size=5)


@given(key=KEYS, ids=IDS)
def test_in_bulk_they_are_the_same_keys(key: bytes, ids: list[bytes]) -> None:
    keys = PictureKeys(key)
    first, second = keys.halves(b"".join(ids))
    at = range(0, 16 * len(ids), 16)
    assert [first[n : n + 16] + second[n : n + 16] for n in at] == [picture_key(key, record_id) for record_id in ids]
    assert [keys.of(record_id) for record_id in ids] == [picture_key(key, record_id) for record_id in ids]


@given(key=KEYS, record_id=IDS.filter(bool))
def test_each_half_is_a_block_under_a_key_of_its_own(key: bytes, record_id: list[bytes]) -> None:
    both = expand(key, b"snapshot", 64)
    first, second = Blocks(both[:32]).of(record_id[0]), Blocks(both[32:]).of(record_id[0])
    assert picture_key(key, record_id[0]) == first + second
    assert first != second


def test_a_key_by_its_bytes() -> None:
    # As `openssl kdf … HKDF` (mode EXPAND_ONLY) and `openssl enc -aes-256-ecb -nopad` give it, a program of others.
    expected = bytes.fromhex("0b99771fe271683e1e11be5c88534e7e41f595d0f44ac18f87743f42cd9ee0e6")
    assert picture_key(bytes(range(32)), bytes(range(16))) == expected


def test_no_key_is_shown() -> None:
    both = expand(b"k" * 32, b"snapshot", 64)
    shown = repr(PictureKeys(b"k" * 32)) + repr(Blocks(both[:32]))
    assert "kkkk" not in shown
    assert both[:32].hex() not in shown
