"""The chain: allow-list by field class, shadows, detectors, pseudonyms. What fails anywhere in it leaves as nothing."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from enum import Enum

from privacy.clock import Clock
from privacy.entries import Entry, Handling, handling_of
from privacy.errors import StoreBroken
from privacy.redaction.detectors import DETECTORS
from privacy.redaction.engine import Detector, Finding, Scanner
from privacy.redaction.household import Household, Registry
from privacy.redaction.labels import NEVER_TOKENISED, Label
from privacy.redaction.line import RedactedLine, redacted
from privacy.redaction.pseudonyms import DayKey, Pseudonyms
from privacy.redaction.shadow import Shadow, fold, shadows

Scalar = str | int | float | bool | None

FAILED = "redaction failed"
LONGEST_LINE = 64 * 1024
"""Bytes of UTF-8; a longer line leaves as `<line>`."""
_IDENTITY_DIGITS = 11
"""Numbers of so many digits may be an identity, an account or a card; shorter ones in typed fields are counts."""
_COARSE_DIGITS = 2

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code != ord("\t")} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_NOT_PLAIN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted line and which rules fired in it, in order of place; never the values."""

    line: RedactedLine
    rules: tuple[str, ...]


class Redactor:
    """Makes `RedactedLine`s. What it cannot redact, it replaces.

    It holds no state, so it may be used on any one thread at a time; where its day keys are in a ring, on `Disk`'s.

    Raises (all methods that redact):
        StoreBroken: the key of the day could not be stored. Nothing is wrong with the line: bring it again.
    """

    def __init__(
        self, day_key: DayKey, registry: Registry, clock: Clock, detectors: Sequence[Detector] = DETECTORS
    ) -> None:
        self._pseudonyms = Pseudonyms(day_key)
        self._clock = clock
        self._detectors = detectors
        self.failures = 0
        """How often the chain failed and the text was withheld; more than 0 is a bug, or an attack."""
        self.know(registry)

    def know(self, registry: Registry) -> None:
        """From now on, the household's own values are these."""
        self._scanner = Scanner([*self._detectors, *Household(registry).detectors()])

    def entry(self, entry: Entry) -> RedactedLine:
        """`entry` as one JSON object: `at` (to the second), `level`, `event`, `fields`."""
        try:
            return self._entry(entry)
        except StoreBroken:
            raise
        except Exception:  # noqa: BLE001 - fail closed: whatever went wrong, the text does not leave
            self.failures += 1
            return redacted(json.dumps({"event": entry.event, "error": FAILED}))

    def line(self, text: str) -> RedactedLine:
        """A line that somebody else wrote, or any free text, as one line."""
        return self.explain(text).line

    def explain(self, text: str) -> Redaction:
        """As `line`, with the rules that fired."""
        try:
            clean, rules = self._text(text, self._clock.now().astimezone(UTC).date())
            return Redaction(redacted(clean), rules)
        except StoreBroken:
            raise
        except Exception:  # noqa: BLE001 - fail closed: whatever went wrong, the text does not leave
            self.failures += 1
            return Redaction(redacted(f"<{Label.LINE}> {FAILED}"), ("failed",))

    def _entry(self, entry: Entry) -> RedactedLine:
        day = entry.at.astimezone(UTC).date()
        at = entry.at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        clean = {
            field.name: self._field(getattr(entry, field.name), *handling_of(type(entry), field.name), day)
            for field in fields(entry)
            if field.name != "at"
        }
        line = {"at": at, "level": entry.level, "event": entry.event, "fields": clean}
        return redacted(json.dumps(line, ensure_ascii=False, allow_nan=False))

    def _field(self, value: object, handling: Handling, label: Label, day: date) -> Scalar:
        """What may leave of one field. Only plain values may; what contains others is erased."""
        if value is None:
            return None
        if isinstance(value, Enum):
            value = value.value
        clean: Scalar = f"<{Label.ERASED}>"
        match handling, value:
            case (Handling.KEEP, bool()):
                clean = value
            case (Handling.KEEP, int() | float()):
                clean = self._number(value, day)
            case (Handling.KEEP | Handling.TEXT, str()):
                clean = self._text(value, day)[0]
            case (Handling.PSEUDONYM, str() | int()):
                clean = self._stand_in(str(value), label, day)
            case (Handling.COARSEN, datetime()):
                clean = value.astimezone(UTC).strftime("%Y-%m-%dT%HZ")
            case (Handling.COARSEN, int() | float()) if not isinstance(value, bool):
                clean = _coarse(value)
            case _:
                pass
        return clean

    def _number(self, value: float, day: date) -> Scalar:
        if not math.isfinite(value):
            return str(value)
        text = str(value)
        if sum(c.isdigit() for c in text) < _IDENTITY_DIGITS:
            return value
        clean, rules = self._text(text, day)
        return clean if rules else value

    def _stand_in(self, value: str, label: Label, day: date) -> str:
        """The pseudonym of a whole field: of what the detectors see in it, so that it is the same in free text."""
        if not value:
            return ""
        data = fold(value.strip())
        for _, finding in self._scanner.scan([Shadow(data)]):
            whole = finding.end - finding.start == len(data)
            if whole and finding.label not in NEVER_TOKENISED:
                return self._pseudonyms.stand_in(finding.label, finding.value, day)
        return self._pseudonyms.stand_in(label, " ".join(value.casefold().split()), day)

    def _text(self, text: str, day: date) -> tuple[str, tuple[str, ...]]:
        if len(text) > LONGEST_LINE or (not text.isascii() and len(text.encode("utf-8", "replace")) > LONGEST_LINE):
            return f"<{Label.LINE}>", ("too-long",)
        found = [
            _Cut(*shadow.span(finding.start, finding.end), finding)
            for shadow, finding in self._scanner.scan(shadows(text))
        ]
        pieces: list[str] = []
        at = 0
        cuts = _merged(found)
        for cut in cuts:
            pieces += (text[at : cut.start], self._pseudonyms.stand_in(cut.finding.label, cut.finding.value, day))
            at = cut.end
        clean = "".join([*pieces, text[at:]]) if cuts else text
        if _NOT_PLAIN.search(clean):
            clean = clean.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()
        return clean, tuple(cut.finding.rule for cut in cuts)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A finding in the original text."""

    start: int
    end: int
    finding: Finding


def _merged(found: list[_Cut]) -> list[_Cut]:
    """Cuts without overlap, in order. Of overlapping ones the widest names the whole; the erased one if they cross."""
    merged: list[_Cut] = []
    for cut in sorted(found, key=lambda c: (c.start, -c.end, c.finding.label not in NEVER_TOKENISED)):
        last = merged[-1] if merged else None
        if last is None or cut.start >= last.end:
            merged.append(cut)
        elif cut.end > last.end:
            crossing = cut.finding if cut.finding.label in NEVER_TOKENISED else last.finding
            merged[-1] = _Cut(last.start, cut.end, crossing)
    return merged


def _coarse(value: float) -> float:
    """Two significant digits."""
    if not value or not math.isfinite(value):
        return 0
    digits = _COARSE_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return round(value, digits)
