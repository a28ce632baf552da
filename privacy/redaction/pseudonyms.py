"""Pseudonyms that last a day: `<class:token>`, the same for the same value until midnight UTC."""

import base64
import hmac
from datetime import date

from privacy.redaction.labels import NEVER_TOKENISED, Label

TOKEN_CHARACTERS = 10
"""50 bits: among the 10,000 values that a home may show in a day, two share a token once in 20 million days."""


class Pseudonyms:
    """HMAC-SHA256 under a key for the day, itself derived from the household's key, which never leaves."""

    def __init__(self, household_key: bytes) -> None:
        self._household_key = household_key
        self._day: date | None = None
        self._day_key = b""

    def stand_in(self, label: Label, value: str, day: date) -> str:
        """What stands for `value`, which the caller brought into the one spelling of its class."""
        if label in NEVER_TOKENISED:
            return f"<{label}>"
        if day != self._day:
            self._day_key = hmac.digest(self._household_key, b"pseudonyms/" + day.isoformat().encode(), "sha256")
            self._day = day
        message = f"{label}\0{value}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._day_key, message, "sha256")
        return f"<{label}:{base64.b32encode(digest)[:TOKEN_CHARACTERS].decode().lower()}>"
