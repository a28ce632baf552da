"""TLS as the LAN gets it."""

import os
import ssl
from typing import Final

from privacy.authority import Leaf
from privacy.seal import RandomBytes

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption alone. TLS 1.3 has nothing else."""


def server_context() -> ssl.SSLContext:
    """A context for our side that shows no certificate yet: TLS 1.2 or later, no client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    return context


def show(context: ssl.SSLContext, leaf: Leaf, random_bytes: RandomBytes) -> None:
    """Have `context` show `leaf` from now on; connections that stand keep what they were shown.

    Python's `ssl` reads keys from paths alone. So it gets that of a memory file (memfd_create(2)), which no directory
    names and which is gone when it is closed; and what stands there is encrypted once more, because its pages, unlike
    ours, are not locked in memory. No key touches the disk.
    """
    password = random_bytes(32).hex().encode()
    handle = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(handle, leaf.pem(password))
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=password)
    finally:
        os.close(handle)
