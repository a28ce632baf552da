"""Proofs that somebody is who they say: a password with its second factor, or a passkey. Guesses are slowed down.

A medium that refuses keeps nobody out who proves it: they may come to make room on it.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from agent.errors import Refused
from agent.signin import recovery_codes
from agent.signin.ceremonies import Site
from agent.signin.contract import PasskeyBody
from agent.signin.credentials import Credential
from agent.signin.lookup import Lookup
from agent.signin.parts import Parts
from agent.signin.passkeys import id_of, require_sound, used
from agent.signin.refusals import TooManyGuesses, busy, reached, second_factor, wrong_code, wrong_credentials
from agent.signin.second_factor import step_of
from agent.signin.sessions import OpenSession
from privacy.errors import StoreBroken

log = logging.getLogger(__name__)

Proven = tuple[Credential | None, Refused | None]
"""Of whom it was, if of anybody known, and why it is refused, if it is."""

AT_ONCE: Final = 16
"""Lookups of who somebody is at the same time, in all; each waits for the disk."""
OF_ONE: Final = 4
"""Of one login. Else whoever floods one would keep all others out for as long."""


class Proofs:
    """Where somebody is found, a refusal is returned beside them, so that they can be told. Else it is raised."""

    def __init__(self, parts: Parts, lookup: Lookup) -> None:
        self._parts = parts
        self._lookup = lookup
        self._looking: Counter[str] = Counter()
        self._steps: dict[str, int] = {}
        """The last step of each second factor that this run has seen: used up, whether or not the medium took it."""

    @contextmanager
    def turn(self, of: str = "") -> Iterator[None]:
        """One lookup, `of` a login or of anybody.

        Raises:
            Refused: `busy`, `too_many_guesses`.
        """
        if self._looking.total() >= AT_ONCE:
            raise busy()
        if of and self._looking[of] >= OF_ONE:
            raise TooManyGuesses(1)
        self._looking[of] += 1
        try:
            yield
        finally:
            self._looking[of] -= 1
            if not self._looking[of]:
                del self._looking[of]

    async def login(self, login: str, password: str, second: str, browser: str | None) -> Proven:
        """Whom `login` (of `login_of`) and `password` are of, if anybody.

        `browser` is what a browser says that it is; it counts where it is known to be that person's. For who has none
        the try is counted before anybody is looked up.

        Raises:
            Refused: `too_many_guesses`, `busy`.
        """
        brake = self._parts.brake
        if browser is None and (wait := brake.attempt(login)):
            raise TooManyGuesses(wait)
        try:
            with self.turn(login):
                credential = await self._parts.disk.run(self._lookup.by_login, login)
        except Refused:
            if browser is None:
                brake.withdraw(login)
            raise
        known = browser if credential and credential.knows(browser, self._parts.clock.now()) else None
        if browser is not None and (wait := brake.attempt(login, known)):
            raise TooManyGuesses(wait)
        return await self._password(credential, password, second, (login, known))

    async def again(self, session: OpenSession, password: str, second: str) -> Proven:
        """The password of who has signed in already; raises: as `login`."""
        # The id of a session is random, and nobody else knows it.
        bucket = f"session {session.id}"
        if wait := self._parts.brake.attempt(bucket):
            raise TooManyGuesses(wait)
        credential = await self._parts.disk.run(self._parts.credentials.of, session.person)
        return await self._password(credential, password, second, (bucket, None), known=True)

    async def _password(
        self,
        credential: Credential | None,
        password: str,
        second: str,
        bucket: tuple[str, str | None],
        *,
        known: bool = False,
    ) -> Proven:
        """Look at the password, and at the second factor behind it. The try is counted already."""
        parts, brake = self._parts, self._parts.brake
        stored = credential.password if credential else None
        try:
            right = await parts.queue.verify(stored, password, known=known or bucket[1] is not None)
        except Refused:
            brake.withdraw(*bucket)
            raise
        if not right or credential is None:
            return credential, wrong_credentials()
        if credential.second and not second:
            brake.withdraw(*bucket)
            return credential, second_factor()
        if refusal := await parts.disk.run(self._spend_second, credential, second):
            return credential, refusal
        brake.succeeded(*bucket)
        await self._renew(credential, password)
        return credential, None

    async def passkey(self, body: PasskeyBody, site: Site, person: str | None = None) -> Proven:
        """Whose passkey answered; `person`: the question was put to them.

        Raises:
            Refused: `busy`.
        """
        parts, id_ = self._parts, id_of(body.credential)
        with self.turn():
            found = await parts.disk.run(parts.credentials.by_passkey, id_)
        credential = found[0] if found else None
        try:
            count = parts.passkeys.answered(body.ceremony, body.credential, site=site, found=found, person=person)
            credential = await parts.disk.run(self._count, found[0].person if found else "", id_, count)
            require_sound(credential, id_)
        except Refused as refusal:
            return credential, refusal
        return credential, None

    async def _renew(self, credential: Credential, password: str) -> None:
        """Hash anew what was hashed at another cost."""
        if self._parts.passwords.needs_rehash(credential.password or ""):
            new = await self._parts.queue.hashed(password)
            await self._parts.disk.run(self._rehash, credential, new)

    # -- on the `Disk` thread, where nothing comes between looking and writing

    def _spend_second(self, seen: Credential, second: str) -> Refused | None:
        """Use the second factor up, if there is one: it opens once."""
        current = self._current(seen)
        if current is None:
            return wrong_credentials()
        if not current.second:
            return None
        last = max(current.second_step, self._steps.get(seen.person, -1))
        step = step_of(current.second, second, self._parts.clock.now(), last)
        if step is not None:
            self._steps[seen.person] = step
            spent = msgspec.structs.replace(current, second_step=step)
        elif (left := recovery_codes.spent(current.recovery, second)) is not None:
            spent = msgspec.structs.replace(current, recovery=left)
        else:
            return wrong_code("a code is good once; wait for the next, or use a recovery code")
        try:
            return None if self._parts.credentials.put(spent) else wrong_credentials()
        except StoreBroken as error:
            if step is None:
                raise  # a recovery code is good once, also after a restart
            log.warning("that a second factor was used could not be written down: %s", error)
            return None

    def _rehash(self, seen: Credential, new: str) -> None:
        if current := self._current(seen):
            self._parts.credentials.put(msgspec.structs.replace(current, password=new))

    def _current(self, seen: Credential) -> Credential | None:
        """The same person's as it is now, unless the password was changed since it was looked at."""
        current = self._parts.credentials.of(seen.person)
        return current if current and current.password == seen.password else None

    def _count(self, person: str, id_: bytes, count: int) -> Credential:
        current = self._parts.credentials.of(person)
        if current is None:
            raise reached()
        counted = used(current, id_, count, self._parts.clock.now())
        try:
            if not self._parts.credentials.put(counted):
                raise reached()
        except StoreBroken as error:
            log.warning("that a passkey was used could not be written down: %s", error)
        return counted
