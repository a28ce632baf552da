"""Passwords: what makes a good one, how it is kept, and that looking at one costs the same whoever is asked for.

Kept as Argon2id (RFC 9106) with a random salt. The cost is chosen so that a Raspberry Pi 4 needs about a quarter of a
second, with one thread, so that its other cores are left to the house:

- Argon2id's work is memory times passes. A Pi 4 with all four cores does about 600 MiB a second. cryptsetup's benchmark
  reports 4 passes over 320,139 KiB with 4 threads in 2 s, 625 MiB/s (blog.stackframe.dev/46: a Pi, by its AES figures a
  Pi 4). hashcat's reports 3 hashes a second on four Cortex-A72, of what its self-test has, 3 passes over 64 MiB:
  576 MiB/s, give or take a sixth (its pull requests 4314 and 4316).
- One core was not found measured. It does a quarter of that at the least, where four do not get into each other's way,
  and all of it at the most, where memory is what they wait for. Assumed is half, 310 MiB/s, the geometric middle.
- So 2 passes over 40 MiB take about 260 ms, and by those figures between 130 and 530. That is twice what OWASP asks for
  at the least (2 passes over 19 MiB).
- Measured was x86-64 alone: one thread of an EPYC server needs 78 ms, 1,025 MiB/s, 3.3 times what a Pi is taken to do.
"""

import asyncio
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from agent.errors import Refused
from privacy.seal import RandomBytes

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

SHORTEST: Final = 10
"""Characters. NIST SP 800-63B asks for 8, and for 15 where nothing else is asked for; the brake lies between."""
LONGEST: Final = 256
"""Bytes of UTF-8, so that nobody has the gateway hash a novel."""
WEAKEST: Final = 3
"""zxcvbn's score, 0 to 4: 10^8 guesses or more, where a known browser's bucket allows about a hundred a day."""
SALT_BYTES: Final = 16
_LOOKED_AT: Final = 72
"""Characters that zxcvbn looks at, as by default: its time grows with the square of them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one hash: passes, KiB of memory, threads."""

    passes: int
    memory: int
    lanes: int = 1


PI_4: Final = Cost(passes=2, memory=40 * 1024)


