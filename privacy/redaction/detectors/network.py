"""IP and MAC addresses in the spellings that logs use. Loopback, netmasks and multicast say nothing of a person."""

import ipaddress
import re

from privacy.redaction.engine import DIGITS, WORD, Detector, Finding, Match, stands_alone
from privacy.redaction.labels import Label

_VERSION_BEFORE = re.compile(rb"(?:version|firmware|ver|fw|sw|release|build|driver|api)\W{0,3}v?\Z", re.IGNORECASE)
_VERSION_AFTER = re.compile(rb" (?:firmware|release|build)\b", re.IGNORECASE)
_PRODUCT_BEFORE = re.compile(rb"[A-Za-z]/\Z")
_HASH_BEFORE = re.compile(rb"(?:commit|rev|revision|git|sha|fixes|image|container|digest|hash)\W{0,3}\Z", re.IGNORECASE)
_NUMBER = re.compile(rb"\d+")
_TELLS_NOTHING = frozenset((0, 127, *range(224, 256)))
"""First octets of addresses that are nobody's: this network, loopback, multicast and netmasks (RFC 6890)."""
_PRIVATE = frozenset(
    [(10, b) for b in range(256)] + [(172, b) for b in range(16, 32)] + [(100, b) for b in range(64, 128)]
    + [(192, 168), (169, 254)]
)  # fmt: skip
"""The first two octets of private, shared and link-local addresses (RFC 1918, 6598, 3927)."""
_OCTETS = 4
_LAST_OID_ROOT = 2
_FEWEST_COLONS = 6
"""In an IPv6 address without `::` that ends like an IPv4 address."""
_MAC_PAIRS = 6
_EUI64_PAIRS = 8
_KERNEL_MAC_PAIRS = 14
_LINK_LAYER_TYPES = (b"0800", b"86dd")


def canonical_ip(text: str) -> str | None:
    """The one spelling of an address, IPv4-mapped ones as IPv4; None where it is none, or tells nothing."""
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_multicast or address.is_unspecified:
        return None
    if isinstance(address, ipaddress.IPv4Address) and (address.packed[0] in {0, 255}):
        return None
    return str(address)


def _ipv4(match: Match, data: bytes) -> Finding | None:
    """Four numbers, or more of them: an object identifier, which may end in an address, or an address and its port."""
    numbers = list(_NUMBER.finditer(data, match.start(), match.end()))
    values = [int(number.group()) for number in numbers]
    if len(values) > _OCTETS:
        private = (i for i in range(len(values) - _OCTETS + 1) if tuple(values[i : i + 2]) in _PRIVATE)
        first = next(private, 0 if len(values) == _OCTETS + 1 and values[0] > _LAST_OID_ROOT else None)
        if first is None:
            return None
        numbers, values = numbers[first : first + _OCTETS], values[first : first + _OCTETS]
    start, end = numbers[0].start(), numbers[-1].end()
    if max(values) > 255 or values[0] in _TELLS_NOTHING:  # noqa: PLR2004 - the largest octet
        return None
    if (start and data[start - 1] in DIGITS) or (end < len(data) and data[end] in DIGITS):
        return None
    # A private address is one whatever stands around it, and only these are written with other separators than dots.
    if tuple(values[:2]) not in _PRIVATE and (b"." not in data[start:end] or _is_version(data, start, end)):
        return None
    return Finding(start, end, Label.IP, ".".join(map(str, values)))


def _is_version(data: bytes, start: int, end: int) -> bool:
    """Whether four numbers are a version rather than a public address."""
    before = data[max(0, start - 16) : start]
    return bool(
        before[-1:] in {b"v", b"V"}
        or _VERSION_BEFORE.search(before)
        or _VERSION_AFTER.match(data, end)
        or (data[start:end].endswith(b".0") and _PRODUCT_BEFORE.search(before))  # Chrome/120.0.0.0
    )


def _ipv6(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    if data[start : start + 2] != b"::" and data[start] == ord(":"):
        start += 1
    if data[end - 2 : end] != b"::" and data[end - 1] == ord(":"):
        end -= 1
    text = data[start:end].decode("latin-1").lower()
    if "::" not in text and text.count(":") < _FEWEST_COLONS:
        return None  # a time of day, most often
    canonical = canonical_ip(text)
    if canonical is None or not stands_alone(data, start, end):
        return None
    groups = text.split(":")
    if len(groups) == _EUI64_PAIRS and all(len(group) == 2 for group in groups):  # noqa: PLR2004 - two hex digits
        return None
    # Without a digit it is more likely a name in C++ or Rust (`de::add`).
    if not any(c.isdigit() for c in text) and not text.startswith(("fc", "fd", "fe80", "2")):
        return None
    return Finding(start, end, Label.IP, canonical)


def _mac_pairs(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    if not stands_alone(data, start, end):
        return None
    digits = re.sub(rb"[^0-9a-f]", b"", data[start:end].lower())
    pairs = len(digits) // 2
    if pairs == _MAC_PAIRS + 1 and digits[:2] in {b"01", b"ff"}:  # a DHCP client id: hardware type, then the address
        digits = digits[2:]
    elif pairs not in {_MAC_PAIRS, _EUI64_PAIRS} and not (
        pairs == _KERNEL_MAC_PAIRS and digits.endswith(_LINK_LAYER_TYPES)
    ):
        return None  # a hex dump or a fingerprint
    return _mac(start, end, digits)


def _mac_run(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    digits = data[start:end].lower().replace(b".", b"")
    if not stands_alone(data, start, end) or digits.startswith((b"0x0000", b"0xffff")):
        return None  # a pointer
    digits = digits.removeprefix(b"0x")
    if b"." in data[start:end]:
        return _mac(start, end, digits)
    if digits.isdigit() or digits.isalpha() or _HASH_BEFORE.search(data[max(0, start - 16) : start]):
        return None
    if _in_uuid(data, start):
        return None
    return _mac(start, end, digits)


def _mac(start: int, end: int, digits: bytes) -> Finding | None:
    if set(digits) in ({ord("0")}, {ord("f")}) or digits.startswith((b"01005e", b"3333")):
        return None  # nobody, everybody, multicast
    return Finding(start, end, Label.MAC, digits.decode())


def _in_uuid(data: bytes, start: int) -> bool:
    """Whether the twelve digits at `start` end a UUID that is random or of time (RFC 9562, versions 4 and 7)."""
    uuid = re.search(
        rb"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-\Z", data[max(0, start - 24) : start].lower()
    )
    return uuid is not None


def _eui64_run(match: Match, data: bytes) -> Finding | None:
    if match.start() and data[match.start() - 1] in WORD:
        return None
    return _mac_run(match, data)


DETECTORS = (
    Detector("ipv4", rb"\d{1,3}(?:(?:\.\d{1,5}){3,}|(?:-\d{1,3}){3}|(?:_\d{1,3}){3})", _ipv4, maximal=True),
    Detector("ipv6", rb"(?i)(?:[0-9a-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})", _ipv6),
    Detector(
        "mac",
        rb"(?i)[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5,}|(?:-[0-9a-f]{2}){5,}|(?:_[0-9a-f]{2}){5,})",
        _mac_pairs,
        maximal=True,
    ),
    Detector("mac-run", rb"(?i)[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|\b[0-9a-f]{12}\b", _mac_run),
    Detector("eui64", rb"(?i)0x[0-9a-f]{16}|\b[0-9a-f]{6}fffe[0-9a-f]{6}\b", _eui64_run),
)
