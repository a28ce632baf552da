r"""The canonical shadow of a text: what the detectors look at, with the way back to the original.

A shadow is bytes, one byte for each folded character, so that patterns need not know about spellings:
- letters lose their accents (æ, ø, å become a, o, a); letters of other scripts become `LETTER`, all else `OTHER`;
- full-width and other compatible forms become plain (NFKC), all digits become ASCII digits, all blanks a space;
- invisible and combining characters are gone;
- the next shadows are the same text with its escapes undone (percent, JSON, `\x`, HTML entities), up to three deep.

Matches are cut from the original, so what nobody matched leaves as it came. To undo another disguise (base64,
confusables), add it to `_unescaped` or to `_fold`.
"""

import html
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LETTER = 0xFE
OTHER = 0xFF
DEEPEST = 3
"""Rounds of undoing escapes: JSON in JSON in a URL is the deepest seen in a real log."""

_PLAIN: dict[int, str] = str.maketrans(
    dict(zip("æøåÆØÅðÐþÞłŁđĐßıœŒ", "aoaAOAdDtTlLdDsioO", strict=True))
    | dict.fromkeys("‐‑‒–—−", "-")  # noqa: RUF001 - the dashes that people and programs write
    | dict.fromkeys("‘’‚`´", "'")  # noqa: RUF001 - the same for quotes
    | dict.fromkeys("“”„«»", '"')
    | {"°": "°"}
)
_REPLACED = {"Mn": "", "Me": "", "Cf": "", "Zl": "\n", "Zp": "\n", "Zs": " "}
"""What stands for a whole Unicode category: combining and invisible characters vanish."""
_SURROGATE_ESCAPES = range(0xDC80, 0xDD00)

_ESCAPE = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+|(?:\\x[0-9A-Fa-f]{2})+|(?:\\u[0-9A-Fa-f]{4})+|(?:\\\\)+|\\[\"'/bfnrt]|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)
_LETTER_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _fold(character: str) -> str:
    """What stands for `character`: Latin-1, of any length."""
    code = ord(character)
    if code in _SURROGATE_ESCAPES:  # a byte that was not UTF-8: most often Latin-1
        return _fold(chr(code - 0xDC00))
    if code in _PLAIN:
        return _PLAIN[code]
    category = unicodedata.category(character)
    if category in _REPLACED:
        return _REPLACED[category]
    if category == "Nd":
        return str(unicodedata.decimal(character))
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c) not in _REPLACED)
    if base in {"", character}:
        return chr(LETTER if category[0] == "L" else OTHER)
    return "".join(c if c.isascii() else _fold(c) for c in base)


class _Folding(dict[int, str]):
    """`_fold` as a table for `str.translate`, filled as characters come, and bounded."""

    def __missing__(self, code: int) -> str:
        folded = chr(code) if code < 0x80 else _fold(chr(code))  # noqa: PLR2004 - ASCII stays
        if len(self) < 0x4000:  # noqa: PLR2004 - an attacker's line must not fill the memory
            self[code] = folded
        return folded


_FOLDING = _Folding()


def fold(text: str) -> bytes:
    """The shadow's bytes of `text`, without the way back."""
    return text.encode() if text.isascii() else text.translate(_FOLDING).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Shadow:
    """Folded bytes and, for each, where it came from in the original; None where that is the same place."""

    data: bytes
    starts: "array[int] | None" = None
    ends: "array[int] | None" = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the original that `data[start:end]` came from; `start < end`."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def shadows(text: str) -> Iterator[Shadow]:
    """The shadow of `text`, and those of `text` with its escapes undone once, twice, three times."""
    origin: tuple[array[int], array[int]] | None = None
    for _ in range(DEEPEST + 1):
        yield _shadow(text, origin)
        if "%" not in text and "\\" not in text and "&" not in text:
            return
        plainer, starts, ends = _replaced(text, _unescaped(text))
        if plainer == text:
            return
        text, origin = plainer, _through((starts, ends), origin)


def _shadow(text: str, origin: "tuple[array[int], array[int]] | None") -> Shadow:
    data = fold(text)
    if text.isascii() or all(len(_FOLDING[ord(c)]) == 1 for c in set(text)):
        return Shadow(data) if origin is None else Shadow(data, *origin)
    edits = ((i, i + 1, folded) for i, c in enumerate(text) if len(folded := _FOLDING[ord(c)]) != 1)
    _, starts, ends = _replaced(text, edits)
    return Shadow(data, *_through((starts, ends), origin))


def _replaced(text: str, edits: Iterable[tuple[int, int, str]]) -> "tuple[str, array[int], array[int]]":
    """`text` with each (start, end, new) done, and where each character of the result came from."""
    pieces: list[str] = []
    starts, ends = array("I"), array("I")
    at = 0
    for start, end, new in edits:
        pieces += (text[at:start], new)
        starts.extend(range(at, start))
        ends.extend(range(at + 1, start + 1))
        starts.extend([start] * len(new))
        ends.extend([end] * len(new))
        at = end
    pieces.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return "".join(pieces), starts, ends


def _through(
    step: "tuple[array[int], array[int]]", origin: "tuple[array[int], array[int]] | None"
) -> "tuple[array[int], array[int]]":
    """Follow `step`, which leads to an intermediate text, on to the original."""
    if origin is None:
        return step
    starts, ends = origin
    return array("I", [starts[i] for i in step[0]]), array("I", [ends[i - 1] for i in step[1]])


def _unescaped(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _ESCAPE.finditer(text):
        new = _plain(match.group())
        if new != match.group():
            yield match.start(), match.end(), new


def _plain(escape: str) -> str:
    if escape[0] == "%":
        return bytes.fromhex(escape.replace("%", "")).decode("utf-8", "surrogateescape")
    if escape[0] == "&":
        return html.unescape(escape)
    kind = escape[1]
    if kind == "\\":
        return escape[::2]
    if kind == "x":
        return bytes.fromhex(escape.replace("\\x", "")).decode("utf-8", "surrogateescape")
    if kind == "u":
        units = bytes.fromhex(escape.replace("\\u", ""))
        return units.decode("utf-16-be", "replace")
    return _LETTER_ESCAPES.get(kind, kind)
