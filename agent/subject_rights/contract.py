"""What crosses the API about a person's rights over what is kept of them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from agent.api.contract import Wire
from privacy.exports import Failure, Language
from privacy.records import Identifier, RecordClass, Scope

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class ExportBody(Wire, frozen=True, kw_only=True):
    """All that is kept of one person, or a part of it."""

    scope: Scope | None = None
    """None, or one that names nobody: of whoever asks. It names one person at the most."""
    language: Language | None = None
    """Of the pages in it; None: the person's."""


class ExportView(Wire, frozen=True, kw_only=True):
    """An export that somebody asked for, and its deadlines."""

    id: str
    person: str
    scope: Scope
    state: Literal["making", "ready", "failed"]
    failure: Failure | None = None
    """`ordered`: an order to erase came meanwhile; `disk_short`: there was no room."""
    asked: datetime
    promised: datetime
    """By when we mean to have made it."""
    legal_deadline: datetime
    """By when the law wants it (GDPR, article 12)."""
    ready: datetime | None = None
    gone: datetime
    """By when it is not here any more."""
    size: int = 0
    sha256: str = ""


class RestrictBody(Wire, frozen=True, kw_only=True):
    """What is kept of one person is kept, and neither viewed nor uploaded, for a while."""

    subject: Identifier | None = None
    """None: of whoever asks."""
    classes: tuple[RecordClass, ...] = ()
    """Empty: all that can be."""
    start: Aware | None = None
    end: Aware | None = None
    until: Aware | None = None
    """When that is over; None: as late as may be."""


class ObjectBody(Wire, frozen=True, kw_only=True):
    """Somebody objects to what is kept of them, of one kind."""

    record_class: RecordClass


class ObjectionView(Wire, frozen=True, kw_only=True):
    """The answer, which is in the activity log, too."""

    record_class: RecordClass
    asked: datetime
    answered: datetime
    legal_deadline: datetime
    outcome: Literal["withdrawn", "erased", "refused"]
    """`withdrawn`: it rested on consent. `erased`: on an interest that does not outweigh theirs. `refused`: on another
    ground, which `nb` and `en` state."""
    basis: tuple[str, ...]
    order: str | None = None
    """What erases what there was."""
    nb: str
    en: str
