"""What somebody did, and the lines of it that the activity log keeps: one for each person, who alone is named in it."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec

from privacy.hold import Role
from privacy.merkle import leaf_hash
from privacy.sealed_file import Concerns, parsed

SALT_BYTES: Final = 32
MOST_CONCERNED: Final = 511
"""People in one deed, besides who did it; a home has fewer."""
NOBODY: Final = ""
"""In the place of a person's id: there is none."""

Utc = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that was done, seen or refused. Opaque ids and closed words alone: free text would be a leak."""

    at: datetime
    actor: str | None
    """The person who did it, or in whose name a program did; None: nobody who is known."""
    role: Role | None
    """As what they did it, at that time. It stays when they are erased."""
    action: str
    """A word of `agent.rights`, or of signing in."""
    allowed: bool = True
    code: str = ""
    """Of the refusal."""
    concerns: frozenset[str] = frozenset()
    """Who else it is about, and is told: people's ids."""
    purpose: str | None = None
    way: str | None = None
    """How somebody signed in, or tried to."""
    camera: str | None = None
    device: str | None = None
    record: str | None = None
    """What was looked at or changed. Where that is a person, they are in `concerns`, and this is left out."""
    token: str | None = None
    """The program that did it in the actor's name."""

    def __post_init__(self) -> None:
        """Refuse what can only be a mistake of the caller's, before others wait for it.

        Raises:
            ValueError: it concerns more people than any home has.
        """
        if len(self.concerns) > MOST_CONCERNED:
            raise ValueError(f"one deed cannot concern {len(self.concerns)} people")


class Line(msgspec.Struct, frozen=True, array_like=True):
    """The text of one line. It names nobody but `person`."""

    person: str
    """Whose line it is; `NOBODY` where the deed concerns nobody who is known."""
    at: Utc
    deed: int
    """The number of the deed's first line."""
    did: bool
    """Whether `person` did it; else it was done to them."""
    action: str
    allowed: bool
    code: str
    role: Role | None
    """Of who did it."""
    purpose: str | None
    way: str | None
    camera: str | None
    device: str | None
    record: str | None
    token: str | None

    @property
    def concerns(self) -> Concerns:
        return Concerns(self.at, self.camera, self.device, (self.person,) if self.person else ())


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A line as it lies inside the seal: its number, its salt, its text."""

    number: int
    salt: bytes
    text: bytes

    @property
    def leaf(self) -> bytes:
        """What the Merkle log has of it: without the salt nobody can guess what it commits to."""
        return leaf_of(self.salt, self.text)

    @property
    def line(self) -> Line | None:
        """What it says; None where that is of a later version."""
        return parsed(_decode_line, self.text)


_encode = msgspec.msgpack.Encoder().encode
_decode_line = msgspec.msgpack.Decoder(Line).decode
_decode_kept = msgspec.msgpack.Decoder(Kept).decode


def leaf_of(salt: bytes, text: bytes) -> bytes:
    """The leaf hash of a line: its entry in the log is HMAC-SHA-256(salt, text)."""
    return leaf_hash(hmac.digest(salt, text, "sha256"))


def lines_of(deed: Deed, first: int) -> Iterator[Line]:
    """The lines of a deed, of which the first gets the number `first`."""
    others = sorted(deed.concerns - {deed.actor})
    record = None if deed.record in {deed.actor, *others} else deed.record
    by_whom = [deed.actor] if deed.actor else []
    for person in [*by_whom, *others] or [NOBODY]:
        did = person == deed.actor != NOBODY
        yield Line(
            person=person,
            at=deed.at,
            deed=first,
            did=did,
            action=deed.action,
            allowed=deed.allowed,
            code=deed.code,
            role=deed.role,
            purpose=deed.purpose,
            way=deed.way,
            camera=deed.camera,
            device=deed.device,
            record=record,
            token=deed.token if did else None,
        )


def kept(number: int, salt: bytes, line: Line) -> Kept:
    """A line with its number and a fresh salt."""
    return Kept(number, salt, _encode(line))


def encoded(line: Kept) -> bytes:
    """As it is sealed."""
    return _encode(line)


def opened(payload: bytes) -> Kept | None:
    """The line in a payload; None where that is damaged, or of a later version."""
    return parsed(_decode_kept, payload)


def text_of(text: bytes) -> Line | None:
    """What a text says; None where it is none."""
    return parsed(_decode_line, text)
