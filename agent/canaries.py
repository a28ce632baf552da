"""Canaries: values that were planted, and every form of bytes in which each of them could lie on a medium."""

import base64
import binascii
import json
import re
import struct
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

from agent.errors import Refused

SHORTEST: Final = 6
"""Bytes. Shorter ones lie on a large medium by chance: four bytes stand twice in 8 GB of noise."""
WHOLE: Final = 1024
"""Bytes. A longer value may lie in several places of the medium, so pieces of it are looked for."""
PIECE: Final = 48
"""Bytes; one begins in every `WHOLE`. A multiple of three, so that base64 has few forms."""
FEWEST_DISTINCT: Final = 8
"""A piece with fewer different bytes, as the padding of a picture has, proves nothing."""

_LINE = re.compile(r"(?:(?P<label>[^\s:]+)[ \t]+)?(?P<kind>text|hex|base64|time|int):(?P<value>.*)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Form:
    """One form in which a canary could lie."""

    encoding: str
    pattern: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Canary:
    """A planted value. Neither its repr nor anything else here shows it."""

    line: int
    """Where it stands in the file, from 1."""
    label: str
    """What to call it: given, or `line <n>`."""
    kind: str
    forms: tuple[Form, ...] = field(repr=False)


def read_canaries(data: bytes, name: str) -> list[Canary]:
    """The canaries in `data`: lines of `[LABEL ]KIND:VALUE`; empty ones and those that begin with `#` say nothing.

    Raises:
        Refused: `malformed`; a line is none, or holds what no scan could tell from chance. No value stands in it.
    """
    canaries = []
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = line.removesuffix(b"\r").decode()
            if text.strip() and not text.startswith("#"):
                canaries.append(_canary(number, text))
        except ValueError as error:
            # A decoding error quotes what it could not decode.
            reason = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
            raise Refused("malformed", f"{name}, line {number}: {reason}") from None
    if not canaries:
        raise Refused("malformed", f"{name} holds no canary", hint="see `portvakt scan-image --help` for an example")
    return canaries


def _canary(number: int, text: str) -> Canary:
    match = _LINE.fullmatch(text)
    if not match:
        raise ValueError("not a canary; write [LABEL ]KIND:VALUE with a kind of text, hex, base64, time, int")
    by_pattern: dict[bytes, Form] = {}
    for encoding, pattern in _FORMS[match["kind"]](match["value"]):
        # The plainest name of a form comes first: in ASCII, JSON's form is UTF-8's.
        by_pattern.setdefault(pattern, Form(encoding, pattern))
    if any(len(pattern) < SHORTEST or len(set(pattern)) == 1 for pattern in by_pattern):
        raise ValueError(f"too plain: a canary has {SHORTEST} bytes and not all alike, or chance would find it")
    return Canary(number, match["label"] or f"line {number}", match["kind"], tuple(by_pattern.values()))


def _text(value: str) -> Iterator[tuple[str, bytes]]:
    # File systems and phones normalize what people type.
    for text in dict.fromkeys([value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)]):
        yield from _bytes_of("UTF-8", text.encode())
        yield "UTF-16 LE", text.encode("utf-16-le")
        yield "UTF-16 BE", text.encode("utf-16-be")
        escaped = json.dumps(text)[1:-1]
        yield "JSON", escaped.encode()
        yield "JSON", re.sub(r"\\u[0-9a-f]{4}", lambda match: r"\u" + match[0][2:].upper(), escaped).encode()
        yield "JSON", json.dumps(text, ensure_ascii=False)[1:-1].encode()
        yield "URL", quote(text, safe="").encode()
        yield "URL", re.sub("%..", lambda match: match[0].lower(), quote(text, safe="")).encode()
        try:
            yield "Latin-1", text.encode("latin-1")
        except UnicodeEncodeError:
            continue


def _hex(value: str) -> Iterator[tuple[str, bytes]]:
    try:
        raw = bytes.fromhex(value)
    except ValueError:
        raise ValueError("not hex") from None
    yield from _bytes_of("as given", raw)
    if len(raw) == len(uuid.NAMESPACE_DNS.bytes):
        text = str(uuid.UUID(bytes=raw))
        yield "UUID", text.encode()
        yield "UUID", text.upper().encode()


