"""One finding."""

from dataclasses import dataclass
from typing import Final, Literal

from privacy.errors import PrivacyError

Verdict = Literal["ok", "warn", "fail"]
_HERE: Final = "portvakt doctor"
"""Hints that lead here lead nowhere from here."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""
    """What a person can do; empty where nothing is to be done."""


def broken(name: str, error: PrivacyError, otherwise: str) -> Check:
    """What an error says, with its own hint; or `otherwise` where it has none but this very verb."""
    mend = error.hint if error.hint and _HERE not in error.hint else otherwise
    return Check(name, "fail", str(error.args[0]), mend)
