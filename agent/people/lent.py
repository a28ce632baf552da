"""What crosses the API when somebody lends another a part of what they may do, or lets a program act for them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from agent.api.contract import Wire
from agent.rights.actions import Action, Group, Purpose
from agent.rights.grants import Reach, Utc
from privacy.hold import Role
from privacy.records import Identifier

Actions = Annotated[tuple[Action, ...], Meta(max_length=64)]
Groups = Annotated[tuple[Group, ...], Meta(max_length=16)]


class GrantBody(Wire, frozen=True, kw_only=True):
    """Lend `person` something, from `start` up to `end`."""

    person: Identifier
    actions: Actions = ()
    groups: Groups = ()
    """Of each of these, what the person can be lent and the giver may do."""
    reach: Reach
    purpose: Purpose
    start: Utc | None = None
    """Left out, or past: now."""
    end: Utc
    """Not included; a year after the start at the latest."""
    history_from: Utc | None = None
    """Show what was, from then on; left out: from the start on. Never from before the giver sees it."""
    by: Identifier | None = None
    """For the command line alone: in which owner's name. Left out: in that of the only one there is."""


class GrantView(Wire, frozen=True, kw_only=True):
    id: str
    person: str
    role: Role
    """In which it may be used: it ends with the role."""
    by: str
    purpose: Purpose
    actions: tuple[Action, ...]
    reach: Reach
    start: datetime
    end: datetime
    history_from: datetime
    """The earliest that it shows."""
    made: datetime


class TokenBody(Wire, frozen=True, kw_only=True):
    """Let a program do a part of what one may, from now up to `end`."""

    name: Annotated[str, Meta(max_length=200)]
    """What the person calls the program; 40 characters."""
    actions: Actions = ()
    groups: Groups = ()
    """Of each of these, what programs may do."""
    reach: Reach
    end: Utc
    """Not included; a year from now at the latest."""
    person: Identifier | None = None
    """For the command line alone: for which owner. Left out: for the only one there is."""


class TokenView(Wire, frozen=True, kw_only=True):
    id: str
    person: str
    name: str
    actions: tuple[Action, ...]
    reach: Reach
    start: datetime
    end: datetime


class NewTokenView(Wire, frozen=True, kw_only=True):
    """Shown once."""

    token: TokenView
    secret: str
    """For the header `Authorization: Bearer …`."""