def _base64(value: str) -> Iterator[tuple[str, bytes]]:
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    return _bytes_of("as given", raw)


def _bytes_of(name: str, value: bytes) -> Iterator[tuple[str, bytes]]:
    for piece in _pieces(value):
        yield name, piece
        yield "hex", piece.hex().encode()
        yield "hex", piece.hex().upper().encode()
        for shift in range(3):
            # What stands before and behind decides about the characters at both ends: those are left out.
            encoded = base64.b64encode(bytes(shift) + piece)
            whole = encoded[(8 * shift + 5) // 6 : (8 * (shift + len(piece))) // 6]
            if len(whole) >= SHORTEST:  # else a hit would be chance
                yield "base64", whole
                yield "base64url", whole.translate(bytes.maketrans(b"+/", b"-_"))


def _pieces(value: bytes) -> list[bytes]:
    if len(value) <= WHOLE:
        return [value]
    pieces = [value[at : at + PIECE] for at in range(0, len(value) - PIECE + 1, WHOLE)]
    telling = [piece for piece in pieces if len(set(piece)) >= FEWEST_DISTINCT]
    if not telling:
        raise ValueError("too plain; every piece of it could stand there by chance")
    return telling


def _int(value: str) -> Iterator[tuple[str, bytes]]:
    try:
        number = int(value)
    except ValueError:
        raise ValueError("not a whole number") from None
    if not 2**24 <= abs(number) < 2**63:
        raise ValueError("a number is found by chance below 2^24, and has 64 bits at most")
    yield from _text(str(number))
    yield from _integer("64-bit", number)
    yield from _float("float64", number)


def _time(value: str) -> Iterator[tuple[str, bytes]]:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not a time; write it as RFC 3339 has it, such as 2026-03-01T12:00:00.25Z") from None
    if at.tzinfo is None:
        raise ValueError("a time without its zone; write Z behind it for UTC")
    at = at.astimezone(UTC)
    for local in dict.fromkeys([at.replace(tzinfo=None), datetime.fromisoformat(value).replace(tzinfo=None)]):
        # Fraction and zone stand behind these, so that without them is with them, too.
        for style in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S", "%Y:%m:%d %H:%M:%S"):
            for encoding, pattern in _text(local.strftime(style)):
                yield f"ISO text, {encoding}", pattern
    yield "HTTP date", format_datetime(at, usegmt=True).encode()
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    seconds, rest = divmod(microseconds, 1_000_000)
    yield "decimal seconds", str(seconds).encode()
    for name, number in (
        ("seconds", seconds),
        ("milliseconds", microseconds // 1000),
        ("microseconds", microseconds),
        ("nanoseconds", microseconds * 1000),
    ):
        yield from _integer(f"64-bit {name}", number)
        yield from _float(f"float64 {name}", number)
    yield from _float("float64 seconds", microseconds / 1e6)
    if 0 <= seconds < 2**32:
        yield "MessagePack timestamp", b"\xd6\xff" + struct.pack(">I", seconds)
        yield "MessagePack timestamp", b"\xd7\xff" + struct.pack(">Q", rest * 1000 << 34 | seconds)


def _integer(name: str, number: int) -> Iterator[tuple[str, bytes]]:
    if not -(2**63) <= number < 2**63:  # nanoseconds end in 2262
        return
    yield f"{name} LE", struct.pack("<q", number)
    yield f"{name} BE", struct.pack(">q", number)


def _float(name: str, number: float) -> Iterator[tuple[str, bytes]]:
    yield f"{name} LE", struct.pack("<d", number)
    yield f"{name} BE", struct.pack(">d", number)


_FORMS: Final[dict[str, Callable[[str], Iterator[tuple[str, bytes]]]]] = {
    "text": _text,
    "hex": _hex,
    "base64": _base64,
    "time": _time,
    "int": _int,
}
