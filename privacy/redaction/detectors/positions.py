"""Geographical positions: pairs in decimals, named coordinates, degrees and minutes."""

import re

from privacy.redaction.engine import Detector, Finding, Match
from privacy.redaction.labels import Label


def _pair(match: Match, data: bytes) -> Finding | None:
    latitude, longitude = match.group(1) or b"", match.group(2) or b""
    start, end = match.start(1), match.end(2)
    if abs(float(latitude)) > 90 or abs(float(longitude)) > 180:  # noqa: PLR2004 - degrees
        return None
    # A triple is something else: load averages, vectors.
    if re.match(rb"[,; ]+-?\d+\.\d{3}", data[end : end + 12]) or re.search(
        rb"\d\.\d+[,; ]+\Z", data[max(0, start - 12) : start]
    ):
        return None
    return Finding(start, end, Label.POSITION)


def _named(match: Match, _data: bytes) -> Finding | None:
    return Finding(match.start(1), match.end(1), Label.POSITION)


def _degrees(match: Match, _data: bytes) -> Finding | None:
    return Finding(match.start(), match.end(), Label.POSITION)


DETECTORS = (
    Detector("position", rb"(?:^|[^0-9.])(-?\d{1,2}\.\d{4,})[,; ]{1,3}(-?\d{1,3}\.\d{4,})", _pair),
    Detector(
        "position-named",
        rb"(?i)\b(?:lat|lon|lng|long|latitude|longitude|breddegrad|lengdegrad)[\"']?\s{0,2}[:= ]\s{0,2}"
        rb"[\"']?(-?\d{1,3}\.\d{2,})",
        _named,
    ),
    Detector(
        "position-degrees",
        rb"(?i)\d{1,3} ?\xb0 ?\d{1,2}(?:\.\d+)? ?['\xff] ?(?:\d{1,2}(?:\.\d+)? ?(?:\"|''|\xff) ?)?[nsewov]\b",
        _degrees,
    ),
)
