"""The TOML file: its bytes, its values as they stand, and where each of them stands."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.config.problems import Finding, Keys, Problem

LONGEST_BYTES = 1_000_000
"""No configuration is longer; a device or a video given by mistake is."""
_LARGEST = 1e9


NOT_FINITE = ("nan", "+nan", "-nan", "inf", "+inf", "-inf")
"""Numbers in TOML that nothing here can mean."""


class NotToml(Exception):
    """The file cannot be read as TOML; the one problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is TOML, whatever it may say."""

    text: str
    values: Mapping[str, object]


def read(path: Path) -> Document:
    """Read and parse `path`.

    Raises:
        NotToml: it is not there, not text, or not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NotToml(_whole(f"cannot be read: {reason}", "give the path of a readable file")) from error
    if len(data) > LONGEST_BYTES:
        raise NotToml(_whole(f"is longer than {LONGEST_BYTES} bytes", "give the configuration file"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotToml(_at(data[: error.start], "is not UTF-8", "save the file as UTF-8")) from error
    if text.startswith("\ufeff"):
        raise NotToml(_at(b"", "begins with a byte order mark", "save the file as UTF-8 without one"))
    # TOML takes CRLF as a line's end; the parser's columns and ours then agree.
    text = text.replace("\r\n", "\n")
    try:
        return Document(text, tomllib.loads(text, parse_float=_finite))
    except tomllib.TOMLDecodeError as error:
        raise NotToml(_syntax(text, str(error))) from error
    except RecursionError as error:
        raise NotToml(_whole("is nested too deeply", "see `portvakt config schema`")) from error


def _finite(text: str) -> float | str:
    """A float; `nan`, `inf` and what overflows stay text, which no number's check lets pass."""
    number = float(text)
    return number if math.isfinite(number) else text


def _whole(wrong: str, right: str) -> Problem:
    return Problem(None, None, "", wrong, right)


def _at(before: bytes, wrong: str, right: str) -> Problem:
    text = before.decode()
    return Problem(text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1, "", wrong, right)


def _syntax(text: str, message: str) -> Problem:
    """Take line and column from the parser's message, `... (at line 3, column 5)` or `... (at end of document)`."""
    said, _, place = message.rpartition(" (at ")
    numbers = [int(word) for word in place.replace(",", "").replace(")", "").split() if word.isdigit()]
    right = "write it as TOML 1.0 asks: key = value, text in quotes"
    if len(numbers) == 2:  # noqa: PLR2004 - line and column
        return Problem(numbers[0], numbers[1], "", said, right)
    lines = text.split("\n")
    return Problem(len(lines), len(lines[-1]) + 1, "", said or message, right)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the document, read leniently: a value of another type is as good as absent.

    The semantic checks read through this, so that one wrong value hides no other problem.
    """

    values: Mapping[str, object]
    base: Path
    """The folder of the file, where relative paths start."""
    at: Keys = ()

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value if isinstance(value, str) and value else None

    def path(self, key: str) -> Path | None:
        text = self.text(key)
        return self.base / text if text and "\0" not in text else None

    def numbers(self, *keys: str) -> list[float] | None:
        """The values of `keys`, when all are numbers."""
        values = [self.values.get(key) for key in keys]
        # Compared first: a whole number of TOML may be too large for a float.
        numbers = [float(value) for value in values if isinstance(value, int | float) and abs(value) < _LARGEST]
        return numbers if len(numbers) == len(keys) else None

    def texts(self, key: str) -> list[tuple[int, str]]:
        """The texts in the array `key`, each with its index."""
        items = self.values.get(key)
        return [(i, item) for i, item in enumerate(items) if isinstance(item, str)] if isinstance(items, list) else []

    def table(self, key: str) -> "Table | None":
        value = self.values.get(key)
        return Table(value, self.base, (*self.at, key)) if isinstance(value, dict) else None

    def tables(self, key: str) -> Iterator["Table"]:
        items = self.values.get(key)
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict):
                yield Table(item, self.base, (*self.at, key, index))

    def finding(self, key: str, wrong: str, right: str) -> Finding:
        """Something wrong with the value of `key`, or with this table when `key` is empty."""
        return Finding((*self.at, key) if key else self.at, wrong, right)
