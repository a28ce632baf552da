"""Pseudonyms that last a day: `<class:token>`, the same for the same value until midnight UTC."""

import base64
import hmac
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import lru_cache

from privacy.keyring import KeyEntry, KeyRing
from privacy.lifetime import Lifetime
from privacy.moment import Moment
from privacy.records import RecordClass
from privacy.redaction.labels import NEVER_TOKENISED, Label
from privacy.sealed_file import Info
from privacy.timekeeping import TimeKeeper

TOKEN_CHARACTERS = 10
"""50 bits: among the 10,000 values that a home may show in a day, two share a token once in 20 million days."""
KIND = "pseudonyms"

DayKey = Callable[[date], bytes]
"""The 32 bytes under which one day's pseudonyms are made. They never leave."""


class Pseudonyms:
    """HMAC-SHA256 under the key of the day."""

    def __init__(self, day_key: DayKey) -> None:
        self._day_key = day_key

    def stand_in(self, label: Label, value: str, day: date) -> str:
        """What stands for `value`, which the caller brought into the one spelling of its class."""
        if label in NEVER_TOKENISED:
            return f"<{label}>"
        message = f"{label}\0{value}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._day_key(day), message, "sha256")
        return f"<{label}:{base64.b32encode(digest)[:TOKEN_CHARACTERS].decode().lower()}>"


def derived(key: bytes) -> DayKey:
    """Day keys that live as long as `key`: for one run without a state directory, under a random key."""

    @lru_cache(maxsize=1)
    def day_key(day: date) -> bytes:
        return hmac.digest(key, b"pseudonyms/" + day.isoformat().encode(), "sha256")

    return day_key


class DayKeys:
    """Day keys in the ring: a fresh random one a day, dead when the operation log's limit is over for its first use.

    From then on nobody can say, by trying names, whom a line meant that left long ago. This is a `DayKey`. Every method
    blocks: call it on the `Disk` thread.

    Raises (all methods):
        StoreBroken: the medium refused.
    """

    def __init__(self, ring: KeyRing, time: TimeKeeper, limit: timedelta) -> None:
        self._ring = ring
        self._time = time
        self._lifetime = Lifetime(time, RecordClass.OP_LOG, limit)

    def __call__(self, day: date) -> bytes:
        name = day.isoformat()
        known = [entry for entry in self._entries() if Info.of(entry).name == name]
        if not known:
            known = [self._ring.add(KIND, Info(name, self._time.moment()).to_bytes())]
        # Durable before it is used, and each time because that may have failed: else a power cut changes pseudonyms.
        self._ring.sync()
        return known[-1].key

    def expire(self, ahead: timedelta) -> int:
        """Have the keys die that are due within `ahead`, the time until the next run; returns how many."""
        due = self._lifetime.due(ahead)
        return self._forget([entry for entry in self._entries() if due(Info.of(entry).moment)])

    def forget(self) -> int:
        """Have every key die, as when everything is erased; returns how many."""
        return self._forget(self._entries())

    def moments(self) -> Iterator[Moment]:
        """When each key was born, for the time keeper at a start."""
        return (Info.of(entry).moment for entry in self._entries())

    def _entries(self) -> list[KeyEntry]:
        return list(self._ring.entries(KIND).values())

    def _forget(self, entries: list[KeyEntry]) -> int:
        with self._ring.change() as change:
            for entry in entries:
                change.forget(entry.id)
        return len(entries)
