import struct
from pathlib import Path

import pytest

from privacy.cpu import quick_cipher
from privacy.seal import Cipher

X86 = "processor\t: 0\nflags\t\t: fpu vme de sse4_2 aes avx\nbugs\t\t: spectre_v1\n\n"
PI_5 = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\nCPU part\t: 0xd0b\n\n"
PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n\n"
PI_2 = "processor\t: 0\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3 tls\n\n"
NEARLY = "flags\t\t: fpu vaes aesni\nmodel name\t: it has aes\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "cipher"),
    [
        (X86 * 2, Cipher.AES_256_GCM),
        (PI_5 * 4, Cipher.AES_256_GCM),
        (PI_4 * 4, Cipher.CHACHA20_POLY1305),
        (PI_2, Cipher.CHACHA20_POLY1305),
        (PI_5 + PI_4, Cipher.CHACHA20_POLY1305),
        (NEARLY, Cipher.CHACHA20_POLY1305),
        ("", Cipher.CHACHA20_POLY1305),
        (None, Cipher.CHACHA20_POLY1305),
    ],
    ids=["x86", "Pi 5", "Pi 4", "Pi 2", "one core without", "only nearly", "says nothing", "no such file"],
)
def test_the_cipher_by_the_cpu(tmp_path: Path, cpuinfo: str | None, cipher: Cipher) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert quick_cipher(tmp_path, "x86_64") is cipher


@pytest.mark.parametrize(
    ("machine", "vector", "cipher"),
    [
        ("aarch64", [(6, 4096), (16, 0b1011)], Cipher.AES_256_GCM),
        ("aarch64", [(6, 4096), (16, 0b0111)], Cipher.CHACHA20_POLY1305),
        ("aarch64", [(26, 0b1001)], Cipher.CHACHA20_POLY1305),
        ("armv8l", [(26, 0b0001)], Cipher.AES_256_GCM),
        ("armv8l", [(16, 0b1001)], Cipher.CHACHA20_POLY1305),
        ("x86_64", [(16, 0b1001), (0, 0)], Cipher.CHACHA20_POLY1305),
    ],
)
def test_where_cpuinfo_is_hidden_arm_says_it_elsewhere(
    tmp_path: Path, machine: str, vector: list[tuple[int, int]], cipher: Cipher
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/auxv").write_bytes(b"".join(struct.pack("@LL", *pair) for pair in vector) + b"torn")
    assert quick_cipher(tmp_path, machine) is cipher
