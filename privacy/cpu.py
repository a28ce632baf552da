"""What the CPU is good at."""

import os
import re
import struct
from pathlib import Path
from typing import Final

from privacy.seal import Cipher

PROC: Final = Path("/proc")
_CAPABILITIES: Final = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
"""`flags` on x86, `Features` on ARM, 32 and 64 bits."""
_AES_ON_ARM: Final = {"aarch64": (16, 1 << 3), "armv8l": (26, 1 << 0)}
"""Where the auxiliary vector says it: AT_HWCAP and HWCAP_AES, AT_HWCAP2 and HWCAP2_AES (Linux, uapi/asm/hwcap.h)."""


def quick_cipher(proc: Path = PROC, machine: str | None = None) -> Cipher:
    """AES-256-GCM where the CPU has AES instructions; else, or where nobody can say, ChaCha20-Poly1305.

    Without them (Raspberry Pi 4 and earlier) AES is several times slower, and its tables leak keys through the cache.
    Under the unit `/proc/cpuinfo` is hidden; ARM's capabilities stand in the auxiliary vector, too.
    """
    has_aes = _by_cpuinfo(proc / "cpuinfo") or _by_auxiliary_vector(proc / "self/auxv", machine or os.uname().machine)
    return Cipher.AES_256_GCM if has_aes else Cipher.CHACHA20_POLY1305


def _by_cpuinfo(path: Path) -> bool:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    of_each_core = [line.split() for line in _CAPABILITIES.findall(text)]
    return bool(of_each_core) and all("aes" in capabilities for capabilities in of_each_core)


def _by_auxiliary_vector(path: Path, machine: str) -> bool:
    wanted, bit = _AES_ON_ARM.get(machine, (0, 0))
    try:
        vector = path.read_bytes()
    except OSError:
        return False
    pairs = struct.iter_unpack("@LL", vector[: len(vector) // struct.calcsize("@LL") * struct.calcsize("@LL")])
    return any(kind == wanted and value & bit for kind, value in pairs)
