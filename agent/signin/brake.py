"""The brake on guessing. It slows down who guesses, and cannot lock the owner out of their own house.

A login that is guessed at waits longer with each failure. A browser that has signed in before as that person does not
wait for strangers: it has a bucket of its own, so that somebody who guesses all night slows down only themselves, and
whoever signs in anew. Logins that nobody has are counted like all others, so that the brake tells nobody who exists.
Everything is in memory: a restart releases it, and a restart takes longer than the guesses that it would give away.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from privacy.clock import Clock

FREE: Final = 5
"""Failures without a wait: fingers slip, and the second factor is a second try."""
LONGEST: Final = 15 * 60
"""Seconds."""
FORGOTTEN: Final = 24 * 3600
"""Seconds after the last failure."""
MOST: Final = 4096
"""Buckets. Where one more is needed, one with the fewest failures goes, the oldest of them: so that inventing logins
releases none that is being guessed at. A try that is withdrawn leaves no bucket. So driving out another's takes as many
passwords that were looked at, and looking takes longer than the longest wait."""


@dataclass(slots=True)
class _Bucket:
    failures: int
    last: float
    """When the last of them was."""
    before: float
    """When the one before it was, for `withdraw`."""

    def wait(self, now: float) -> float:
        if self.failures < FREE:
            return 0.0
        doublings = min(self.failures - FREE, LONGEST.bit_length())
        return max(self.last + min(1 << doublings, LONGEST) - now, 0.0)


class Brake:
    """Counts failures by login, and for browsers that are known by browser and login.

    `browser` is the random id in the cookie of a browser that *is known for the person of this login*
    (`Credential.knows`); None for all others. Whoever passes on what nobody has checked gives a guesser as many
    buckets as they can invent.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[bytes, _Bucket] = {}

    def check(self, login: str, browser: str | None = None) -> float:
        """Seconds to wait before the next try; 0: now. Changes nothing."""
        bucket = self._buckets.get(_key(login, browser))
        return bucket.wait(self._clock.monotonic()) if bucket else 0.0

    def attempt(self, login: str, browser: str | None = None) -> float:
        """As `check`; where it says 0, the try counts as failed from now on: of a thousand at once not all are free.

        Then say `succeeded`, or `withdraw` where it was never looked at.
        """
        wait = self.check(login, browser)
        if not wait:
            self.failed(login, browser)
        return wait

    def failed(self, login: str, browser: str | None = None) -> None:
        """A try has failed."""
        now, key = self._clock.monotonic(), _key(login, browser)
        bucket = self._buckets.get(key)
        if bucket is None or now - bucket.last > FORGOTTEN:
            self._make_room(key)
            bucket = self._buckets[key] = _Bucket(0, now, now)
        bucket.failures += 1
        bucket.before, bucket.last = bucket.last, now

    def withdraw(self, login: str, browser: str | None = None) -> None:
        """The last `attempt` was not looked at, such as for a queue that is full: it is as if it had not been made."""
        key = _key(login, browser)
        if bucket := self._buckets.get(key):
            bucket.failures -= 1
            bucket.last = bucket.before
            if not bucket.failures:
                del self._buckets[key]

    def succeeded(self, login: str, browser: str | None = None) -> None:
        """Somebody has signed in: their own bucket is empty again, and no other."""
        self._buckets.pop(_key(login, browser), None)

    def _make_room(self, key: bytes) -> None:
        if len(self._buckets) >= MOST and key not in self._buckets:
            least, _ = min(self._buckets.items(), key=lambda each: (each[1].failures, each[1].last))
            del self._buckets[least]


def _key(login: str, browser: str | None) -> bytes:
    """What is counted together; a hash, so that no login lies here in the clear."""
    mark = b"login" if browser is None else b"browser" + _hash(browser)
    return hashlib.sha256(mark + b"\0" + _hash(login)).digest()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
