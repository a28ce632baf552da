"""Links that let one person in, once: an invitation, a way back in for who lost theirs, and the claim of the first."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from agent.errors import Refused
from agent.signin import codes, qr
from agent.signin.claim import already_claimed
from agent.signin.contract import WayInView
from agent.signin.credentials import Code, CodePurpose, Credential
from agent.signin.lookup import Lookup
from agent.signin.parts import Happened, Parts, owned
from agent.signin.refusals import reached
from privacy import entries

LIVES: Final[dict[CodePurpose, timedelta]] = {"invitation": timedelta(hours=24), "recovery": timedelta(minutes=15)}


class Links:
    """Makes them. Who may have one made is decided elsewhere."""

    def __init__(self, parts: Parts, lookup: Lookup) -> None:
        self._parts = parts
        self._lookup = lookup

    async def can_sign_in(self, person: str) -> bool:
        """Whether somebody has a way in of their own: a link for them is a recovery then, and no invitation."""
        credential = await self._parts.disk.run(self._parts.credentials.of, person)
        return credential is not None and credential.has_way

    async def make(self, person: str, by: str) -> WayInView:
        """A link for `person`; any that was made before is dead.

        Raises:
            Refused: `unknown_person`, `ordered`.
        """
        now, code = self._parts.clock.now(), codes.new_code(self._parts.random_bytes)
        made = await self._parts.disk.run(self._made, person, code)
        self._parts.record(entries.LinkMade(at=now, subject=person, actor=by, purpose=made.purpose))
        await self._parts.note(Happened(at=now, what="make_link", person=person, by=by))
        return self._view("in", code, made.until)

    async def claim(self) -> WayInView:
        """A link by which somebody makes the gateway theirs; for the hand at the box alone.

        Raises:
            Refused: `claimed`: it has an owner.
        """
        now = self._parts.clock.now()
        if owned(self._parts.household(), now):
            raise already_claimed()
        return self._view("claim", *await self._parts.disk.run(self._parts.claim.new_code, now))

    def _view(self, purpose: str, code: str, until: datetime) -> WayInView:
        # Behind `#`, a browser sends it nowhere: no log of requests ever has it.
        url = f"{self._parts.address()}/#{purpose}={code}"
        return WayInView(code=code, url=url, qr=qr.svg(url), until=until)

    # -- on the `Disk` thread

    def _made(self, person: str, code: str) -> Code:
        if self._lookup.person(person) is None:
            raise Refused("unknown_person", f"nobody here is {person}", hint="see `portvakt people list`")
        now, credentials = self._parts.certain.now(), self._parts.credentials
        credential = credentials.of(person) or Credential(person=person, at=now)
        purpose: CodePurpose = "recovery" if credential.has_way else "invitation"
        made = Code(hash=codes.code_hash(code), purpose=purpose, until=now + LIVES[purpose])
        if not credentials.put(msgspec.structs.replace(credential, codes=(made,))):
            raise reached()
        return made
