"""The matching engine: RE2, which is linear in the text whatever the pattern. The one home of `re2`.

All patterns run once together as a set; only those that hit run alone, and their judge looks at each hit.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import re2

from privacy.errors import RedactionRefused
from privacy.redaction.labels import Label
from privacy.redaction.shadow import Shadow

WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\xfe")
"""What words are made of in a shadow; `_` and `-` are between words."""
DIGITS = frozenset(b"0123456789")
MOST_HITS = 2_000
"""Hits that one text may cost, over all its shadows and patterns: an attack is cut off there, at well under 0.1 s."""

MEMORY_BUDGETS = (8 << 20, 64 << 20)
"""Bytes for each pattern and for the set: what real lines need, and what the registry of a large house may need."""

_REST_OF_WORD = re.compile(rb"[0-9A-Za-z\xfe]*")


class Match(Protocol):
    """What a judge sees of a hit, as in `re`."""

    def group(self, group: int = 0, /) -> bytes | None: ...
    def start(self, group: int = 0, /) -> int: ...
    def end(self, group: int = 0, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A personal value in a shadow: where, what, its one spelling (for the pseudonym), and which rule says so."""

    start: int
    end: int
    label: Label
    value: str = ""
    rule: str = ""


Judge = Callable[[Match, bytes], Finding | None]
"""From a hit and the shadow that it is in, to a finding; None where the context says that it is none."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A pattern (RE2, over Latin-1 bytes) and the exact check of what it hits."""

    rule: str
    pattern: bytes
    judge: Judge
    maximal: bool = False
    """Whether its hits are as long as they can be, so that nothing inside a refused one is worth another look."""


class Scanner:
    """Runs detectors over shadows.

    Raises:
        RedactionRefused: the detectors cannot be compiled.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        for budget in MEMORY_BUDGETS:
            try:
                self._compile(detectors, _options(budget))
            except re2.error:
                continue
            return
        raise RedactionRefused(
            f"{len(detectors)} detectors are more than the matching engine can hold",
            hint="a pattern is wrong, or the registry holds thousands of values",
        )

    def _compile(self, detectors: Sequence[Detector], options: re2.Options) -> None:
        self._detectors = [(d.rule, re2.compile(d.pattern, options), d.judge, d.maximal) for d in detectors]
        self._set = re2.Set.SearchSet(options)
        for detector in detectors:
            self._set.Add(detector.pattern)
        # RE2 answers "no match" also when it ran out of memory. This one always matches, so its absence tells.
        self._sentinel = self._set.Add(b"")
        self._set.Compile()

    def scan(self, shadows: Iterable[Shadow]) -> Iterator[tuple[Shadow, Finding]]:
        """Every finding in the shadows of one text.

        Raises:
            RedactionRefused: the engine gave up, or the text has more hits than any real line.
        """
        hits = 0
        for shadow in shadows:
            for finding in self._hits(shadow.data):
                if (hits := hits + 1) > MOST_HITS:
                    raise RedactionRefused("too many hits in one text")
                if finding is not None:
                    yield shadow, finding

    def _hits(self, data: bytes) -> Iterator[Finding | None]:
        """For each hit what its judge says."""
        patterns = self._set.Match(data)
        if not patterns or self._sentinel not in patterns:
            raise RedactionRefused("the matching engine gave up")
        for index in patterns:
            if index == self._sentinel:
                continue
            rule, pattern, judge, maximal = self._detectors[index]
            at = 0
            while (match := pattern.search(data, at)) is not None:
                finding = judge(match, data)
                if finding is not None:
                    at = max(match.start() + 1, finding.end)
                elif maximal:
                    at = match.end()
                else:
                    # The next word may start a better match inside this one.
                    rest = _REST_OF_WORD.match(data, match.start())
                    at = max(match.start() + 1, rest.end() if rest else 0)
                yield finding and Finding(finding.start, finding.end, finding.label, finding.value, rule)


def _options(budget: int) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = budget
    return options


def literal(text: bytes) -> bytes:
    """`text` as a pattern that matches itself."""
    return bytes(re2.escape(text))


def stands_alone(data: bytes, start: int, end: int) -> bool:
    """Whether `data[start:end]` is not part of a longer word or number."""
    return (start == 0 or data[start - 1] not in WORD) and (end == len(data) or data[end] not in WORD)