class Passwords:
    """Hashes passwords and compares them. Blocking: a quarter of a second, for most of which the GIL is free."""

    def __init__(self, random_bytes: RandomBytes, cost: Cost = PI_4) -> None:
        self._random_bytes = random_bytes
        self._cost = cost
        self._hasher: PasswordHasher | None = None
        self._dummy = ""

    def hashed(self, text: str) -> str:
        """`text` as it is kept, with salt and cost: `$argon2id$v=19$…`."""
        return self._loaded().hash(_composed(text), salt=self._random_bytes(SALT_BYTES))

    def matches(self, stored: str | None, text: str) -> bool:
        """Whether `text` is the password that is kept as `stored`.

        None, where there is nobody or no password, costs the same as a wrong password, and is never right.
        """
        from argon2.exceptions import VerificationError  # noqa: PLC0415 - loaded with the hasher

        hasher = self._loaded()
        try:
            return hasher.verify(stored or self._dummy, _composed(text)) and bool(stored)
        except (VerificationError, ValueError):  # wrong, or what is kept is no hash
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made at another cost: hash the password anew when it has just been shown to be right."""
        return self._loaded().check_needs_rehash(stored)

    def _loaded(self) -> "PasswordHasher":
        """The hasher; and, once, a hash that no password has."""
        if self._hasher is None:
            from argon2 import PasswordHasher  # noqa: PLC0415 - only who signs in with a password needs it

            cost = self._cost
            hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes)
            self._dummy = hasher.hash(self._random_bytes(32), salt=self._random_bytes(SALT_BYTES))
            self._hasher = hasher
        return self._hasher


def check(text: str, about: Sequence[str] = ()) -> None:
    """That `text` is good enough as a password: long, and hard to guess. No rules of composition (NIST SP 800-63B).

    Takes up to some tens of milliseconds: call it in a thread.

    Args:
        text: as it was typed.
        about: what a guesser who knows the person tries first: their name, address and number, the house.

    Raises:
        Refused: `bad_password`, and what would make it better; it never repeats the password.
    """
    composed = _composed(text)
    if len(composed) < SHORTEST:
        raise Refused(
            "bad_password", f"a password has {SHORTEST} characters or more", hint="three or four unusual words are fine"
        )
    if len(composed.encode()) > LONGEST:
        raise Refused("bad_password", f"a password has {LONGEST} bytes at the most", hint="a sentence is long enough")
    from zxcvbn import matching, zxcvbn  # noqa: PLC0415 - some MB of word lists, for whoever sets a password

    try:
        found = zxcvbn(composed[:_LOOKED_AT], user_inputs=_words(about), max_length=_LOOKED_AT)
    finally:
        matching.RANKED_DICTIONARIES.pop("user_inputs", None)  # where the library would keep them until the next call
    if found["score"] < WEAKEST:
        feedback = found["feedback"]
        hint = " ".join([*filter(None, [feedback["warning"]]), *feedback["suggestions"]])
        raise Refused("bad_password", "this password is easy to guess", hint=hint or "add another word or two")


def _composed(text: str) -> str:
    """The same however a keyboard made it: NFKC (NIST SP 800-63B, 5.1.1.2). A lone surrogate is no text, and is `?`."""
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode()


def _words(about: Sequence[str]) -> list[str]:
    """Each of `about`, and each word in it."""
    folded = [text.casefold() for text in about if text]
    return [*folded, *(word for text in folded for word in text.replace("@", " ").replace(".", " ").split())]


class PasswordQueue:
    """Looks at passwords beside the event loop: one at a time, and the rest wait, but not too many.

    Whoever sits at a browser that is known (`Credential.knows`) waits in a queue of their own, which goes first. So a
    flood of strangers' guesses fills their own queue, and keeps nobody of the house out.
    """

    WAITING: Final = 16
    """In each queue."""

    def __init__(self, passwords: Passwords, at_once: int = 1) -> None:
        self._passwords = passwords
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="passwords")
        self._free = at_once
        self._known: deque[asyncio.Future[None]] = deque()
        self._strangers: deque[asyncio.Future[None]] = deque()

    async def verify(self, stored: str | None, text: str, *, known: bool = False) -> bool:
        """As `Passwords.matches`.

        Raises:
            Refused: `busy`, too many are waiting.
        """
        return await self._run(known, lambda: self._passwords.matches(stored, text))

    async def hashed(self, text: str, *, known: bool = True) -> str:
        """As `Passwords.hashed`. Who sets a password has signed in already.

        Raises:
            Refused: `busy`.
        """
        return await self._run(known, lambda: self._passwords.hashed(text))

    async def check(self, text: str, about: Sequence[str] = ()) -> None:
        """As `check`.

        Raises:
            Refused: `bad_password`, `busy`.
        """
        await self._run(True, lambda: check(text, about))

    def close(self) -> None:
        """Finish what has begun."""
        self._threads.shutdown(wait=True)

    async def _run(self, known: bool, call: Callable[[], T]) -> T:  # noqa: FBT001 - private
        async with self._turn(known):
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @asynccontextmanager
    async def _turn(self, known: bool) -> AsyncIterator[None]:  # noqa: FBT001 - private
        if self._free:
            self._free -= 1
        else:
            await self._wait(self._known if known else self._strangers)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        if len(queue) >= self.WAITING:
            raise Refused("busy", "too many are signing in at once", hint="try again in a few seconds")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._pass_on()  # it had become their turn
            elif turn in queue:
                queue.remove(turn)
            raise

    def _pass_on(self) -> None:
        """To whoever waits longest, known ones first; else it is free."""
        for queue in (self._known, self._strangers):
            while queue:
                turn = queue.popleft()
                if not turn.done():  # else they have just given up
                    turn.set_result(None)
                    return
        self._free += 1
