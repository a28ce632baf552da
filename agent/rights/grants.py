"""Rights that somebody gave somebody: for a purpose, over a part of the home, until an end."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, TypeVar

import msgspec

from agent.rights.actions import Action, Group, Purpose
from privacy.errors import PrivacyError
from privacy.hold import Role
from privacy.records import Identifier, RecordClass

Utc = Annotated[datetime, msgspec.Meta(tz=True)]
Read = TypeVar("Read", bound="Lent")


class Reach(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Which part of a home. Places widen it (or), classes narrow it (and), as in `privacy.records.Scope`.

    One that names no place reaches nothing: the whole home has to be said, with `home`.
    """

    home: bool = False
    rooms: tuple[Identifier, ...] = ()
    cameras: tuple[Identifier, ...] = ()
    devices: tuple[Identifier, ...] = ()
    classes: tuple[RecordClass, ...] = ()


class Lent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """What a grant and a program's token have in common: a part of somebody's rights, for a time."""

    id: Identifier
    person: Identifier
    """Who may use it."""
    actions: tuple[Action, ...] = ()
    groups: tuple[Group, ...] = ()
    reach: Reach
    start: Utc
    end: Utc
    """Not included."""

    def __post_init__(self) -> None:
        """Refuse what can only be a mistake."""
        if not (self.actions or self.groups):
            raise ValueError("it names no action")
        if self.start >= self.end:
            raise ValueError("it ends before it begins")

    def lasts(self, at: datetime) -> bool:
        return self.start <= at < self.end


class Grant(Lent, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody (`by`) lets somebody (`person`, in `role`) do something.

    It never carries more than its giver may do, at the time of its use, by their own role.
    """

    role: Role
    by: Identifier
    purpose: Purpose
    history_from: Utc | None = None
    """The earliest that it shows. None: from `start` on, which is when access was given."""

    @cached_property
    def since(self) -> datetime:
        """The earliest that it shows."""
        return self.history_from or self.start


class Token(Lent, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program acts for `person`: it may do a part of what they may, and never more."""


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks: a person, or a program with one of their tokens."""

    person: Identifier
    token: Identifier | None = None


def read(kind: type[Read], text: bytes | str) -> Read:
    """A `Grant` or a `Token` out of JSON.

    Raises:
        PrivacyError: it is not exactly one.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrivacyError(f"not a {kind.__name__.lower()}: {error}", hint="have it made anew") from error


def named(lent: Lent, of_group: Iterable[tuple[Action, Group]]) -> frozenset[Action]:
    """Every action that it names, by itself or by its group."""
    return frozenset(lent.actions) | {action for action, group in of_group if group in lent.groups}
