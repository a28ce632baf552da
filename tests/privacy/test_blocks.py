import pytest

from privacy.blocks import Blocks

# FIPS 197, appendix C.3, and NIST SP 800-38A, F.1.5.
VECTORS = [
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
        "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
    ),
]


@pytest.mark.parametrize(("key", "blocks", "out"), VECTORS)
def test_the_published_vectors(key: str, blocks: str, out: str) -> None:
    assert Blocks(bytes.fromhex(key)).of(bytes.fromhex(blocks)).hex() == out


def test_a_block_is_the_same_wherever_it_stands_and_whenever() -> None:
    blocks = Blocks(bytes(32))
    one, other = blocks.of(b"1" * 16), blocks.of(b"2" * 16)
    assert one != other
    assert blocks.of(b"2" * 16 + b"1" * 16) == other + one
    assert blocks.of(b"") == b""


@pytest.mark.parametrize("length", [1, 15, 17, 33])
def test_a_part_of_a_block_does_not_go_into_the_next(length: int) -> None:
    blocks = Blocks(bytes(32))
    with pytest.raises(ValueError, match="no whole blocks"):
        blocks.of(bytes(length))
    assert blocks.of(bytes(16)) == Blocks(bytes(32)).of(bytes(16))
