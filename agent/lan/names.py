"""What the gateway is called on the LAN. One random number is all of it, so that a reset leaves nothing behind."""

from collections.abc import Sequence
from typing import Final

from drivers.advertisement import Advertised
from privacy.seal import RandomBytes

SERVICE: Final = "_portvakt._tcp.local."
NUMBER_BYTES: Final = 4
"""Of the host name, which the certificate binds: with 32 bits nobody has the same by chance, however large the block of
flats. The instance's four digits may meet; another four of them are taken then."""
_PREFIX: Final = "gateway-"
_SUFFIX: Final = ".local"
_SHOWN: Final = 4


def draw_host(random_bytes: RandomBytes) -> str:
    """A new host name, such as `gateway-00c0ffee.local`."""
    return f"{_PREFIX}{random_bytes(NUMBER_BYTES).hex()}{_SUFFIX}"


def instances(host: str) -> Sequence[str]:
    """What the service may be called, such as `Gateway-00c0`, the best first."""
    digits = _number(host)
    return tuple(dict.fromkeys(f"Gateway-{digits[n : n + _SHOWN]}" for n in (0, 4, 2, 1, 3)))


def advertisement(host: str, port: int) -> Advertised:
    """What is said of us: the version of this text, that of the API, the number in the name, and that it is TLS."""
    txt = {"txtvers": "1", "api": "1", "id": _number(host), "tls": "1"}
    return Advertised(SERVICE, instances(host), host, port, txt)


def _number(host: str) -> str:
    return host.removeprefix(_PREFIX).removesuffix(_SUFFIX)
