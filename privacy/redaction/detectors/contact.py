"""E-mail addresses and telephone numbers."""

import re

from privacy.redaction.engine import DIGITS, Detector, Finding, Match, stands_alone
from privacy.redaction.labels import Label

_NOT_A_DOMAIN = frozenset(
    b"service socket timer target slice mount automount scope path swap device png jpg jpeg svg gif webp js css".split()
)
"""Endings of systemd units and of files, which also carry an `@`."""

_NATIONAL_DIGITS = 8
_INTERNATIONAL_DIGITS = range(7, 16)  # ITU-T E.164
_NORWEGIAN = re.compile(rb"(?:\+|00)47[ .-]{0,2}(?:\(0\))?[ .-]?\d(?:[ .-]?\d){7}(?!\d)")
_COUNT_BEFORE = re.compile(
    rb"(?:size|bytes|length|len|pid|seq|sequence|offset|inode|uptime|build|rev|version|baud|freq|frequency|blocks|sectors"
    rb"|total|used|free|count|counter|ticks|time|expires|rx|tx|port|mem|memory)[\"']?\W{0,3}\Z",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(
    rb" ?(?:bytes?|octets|[kmgt]i?b|b|[munp]?s|sec(?:onds)?|[kmg]?hz|blocks|sectors|packets|pages|frames|%"
    rb"|rpm|k?wh?|lux|h?pa|baud|bps)(?:[^0-9A-Za-z]|\Z)",
    re.IGNORECASE,
)
_DATE = re.compile(rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_PAIRS_BEFORE = re.compile(rb"(?:^|\W)[0-9a-f]{2} [0-9a-f]{2} \Z", re.IGNORECASE)
_PAIRS_AFTER = re.compile(rb" [0-9a-f]{2} [0-9a-f]{2}(?:\W|\Z)", re.IGNORECASE)


def _email(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    address = data[start:end].lower()
    local, _, domain = address.rpartition(b"@")
    if domain.rpartition(b".")[2] in _NOT_A_DOMAIN:
        return None
    # `scheme://user:secret@host` is a credential; its own rule takes it.
    if re.search(rb"://[^\s/]*:\Z", data[max(0, start - 80) : start]):
        return None
    return Finding(start, end, Label.EMAIL, (local + b"@" + domain).decode("latin-1"))


def canonical_phone(text: str) -> str:
    """Digits with the country: `4791234567`; eight digits alone are Norwegian."""
    digits = "".join(c for c in text.replace("(0)", "") if c.isascii() and c.isdigit())
    digits = digits.removeprefix("00")
    return "47" + digits if len(digits) == _NATIONAL_DIGITS else digits


def _phone(data: bytes, start: int, end: int) -> Finding:
    return Finding(start, end, Label.PHONE, canonical_phone(data[start:end].decode("latin-1")))


def _international(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    if norwegian := _NORWEGIAN.match(data, start):  # known to be eight digits; what follows is another number
        end = norwegian.end()
    digits = sum(c in DIGITS for c in data[start:end])
    if digits not in _INTERNATIONAL_DIGITS or not stands_alone(data, start, end):
        return None
    return _phone(data, start, end)


def _national(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(), match.end()
    if not stands_alone(data, start, end):
        return None
    before, after = data[max(0, start - 24) : start], data[end : end + 16]
    in_number = re.search(rb"\d[.,]\Z", before) or re.match(rb"[.,]\d", after)
    if in_number or _COUNT_BEFORE.search(before) or _UNIT_AFTER.match(after):
        return None
    number = match.group() or b""
    if number.isdigit():
        return None if _DATE.fullmatch(number) else _phone(data, start, end)
    if b" " in number and (_PAIRS_BEFORE.search(before) or _PAIRS_AFTER.match(after)):
        return None  # a hex dump
    return _phone(data, start, end)


def _announced(match: Match, data: bytes) -> Finding | None:
    start, end = match.start(1), match.end(1)
    return _phone(data, start, end) if stands_alone(data, start, end) else None


DETECTORS = (
    Detector(
        "email",
        rb"(?i)[0-9a-z\xfe][0-9a-z\xfe._%+'-]*@[0-9a-z\xfe][0-9a-z\xfe.-]*\.[a-z\xfe][0-9a-z\xfe-]*[a-z\xfe]",
        _email,
    ),
    Detector(
        "phone-international",
        rb"(?:\+[1-9]\d{0,2}|00(?:1|3\d{1,2}|4\d|5\d|6\d|7|8\d|9\d))[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}",
        _international,
    ),
    Detector(
        "phone",
        rb"[2-9]\d{7}|[2-9]\d[ .-]\d\d[ .-]\d\d[ .-]\d\d|[489]\d\d[ .-]\d\d[ .-]\d\d\d",
        _national,
    ),
    Detector(
        "phone-announced",
        rb"(?i)\b(?:tlf|telefon(?:nummer)?|mobil|mobile|phone|tel|sms|msisdn)[\"']?[.:= ]{1,3}[\"']?"
        rb"(\+?\d(?:[ .-]?\d){3,14})",
        _announced,
    ),
)
