"""National identity numbers, bank accounts and cards. None of them gets a pseudonym: they can all be tried."""

import re

from privacy.redaction.engine import DIGITS, Detector, Finding, Match, stands_alone
from privacy.redaction.labels import Label

_HEX_RUN = re.compile(rb"[0-9A-Fa-f]*")
_HEX_RUN_BEFORE = re.compile(rb"[0-9A-Fa-f]*\Z")
_SHORTEST_HASH = 16
_UUID_AROUND = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_LENGTH = 36

_IBAN_LENGTHS = {
    country.encode(): length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 20: "AT EE LT LU", 21: "CH LI LV", 22: "BG DE GB IE", 23: "GI",
        24: "CZ ES RO SE SK", 25: "PT", 26: "IS", 27: "FR GR IT MC SM", 28: "CY HU PL", 31: "MT",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""SWIFT IBAN registry, the European part."""


def _digits_stand_alone(data: bytes, start: int, end: int) -> bool:
    return (start == 0 or data[start - 1] not in DIGITS) and (end == len(data) or data[end] not in DIGITS)


def _in_hash(data: bytes, start: int, end: int) -> bool:
    """Whether these digits are part of a longer run of hex with letters: a hash, or a UUID that is random."""
    before = _HEX_RUN_BEFORE.search(data[max(0, start - 64) : start])
    after = _HEX_RUN.match(data, end, end + 64)
    around = (before.group() if before else b"") + (after.group() if after else b"")
    if len(around) + end - start >= _SHORTEST_HASH and around and not around.isdigit():
        return True
    first = max(0, start - _UUID_LENGTH)
    return any(
        first + uuid.start() <= start and end <= first + uuid.end()
        for uuid in _UUID_AROUND.finditer(data[first : end + _UUID_LENGTH])
    )


def _national_id(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    if not _digits_stand_alone(data, start, end) or _in_hash(data, start, end):
        return None
    digits = re.sub(rb"\D", b"", data[start:end])
    if len(digits) != end - start and not _born(digits):
        return None
    if re.search(rb"(?:^|[^\d.])0\.\Z", data[max(0, start - 3) : start]):
        return None  # the decimals of a number below one
    return Finding(start, end, Label.NATIONAL_ID)


def _born(digits: bytes) -> bool:
    """Whether the first six digits can be a date: D-numbers add 40 to the day, H- and synthetic ones to the month."""
    day, month = int(digits[:2]) % 40, int(digits[2:4])
    return day in range(1, 32) and any(month - shift in range(1, 13) for shift in (0, 40, 65, 80))


def _account(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    return Finding(start, end, Label.ACCOUNT) if stands_alone(data, start, end) else None


def _iban(match: Match, data: bytes) -> Finding | None:
    start = match.start()
    text = data[start : match.end()].upper()
    length = _IBAN_LENGTHS.get(text[:2])
    if length is None or (start and data[start - 1] in b"0123456789abcdefghijklmnopqrstuvwxyz"):
        return None
    compact, end = bytearray(), start
    for offset, character in enumerate(text):
        if character != ord(" "):
            compact.append(character)
            end = start + offset + 1
        if len(compact) == length:
            break
    if len(compact) != length or not stands_alone(data, start, end):
        return None
    number = int("".join(str(int(chr(c), 36)) for c in bytes(compact[4:] + compact[:4])))
    # ISO 13616: the remainder by 97 is 1. A Norwegian account with a slip is still one.
    if number % 97 != 1 and text[:2] != b"NO":
        return None
    return Finding(start, end, Label.ACCOUNT)


def _card(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    digits = [c - ord("0") for c in data[start:end] if c in DIGITS]
    if not _digits_stand_alone(data, start, end) or not _luhn(digits) or _in_hash(data, start, end):
        return None
    return Finding(start, end, Label.CARD)


def _luhn(digits: list[int]) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


DETECTORS = (
    Detector("national-id", rb"\d{6}[ -]?\d{5}", _national_id),
    Detector("account", rb"\d{4}[. ]\d{2}[. ]\d{5}", _account),
    Detector("iban", rb"(?i)[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?", _iban),
    Detector(
        "card",
        rb"[2-6]\d{12,18}|[2-6]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|3\d{3}[ -]\d{6}[ -]\d{5}",
        _card,
    ),
)
