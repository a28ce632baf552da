"""What `PROMISES.md` says of each record class, and whether a state directory keeps to it.

That is read by nobody's code but the tests' own reader of `privacy/FORMAT.md`. It goes by the true time, and by when
each record was first seen on the disk: what the records say of themselves, or the gateway of the time, does not count.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.privacy.format_reader import FOLDERS, State
from tests.privacy.format_records import Entry, opened_log

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SIX_MONTHS: Final = timedelta(days=180)
A_BOOT: Final = timedelta(minutes=10)
"""How much earlier each boot may make a record go: what the count of the time powered on may have missed."""


@dataclass(frozen=True)
class Promise:
    """A record of one kind of file goes after `limit`, and not earlier than that by more than `early`."""

    limit: timedelta
    early: timedelta
    in_doubt: bool = False
    """After a day of uptime without known time, whatever cannot be shown to be young enough goes."""


def promised(limit: timedelta, *, in_doubt: bool = False) -> Promise:
    """A file goes as a whole, and takes records for a 72nd of the limit, a day at most; expiry runs each hour."""
    return Promise(limit, min(limit / 72, DAY) + HOUR, in_doubt)


PROMISES: Final = {
    "snapshots": Promise(7 * DAY, 2 * HOUR, in_doubt=True),  # from the first picture of the hour
    "operation-log": promised(timedelta(hours=72), in_doubt=True),
    "spool": promised(timedelta(hours=72), in_doubt=True),
    "activity": Promise(SIX_MONTHS, 30 * DAY + HOUR),  # a person's month dies as a whole
    "exports": promised(DAY),
    "camera-login-store": promised(7 * DAY),
    "sensor-history-store": promised(30 * DAY, in_doubt=True),
    "presence-store": promised(7 * DAY, in_doubt=True),
    "wearer-position-store": promised(DAY, in_doubt=True),
    "alarm-store": promised(SIX_MONTHS),
    "visit-store": promised(SIX_MONTHS),
    "backup-store": promised(30 * DAY),
    "support-cases": promised(3 * 365 * DAY),
    "disclosures": promised(3 * 365 * DAY),
}
WHILE_KNOWN: Final = ("person-register", "credentials", "consents", "grants", "web-sessions")
"""What lives as long as something else does: the test says as long as what."""


@dataclass(frozen=True)
class Now:
    """The true state of things when it is looked."""

    at: datetime
    powered: float
    """Seconds that the box was on in all."""
    boots: int
    known: bool
    """Whether the gateway can know the time."""
    doubt: float = 0.0
    """Seconds of uptime since it last could."""


@dataclass(frozen=True)
class Seen:
    """A record, and when it was first on the disk."""

    kind: str
    what: Any
    born: Now
    camera: str | None


class Watcher:
    """Looks at a state directory each day."""

    def __init__(self, state: Path) -> None:
        self._path = state
        self._state: State
        self._read: dict[tuple[bytes, int], list[bytes]] = {}
        self.seen: dict[tuple[str, bytes], Seen] = {}
        self.kept_until: datetime | None = None
        """A hold keeps every picture of the camera `front` until then."""
        self.ordered = False
        """Something was erased by an order since the last look: a death says nothing then."""

    def look(self, now: Now) -> list[str]:
        """What is wrong: a record past its limit, or one that died too early."""
        self._state = state = State(self._path)
        here = {key: what for key, what in self._records(state) if key[0] in PROMISES}
        wrong = []
        for key in self.seen.keys() - here.keys():
            gone = self.seen.pop(key)
            if not self.ordered and (why := self._early(gone, now)):
                wrong.append(why)
        for key, what in here.items():
            camera = what.get("camera") if isinstance(what, dict) else None
            known = self.seen.setdefault(key, Seen(key[0], what, now, camera))
            if why := self._late(known, now):
                wrong.append(why)
        self.ordered = False
        return wrong

    def json_of(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind that are JSON, as they lay there at the last look."""
        return [json.loads(payload) for payload in self._state.log(kind)]

    def count(self, kind: str) -> int:
        """How many records of that kind were there at the last look."""
        return sum(key[0] == kind for key in self.seen)

    def _records(self, state: State) -> Iterator[tuple[tuple[str, bytes], Any]]:
        for entry in state.entries:
            if entry.kind in PROMISES and entry.kind != "snapshots":
                for payload in self._payloads(state, entry):
                    yield (entry.kind, hashlib.sha256(payload).digest()), payload
        for metadata, _, image in state.snapshots():
            mark = hashlib.sha256(repr(sorted(metadata.items())).encode() + image).digest()
            yield ("snapshots", mark), metadata

    def _payloads(self, state: State, entry: Entry) -> list[bytes]:
        """Of one file; read anew where it has grown."""
        path = self._path / FOLDERS.get(entry.kind, entry.kind) / f"{entry.id.hex()}.log"
        data = path.read_bytes() if path.exists() else b""
        found = self._read.get((entry.id, len(data)))
        if found is None:
            found = list(opened_log(data, state.cipher, entry.key, entry.kind))
            self._read[entry.id, len(data)] = found
        return found

    def _held(self, seen: Seen, now: Now) -> bool:
        return seen.camera == "front" and self.kept_until is not None and now.at < self.kept_until

    def _late(self, seen: Seen, now: Now) -> str:
        promise = PROMISES[seen.kind]
        true = now.at - seen.born.at
        on = timedelta(seconds=now.powered - seen.born.powered)
        doubtful = promise.in_doubt and now.doubt >= DAY.total_seconds() and seen.born.boots < now.boots
        age = true if now.known or doubtful else on
        late = age > promise.limit and not self._held(seen, now)
        return f"{seen.kind} of {seen.born.at} is {age} old at {now.at}: {seen.what!r}" if late else ""

    def _early(self, seen: Seen, now: Now) -> str:
        promise = PROMISES[seen.kind]
        # What was written while nobody knew the time has an age that is in doubt, and may go early by that doubt.
        if promise.in_doubt and not (seen.born.known and now.known):
            return ""
        early = promise.early + A_BOOT * (now.boots - seen.born.boots)
        too_early = now.at - seen.born.at < promise.limit - early or self._held(seen, now)
        return f"{seen.kind} of {seen.born.at} was gone at {now.at}: {seen.what!r}" if too_early else ""
