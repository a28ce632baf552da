"""What is wrong with a configuration file, said so that a person can mend it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BARE = re.compile(r"[A-Za-z0-9_-]+")

Keys = tuple[str | int, ...]
"""Where a value stands: names of tables and keys, and positions in arrays from 0."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at `at`, before anybody has looked up the line.

    Neither text ever holds a value that could be a secret: of texts, only ids and choices are repeated.
    """

    at: Keys
    wrong: str
    right: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the file. `line` and `column` count from 1; None when it is about the file as a whole."""

    line: int | None
    column: int | None
    key: str
    """Such as `camera[0].url`; empty where the file is not even TOML."""
    wrong: str
    right: str

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.line, self.column) if part is not None)
        said = f"{self.key}: {self.wrong}" if self.key else self.wrong
        return f"{where}: {said}; {self.right}" if where else f"{said}; {self.right}"


def dotted(at: Keys) -> str:
    """`("camera", 0, "url")` as `camera[0].url`; a key that TOML has to quote is quoted."""
    text = ""
    for key in at:
        part = key if isinstance(key, int) or _BARE.fullmatch(key) else json.dumps(key)
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def report(path: Path, problems: Sequence[Problem]) -> str:
    """All problems, one a line, each beginning with file, line and column as compilers say them."""
    return "\n".join(f"{path}:{'' if problem.line else ' '}{problem}" for problem in problems)
